//! The house rules for this package. A module imports only from lower floors.

const FLOORS: &[&[&str]] = &[&["decode"], &["child"]];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR")).floors(FLOORS).check();
}
