//! Signs by their names, for `:name:` while writing and for reactions.

/// Signs that are wanted most, with the words they are found by. The first word is the name.
const SIGNS: &[(&str, &str)] = &[
    ("👍", "thumbsup yes good ok +1"),
    ("❤\u{fe0f}", "heart love"),
    ("😂", "joy laughing tears"),
    ("🎉", "tada celebrating party"),
    ("😮", "open_mouth surprised"),
    ("😢", "cry sad"),
    ("🙏", "pray thanks please"),
    ("👀", "eyes looking"),
    ("✅", "check done"),
    ("👎", "thumbsdown no bad -1"),
    ("😀", "grinning happy"),
    ("😄", "smile happy"),
    ("😉", "wink"),
    ("😊", "blush pleased"),
    ("😍", "heart_eyes love"),
    ("😎", "sunglasses cool"),
    ("🤔", "thinking hm"),
    ("😅", "sweat_smile relieved"),
    ("😐", "neutral"),
    ("🙄", "roll_eyes"),
    ("😴", "sleeping tired"),
    ("😱", "scream fear"),
    ("😡", "rage angry"),
    ("🤷", "shrug dunno"),
    ("🤦", "facepalm"),
    ("🥳", "partying"),
    ("🤝", "handshake deal"),
    ("👏", "clap applause"),
    ("👋", "wave hello bye"),
    ("✋", "hand stop"),
    ("👌", "ok_hand perfect"),
    ("💪", "muscle strong"),
    ("🤞", "crossed_fingers luck"),
    ("🔥", "fire hot"),
    ("⭐", "star"),
    ("✨", "sparkles new"),
    ("💯", "100 hundred"),
    ("💡", "bulb idea"),
    ("⚡", "zap fast"),
    ("🚀", "rocket launch"),
    ("🐛", "bug"),
    ("🔧", "wrench fix"),
    ("🔒", "lock secret"),
    ("🔑", "key"),
    ("⏰", "alarm time"),
    ("📅", "calendar date"),
    ("📎", "paperclip file"),
    ("📌", "pushpin pin"),
    ("📝", "memo note"),
    ("📷", "camera photo"),
    ("☕", "coffee"),
    ("🍺", "beer"),
    ("🍕", "pizza"),
    ("🎂", "cake birthday"),
    ("🌞", "sun"),
    ("🌧", "rain"),
    ("🏠", "house home"),
    ("🚗", "car"),
    ("✈", "airplane flight"),
    ("🎵", "music note"),
    ("❓", "question"),
    ("❗", "exclamation"),
    ("❌", "x cross no"),
    ("➕", "plus"),
];

/// Signs one of whose words begins like this, the wanted most first, with all their words.
pub fn signs(begins: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let wanted = begins.to_lowercase();
    let fits = move |words: &str| words.split(' ').any(|word| word.starts_with(&wanted));
    SIGNS.iter().filter(move |(_, words)| fits(words)).map(|(sign, words)| (*sign, *words))
}

/// The sign of exactly this name.
#[must_use]
pub fn sign(wanted: &str) -> Option<&'static str> {
    SIGNS.iter().find(|(_, words)| name(words) == wanted).map(|(sign, _)| *sign)
}

/// What a sign with these words is called.
#[must_use]
pub fn name(words: &'static str) -> &'static str {
    words.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    #[test]
    fn a_sign_is_found_by_its_name_and_by_what_it_means() {
        assert_eq!(sign("tada"), Some("🎉"));
        assert_eq!(sign("celebrating"), None);
        assert_eq!(signs("celeb").map(|(sign, words)| (sign, name(words))).next(), Some(("🎉", "tada")));
        assert_eq!(signs("").next().map(|(sign, _)| sign), Some("👍"));
    }

    #[test]
    fn each_sign_is_one_sign_and_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = SIGNS.iter().map(|(_, words)| name(words)).collect();
        assert_eq!(names.len(), SIGNS.len());
        for (sign, _) in SIGNS {
            assert_eq!(sign.graphemes(true).count(), 1, "{sign}");
        }
    }
}
