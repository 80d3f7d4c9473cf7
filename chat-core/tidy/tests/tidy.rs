//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[&["text", "spec"], &["source"], &["imports", "sizes", "citations"]];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS).check();
}

/// Everything at the top of the tree (DESIGN §2); beside it only dot-files and licences.
const TOP_LEVEL: &[&str] =
    &["Cargo.toml", "Cargo.lock", "README.md", "chat-core", "chat-server", "chat-tui", "examples", "benches", "fuzz"];

#[test]
fn the_top_of_the_tree_holds_what_the_design_allows() {
    let root = chat_tidy::workspace_root(env!("CARGO_MANIFEST_DIR").as_ref());
    let names = std::fs::read_dir(root).into_iter().flatten().flatten();
    let strange: Vec<String> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.starts_with("LICENSE-") && name != "target")
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Requirements that nothing keeps yet.
const UNCITED: &[&str] = &[];

#[test]
fn every_requirement_of_the_specification_is_cited_where_it_is_kept() {
    let root = chat_tidy::workspace_root(env!("CARGO_MANIFEST_DIR").as_ref());
    let packages = [
        "chat-core",
        "chat-core/wire",
        "chat-core/login",
        "chat-core/client",
        "chat-server",
        "chat-server/relay",
        "chat-tui",
    ];
    let folders: Vec<_> = packages.iter().map(|package| root.join(package)).collect();
    let paths: Vec<_> = folders.iter().map(std::path::PathBuf::as_path).collect();
    let coverage = chat_tidy::coverage(&paths);
    println!("SPEC.md: {} requirements, uncited: {:?}", coverage.requirements, coverage.uncited);
    assert_eq!(coverage.uncited, UNCITED);
}
