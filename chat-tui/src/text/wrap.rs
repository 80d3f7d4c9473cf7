//! Wrapping at words, at graphemes where a word is longer than the line.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::width::cell_width;

/// Byte ranges of a text, one for each line on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wrapped {
    /// Ranges of the text; breaks and the spaces that a break swallowed are in none.
    pub lines: Vec<Range<usize>>,
    /// Lines that were left out because of the limit.
    pub more: usize,
}

/// Lays a text out in lines of at most `cells`, keeping at most `lines_max` of them.
#[must_use]
pub fn wrap(text: &str, cells: usize, lines_max: usize) -> Wrapped {
    let cells = cells.max(1);
    let mut out = Wrapped::default();
    let mut start = 0;
    for paragraph in text.split('\n') {
        wrap_paragraph(paragraph, start, cells, &mut |range| {
            if out.lines.len() < lines_max {
                out.lines.push(range);
            } else {
                out.more += 1;
            }
        });
        start += paragraph.len() + 1;
    }
    out
}

fn wrap_paragraph(text: &str, offset: usize, cells: usize, emit: &mut dyn FnMut(Range<usize>)) {
    if text.is_ascii() && text.len() <= cells {
        return emit(offset..offset + text.len());
    }
    let mut line = Line { start: 0, used: 0 };
    for unit in units(text) {
        let word = text.get(unit.clone()).unwrap_or_default();
        let at = unit.start;
        let size: usize = word.graphemes(true).map(cell_width).sum();
        if line.used + size <= cells {
            line.used += size;
        } else if word.chars().all(char::is_whitespace) {
            // Spaces at a break belong to neither line; what follows starts a new one.
            emit(offset + line.start..offset + at);
            line = Line { start: unit.end, used: 0 };
        } else if size <= cells {
            emit(offset + line.start..offset + line.start + trimmed(text, line.start..at));
            line = Line { start: at, used: size };
        } else {
            // A word longer than a line goes on where it is and breaks at graphemes.
            for (inner, grapheme) in word.grapheme_indices(true) {
                let size = cell_width(grapheme);
                if line.used + size > cells && line.used > 0 {
                    emit(offset + line.start..offset + at + inner);
                    line = Line { start: at + inner, used: 0 };
                }
                line.used += size;
            }
        }
    }
    emit(offset + line.start..offset + text.len());
}

/// What is never broken while it fits: spaces, or a word with the punctuation that leans on it.
fn units(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut parts = text.split_word_bound_indices().peekable();
    std::iter::from_fn(move || {
        let (start, mut last) = parts.next()?;
        let mut end = start + last.len();
        while let Some((at, next)) = parts.next_if(|(_, next)| stays_together(last, next)) {
            (end, last) = (at + next.len(), next);
        }
        Some(start..end)
    })
}

/// Whether no line ends between these two parts of a text.
fn stays_together(before: &str, after: &str) -> bool {
    let (Some(last), Some(first)) = (before.chars().next_back(), after.chars().next()) else { return false };
    if last.is_whitespace() || first.is_whitespace() {
        return last.is_whitespace() && first.is_whitespace();
    }
    if CLOSING.contains(first) || OPENING.contains(last) {
        return true;
    }
    // Scripts without spaces break anywhere, and a hyphenated word at its hyphen.
    let wide = |part: &str| part.graphemes(true).any(|g| cell_width(g) > 1);
    !(wide(before) || wide(after) || last == '-' && first.is_alphabetic())
}

/// Punctuation that never begins a line.
const CLOSING: &str = "、。，．：；？！）」』】》〉”’…‥・ー～,.;:!?)]}%»";

/// Punctuation that never ends one.
const OPENING: &str = "（「『【《〈“‘([{«";

/// Length of the part without the spaces at its end.
fn trimmed(text: &str, part: Range<usize>) -> usize {
    text.get(part).map_or(0, |t| t.trim_end().len())
}

struct Line {
    start: usize,
    used: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{SafeText, width};
    use super::*;

    fn lines(text: &str, cells: usize) -> Vec<&str> {
        wrap(text, cells, usize::MAX).lines.into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn lines_break_at_words_and_keep_indentation() {
        assert_eq!(lines("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(lines("  let x;\n\nend", 10), ["  let x;", "", "end"]);
    }

    #[test]
    fn a_long_word_breaks_inside_and_wide_text_never_overflows() {
        assert_eq!(lines("go aaaaaaaaaaaa", 5), ["go aa", "aaaaa", "aaaaa"]);
        assert_eq!(lines("漢字漢字漢", 5), ["漢字", "漢字", "漢"]);
    }

    #[test]
    fn punctuation_stays_with_its_word_and_links_stay_whole() {
        assert_eq!(lines("is it down?", 10), ["is it", "down?"]);
        assert_eq!(lines("say (hello)", 10), ["say", "(hello)"]);
        assert_eq!(lines("see https://a.bc/d-e", 17), ["see", "https://a.bc/d-e"]);
        assert_eq!(lines("漢字漢。漢", 6), ["漢字", "漢。漢"]);
        assert_eq!(lines("a well-known word", 9), ["a well-", "known", "word"]);
    }

    #[test]
    fn lines_over_the_limit_are_counted() {
        let wrapped = wrap("a\nb\nc\nd", 5, 3);
        assert_eq!((wrapped.lines.len(), wrapped.more), (3, 1));
    }

    proptest! {
        #[test]
        fn every_letter_is_on_exactly_one_line_and_no_line_is_too_wide(raw in "(\\PC|\n| ){0,80}", cells in 2_usize..20) {
            let safe = SafeText::body(&raw);
            let text = safe.as_str();
            let wrapped = wrap(text, cells, usize::MAX);
            let mut end = 0;
            let mut seen = String::new();
            for range in wrapped.lines {
                prop_assert!(range.start >= end && range.end >= range.start);
                end = range.end;
                let line = &text[range];
                // One grapheme may be wider than the line: then it stands alone.
                prop_assert!(width(line) <= cells || line.graphemes(true).count() == 1, "{:?}", line);
                seen.extend(line.chars().filter(|c| !c.is_whitespace()));
            }
            let all: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(seen, all);
        }
    }
}
