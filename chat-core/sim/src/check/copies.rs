//! A copied state is worth nothing once the device and its peer have both spoken again (I8): what somebody
//! who took everything at one moment can still open.

use std::collections::BTreeMap;

use chat_core::session::Session;
use chat_core::store::{MemoryRecords, Records, Table};
use chat_core::time::Timestamp;

/// Bytes of a device's part of a key, and of a session's name behind it.
const DEVICE_BYTES: usize = 36;
const SID_BYTES: usize = 16;

/// Everything that a copy of a store can open with, kept up with what it manages to open.
pub(crate) struct Thief {
    sessions: Vec<Session>,
}

/// Key suffix and value.
type Row = (Vec<u8>, Vec<u8>);

impl Thief {
    /// Takes every session of a store.
    pub(crate) fn copy(records: &MemoryRecords) -> Self {
        let mut by_sid: BTreeMap<Vec<u8>, Vec<Row>> = BTreeMap::new();
        for (key, value) in records.scan(Table::Sessions, &[], None, usize::MAX) {
            let Some((sid, row)) = key.get(DEVICE_BYTES..).and_then(|rest| rest.split_at_checked(SID_BYTES)) else {
                continue;
            };
            let name = [key.get(..DEVICE_BYTES).unwrap_or_default(), sid].concat();
            by_sid.entry(name).or_default().push((row.to_vec(), value));
        }
        Self { sessions: by_sid.into_values().filter_map(|rows| Session::from_rows(rows).ok()).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Tries a packet with everything.
    pub(crate) fn opens(&mut self, packet: &[u8], now_ms: u64) -> bool {
        for session in &mut self.sessions {
            if let Ok(opened) = session.open(packet, Timestamp::from_ms(now_ms)) {
                *session = opened.session;
                return true;
            }
        }
        false
    }
}
