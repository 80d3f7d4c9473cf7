//! Everything that outsiders can make grow is bounded (I10).

use chat_core::store::{MemoryRecords, Records, Table};

/// Rows of one device's sessions: six of them with full stores of skipped keys.
const SESSION_ROWS_MAX: usize = 6 * (2 * 2_000 + 64);
/// Messages kept for one conversation.
const KEPT_MAX: usize = 257;
/// Errands for one device, and the trips under way.
const ERRANDS_MAX: usize = 1_024;

/// What is over its bound in a store of somebody with so many peers.
pub(crate) fn exceeded(records: &MemoryRecords, peers: usize) -> Option<String> {
    let caps = [
        (Table::Sessions, SESSION_ROWS_MAX),
        (Table::Kept, KEPT_MAX),
        (Table::Errands, ERRANDS_MAX),
        (Table::Healing, 1),
        (Table::InFlight, 1),
    ];
    caps.into_iter().find_map(|(table, cap)| {
        let rows = records.scan(table, &[], None, usize::MAX).len();
        (rows > cap.saturating_mul(peers)).then(|| format!("{rows} rows in {table:?} with {peers} peers"))
    })
}
