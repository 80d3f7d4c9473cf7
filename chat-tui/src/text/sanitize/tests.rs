//! The remote-text rule, by cases and by hostile chance.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn becomes(raw: &str, safe: &str) {
    assert_eq!(SafeText::body(raw).as_str(), safe, "{raw:?}");
}

#[test]
fn escape_sequences_are_seen_instead_of_obeyed() {
    becomes("\u{1b}[2Jhi\u{9b}31m", "\u{FFFD}[2Jhi\u{FFFD}31m");
    becomes("bell\u{7} del\u{7f} null\0", "bell\u{FFFD} del\u{FFFD} null\u{FFFD}");
}

#[test]
fn line_breaks_of_every_kind_are_one_kind_and_vanish_in_names() {
    becomes("a\r\nb\rc\u{2028}d\u{85}e", "a\nb\nc\nd\ne");
    assert_eq!(SafeText::line("a\r\nb\tc").as_str(), "a b    c");
}

#[test]
fn a_reversed_or_hidden_name_shows_what_it_is() {
    becomes("evil\u{202e}txt.exe\u{2069}", "eviltxt.exe");
    becomes("al\u{200b}ice\u{ad}\u{feff}\u{2060}", "alice");
    becomes("bob\u{3164}", "bob ");
}

#[test]
fn emoji_keep_their_joiners_and_nothing_else_does() {
    for whole in ["👩‍🚀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️", "👍🏽", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "👩🏽‍💻"]
    {
        becomes(whole, whole);
    }
    becomes("a\u{200d}b", "ab");
    becomes("a\u{fe0f}", "a");
    becomes("🏴\u{e0067}\u{e0062}x", "🏴x");
    becomes("x\u{e0041}y", "xy");
}

#[test]
fn persian_keeps_its_non_joiner() {
    becomes("می‌خواهم", "می‌خواهم");
    becomes("ab\u{200c}cd", "abcd");
}

#[test]
fn stacked_marks_are_cut_at_four() {
    let raw = format!("a{}b", "\u{301}".repeat(50));
    becomes(&raw, &format!("a{}b", "\u{301}".repeat(4)));
}

#[test]
fn a_mark_after_a_tab_or_break_counts_anew() {
    becomes("\n\u{301}", "\n\u{301}");
}

/// Text that leans on the dangerous ranges.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{0,6}",
        prop::sample::select(vec![
            "\u{1b}]0;x\u{7}",
            "\u{202e}",
            "\u{200d}",
            "\u{fe0f}",
            "👩",
            "🏽",
            "🏴",
            "\u{e0067}",
            "\u{e0062}",
            "\u{e0065}",
            "\u{e007f}",
            "\u{301}",
            "\r\n",
            "\t",
            "1",
            "\u{20e3}",
            "\u{200c}",
            "م",
            "漢",
            "\u{ff9e}",
            "\u{115f}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|v| v.concat())
}

proptest! {
    #[test]
    fn nothing_that_a_terminal_obeys_or_that_hides_survives(raw in hostile()) {
        let safe = SafeText::body(&raw);
        for c in safe.as_str().chars() {
            prop_assert!(c == '\n' || !c.is_control(), "{:?} of {:?}", c, raw);
            let tag = ('\u{E0020}'..='\u{E007F}').contains(&c);
            prop_assert!(tag || !is_hidden(c), "{:?} of {:?}", c, raw);
        }
        prop_assert!(!SafeText::line(&raw).as_str().contains('\n'));
    }

    #[test]
    fn cleaning_twice_changes_nothing_more(raw in hostile()) {
        let once = SafeText::body(&raw);
        prop_assert_eq!(SafeText::body(once.as_str()), once);
    }

    #[test]
    fn plain_text_arrives_as_it_is(raw in "[ -~\n]{0,200}|[äöüßéñ漢字かな한글ไทยкириллицаעברית ]{0,60}") {
        let safe = SafeText::body(&raw);
        prop_assert_eq!(safe.as_str(), raw);
    }

    #[test]
    fn no_base_carries_more_than_the_bounded_marks(raw in hostile()) {
        let mut marks = 0;
        for c in SafeText::body(&raw).as_str().chars() {
            let joiner = matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER | TEXT_STYLE | EMOJI_STYLE);
            let tag = ('\u{E0020}'..='\u{E007F}').contains(&c);
            if is_mark(c) && !joiner && !tag { marks += 1 } else if !joiner && !tag { marks = 0 }
            prop_assert!(marks <= MARKS_PER_BASE_MAX);
        }
    }
}
