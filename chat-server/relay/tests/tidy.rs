//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["limits", "clock"],
    &["identity", "rate", "storage"],
    &["round", "refuse"],
    &["service"],
    &["peer"],
    &["core"],
    &["dispatch"],
    &["relay"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR"))
        .floors(FLOORS)
        .inside("storage", &[&["accounts", "logs"], &["memory"]])
        .inside("service", &[&["accounts", "devices", "directory", "mailboxes", "prekeys", "presence", "records"]])
        .inside("dispatch", &[&["table", "reply"], &["account", "login", "mail", "people"]])
        .check();
}
