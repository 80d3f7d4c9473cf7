//! The two tables: what takes time, and what can be counted.

use std::fmt;

/// Something that takes time; in microseconds.
pub struct Time {
    /// What.
    pub what: &'static str,
    /// How long it takes here, by the back end that is built in.
    pub ours: f64,
    /// How long its primitives take by themselves.
    pub sum: Option<f64>,
    /// How long vodozemac takes for it.
    pub peer: Option<f64>,
    /// What is asked of it.
    pub target: Target,
}

/// What is asked of a time.
#[derive(Default)]
pub struct Target {
    /// At most this many times the sum.
    pub of_sum: Option<f64>,
    /// At least this many times as fast as the peer, with the fast back end.
    pub of_peer: Option<f64>,
    /// At most so many microseconds.
    pub most: Option<f64>,
}

impl Time {
    /// Whether it is what is asked.
    pub fn holds(&self) -> bool {
        let sum = self.target.of_sum.zip(self.sum).is_none_or(|(most, sum)| self.ours <= most * sum);
        let fast = cfg!(feature = "aws-lc");
        let peer = self.target.of_peer.zip(self.peer).is_none_or(|(least, peer)| !fast || self.ours * least <= peer);
        sum && peer && self.target.most.is_none_or(|most| self.ours <= most)
    }

    /// The head of the table.
    pub const HEAD: &str = "\
| median, microseconds                                     |   ours | primitives | ratio | vodozemac | faster | asked                 | holds |
|----------------------------------------------------------|-------:|-----------:|------:|----------:|-------:|-----------------------|-------|";
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
        let (ratio, faster) = (self.sum.map(|sum| self.ours / sum), self.peer.map(|peer| peer / self.ours));
        let (what, ours, holds) = (self.what, self.ours, if self.holds() { "yes" } else { "NO" });
        let (sum, ratio, peer, faster) = (number(self.sum), number(ratio), number(self.peer), number(faster));
        let target = self.target.to_string();
        write!(
            f,
            "| {what:<56} | {ours:>6.2} | {sum:>10} | {ratio:>5} | {peer:>9} | {faster:>6} | {target:<21} | {holds:<5} |"
        )
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.of_sum.map(|most| format!("≤ {most} × primitives")),
            self.of_peer.map(|least| format!("≥ {least} × faster")),
            self.most.map(|most| format!("≤ {most} µs")),
        ];
        write!(f, "{}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Something that can be counted.
pub struct Count {
    /// What.
    pub what: &'static str,
    /// How much.
    pub value: f64,
    /// At most this much.
    pub most: Option<f64>,
    /// Of what.
    pub unit: &'static str,
}

impl Count {
    /// Whether it is what is asked.
    pub fn holds(&self) -> bool {
        self.most.is_none_or(|most| self.value <= most)
    }

    /// The head of the table.
    pub const HEAD: &str = "\
| counted                                                                    |            is |         asked | holds |
|----------------------------------------------------------------------------|--------------:|--------------:|-------|";
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, most, unit } = self;
        let value = format!("{value} {unit}");
        let most = most.map_or_else(|| "–".to_owned(), |most| format!("≤ {most}"));
        write!(f, "| {what:<74} | {value:>13} | {most:>13} | {:<5} |", if self.holds() { "yes" } else { "NO" })
    }
}
