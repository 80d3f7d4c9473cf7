//! Full-text search: what is indexed, and how a person's words become a query that can't be malformed.

use rusqlite::params;

use super::StoreError;
use super::sqlite::Db;

/// Words of a query that count: more than anybody types, and a bound on the index's work.
const QUERY_WORDS_MAX: usize = 16;

/// Bytes of a query that count.
const QUERY_BYTES_MAX: usize = 1_024;

/// A query in the index's language, every word quoted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words(String);

impl Words {
    /// Reads a person's words; none when there is nothing to look for.
    pub(super) fn parse(query: &str) -> Option<Self> {
        let end = query
            .char_indices()
            .map(|(at, c)| at.saturating_add(c.len_utf8()))
            .take_while(|end| *end <= QUERY_BYTES_MAX);
        let query = query.get(..end.last()?)?;
        let words: Vec<String> = query
            .split(|c: char| !is_word(c))
            .filter(|word| !word.is_empty())
            .take(QUERY_WORDS_MAX)
            .map(|word| format!("\"{}\"", spaced(word).trim()))
            .collect();
        if words.is_empty() {
            return None;
        }
        // The last word is still being typed.
        Some(Self(format!("{} *", words.join(" AND "))))
    }

    /// The right-hand side of `MATCH`.
    pub(super) fn as_match(&self) -> &str {
        &self.0
    }
}

/// Learns the words of a text.
pub(super) fn index(db: &Db, place: i64, text: &str) -> Result<(), StoreError> {
    db.change("INSERT INTO words (rowid, body) VALUES (?1, ?2)", params![place, spaced(text)])?;
    Ok(())
}

/// Forgets the words of a text that it learned before.
pub(super) fn unlearn(db: &Db, place: i64, text: &str) -> Result<(), StoreError> {
    db.change("INSERT INTO words (words, rowid, body) VALUES ('delete', ?1, ?2)", params![place, spaced(text)])?;
    Ok(())
}

pub(super) fn erase(db: &Db) -> Result<(), StoreError> {
    db.execute("INSERT INTO words (words) VALUES ('delete-all')")
}

/// Letters, digits and marks that continue them; everything else separates words, as in the index.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}')
}

/// Sets spaces around characters of scripts that are written without them: each is a word, and a word
/// of several is a phrase. Otherwise only the beginning of a sentence could be found.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unspaced(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    out
}

fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'     // Thai, Lao
        | '\u{1000}'..='\u{109f}'   // Myanmar
        | '\u{1780}'..='\u{17ff}'   // Khmer
        | '\u{3041}'..='\u{30ff}'   // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}'   // Han
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Option<String> {
        Words::parse(query).map(|words| words.0)
    }

    #[test]
    fn every_word_is_quoted_and_the_last_is_a_beginning() {
        assert_eq!(words("hello wor").unwrap(), r#""hello" AND "wor" *"#);
        assert_eq!(words("  one  ").unwrap(), r#""one" *"#);
    }

    #[test]
    fn the_index_language_of_a_hostile_query_is_only_text() {
        assert_eq!(
            words(r#"a" OR text:* NEAR(b)^ -{x}"#).unwrap(),
            r#""a" AND "OR" AND "text" AND "NEAR" AND "b" AND "x" *"#
        );
        for nothing in ["", "  ", "\"\"", "*", "!!!", "\0", "😀", "( )"] {
            assert_eq!(words(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn an_endless_query_is_cut_between_characters() {
        let query = "ä ".repeat(100_000);
        assert_eq!(words(&query).unwrap().matches('"').count(), 2 * QUERY_WORDS_MAX);
        assert!(words(&"ä".repeat(100_000)).unwrap().len() <= QUERY_BYTES_MAX + 5);
    }

    #[test]
    fn scripts_without_spaces_are_phrases_of_characters() {
        assert_eq!(words("你好").unwrap(), "\"你  好\" *");
    }
}
