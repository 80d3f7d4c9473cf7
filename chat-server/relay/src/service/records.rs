//! Account records: opaque bytes with a version, written by compare-and-set.

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::limits::RECORD_BYTES_MAX;

use crate::refuse::Refuse;
use crate::storage::StoredRecord;

/// What is to be done with an offered record.
#[derive(Debug)]
pub(crate) enum NextRecord {
    /// It is the stored one: a repeat whose answer got lost.
    Known,
    /// It follows.
    Next(StoredRecord),
}

/// Compares an offered record with the stored one (SPEC 7.8.1).
pub(crate) fn next_record(
    stored: &StoredRecord,
    expected: u64,
    version: u64,
    body: Bytes,
) -> Result<NextRecord, Refuse> {
    if body.len() > RECORD_BYTES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    if stored.version == version && stored.body == body {
        return Ok(NextRecord::Known);
    }
    if stored.version != expected || version <= expected {
        return Err(RefusalKind::Conflict.into());
    }
    Ok(NextRecord::Next(StoredRecord { version, body }))
}
