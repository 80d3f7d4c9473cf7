//! The house rules for this package. A module imports only from lower floors.

/// Modules by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["config", "failure", "keymap", "passphrase", "picture", "signals", "theme", "text"],
    &["model"],
    &["update", "view"],
    &["app", "demo", "rpc"],
    &["args", "hostile"],
];

/// Inside `rpc`: bytes, then requests, then calls and shapes, then the session over them.
const RPC: &[&[&str]] =
    &[&["line", "error", "input", "output"], &["request"], &["call", "shape"], &["session"], &["backend"]];

/// Inside `app`: what the machine and the client tell, then the terminal and the hands, then the loop.
const APP: &[&[&str]] = &[
    &["graphics", "host", "input", "intake", "stage", "widths"],
    &["painter"],
    &["effects", "plain", "terminal"],
    &["event_loop"],
];

/// Inside `update`: what handlers share, then handlers that use those below.
const UPDATE: &[&[&str]] = &[
    &["chats"],
    &["forms"],
    &["account", "compose", "files", "habits", "list", "people", "rooms"],
    &["pass_on"],
    &["menu", "sheets"],
    &["share"],
    &["door", "messages"],
    &["commands"],
    &["client"],
];

/// Inside `view`: cells and lines, then the parts of the screen, then what lies on top.
const VIEW: &[&[&str]] = &[
    &["canvas", "layout"],
    &["picture"],
    &["composer", "members", "roster", "timeline"],
    &["statusline"],
    &["overlay"],
    &["door", "form", "help", "sheet", "verify"],
];

#[test]
fn the_package_keeps_its_floors_and_sizes() {
    chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR"))
        .floors(FLOORS)
        .inside("rpc", RPC)
        .inside("app", APP)
        .inside("update", UPDATE)
        .inside("view", VIEW)
        .check();
}
