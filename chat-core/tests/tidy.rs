//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["secret", "time", "limits", "labels"],
    &["crypto", "store"],
    &["identity", "file", "ratchet"],
    &["prekey", "group", "archive", "measure"],
    &["handshake"],
    &["session"],
    &["engine"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS).check();
}
