//! Forgets what no mailbox can bring back any more, and keys that are over their age; a few entries at
//! a time.

use chat_wire::ids::AccountId;

use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::limits::{CLEANUP_ENTRIES, MEMORY_MS_MAX};
use crate::engine::memory::arrivals::{Seen, unread_key};
use crate::engine::memory::results::Queued;
use crate::engine::memory::{State, changes, kept};
use crate::store::Table;
use crate::time::Timestamp;

/// Ids of messages and results of idempotent commands that are older than any mailbox keeps packets;
/// skipped keys and replaced sessions.
pub(in crate::engine) fn clean_up(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let mut cursor = state.chores.seen_to.take();
    for (key, value) in next_entries(work, Table::Seen, &mut cursor) {
        let seen: Seen = decode(Table::Seen, &value)?;
        if is_old(work, seen.at_ms) && !is_needed(state, work, &key, &seen) {
            work.delete(Table::Seen, &key);
            changes::forget(work, &key);
        }
    }
    state.chores.seen_to = cursor;
    let mut cursor = state.chores.results_to.take();
    for (key, value) in next_entries(work, Table::Idempotency, &mut cursor) {
        if is_old(work, Queued::read(&value)?.timestamp_ms) {
            work.delete(Table::Idempotency, &key);
        }
    }
    state.chores.results_to = cursor;
    let mut cursor = state.chores.kept_to.take();
    for (key, value) in next_entries(work, Table::Kept, &mut cursor) {
        if kept::is_over(work, &value)? {
            work.delete(Table::Kept, &key);
        }
    }
    state.chores.kept_to = cursor;
    let mut cursor = state.chores.early_to.take();
    for (key, value) in next_entries(work, Table::EarlyChanges, &mut cursor) {
        if is_old(work, changes::latest_ms(&value)?) {
            work.delete(Table::EarlyChanges, &key);
        }
    }
    state.chores.early_to = cursor;
    state.bundles.expire(work.now);
    state.sessions.expire(work, &mut state.chores.sessions_to)?;
    Ok(())
}

/// The next few entries of a table, round and round.
fn next_entries(work: &Work<'_>, table: Table, cursor: &mut Option<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let entries = work.scan(table, &[], cursor.as_deref(), CLEANUP_ENTRIES);
    let more = entries.len() == CLEANUP_ENTRIES;
    *cursor = entries.last().filter(|_| more).map(|(key, _)| key.clone());
    entries
}

fn is_old(work: &Work<'_>, at_ms: u64) -> bool {
    work.now.ms_since(Timestamp::from_ms(at_ms)) >= MEMORY_MS_MAX
}

/// A message that is unread or held back keeps its place, however old it is.
fn is_needed(state: &State, work: &Work<'_>, key: &[u8], seen: &Seen) -> bool {
    let Some((conversation, _)) = key.split_first_chunk::<32>() else { return false };
    let conversation = AccountId(*conversation);
    if seen.order == 0 {
        return state.people.get(&conversation).is_some_and(|person| person.request.is_some());
    }
    work.get(Table::Received, &unread_key(&conversation, seen.order)).is_some()
}
