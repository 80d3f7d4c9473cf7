//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["config", "metrics", "notify"],
    &["blobstore", "data_dir", "logging"],
    &["storage"],
    &["net", "admin"],
    &["server"],
    &["embed"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR"))
        .floors(FLOORS)
        .inside(
            "storage",
            &[&["rows", "schema", "disk"], &["database"], &["answers", "rooms"], &["accounts", "logs"], &["sqlite"]],
        )
        .inside(
            "net",
            &[
                &["address", "carrier", "notes", "pool", "tls", "turns", "health"],
                &["outlet"],
                &["hub"],
                &["worker", "bulk"],
                &["connection"],
                &["listener"],
            ],
        )
        .check();
}
