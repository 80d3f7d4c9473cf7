//! Files to a room.

use serde_json::json;
use tempfile::TempDir;

use super::*;

#[test]
fn a_file_to_a_room_reaches_every_member_and_nobody_else() {
    let world = World::new();
    let mut alice = world.registered("alice");
    let mut others = [world.registered("bob"), world.registered("carol")];
    let mut outsider = world.registered("oscar");
    alice.ok("createRoom", json!({ "name": "#plans", "public": true }));
    for other in &mut others {
        other.ok("joinRoom", json!({ "name": "#plans" }));
        alice.expect("roomEvent", |event| event["kind"] == "joined");
    }
    let from = TempDir::new().unwrap();
    let content = bytes(300_000);
    let path = file(&from, "plan.pdf", &content);
    let sent = alice.ok("sendFile", json!({ "to": "#plans", "path": text(&path), "caption": "the plan" }));
    assert_eq!(sent["size"], 300_000);
    alice.expect("fileProgress", |progress| progress["id"] == sent["id"] && progress["done"] == 300_000);
    for other in &mut others {
        let message = expect_file(other);
        assert_eq!(
            (&message["id"], &message["to"], &message["from"]),
            (&sent["id"], &json!("#plans"), &json!("alice"))
        );
        assert_eq!(message["text"], "the plan");
        assert_eq!(message["file"], json!({ "name": "plan.pdf", "size": 300_000, "mime": "application/pdf" }));
        let to = TempDir::new().unwrap();
        let saved = other.ok("download", json!({ "id": sent["id"], "path": text(to.path()) }));
        assert_eq!(saved["sha256"], sent["sha256"]);
        assert!(fs::read(to.path().join("plan.pdf")).unwrap() == content);
        assert_eq!(other.ok("transfers", json!({}))["transfers"][0]["with"], "#plans");
    }
    assert_eq!(outsider.refused("download", json!({ "id": sent["id"] })), "UnknownMessage");
    assert_eq!(outsider.refused("sendFile", json!({ "to": "#plans", "path": text(&path) })), "UnknownRoom");
    // An answer by a member, of the smallest file there is.
    let empty = file(&from, "empty", b"");
    let back = others[0].ok("sendFile", json!({ "to": "#plans", "path": text(&empty) }));
    assert_eq!(expect_file(&mut alice)["id"], back["id"]);
}
