//! The pages for people keep their word: links lead somewhere, and code stands in a program that runs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    chat_tidy::workspace_root(env!("CARGO_MANIFEST_DIR").as_ref())
}

/// Every Markdown page of the project.
fn pages(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | ".git" | "corpus" | "artifacts") {
            pages(&path, into);
        } else if name.ends_with(".md") {
            into.push(path);
        }
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut all = Vec::new();
    pages(&root(), &mut all);
    let mut dead = Vec::new();
    for page in &all {
        let text = fs::read_to_string(page).unwrap();
        for target in text.split("](").skip(1).filter_map(|tail| tail.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !target.contains("://") && !page.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn the_code_in_the_readme_stands_in_an_example() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let examples: Vec<String> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let blocks: Vec<&str> = readme.split("```rust\n").skip(1).filter_map(|tail| tail.split("```").next()).collect();
    assert!(!blocks.is_empty(), "the page shows how to embed");
    for block in blocks {
        assert!(examples.iter().any(|example| example.contains(block)), "no example holds:\n{block}");
    }
}

#[test]
fn every_example_that_the_readme_runs_exists() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for name in readme.split("--example ").skip(1).filter_map(|tail| tail.split_whitespace().next()) {
        assert!(root().join("examples").join(format!("{name}.rs")).exists(), "examples/{name}.rs");
    }
}
