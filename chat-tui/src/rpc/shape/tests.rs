//! Tests of the shapes against the contract.

use super::*;
use chat_client::{AccountId, Conversation, Notice, UserName};
use serde_json::{Value, json};

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn conversation() -> Conversation {
    Conversation::Direct(AccountId([7; 32]))
}

fn hello() -> Message {
    Message {
        id: MessageId([0xab; 16]),
        conversation: conversation(),
        from: name("alice"),
        to: "bob".to_owned(),
        text: Some("hi".to_owned()),
        unknown: None,
        reply_to: None,
        outgoing: false,
        status: MessageStatus::Delivered,
        timestamp_ms: 1_700_000_000_000,
        edited: false,
        deleted: false,
        direct: false,
        imported: false,
        file: None,
        reactions: Vec::new(),
    }
}

fn notification(event: ClientEvent) -> Value {
    serde_json::to_value(Notification::of(event).unwrap()).unwrap()
}

fn notice(kind: NoticeKind) -> Value {
    notification(ClientEvent::Notice(Notice { seq: 9, kind }))
}

#[test]
fn a_message_notification_is_a_message_with_its_seq() {
    let id = "ab".repeat(16);
    let expected = json!({ "jsonrpc": "2.0", "method": "message", "params": {
        "seq": 9, "id": id, "from": "alice", "to": "bob", "text": "hi", "edited": false, "deleted": false,
        "outgoing": false, "status": "delivered", "timestamp": 1_700_000_000_000u64, "direct": false,
    }});
    assert_eq!(notice(NoticeKind::Message(hello())), expected);

    let answer = Message { reply_to: Some(MessageId([1; 16])), ..hello() };
    assert_eq!(notice(NoticeKind::Message(answer))["params"]["replyTo"], "01".repeat(16));
}

#[test]
fn content_of_a_newer_version_has_no_text_and_says_so() {
    let message = Message { text: None, unknown: Some(vec![1]), ..hello() };
    let params = notice(NoticeKind::Message(message))["params"].clone();
    assert_eq!((params.get("text"), &params["unsupported"]), (None, &json!(true)));
}

#[test]
fn every_durable_notification_carries_its_seq() {
    let request = Request { username: name("mallory"), preview: "hey".to_owned(), timestamp_ms: 5 };
    for (kind, expected) in [
        (NoticeKind::Request(request), json!({ "seq": 9, "username": "mallory", "preview": "hey", "timestamp": 5 })),
        (
            NoticeKind::IdentityChanged { username: name("bob"), reason: IdentityChange::Device },
            json!({ "seq": 9, "username": "bob", "reason": "device" }),
        ),
        (NoticeKind::LoggedOut { reason: "removed".to_owned() }, json!({ "seq": 9, "reason": "removed" })),
    ] {
        assert_eq!(notice(kind)["params"], expected);
    }
}

#[test]
fn passing_notifications_have_the_members_of_the_contract() {
    let receipt = Event::Receipt {
        id: MessageId([0; 16]),
        conversation: conversation(),
        to: "bob".to_owned(),
        by: Some(name("bob")),
        status: MessageStatus::Read,
    };
    let line = notification(ClientEvent::Event(receipt));
    assert_eq!(line["method"], "receipt");
    assert_eq!(line["params"], json!({ "id": "00".repeat(16), "to": "bob", "by": "bob", "status": "read" }));

    let presence = |online| {
        let event = Event::Presence { username: name("bob"), online, status: PresenceStatus::Away };
        notification(ClientEvent::Event(event))["params"].clone()
    };
    assert_eq!(presence(true), json!({ "username": "bob", "online": true, "status": "away" }));
    assert_eq!(presence(false), json!({ "username": "bob", "online": false }));
}

#[test]
fn the_connection_names_its_relay_and_the_next_try() {
    let connection = Connection {
        state: ConnectionState::Offline,
        relay: Some("127.0.0.1:7".parse().unwrap()),
        retry_in_ms: Some(250),
        reason: Some(chat_client::OfflineReason::Unreachable),
    };
    let expected = json!({ "state": "offline", "relay": "127.0.0.1:7", "retryInMs": 250, "reason": "unreachable" });
    assert_eq!(notification(ClientEvent::Connection(connection))["params"], expected);
}

#[test]
fn an_answer_has_a_result_or_an_error_never_both() {
    let done = serde_json::to_string(&Response::new(Id::Text("x".to_owned()), Ok(Body::Done {}))).unwrap();
    assert_eq!(done, r#"{"jsonrpc":"2.0","id":"x","result":{}}"#);
    let error = serde_json::to_value(Response::new(Id::Null, Err(RpcError::parse()))).unwrap();
    assert_eq!((error.get("result"), &error["error"]["code"], &error["id"]), (None, &json!(-32700), &Value::Null));
}

#[test]
fn results_have_the_members_of_the_contract() {
    let json = |body: Body| serde_json::to_value(body).unwrap();
    assert_eq!(json(Body::version())["rpc"], 1);
    let enrolled = Reply::Enrolled { username: name("bob"), device: DeviceId(7), recovery_code: "AB".to_owned() };
    assert_eq!(json(enrolled.into()), json!({ "username": "bob", "device": "7", "recoveryCode": "AB" }));
    let back = Reply::LoggedIn { username: name("bob"), device: DeviceId(7), new_device: false };
    assert_eq!(json(back.into()), json!({ "username": "bob", "device": "7", "newDevice": false }));
    let status = StatusShape::new(Status::default(), true);
    assert_eq!(json(Body::Status(status)), json!({ "loggedIn": false, "connected": true }));
    let queued = Reply::Queued { id: MessageId([2; 16]), timestamp_ms: 3 };
    assert_eq!(json(queued.into()), json!({ "id": "02".repeat(16), "timestamp": 3 }));
    let found = Reply::Found(vec![FoundPerson { username: name("bob"), online: true }]);
    assert_eq!(json(found.into()), json!({ "users": [{ "username": "bob", "online": true }] }));
    assert_eq!(json(Reply::Done.into()), json!({}));
}
