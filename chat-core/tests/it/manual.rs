//! The manual names a test for each attack; each named test is there.

use std::path::{Path, PathBuf};

/// Every Rust source under a folder, but for what was built.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_test_that_the_page_of_attacks_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("manual/attacks.md")).unwrap();
    let mut files = Vec::new();
    for folder in [root.to_path_buf(), root.join("../chat-server")] {
        sources(&folder, &mut files);
    }
    let all: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let is_name =
        |word: &&str| word.len() > 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b));
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attack")) {
        assert!(row.split('`').skip(1).step_by(2).any(|word| is_name(&word)), "no test in {row}");
    }
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 30, "{} tests named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
