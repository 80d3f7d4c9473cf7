//! How wide the terminal draws what programs disagree about. It is asked once, at the start, by drawing
//! samples and asking where the cursor stands; what it draws in another width than the layout counts with
//! is drawn simpler, so that columns stay columns.

use std::borrow::Cow;

/// The row that the samples are drawn on: an answer about it can't be taken for a key (F3 with
/// something held answers for row 1).
pub(super) const ROW: u16 = 2;

/// What is measured, each two cells wide by the layout's count.
const SAMPLES: [&str; 5] = ["\u{2764}\u{fe0f}", "1\u{fe0f}\u{20e3}", "👍🏽", "👩\u{200d}🚀", "🇩🇪"];

/// The column behind two cells.
const BEHIND: u16 = 3;

const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const JOINER: char = '\u{200d}';

/// What the terminal draws as wide as the layout thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    styled: bool,
    keycap: bool,
    toned: bool,
    joined: bool,
    flag: bool,
}

impl Default for Widths {
    fn default() -> Self {
        Self { styled: true, keycap: true, toned: true, joined: true, flag: true }
    }
}

/// Bytes that draw the samples and ask for the column behind each; nobody sees them.
pub(super) fn question() -> String {
    let mut bytes = String::new();
    for sample in SAMPLES {
        bytes.push_str(&format!("\x1b[{ROW};1H{sample}\x1b[6n"));
    }
    bytes.push_str("\x1b[2J\x1b[H");
    bytes
}

impl Widths {
    /// From the columns that were answered; a terminal that does not answer all of them is believed.
    pub(super) fn measured(columns: &[u16]) -> Self {
        match columns {
            [styled, keycap, toned, joined, flag] => Self {
                styled: *styled == BEHIND,
                keycap: *keycap == BEHIND,
                toned: *toned == BEHIND,
                joined: *joined == BEHIND,
                flag: *flag == BEHIND,
            },
            _ => Self::default(),
        }
    }

    /// A symbol as this terminal shall draw it.
    pub(super) fn fitting(self, symbol: &str) -> Cow<'_, str> {
        if symbol.is_ascii() || symbol.chars().nth(1).is_none() {
            return Cow::Borrowed(symbol);
        }
        if !self.joined && symbol.contains(JOINER) {
            let first: String = symbol.chars().take_while(|c| *c != JOINER).collect();
            return Cow::Owned(self.fitting(&first).into_owned());
        }
        if !self.flag && symbol.chars().all(is_regional) {
            return Cow::Owned(symbol.chars().filter_map(letter).collect());
        }
        let drop = |c: &char| {
            let keycap = symbol.contains(KEYCAP);
            (!self.toned && is_tone(*c))
                || (!self.keycap && keycap && matches!(*c, KEYCAP | EMOJI_STYLE))
                || (!self.styled && !keycap && *c == EMOJI_STYLE)
        };
        if symbol.chars().any(|c| drop(&c)) {
            return Cow::Owned(symbol.chars().filter(|c| !drop(c)).collect());
        }
        Cow::Borrowed(symbol)
    }
}

fn is_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// The letter of a regional sign.
fn letter(c: char) -> Option<char> {
    char::from_u32(u32::from(c).checked_sub(0x1F1E6)? + u32::from('A'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_draws_as_counted_gets_everything_as_it_is() {
        let widths = Widths::measured(&[3, 3, 3, 3, 3]);
        assert_eq!(widths, Widths::default());
        for sample in SAMPLES {
            assert_eq!(widths.fitting(sample), sample);
        }
        assert_eq!(Widths::measured(&[2, 2]), Widths::default(), "half an answer is none");
    }

    #[test]
    fn what_it_draws_in_another_width_is_drawn_simpler() {
        // As tmux 3.3 answers.
        let widths = Widths::measured(&[2, 2, 5, 2, 2]);
        let drawn: Vec<String> = SAMPLES.iter().map(|s| widths.fitting(s).into_owned()).collect();
        assert_eq!(drawn, ["\u{2764}", "1", "👍", "👩", "DE"]);
        assert_eq!(widths.fitting("é"), "é");
        assert_eq!(widths.fitting("👨🏽\u{200d}🚀"), "👨");
    }
}
