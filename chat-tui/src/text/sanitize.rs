//! The remote-text rule: everything that came from elsewhere (bodies, names, previews, errors of the
//! relay, pasted text) becomes [`SafeText`] before it enters the model, and nothing else is drawn.
//!
//! A terminal obeys what it prints, and a person believes what it shows. So control characters become
//! visible (U+FFFD), characters that reorder, hide or join vanish, joiners stay only where emoji and
//! scripts need them, and marks are bounded so that one letter can't cover the lines around it.

use std::fmt;

/// Marks that one base character may carry: the most that living languages stack (Vietnamese, Thai,
/// pointed Hebrew), while "zalgo" text needs dozens.
const MARKS_PER_BASE_MAX: usize = 4;

/// Cells that a tab becomes.
const TAB: &str = "    ";

/// Text without anything that a terminal obeys or that hides or reorders other text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SafeText(String);

impl SafeText {
    /// Several lines: line breaks stay.
    #[must_use]
    pub fn body(raw: &str) -> Self {
        Self(clean(raw, "\n"))
    }

    /// One line: line breaks become spaces.
    #[must_use]
    pub fn line(raw: &str) -> Self {
        Self(clean(raw, " "))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for an editor.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same text on one line.
    #[must_use]
    pub fn one_line(&self) -> Self {
        Self(self.0.replace('\n', " "))
    }
}

impl fmt::Debug for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents stay out of logs and panic messages.
        write!(f, "SafeText({} bytes)", self.0.len())
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn clean(raw: &str, line_break: &str) -> String {
    let mut out = Cleaner { text: String::with_capacity(raw.len()), last: None, marks: 0, region: None };
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.literal(line_break),
            '\t' => out.literal(TAB),
            BLACK_FLAG => match tag_sequence(rest.clone()) {
                Some(tags) => {
                    out.push(c);
                    out.text.extend(rest.by_ref().take(tags));
                    out.last = None;
                }
                None => out.push(c),
            },
            ZERO_WIDTH_JOINER => {
                let next = rest.peek().copied();
                out.join(c, next);
            }
            ZERO_WIDTH_NON_JOINER => {
                let next = rest.peek().copied();
                out.part(c, next);
            }
            TEXT_STYLE | EMOJI_STYLE => out.style(c),
            c if c.is_control() || is_noncharacter(c) => out.push(char::REPLACEMENT_CHARACTER),
            c if is_hidden(c) => {}
            c if is_blank_letter(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out.text
}

/// Output so far, and what the next joiner or mark is judged by.
struct Cleaner {
    text: String,
    /// Last base, mark or joiner that was kept; none at the start and after a literal.
    last: Option<char>,
    /// Marks on the last base.
    marks: usize,
    /// The last base, whatever stands on it.
    region: Option<char>,
}

impl Cleaner {
    fn literal(&mut self, text: &str) {
        self.text.push_str(text);
        (self.last, self.region, self.marks) = (None, None, 0);
    }

    fn push(&mut self, c: char) {
        if is_mark(c) {
            if self.marks >= MARKS_PER_BASE_MAX {
                return;
            }
            self.marks += 1;
        } else {
            self.marks = 0;
            self.region = Some(c);
        }
        self.text.push(c);
        self.last = Some(c);
    }

    /// A joiner stands only between two pictures.
    fn join(&mut self, c: char, next: Option<char>) {
        let after_picture = self.last.is_some_and(|l| is_picture(l) || is_skin_tone(l) || l == EMOJI_STYLE);
        if after_picture && self.region.is_some_and(is_picture) && next.is_some_and(is_picture) {
            self.text.push(c);
            self.last = Some(c);
        }
    }

    /// A non-joiner stands only between two letters of scripts that join (Arabic, Indic): there it is
    /// spelling, elsewhere it only hides a difference.
    fn part(&mut self, c: char, next: Option<char>) {
        let joins = |c: char| is_joining_letter(c);
        if self.last.is_some_and(|l| joins(l) || is_mark(l))
            && self.region.is_some_and(joins)
            && next.is_some_and(joins)
        {
            self.text.push(c);
            self.last = Some(c);
        }
    }

    /// A style selector stands only directly on a picture or a keycap's base.
    fn style(&mut self, c: char) {
        if self.last.is_some_and(|l| (is_picture(l) && !is_skin_tone(l)) || matches!(l, '0'..='9' | '#' | '*')) {
            self.text.push(c);
            self.last = Some(c);
        }
    }
}

/// Length of the tags after a black flag when they name a region: tag letters or digits, then the end.
fn tag_sequence(rest: impl Iterator<Item = char>) -> Option<usize> {
    let mut length = 0_usize;
    for c in rest {
        length += 1;
        match c {
            '\u{E0030}'..='\u{E0039}' | '\u{E0061}'..='\u{E007A}' if length <= TAGS_MAX => {}
            '\u{E007F}' if length > 2 => return Some(length),
            _ => return None,
        }
    }
    None
}

/// Characters of a flag's tag sequence with its end ("gbeng" + end), with room for longer regions.
const TAGS_MAX: usize = 7;
const BLACK_FLAG: char = '\u{1F3F4}';
const ZERO_WIDTH_JOINER: char = '\u{200D}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
const TEXT_STYLE: char = '\u{FE0E}';
const EMOJI_STYLE: char = '\u{FE0F}';

/// Characters that reorder, hide or join others, or that nobody sees.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0D}' | '\u{FEFF}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// Letters without ink, used to fake an empty or another name.
fn is_blank_letter(c: char) -> bool {
    matches!(c, '\u{115F}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}')
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{FDD0}'..='\u{FDEF}') || u32::from(c) & 0xFFFE == 0xFFFE
}

/// What takes no cell of its own stands on what is before it.
fn is_mark(c: char) -> bool {
    unicode_width::UnicodeWidthChar::width(c) == Some(0)
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// Extended pictographs, by block: a superset that holds every emoji and no letter.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21FF}'
        | '\u{2300}'..='\u{23FF}' | '\u{24C2}' | '\u{25A0}'..='\u{27BF}' | '\u{2900}'..='\u{297F}'
        | '\u{2B00}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'
        | '\u{1F000}'..='\u{1FAFF}')
}

fn is_joining_letter(c: char) -> bool {
    !is_mark(c)
        && matches!(c, '\u{600}'..='\u{8FF}' | '\u{900}'..='\u{DFF}' | '\u{1800}'..='\u{18AA}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}

#[cfg(test)]
mod tests;
