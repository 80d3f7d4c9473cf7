//! Devices and trust as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chat_client::{Alarm, Device, SafetyNumber, WaitingDevice};
use serde::Serialize;

/// One device of the own account.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceShape {
    id: String,
    name: String,
    created: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
    current: bool,
}

impl From<Device> for DeviceShape {
    fn from(of: Device) -> Self {
        Self {
            id: super::device(of.id),
            name: of.name.unwrap_or_default(),
            created: of.created_ms.unwrap_or_default(),
            last_seen: of.last_seen_ms,
            current: of.current,
        }
    }
}

/// A device that waits to be let in.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct WaitingShape {
    id: String,
    code: String,
    timestamp: u64,
}

impl From<WaitingDevice> for WaitingShape {
    fn from(of: WaitingDevice) -> Self {
        Self { id: super::device(of.id), code: of.code, timestamp: of.at_ms }
    }
}

/// What two people compare.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct SafetyShape {
    digits: String,
    qr: String,
    verified: bool,
}

impl From<SafetyNumber> for SafetyShape {
    fn from(of: SafetyNumber) -> Self {
        let digits = of.digits.chars().filter(char::is_ascii_digit).collect();
        Self { digits, qr: of.code, verified: of.verified }
    }
}

/// What the relay was caught with.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlarmShape {
    subject: String,
    kind: &'static str,
    /// The signed objects that contradict each other, in base64: what was known, then what was shown.
    evidence: Vec<String>,
    timestamp: u64,
}

impl From<Alarm> for AlarmShape {
    fn from(of: Alarm) -> Self {
        Self {
            subject: of.subject.to_string(),
            kind: of.kind.word(),
            evidence: of.evidence.iter().map(|object| STANDARD.encode(object)).collect(),
            timestamp: of.at_ms,
        }
    }
}
