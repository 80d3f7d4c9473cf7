//! Sizes, module docs, markers of unfinished work, and exceptions without a reason.

use std::fmt;

use crate::source::Source;
use crate::text::{blanked, block_end, is_word};

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 600;
/// Lines of code in the body of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines of tests at the foot of a file; more go to a file of their own.
const INLINE_TEST_LINES_MAX: usize = 110;
/// Words that mean "not finished", spelt so that this file does not hold them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// What was counted in a package's `src`.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Figures {
    /// Files.
    pub files: usize,
    /// Lines without those of tests.
    pub lines: usize,
    /// The longest file.
    pub longest_file: usize,
    /// The longest function body.
    pub longest_function: usize,
    /// Places where code depends on a feature.
    pub feature_sites: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, lines, longest_file, longest_function, feature_sites } = self;
        write!(
            f,
            "{files} files, {lines} lines without tests; longest file {longest_file}, longest function {longest_function}; {feature_sites} feature sites"
        )
    }
}

pub(crate) fn figures(sources: &[Source]) -> Figures {
    let code: Vec<&Source> = sources.iter().filter(|source| !source.for_tests).collect();
    Figures {
        files: code.len(),
        lines: code.iter().map(|source| file_lines(source)).sum(),
        longest_file: code.iter().map(|source| file_lines(source)).max().unwrap_or(0),
        longest_function: code.iter().flat_map(|s| functions(&s.code)).map(|f| f.lines).max().unwrap_or(0),
        feature_sites: code.iter().map(|source| source.code.matches("cfg(feature").count()).sum(),
    }
}

pub(crate) fn check(sources: &[Source], found: &mut Vec<String>) {
    for source in sources.iter().filter(|source| !source.for_tests) {
        let lines = file_lines(source);
        if lines > FILE_LINES_MAX {
            found.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path.display()));
        }
        if source.inline_test_lines > INLINE_TEST_LINES_MAX {
            let tests = source.inline_test_lines;
            found.push(format!("{}: {tests} lines of tests go to a file of their own", source.path.display()));
        }
        if !source.raw.starts_with("//!") {
            found.push(format!("{}: does not say what it is for (`//!`)", source.path.display()));
        }
        for function in functions(&source.code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let Function { name, lines, offset } = function;
            found.push(format!("{}: `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}", source.place(offset)));
        }
    }
}

/// Rules for tests as well.
pub(crate) fn check_text(source: &Source, found: &mut Vec<String>) {
    let code = blanked(&source.raw);
    for (number, (line, code_line)) in source.raw.lines().zip(code.lines()).enumerate() {
        let place = || format!("{}:{}", source.path.display(), number.saturating_add(1));
        if line.split(|c| !is_word(c)).any(|word| UNFINISHED.contains(&word)) {
            found.push(format!("{}: unfinished work is an issue, not a comment", place()));
        }
        let excuses = ["[allow(", "[expect("].iter().any(|start| code_line.contains(start));
        if excuses && code_line.contains(")]") && !line.contains("reason = ") {
            found.push(format!("{}: an exception without a reason", place()));
        }
    }
}

fn file_lines(source: &Source) -> usize {
    source.raw.lines().count().saturating_sub(source.inline_test_lines)
}

struct Function {
    name: String,
    lines: usize,
    offset: usize,
}

fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (offset, _) in code.match_indices("fn ") {
        if code.get(..offset).is_some_and(|before| before.ends_with(is_word)) {
            continue;
        }
        let tail = code.get(offset.saturating_add(3)..).unwrap_or("");
        let name: String = tail.trim_start().chars().take_while(|c| is_word(*c)).collect();
        let (Some(open), end) = (tail.find('{'), tail.find(';').unwrap_or(usize::MAX)) else { continue };
        if name.is_empty() || (end < open && !inside_brackets(tail, end)) {
            continue;
        }
        let body = block_end(tail).and_then(|close| tail.get(open..close)).unwrap_or("");
        let lines = body.lines().filter(|line| !line.trim().is_empty()).count().saturating_sub(2);
        found.push(Function { name, lines, offset });
    }
    found
}

/// Whether a semicolon stands inside an array type of the signature.
fn inside_brackets(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    before.matches('[').count() > before.matches(']').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_measured_by_its_lines_of_code() {
        let code =
            "trait T { fn declared(&self); }\nfn f(x: [u8; 2]) -> u8 {\n    let a = 1;\n\n    if a { b }\n    a\n}\n";
        let found: Vec<(String, usize)> = functions(code).into_iter().map(|f| (f.name, f.lines)).collect();
        assert_eq!(found, [("f".to_owned(), 3)]);
    }
}
