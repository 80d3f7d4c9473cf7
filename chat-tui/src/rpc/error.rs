//! Errors of the contract: a code, a sentence, a kind, and the facts that help.

use std::borrow::Cow;

use chat_client::{Failure, FailureKind};
use serde::Serialize;

use crate::failure::{kind_name, sentence};

/// What a request that was not done is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RpcError {
    code: i32,
    message: Cow<'static, str>,
    data: ErrorData,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorData {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unmet: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl RpcError {
    /// The line is no JSON.
    pub(crate) fn parse() -> Self {
        Self::plain(-32700, "The line is not JSON.", "InvalidParams")
    }

    /// The line is longer than any request may be.
    pub(crate) fn line_too_long() -> Self {
        Self::plain(-32600, "The line is longer than a request may be.", "TooLarge")
    }

    /// JSON, but no request.
    pub(crate) fn invalid_request(why: &'static str) -> Self {
        Self::plain(-32600, why, "InvalidParams")
    }

    /// No such method in this version.
    pub(crate) fn method_not_found() -> Self {
        Self::plain(-32601, "There is no such method.", "NotFound")
    }

    /// Parameters of the wrong name, type or range.
    pub(crate) fn invalid_params(why: impl Into<Cow<'static, str>>) -> Self {
        Self::plain(CODE_INVALID_PARAMS, why, "InvalidParams")
    }

    /// The program ended before the answer came; the request may still have been done.
    pub(crate) fn ended() -> Self {
        Self::from(Failure::of(FailureKind::Timeout))
    }

    fn plain(code: i32, message: impl Into<Cow<'static, str>>, kind: &'static str) -> Self {
        let data = ErrorData { kind, unmet: None, retry_after_ms: None };
        Self { code, message: message.into(), data }
    }

    /// Whether it says that an id of the request names nothing.
    pub(crate) fn names_nothing(&self) -> bool {
        [code(FailureKind::UnknownMessage), code(FailureKind::NotFound)].contains(&self.code)
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> &'static str {
        self.data.kind
    }
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind;
        let retry_after_ms = failure.retry_after_ms.unwrap_or(RETRY_AFTER_MS_UNKNOWN);
        let data = ErrorData {
            kind: kind_name(kind),
            unmet: (kind == FailureKind::WeakPassword).then_some(failure.unmet),
            retry_after_ms: (kind == FailureKind::RateLimited).then_some(retry_after_ms),
        };
        Self { code: code(kind), message: sentence(kind).into(), data }
    }
}

/// Codes by kind: those of JSON-RPC where it has one, else out of its range for implementations.
/// They are part of the contract: a number is never given another meaning.
fn code(kind: FailureKind) -> i32 {
    match kind {
        FailureKind::InvalidParams => CODE_INVALID_PARAMS,
        FailureKind::NotLoggedIn => -32001,
        FailureKind::BadCredentials => -32002,
        FailureKind::WeakPassword => -32003,
        FailureKind::UsernameTaken => -32004,
        FailureKind::UnknownUser => -32005,
        FailureKind::UnknownRoom => -32006,
        FailureKind::RoomExists => -32007,
        FailureKind::UnknownMessage => -32008,
        FailureKind::Forbidden => -32009,
        FailureKind::Blocked => -32010,
        FailureKind::TooLarge => -32011,
        FailureKind::RateLimited => -32012,
        FailureKind::Offline => -32013,
        FailureKind::Timeout => -32014,
        FailureKind::NotFound => -32015,
        FailureKind::Integrity => -32016,
        FailureKind::KeyChanged => -32017,
        FailureKind::ProfileInUse => -32018,
        FailureKind::StoreTooNew => -32019,
        FailureKind::CertificateChanged => -32020,
        FailureKind::RegistrationClosed => -32021,
        FailureKind::Io => -32022,
        FailureKind::StoreLocked => -32023,
        FailureKind::WrongPassphrase => -32024,
        FailureKind::Cancelled => -32025,
        FailureKind::FileExists => -32026,
        FailureKind::NotLetIn => -32027,
        _ => CODE_INTERNAL,
    }
}

const CODE_INVALID_PARAMS: i32 = -32602;
const CODE_INTERNAL: i32 = -32603;

/// Milliseconds told when whoever refused did not say how long.
const RETRY_AFTER_MS_UNKNOWN: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn json(failure: Failure) -> serde_json::Value {
        serde_json::to_value(RpcError::from(failure)).unwrap()
    }

    #[test]
    fn a_weak_password_is_told_what_it_lacks() {
        let error = json(Failure { unmet: vec!["length", "digit"], ..Failure::of(FailureKind::WeakPassword) });
        assert_eq!(error["data"], serde_json::json!({ "kind": "WeakPassword", "unmet": ["length", "digit"] }));
    }

    #[test]
    fn a_rate_limit_always_says_when_to_come_back() {
        let known = json(Failure { retry_after_ms: Some(7_000), ..Failure::of(FailureKind::RateLimited) });
        assert_eq!(known["data"]["retryAfterMs"], 7_000);
        assert_eq!(json(Failure::of(FailureKind::RateLimited))["data"]["retryAfterMs"], 1_000);
    }

    #[test]
    fn lines_that_are_no_request_of_the_contract_have_a_kind_too() {
        for (error, wanted) in [
            (RpcError::parse(), (-32700, "InvalidParams")),
            (RpcError::invalid_request("No."), (-32600, "InvalidParams")),
            (RpcError::method_not_found(), (-32601, "NotFound")),
        ] {
            assert_eq!((error.code(), error.kind()), wanted);
            assert_eq!(serde_json::to_value(error).unwrap()["data"]["kind"], wanted.1);
        }
    }

    #[test]
    fn wrong_parameters_found_late_have_the_code_of_those_found_early() {
        let late = RpcError::from(Failure::of(FailureKind::InvalidParams));
        assert_eq!((late.code(), late.kind()), (-32602, "InvalidParams"));
    }

    #[test]
    fn every_kind_stands_on_the_page_with_its_code() {
        for kind in crate::failure::KINDS {
            let row = format!("| `{}` | −{} |", kind_name(kind), -code(kind));
            assert!(include_str!("../../RPC.md").contains(&row), "{row}");
        }
    }
}
