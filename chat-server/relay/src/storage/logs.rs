//! The log, the relay's one primitive: append-only entries with places, an idempotency key, readers
//! with cursors, and retention. A mailbox is a log with one reader, a room a log with many.

use bytes::Bytes;
use chat_wire::ids::{DeviceAddress, RequestKey, RoomId};

use super::StorageError;

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Log {
    /// The mailbox of a device, its one reader: what it acknowledged is gone.
    Mailbox(DeviceAddress),
    /// The messages of a room: each lies there once, readers have cursors.
    Room(RoomId),
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place: increasing, never used again, also not after everything was acknowledged.
    pub seq: u64,
    /// When it was accepted, milliseconds since the Unix epoch.
    pub accepted_ms: u64,
    /// Who appended it.
    pub from: DeviceAddress,
    /// What it is; the number is the service's that owns the log, 0 for a mailbox's packets.
    pub kind: u8,
    /// Idempotency key of its request, in a room's log; a mailbox's requests are remembered apart,
    /// because one of them fills many mailboxes.
    pub key: Option<RequestKey>,
    /// The bytes.
    pub body: Bytes,
}

/// Figures of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogFigures {
    /// Highest place that was ever given.
    pub last_seq: u64,
    /// Highest place whose entry is gone by acknowledgement, age or size.
    pub floor_seq: u64,
    /// Entries that lie in it.
    pub entries: u64,
    /// Bytes that lie in it.
    pub bytes: u64,
}

/// How much one read of a log may return; the first entry comes in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Entries.
    pub entries_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

/// An answered request, for its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// When the first one was accepted, milliseconds since the Unix epoch.
    pub accepted_ms: u64,
}

/// A device that reads a log, and how far it has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// Who.
    pub device: DeviceAddress,
    /// Everything up to here is durable there.
    pub seq: u64,
    /// It reads what comes after this place: history starts at the join.
    pub joined: u64,
    /// Last place that it may read, when it was removed there; it is a member no longer.
    pub until: Option<u64>,
}

impl Reader {
    /// A device that joins at a place.
    #[must_use]
    pub fn joining(device: DeviceAddress, at: u64) -> Self {
        Self { device, seq: at, joined: at, until: None }
    }

    /// Whether it is a member still.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.until.is_none()
    }
}

/// What expiry removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Rows removed; as many as allowed means that there is more.
    pub rows: usize,
    /// Logs that lost entries.
    pub logs: Vec<Log>,
}

/// Reads of logs.
pub trait LogRows {
    /// Whether and when a device's request was answered before; a repeat carries the same key and step.
    ///
    /// # Errors
    /// [`StorageError`].
    fn answered(
        &mut self,
        device: &DeviceAddress,
        key: &RequestKey,
        step: u64,
    ) -> Result<Option<Answered>, StorageError>;
    /// Figures of a log; entries up to `after_seq` do not count.
    ///
    /// # Errors
    /// [`StorageError`].
    fn log_figures(&mut self, log: &Log, after_seq: u64) -> Result<LogFigures, StorageError>;
    /// Entries of a log after a place, in order.
    ///
    /// # Errors
    /// [`StorageError`].
    fn log_entries(&mut self, log: &Log, after_seq: u64, portion: Portion) -> Result<Vec<Entry>, StorageError>;
    /// Place and time of the entry that a sender's request appended, if it still lies there.
    ///
    /// # Errors
    /// [`StorageError`].
    fn appended(
        &mut self,
        log: &Log,
        from: &DeviceAddress,
        key: &RequestKey,
    ) -> Result<Option<(u64, u64)>, StorageError>;
    /// The readers of a log, by account and device; a mailbox has none but its owner, who is not listed.
    ///
    /// # Errors
    /// [`StorageError`].
    fn readers(&mut self, log: &Log) -> Result<Vec<Reader>, StorageError>;
    /// The rooms that a device reads, and as what.
    ///
    /// # Errors
    /// [`StorageError`].
    fn rooms_read(&mut self, device: &DeviceAddress) -> Result<Vec<(RoomId, Reader)>, StorageError>;
}
