//! The only clock: everything below the driver gets time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use chat_core::time::Timestamp;

/// The time of day; the epoch itself when the clock stands before it.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
