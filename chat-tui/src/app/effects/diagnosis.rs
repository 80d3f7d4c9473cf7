//! How program, terminal and connection are, for somebody who wonders why something does not work.

use chat_client::{Client, ConnectionState, OfflineReason};

use crate::app::host;
use crate::model::Facts;
use crate::text::SafeText;

/// All that can be told without asking anybody.
pub(super) fn facts(client: &Client) -> Facts {
    let connection = client.connection();
    let relay = connection.relay.map_or_else(|| "none is named".to_owned(), |relay| relay.to_string());
    let state = match (connection.state, connection.reason) {
        (ConnectionState::Connected, _) => "stands".to_owned(),
        (ConnectionState::Connecting, _) => "is being made".to_owned(),
        (ConnectionState::Offline, reason) => format!("none: {}", reason.map_or("not tried yet", why)),
    };
    let retry = connection.retry_in_ms.map(|ms| format!("in {} s", ms.div_ceil(1_000)));
    let mut rows =
        vec![("Program", format!("chat-tui {}", env!("CARGO_PKG_VERSION"))), ("Relay", relay), ("Connection", state)];
    rows.extend(retry.map(|retry| ("Tried again", retry)));
    rows.extend(host::facts());
    let rows = rows.into_iter().map(|(name, text)| (name, SafeText::line(&text))).collect();
    Facts { title: SafeText::line("How things are"), rows, scroll: 0 }
}

fn why(reason: OfflineReason) -> &'static str {
    match reason {
        OfflineReason::NoRelay => "no relay is named; sign in names one",
        OfflineReason::Unreachable => "the relay does not answer: is the address right, is it running?",
        OfflineReason::Lost => "it was lost; it comes back by itself",
        OfflineReason::Protocol => "what answers is no relay, or another version",
        OfflineReason::CertificateChanged => "the relay shows another certificate than before; ask its operator",
        OfflineReason::CertificateUnknown => "the relay's certificate waits for your yes",
        OfflineReason::Idle => "closed while nobody is signed in",
        _ => "for an unknown reason",
    }
}
