//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["limits", "clock"],
    &["blobstore", "identity", "rate", "storage"],
    &["round", "refuse", "window"],
    &["service"],
    &["peer", "reply"],
    &["core"],
    &["dispatch", "meters", "task"],
    &["relay"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR"))
        .floors(FLOORS)
        .inside("storage", &[&["accounts", "logs", "rooms"], &["memory"]])
        .inside(
            "service",
            &[&[
                "accounts",
                "blobs",
                "devices",
                "directory",
                "entrance",
                "mailboxes",
                "packages",
                "prekeys",
                "presence",
                "records",
                "rooms",
                "sends",
            ]],
        )
        .inside(
            "dispatch",
            &[
                &["table"],
                &["entrance", "log"],
                &["steps"],
                &["account", "blob", "company", "login", "mail", "packages", "people", "reading", "renewal", "writing"],
                &["rooms"],
            ],
        )
        .check();
}
