//! What a history came to.

use std::collections::BTreeMap;
use std::fmt;

use chat_wire::domain::plain_hash;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// Virtual milliseconds since the beginning.
    pub at_ms: u64,
    /// What was seen.
    pub what: String,
}

/// What one seed, or many together, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// How often what was done and seen: faults, messages, healing.
    pub counts: BTreeMap<&'static str, u64>,
    /// Hash over every event and frame, in order.
    pub trace: [u8; 32],
    /// What happened, line by line, for whoever looks into one seed.
    pub log: Option<Vec<String>>,
}

impl Report {
    /// Counts something.
    pub fn count(&mut self, what: &'static str, times: u64) {
        let count = self.counts.entry(what).or_default();
        *count = count.saturating_add(times);
    }

    /// Writes a line, if somebody wants to read it.
    pub fn note(&mut self, at_ms: u64, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{at_ms:>8} {}", line()));
        }
    }

    /// Takes bytes into the trace.
    pub fn trace(&mut self, parts: &[&[u8]]) {
        let mut all = vec![&self.trace[..]];
        all.extend(parts);
        self.trace = plain_hash(&all);
    }

    /// Adds another one's counts and trace; order matters.
    pub fn add(&mut self, other: &Self) {
        for (what, times) in &other.counts {
            self.count(what, *times);
        }
        self.violations.extend(other.violations.iter().cloned());
        self.trace(&[&other.trace]);
    }

    /// Faults that were injected.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.counts.iter().filter(|(what, _)| what.starts_with("fault: ")).map(|(_, times)| times).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.counts {
            writeln!(f, "{times:>10}  {what}")?;
        }
        writeln!(f, "{:>10}  faults injected", self.faults())?;
        writeln!(f, "{:>10}  violations", self.violations.len())?;
        write!(f, "trace ")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
