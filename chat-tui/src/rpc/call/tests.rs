//! Tests of the table of methods.

use super::*;

fn call(method: &str, params: &str) -> Result<Call, (i32, &'static str)> {
    call_with(method, params, None)
}

fn call_with(method: &str, params: &str, password: Option<&str>) -> Result<Call, (i32, &'static str)> {
    let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let request = Request::parse(line.as_bytes()).unwrap();
    let read = match Call::parse(&request, password) {
        Ok(Call::Nothing(error)) => Err(error),
        read => read,
    };
    read.map_err(|error| (error.code(), error.kind()))
}

const WRONG: (i32, &str) = (-32602, "InvalidParams");

#[test]
fn methods_of_later_steps_and_foreign_ones_are_not_found() {
    for method in ["connectDirect", "disconnectDirect", "Send", "", "rpc.discover"] {
        assert_eq!(call(method, "{}").unwrap_err(), (-32601, "NotFound"), "{method}");
    }
}

#[test]
fn absent_null_and_empty_parameters_are_the_same() {
    for params in ["null", "{}", "[]"] {
        assert!(matches!(call("status", params), Ok(Call::Status)), "{params}");
        assert!(matches!(call("logout", params), Ok(Call::Run(Command::Logout { forget: false }))), "{params}");
    }
}

#[test]
fn wrong_types_missing_and_unknown_fields_are_wrong_parameters() {
    for (method, params) in [
        ("status", "5"),
        ("status", r#"{"x":1}"#),
        ("ack", "{}"),
        ("ack", r#"{"seq":-1}"#),
        ("ack", r#"{"seq":1.5}"#),
        ("ack", r#"{"seq":"1"}"#),
        ("ack", "[1]"),
        ("send", r#"{"to":"bob"}"#),
        ("send", r#"{"to":"bob","text":7}"#),
        ("send", r#"{"to":"bob","text":null}"#),
        ("send", r#"{"to":"bob","text":"\ud800"}"#),
        ("send", r#"{"to":"bob","text":"a","text":"b"}"#),
        ("send", r#"{"to":"bob","text":"a","idempotencykey":"b"}"#),
        ("typing", r#"{"to":"bob","active":"yes"}"#),
        ("setPresence", r#"{"status":"busy"}"#),
        ("setPresence", r#"{"status":"Online"}"#),
        ("logout", r#"{"forget":1}"#),
        ("history", r#"{"with":"bob","limit":-1}"#),
    ] {
        assert_eq!(call(method, params).unwrap_err(), WRONG, "{method} {params}");
    }
}

#[test]
fn an_expiry_is_a_number_of_milliseconds() {
    assert_eq!(call("send", r#"{"to":"bob","text":"a","expiresInMs":-1}"#).unwrap_err(), WRONG);
}

#[test]
fn a_malformed_name_is_a_wrong_parameter_wherever_it_stands() {
    for name in ["", "al", "a b c", "ünal", "a/../b", &"x".repeat(33)] {
        for (method, params) in [
            ("register", format!(r#"{{"username":"{name}","password":"x"}}"#)),
            ("login", format!(r#"{{"username":"{name}","password":"x"}}"#)),
            ("send", format!(r#"{{"to":"{name}","text":"x"}}"#)),
            ("send", format!(r##"{{"to":"#{name}","text":"x"}}"##)),
            ("block", format!(r#"{{"username":"{name}"}}"#)),
            ("acceptRequest", format!(r#"{{"username":"{name}"}}"#)),
            ("history", format!(r#"{{"with":"{name}"}}"#)),
            ("searchMessages", format!(r#"{{"query":"x","with":"{name}"}}"#)),
        ] {
            assert_eq!(call(method, &params).unwrap_err(), WRONG, "{method} {params}");
        }
    }
}

#[test]
fn an_id_that_was_never_given_out_names_no_message() {
    for id in ["", "x", "00", &"g".repeat(32), &"A".repeat(32), &"0".repeat(34)] {
        let params = format!(r#"{{"with":"bob","id":"{id}"}}"#);
        assert_eq!(call("markRead", &params).unwrap_err().1, "UnknownMessage", "{id}");
    }
    let Ok(Call::Run(Command::MarkRead { id, .. })) =
        call("markRead", &format!(r#"{{"with":"bob","id":"{}"}}"#, "0f".repeat(16)))
    else {
        panic!("a well-formed id is read");
    };
    assert_eq!(id.0, [0x0f; 16]);
}

#[test]
fn a_text_is_read_exactly_as_it_was_written() {
    let params = r#"{"to":"Bob","text":"a\u0000\u202e\ud83d\udc4d\r\n ","replyTo":null,"idempotencyKey":"k"}"#;
    let Ok(Call::Run(Command::Send { to, text, reply_to, idempotency_key, expires_in_ms: None })) =
        call("send", params)
    else {
        panic!("a send is read");
    };
    assert_eq!((to.as_str(), text.as_str()), ("bob", "a\0\u{202e}👍\r\n "));
    assert_eq!((reply_to, idempotency_key.as_deref()), (None, Some("k")));
}

#[test]
fn a_password_comes_as_a_parameter_or_from_the_environment_and_is_never_quoted() {
    assert!(matches!(call("login", r#"{"username":"bob","password":"x"}"#), Ok(Call::Login(_))));
    assert!(matches!(call_with("login", r#"{"username":"bob"}"#, Some("x")), Ok(Call::Login(_))));
    assert_eq!(call("login", r#"{"username":"bob"}"#).unwrap_err(), WRONG);

    let line = br#"{"id":1,"method":"login","params":{"username":"bob","password":["Canary1!"]}}"#;
    let request = Request::parse(line).unwrap();
    let error = Call::parse(&request, None).unwrap_err();
    assert!(!serde_json::to_string(&error).unwrap().contains("Canary"));
    let line = br#"{"id":1,"method":"login","params":{"username":42424242,"password":"x"}}"#;
    let error = Call::parse(&Request::parse(line).unwrap(), None).unwrap_err();
    assert!(!serde_json::to_string(&error).unwrap().contains("42424242"));
}

#[test]
fn limits_have_a_usual_value_and_a_ceiling() {
    let limit = |params: &str| match call("history", params) {
        Ok(Call::History(page)) => page.limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(r#"{"with":"bob"}"#), 50);
    assert_eq!(limit(r#"{"with":"bob","limit":7}"#), 7);
    assert_eq!(limit(r#"{"with":"bob","limit":99999999999}"#), HISTORY_PAGE_MAX);
}

#[test]
fn the_page_lists_every_method_and_no_other() {
    let page = include_str!("../../../RPC.md");
    let table = page.split("## Methods").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let listed: Vec<&str> = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    assert!(listed.len() > 20, "{listed:?}");
    for method in &listed {
        assert_ne!(call(method, "{}").map_or_else(|(code, _)| code, |_| 0), -32601, "{method}");
    }
    // The other way round: what this file takes apart by name stands there.
    let source = include_str!("../call.rs");
    let known =
        source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>")).map(|(name, _)| name);
    assert_eq!(
        known.filter(|name| name.chars().all(char::is_alphabetic) && !listed.contains(name)).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}
