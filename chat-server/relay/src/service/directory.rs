//! The directory: names by exact match or prefix, exact first (SPEC 7.7.1).

use chat_wire::ids::{AccountId, UserName};
use chat_wire::limits::{FIND_RESULTS_MAX, NAME_CHARS_MAX};

use crate::storage::{Storage, StorageError};

/// Names that start with the query, in order; the exact one stands first because it is the shortest.
/// A query that no name can start with finds nobody.
pub(crate) fn find<S: Storage>(
    store: &mut S,
    query: &str,
    limit: u16,
) -> Result<Vec<(UserName, AccountId)>, StorageError> {
    let query = query.to_ascii_lowercase();
    let possible = query.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if query.is_empty() || query.len() > NAME_CHARS_MAX || !possible {
        return Ok(Vec::new());
    }
    store.names(&query, usize::from(limit).min(FIND_RESULTS_MAX))
}
