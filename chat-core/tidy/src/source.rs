//! Source files as the rules see them: raw, blanked, and without what only tests compile.

use std::fs;
use std::path::{Path, PathBuf};

use crate::text::{blanked, block_end, is_word};

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Module path below the crate: empty for `lib.rs` and `main.rs`.
    pub(crate) module: Vec<String>,
    pub(crate) raw: String,
    /// Without comments, literals and test items.
    pub(crate) code: String,
    /// Lines that only tests compile.
    pub(crate) inline_test_lines: usize,
    /// The whole file is compiled for tests only.
    pub(crate) for_tests: bool,
}

impl Source {
    /// Every `.rs` file below a folder, in order of path; none when the folder is missing.
    pub(crate) fn load_all(folder: &Path) -> Vec<Self> {
        let mut paths = Vec::new();
        collect(folder, &mut paths);
        paths.sort();
        let mut sources: Vec<Self> = paths.iter().filter_map(|path| Self::load(folder, path)).collect();
        let test_modules: Vec<Vec<String>> = sources.iter().flat_map(Self::test_modules).collect();
        for source in &mut sources {
            source.for_tests |= test_modules.iter().any(|module| source.module.starts_with(module));
        }
        sources
    }

    fn load(folder: &Path, path: &Path) -> Option<Self> {
        let raw = fs::read_to_string(path).ok()?;
        let (code, inline_test_lines) = without_tests(&blanked(&raw));
        let module = module_path(path.strip_prefix(folder).ok()?);
        let for_tests = module.last().is_some_and(|name| name == "tests");
        Some(Self { path: path.to_path_buf(), module, raw, code, inline_test_lines, for_tests })
    }

    /// Modules that this file declares for tests only, in files of their own.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let text = blanked(&self.raw);
        let declared = text.match_indices(TEST_ATTRIBUTE).filter_map(|(at, _)| {
            let item = text.get(at.saturating_add(TEST_ATTRIBUTE.len())..)?.trim_start();
            let name = item.strip_prefix("mod ")?.split_once(';')?.0.trim();
            name.chars().all(is_word).then(|| [&self.module[..], &[name.to_owned()]].concat())
        });
        declared.collect()
    }

    /// The place, for a message.
    pub(crate) fn place(&self, offset: usize) -> String {
        let line = self.code.get(..offset).map_or(0, |text| text.matches('\n').count()).saturating_add(1);
        format!("{}:{line}", self.path.display())
    }
}

/// The folder that holds the workspace's `Cargo.lock`, upwards from a package.
#[must_use]
pub fn workspace_root(package: &Path) -> PathBuf {
    package.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).unwrap_or(package).to_path_buf()
}

const TEST_ATTRIBUTE: &str = "#[cfg(test)]";

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn module_path(relative: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// Blanks items under `#[cfg(test)]`; tells how many lines they have.
fn without_tests(code: &str) -> (String, usize) {
    let (mut out, mut lines, mut rest) = (String::with_capacity(code.len()), 0_usize, code);
    while let Some(at) = rest.find(TEST_ATTRIBUTE) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (item, after) = from.split_at(test_item_len(from));
        out.extend(item.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        lines = lines.saturating_add(item.matches('\n').count());
        rest = after;
    }
    out.push_str(rest);
    (out, lines)
}

/// Length of the attribute and the item below it; of the attribute alone before a variant or field.
fn test_item_len(from: &str) -> usize {
    const ITEMS: [&str; 9] = ["mod", "fn", "use", "impl", "const", "struct", "enum", "pub", "macro_rules"];
    let body = from.get(TEST_ATTRIBUTE.len()..).unwrap_or("");
    let word: String = body.trim_start().chars().take_while(|c| is_word(*c)).collect();
    let is_item = ITEMS.contains(&word.as_str()) || body.trim_start().starts_with('#');
    let end = match (body.find('{'), body.find(';')) {
        (Some(brace), Some(end)) if end < brace => Some(end.saturating_add(1)),
        (Some(_), _) => block_end(body),
        (None, end) => end.map(|at| at.saturating_add(1)),
    };
    let item = if is_item { end.unwrap_or(body.len()) } else { 0 };
    TEST_ATTRIBUTE.len().saturating_add(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_items_are_left_out_and_a_variant_keeps_its_neighbours() {
        let (code, lines) = without_tests("a\n#[cfg(test)]\nmod tests {\n    b {}\n}\nc\n");
        assert_eq!((code.trim().replace(['\n', ' '], ""), lines), ("ac".to_owned(), 3));
        let (code, _) = without_tests("enum E { #[cfg(test)] A, B { x: u8 } }\nfn f() {}");
        assert!(code.contains("B { x: u8 } }\nfn f() {}"), "{code}");
    }

    #[test]
    fn a_path_becomes_the_module_that_it_holds() {
        let module = |path: &str| module_path(Path::new(path)).join("::");
        assert_eq!(module("lib.rs"), "");
        assert_eq!(module("a.rs"), "a");
        assert_eq!(module("a/mod.rs"), "a");
        assert_eq!(module("a/b.rs"), "a::b");
    }
}
