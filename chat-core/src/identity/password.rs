//! The password policy (DESIGN §4): checked by the client, which alone sees the password. The estimate
//! treats recent years as easy to guess and asks the system for the year; it is the one clock read here.

use zxcvbn::{Score, zxcvbn};

use crate::limits::PASSWORD_BYTES_ASSESSED_MAX;

/// Fewest characters.
const LENGTH_MIN: usize = 8;

/// Fewest guesses that the estimate gives: its score 3, less the four guesses that keep eight characters of pure
/// chance below it. The policy speaks of eight characters, so eight can do.
const GUESSES_MIN: u64 = 100_000_000;

/// What a password lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// Any of `length`, `capital`, `digit`, `common`, in this order.
    pub unmet: Vec<&'static str>,
    /// Whether it would also withstand guessing without the relay's limits (zxcvbn score 4).
    pub strong: bool,
}

impl Assessment {
    /// Whether the policy accepts it.
    #[must_use]
    pub fn acceptable(&self) -> bool {
        self.unmet.is_empty()
    }
}

/// Assesses a password; `own_words` are what a guesser tries first: the user name, the display name.
///
/// ```
/// use chat_core::identity::password::assess;
/// assert_eq!(assess("Password1", &[]).unmet, ["common"]);
/// assert!(assess("Vy3-quarzlampe-tundra", &["alice"]).acceptable());
/// ```
#[must_use]
pub fn assess(password: &str, own_words: &[&str]) -> Assessment {
    let estimate = zxcvbn(head(password), own_words);
    let rules = [
        ("length", password.chars().count() >= LENGTH_MIN),
        ("capital", password.chars().any(char::is_uppercase)),
        ("digit", password.chars().any(char::is_numeric)),
        ("common", estimate.guesses() >= GUESSES_MIN),
    ];
    let unmet = rules.into_iter().filter(|(_, met)| !met).map(|(name, _)| name).collect();
    Assessment { unmet, strong: estimate.score() == Score::Four }
}

/// What a passphrase lacks that protects a file: length counts, and that it is none of those that everybody tries
/// first; what it is made of does not. Any of `length`, `common`. A person who can be asked is better held to
/// [`assess`].
///
/// ```
/// use chat_core::identity::password::assess_passphrase;
/// assert!(assess_passphrase("tundra quarz lampe elf", &[]).is_empty());
/// assert_eq!(assess_passphrase("password", &[]), ["common"]);
/// ```
#[must_use]
pub fn assess_passphrase(passphrase: &str, own_words: &[&str]) -> Vec<&'static str> {
    let score = zxcvbn(head(passphrase), own_words).score();
    let rules = [("length", passphrase.chars().count() >= LENGTH_MIN), ("common", score > Score::Zero)];
    rules.into_iter().filter(|(_, met)| !met).map(|(name, _)| name).collect()
}

/// As much as is looked at, cut between characters.
fn head(password: &str) -> &str {
    let mut end = password.len().min(PASSWORD_BYTES_ASSESSED_MAX);
    while !password.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    password.get(..end).unwrap_or(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named_when_it_is_not_met() {
        assert_eq!(assess("", &[]).unmet, ["length", "capital", "digit", "common"]);
        assert_eq!(assess("lpqzkrtvw", &[]).unmet, ["capital", "digit"]);
        assert_eq!(assess("Password1", &[]).unmet, ["common"]);
        assert_eq!(assess("Xq7-w", &[]).unmet, ["length", "common"]);
        assert_eq!(assess("Secur3Pass", &[]).unmet, ["common"]);
        for eight in ["Zx9kQ2mv", "kQ7#vW2!", "hY6&Rq1P"] {
            assert!(assess(eight, &[]).acceptable(), "eight characters of pure chance: {eight}");
        }
        let good = assess("Vy3-quarzlampe-tundra", &[]);
        assert!(good.acceptable() && good.strong);
    }

    #[test]
    fn the_own_name_is_no_strength() {
        let password = "Maximiliana_91";
        assert!(assess(password, &[]).acceptable());
        assert_eq!(assess(password, &["maximiliana_91"]).unmet, ["common"]);
    }

    #[test]
    fn a_passphrase_of_words_is_strong_without_capitals_and_a_usual_one_is_not() {
        assert!(assess_passphrase("tundra quarz lampe elf", &[]).is_empty());
        assert_eq!(assess_passphrase("password", &[]), ["common"]);
        assert_eq!(assess_passphrase("x", &[]), ["length", "common"]);
        assert!(assess_passphrase("export passphrase", &[]).is_empty());
    }

    #[test]
    fn capitals_and_digits_of_other_scripts_count_and_long_texts_are_cut_between_characters() {
        assert!(assess("Östliche-Wüste-٣-Kamele", &[]).acceptable());
        let long = "ä".repeat(4_000) + "X1";
        assert!(!assess(&long, &[]).unmet.contains(&"capital"));
    }
}
