//! The promises, held against everything that happens.

pub(crate) mod bounds;
pub(crate) mod copies;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod rooms;

use chat_core::store::{MemoryRecords, Records, Table};
use chat_wire::domain::plain_hash;

/// A hash over one table: what must not change when something is refused (I5).
pub(crate) fn table_hash(records: &MemoryRecords, table: Table) -> [u8; 32] {
    let rows = records.scan(table, &[], None, usize::MAX);
    let parts: Vec<&[u8]> = rows.iter().flat_map(|(key, value)| [&key[..], &value[..]]).collect();
    plain_hash(&parts)
}
