//! Parts of a text that are more than text: addresses, and the name of whoever reads it.

use std::ops::Range;

/// What a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// An address that a program may open.
    Link,
    /// The name of the person signed in.
    Mention,
}

/// A part of a text that is shown apart; on the screen one may go over several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: SpanKind,
}

/// Whether a text names somebody, as unread counts have it.
#[must_use]
pub fn names(text: &str, who: &str) -> bool {
    chat_client::mentions(text, who)
}

/// Where a text has links, and names the person signed in.
#[must_use]
pub fn spans(text: &str, me: Option<&str>) -> Vec<Span> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']);
        let range = at..at + bare.len();
        if bare.starts_with("https://") || bare.starts_with("http://") {
            found.push(Span { range, kind: SpanKind::Link });
        } else if let (Some(name), Some(me)) = (bare.strip_prefix('@'), me)
            && name.eq_ignore_ascii_case(me)
        {
            found.push(Span { range, kind: SpanKind::Mention });
        }
        at += word.len();
    }
    found
}
