//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["limits", "clock"],
    &["identity", "rate", "refuse", "storage"],
    &["round"],
    &["service"],
    &["peer", "dispatch"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS)
        .inside("service", &[&["accounts", "devices", "directory", "mailboxes", "prekeys", "presence", "records"]]).check();
}
