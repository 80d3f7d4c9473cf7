//! From a line to a request: JSON-RPC 2.0, one object a line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::RpcError;

/// A request whose parameters are still text, borrowed from its line.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// What the answer names; none for a notification, which gets no answer.
    pub(crate) id: Option<Id>,
    /// Wanted method.
    pub(crate) method: Cow<'a, str>,
    /// Its parameters.
    pub(crate) params: Option<&'a RawValue>,
}

/// A line that is no request, with the id when it could be read.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the answer names.
    pub(crate) id: Id,
    /// Why.
    pub(crate) error: RpcError,
}

/// What ties an answer to its request; given back as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// Null: an id of its own for requests, "unknown" for errors.
    Null,
}

impl<'a> Request<'a> {
    /// Reads one line. Parameters are looked at later, by whoever knows the method's.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Refused> {
        let unread = |error| Refused { id: Id::Null, error };
        let text = std::str::from_utf8(line).map_err(|_| unread(RpcError::parse()))?;
        if !text.trim_start_matches(JSON_SPACE).starts_with('{') {
            return Err(unread(not_an_object(text)));
        }
        let members: Members<'a> = serde_json::from_str(text).map_err(|_| unread(not_an_object(text)))?;
        let id = match members.id {
            Some(raw) => match serde_json::from_str(raw.get()) {
                Ok(id) => Some(id),
                Err(_) => return Err(unread(RpcError::invalid_request("An id is a number, a text or null."))),
            },
            None => None,
        };
        let refused = |why| Refused { id: id.clone().unwrap_or(Id::Null), error: RpcError::invalid_request(why) };
        if members.jsonrpc.is_some_and(|version| version.get() != "\"2.0\"") {
            return Err(refused("The version of JSON-RPC is \"2.0\"."));
        }
        let Some(method) = members.method.and_then(|raw| serde_json::from_str::<Cow<'a, str>>(raw.get()).ok()) else {
            return Err(refused("A request names its method."));
        };
        Ok(Self { id, method, params: members.params })
    }
}

/// Members of a request; each is read by itself, so that an error can still name the id. `Option`
/// would make a null id an absent one.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

/// Tells a text that is JSON, but not one object, from one that is not JSON.
fn not_an_object(text: &str) -> RpcError {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => RpcError::invalid_request("A line is one JSON object, and names each member once."),
        Err(_) => RpcError::parse(),
    }
}

/// RFC 8259 §2: what may stand around a value.
const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> (Id, i32) {
        let refused = Request::parse(line.as_bytes()).expect_err(line);
        (refused.id, refused.error.code())
    }

    fn number(n: u64) -> Id {
        Id::Number(n.into())
    }

    #[test]
    fn a_request_keeps_its_id_and_method_and_leaves_its_parameters_unread() {
        let request =
            Request::parse(br#" {"jsonrpc":"2.0","id":"a\u202e","method":"send","params":{"to":1}}"#).unwrap();
        assert_eq!(request.id, Some(Id::Text("a\u{202e}".to_owned())));
        assert_eq!(request.method, "send");
        assert_eq!(request.params.map(RawValue::get), Some(r#"{"to":1}"#));
    }

    #[test]
    fn an_absent_id_is_no_null_id() {
        assert_eq!(Request::parse(br#"{"method":"status"}"#).unwrap().id, None);
        assert_eq!(Request::parse(br#"{"method":"status","id":null}"#).unwrap().id, Some(Id::Null));
    }

    #[test]
    fn a_line_that_is_no_json_is_a_parse_error() {
        for line in ["", "   ", "hello", "{", "{\"id\":1", "{\"id\":1}}", "{'id':1}", "{\"method\":5,x}", "[1,"] {
            assert_eq!(refused(line), (Id::Null, -32700), "{line:?}");
        }
        assert_eq!(Request::parse(b"{\"id\":\"\xff\"}").expect_err("not UTF-8").error.code(), -32700);
    }

    #[test]
    fn json_that_is_no_request_is_an_invalid_request_and_names_the_id_it_can_read() {
        for line in ["1", "null", "[]", r#"["2.0",1,"status"]"#, r#"{"id":1,"id":2,"method":"status"}"#, r#"{"id":{}}"#]
        {
            assert_eq!(refused(line), (Id::Null, -32600), "{line:?}");
        }
        assert_eq!(refused(r#"{"id":7}"#), (number(7), -32600));
        assert_eq!(refused(r#"{"id":7,"method":3}"#), (number(7), -32600));
        assert_eq!(refused(r#"{"id":7,"method":"status","jsonrpc":"1.0"}"#), (number(7), -32600));
    }

    #[test]
    fn deep_nesting_is_answered_not_a_crash() {
        let deep = format!(r#"{{"id":1,"method":"status","params":{}1{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(Request::parse(deep.as_bytes()).is_ok());
    }
}
