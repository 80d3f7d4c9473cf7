//! Examples in the documentation: each public function is called in one, and each height at which one can embed
//! has a short one. `cargo test --doc` runs them.

use std::path::{Path, PathBuf};

/// Lines behind which nobody reads an example to its end.
const LINES_MAX: usize = 40;
/// Not for embedders.
const EXEMPT: &str = "measure.rs";

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.file_name().unwrap() != "tests.rs"
        {
            into.push(path);
        }
    }
}

/// The examples of a source, line by line, with what is hidden in them; no pictures.
fn examples(source: &str) -> Vec<Vec<&str>> {
    let (mut blocks, mut open) = (Vec::new(), None::<(bool, Vec<&str>)>);
    for line in source.lines().map(str::trim_start) {
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else { continue };
        let doc = doc.strip_prefix(' ').unwrap_or(doc);
        match (doc.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.is_empty(), Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, block))) => block.push(doc),
            (None, None) => {}
        }
    }
    blocks.into_iter().filter(|(is_rust, _)| *is_rust).map(|(_, block)| block).collect()
}

/// Names of the public functions before the unit tests.
fn public_functions(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let heads = code.lines().map(str::trim_start).filter_map(|line| {
        let rest = line.strip_prefix("pub ")?;
        let rest = rest.strip_prefix("const ").unwrap_or(rest);
        rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")
    });
    heads.filter_map(|head| head.split(['(', '<']).next()).collect()
}

fn calls(example: &[&str], name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let text = example.join("\n");
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        !before.is_some_and(is_name) && matches!(after, Some('(' | ':'))
    })
}

#[test]
fn every_public_function_is_called_in_an_example_of_its_own_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let (mut missing, mut count) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.file_name().unwrap() != EXEMPT) {
        let source = std::fs::read_to_string(file).unwrap();
        let examples = examples(&source);
        for name in public_functions(&source) {
            count += 1;
            if !examples.iter().any(|example| calls(example, name)) {
                missing.push(format!("{}: {name}", file.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(missing.is_empty(), "no example calls {missing:#?}");
    assert!(count > 150, "only {count} functions were looked at");
}

#[test]
fn session_engine_and_client_each_have_an_example_of_less_than_forty_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, call) in [("src/lib.rs", "seal"), ("src/engine/mod.rs", "handle"), ("client/src/lib.rs", "run")] {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let examples = examples(&source);
        let example = examples.iter().find(|example| calls(example, call)).unwrap();
        let shown = example.iter().filter(|line| !line.starts_with("# ")).count();
        assert!((10..LINES_MAX).contains(&shown), "{file}: {shown} lines");
    }
}
