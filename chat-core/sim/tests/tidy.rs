//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["chance", "report"],
    &["plan", "disk", "network", "shelf"],
    &["check", "login"],
    &["actor", "hostile"],
    &["world"],
    &["history"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS).check();
}
