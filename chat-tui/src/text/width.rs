//! How many cells a text takes, by the same count that the drawing library uses, so that columns
//! stand where the layout thinks they stand.

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Cells of a text on one line.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(cell_width).sum() }
}

/// Cells of one grapheme.
pub(super) fn cell_width(grapheme: &str) -> usize {
    if grapheme == "\n" { 0 } else { usize::from(grapheme.cell_width()) }
}

/// The text when it fits into `cells`, else its beginning and an ellipsis.
#[must_use]
pub fn elide(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else { return String::new() };
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += cell_width(grapheme);
        if used > room {
            break;
        }
        out.push_str(grapheme);
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    out.push('…');
    out
}

/// The text elided or filled with spaces to exactly `cells`.
#[must_use]
pub fn pad(text: &str, cells: usize) -> String {
    let mut out = elide(text, cells);
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(width(&out))));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wide_characters_are_cut_whole() {
        assert_eq!(elide("漢字漢字", 5), "漢字…");
        assert_eq!(elide("漢字漢字", 4), "漢…");
        assert_eq!(elide("abc", 3), "abc");
        assert_eq!(elide("abc", 0), "");
        assert_eq!(pad("漢", 4), "漢  ");
    }

    proptest! {
        #[test]
        fn a_padded_text_takes_exactly_its_cells(text in "\\PC{0,40}", cells in 0_usize..30) {
            let safe = super::super::SafeText::line(&text);
            prop_assert!(width(&elide(safe.as_str(), cells)) <= cells);
            prop_assert_eq!(width(&pad(safe.as_str(), cells)), cells);
        }
    }
}
