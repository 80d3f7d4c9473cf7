//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["config", "failure", "keymap", "signals", "theme", "text"],
    &["model"],
    &["update", "view"],
    &["app", "demo", "rpc"],
    &["args"],
];

/// Inside `rpc`: bytes, then requests, then calls and shapes, then the session over them.
const RPC: &[&[&str]] =
    &[&["line", "error", "input", "output"], &["request"], &["call", "shape"], &["session"], &["backend"]];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS).inside("rpc", RPC).check();
}
