//! What the engine reads, and what it wants written: one read trait, one write batch as a value
//! (DESIGN §3). The shell stores a batch in one transaction and decides nothing.

mod batch;
mod history;
mod memory;

pub use batch::{HistoryChange, Write, WriteBatch};
pub use history::{
    Alarm, AlarmKind, Conversation, FileInfo, IdentityChange, Message, MessageStatus, Notice, NoticeKind, Reaction,
    Request, RoomEventKind, RoomNotice,
};
pub use memory::MemoryRecords;

/// Tables of the engine's records. The numbers are part of the store's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Table {
    /// Single values: own identity, counters, settings.
    Meta = 1,
    /// Contacts by account.
    Contacts = 2,
    /// Verified device lists by account.
    DeviceLists = 3,
    /// Sessions by peer device and state.
    Sessions = 4,
    /// Skipped message keys by session and position.
    SkippedKeys = 5,
    /// Own private prekeys by id.
    PreKeys = 6,
    /// Replay records of last-resort prekeys.
    Replays = 7,
    /// Messages waiting to be sealed or accepted, in order.
    Outbox = 8,
    /// Sealed requests under way.
    InFlight = 9,
    /// Ids of messages that were already taken.
    Seen = 10,
    /// Position and status of own messages, for receipts.
    Sent = 11,
    /// Position of messages received, for receipts.
    Received = 12,
    /// First messages of strangers, held back.
    Held = 13,
    /// Results of idempotent commands.
    Idempotency = 14,
    /// Stream counters and content chains by device and conversation.
    Streams = 15,
    /// How often sessions were started afresh, by peer device.
    Healing = 16,
    /// What waits to be sent to single devices, in order.
    Errands = 17,
    /// Messages that the relay has and no recipient yet: sent again to a device that lost them.
    Kept = 18,
    /// What leads to files of the history, by message id.
    Files = 19,
    /// What became of messages after they were sent.
    Changes = 30,
    /// Changes that came before their message.
    EarlyChanges = 31,
    /// Messages that expire, by time.
    Expiries = 32,
    /// What the relay was caught with, by hash of the objects.
    Evidence = 20,
    /// Rooms that this device is in, is about to enter or is invited to, by id.
    Rooms = 21,
    /// MLS state of rooms, by room, kind and key.
    Groups = 22,
    /// Sealed requests to rooms that are under way.
    RoomFlights = 23,
    /// Own key packages with their leaf keys, by reference.
    KeyPackages = 24,
}

/// Read access to the records as they are on disk.
pub trait Records {
    /// The value under a key.
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>>;

    /// Up to `limit` entries whose key starts with `prefix` and is greater than `after`, ascending.
    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}
