//! Blanks comments and literals out of Rust text, keeping every line where it is.

/// The text with comments, strings and character literals replaced by spaces.
pub(crate) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = comment_len(rest).or_else(|| literal_len(rest, &out));
        match skip {
            Some(len) => {
                let (gone, after) = rest.split_at(len);
                out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = after;
            }
            None => {
                out.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or("");
            }
        }
    }
    out
}

/// Length of the brace block that starts at the first `{` of `text`, from the start of `text`.
pub(crate) fn block_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at.saturating_add(1));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a character can stand inside an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn comment_len(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..) {
        if tail.starts_with("/*") {
            depth = depth.saturating_add(1);
            at = at.saturating_add(2);
        } else if tail.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at = at.saturating_add(2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at = at.saturating_add(tail.chars().next()?.len_utf8());
        }
    }
    Some(rest.len())
}

fn literal_len(rest: &str, before: &str) -> Option<usize> {
    if rest.starts_with('"') {
        return Some(quoted_len(rest, '"'));
    }
    if rest.starts_with('\'') {
        return char_len(rest);
    }
    // A prefix letter counts only where no identifier is under way.
    if before.chars().next_back().is_some_and(is_word) {
        return None;
    }
    let prefix = rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|len| (1..=2).contains(len))?;
    let (letters, tail) = rest.split_at(prefix);
    if letters.ends_with('r') {
        let hashes = tail.find(|c| c != '#')?;
        if tail.get(hashes..)?.starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = hashes.saturating_add(1);
            let end = tail.get(body..)?.find(&close).map_or(tail.len(), |at| at + body + close.len());
            return Some(prefix.saturating_add(end));
        }
        return None;
    }
    match tail.chars().next()? {
        '"' => Some(prefix.saturating_add(quoted_len(tail, '"'))),
        '\'' => Some(prefix.saturating_add(quoted_len(tail, '\''))),
        _ => None,
    }
}

/// Length of a quoted literal with backslash escapes.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// A character literal, or nothing when the quote begins a lifetime.
fn char_len(rest: &str) -> Option<usize> {
    let mut chars = rest.chars().skip(1);
    let first = chars.next()?;
    if first == '\\' || chars.next() == Some('\'') { Some(quoted_len(rest, '\'')) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lifetimes_stay() {
        let cases = [
            ("a // b { \nc", "a        \nc"),
            ("a /* { /* } */ */ b", "a                 b"),
            (r#"f("{ \" }", 'x', '\'', b"}")"#, "f(        ,    ,     ,     )"),
            ("r#\"{\"#; x", "      ; x"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("for c in bar { }", "for c in bar { }"),
        ];
        for (text, expected) in cases {
            assert_eq!(blanked(text), expected, "{text}");
        }
    }
}
