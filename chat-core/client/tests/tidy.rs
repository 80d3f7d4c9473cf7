//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["clock", "picture"],
    &["config"],
    &["error", "estimate", "event", "request"],
    &["transport", "store"],
    &["link"],
    &["driver"],
    &["auth", "events", "transfer", "archive"],
    &["handle"],
];

/// The store's parts: each knows the connection, none knows the whole.
const STORE_FLOORS: &[&[&str]] = &[
    &["place"],
    &["seal"],
    &["sqlite", "keyring", "file"],
    &["keyfile"],
    &["migrate", "records", "history", "drafts", "settings", "transfers"],
    &["amend", "search", "notices"],
    &["archive"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS).inside("store", STORE_FLOORS).check();
}
