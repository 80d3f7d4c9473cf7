//! Every limit of the relay, with its unit and its reason. What an operator may want to change stands
//! in [`Limits`], with the constants as defaults.

use chat_wire::limits::{ROOM_DEVICES_MAX, ROOMS_PER_ACCOUNT_MAX};

/// A token bucket as data: `burst` at once, then one more each `refill_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests that may come at once.
    pub burst: u32,
    /// Milliseconds until one more is allowed.
    pub refill_ms: u64,
}

impl Allowance {
    /// `burst` at once, then `per_minute`.
    #[must_use]
    pub const fn per_minute(burst: u32, per_minute: u32) -> Self {
        let per_minute = if per_minute == 0 { 1 } else { per_minute };
        #[expect(clippy::arithmetic_side_effects, reason = "the divisor was just made at least 1")]
        let refill_ms = 60_000 / per_minute as u64;
        Self { burst, refill_ms: if refill_ms == 0 { 1 } else { refill_ms } }
    }
}

/// Limits on what an outsider can make the relay do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Passwords that may be tried for one account name, existing or not. The contract promises at most
    /// 40; 20 and one a minute leave an online guesser 1,460 a day. Refuses when its table is full.
    pub password_tries_per_name: Allowance,
    /// Passwords that may be tried from one address. Refuses when its table is full.
    pub password_tries_per_address: Allowance,
    /// Registrations from one address: each costs disk for ever.
    pub registrations_per_address: Allowance,
    /// Look-ups by one account; a search that is made while typing asks a few times a name.
    pub finds: Allowance,
    /// List fetches by one account of contacts that are connected: a long list of contacts is checked
    /// at every start.
    pub fetches: Allowance,
    /// Claims, and list fetches of others than connected contacts, by one account over all targets.
    pub claims: Allowance,
    /// The same by one account for one target.
    pub claims_per_target: Allowance,
    /// One-time pairs handed out of one account's stock to everybody; over it the last resort serves,
    /// so that a crowd cannot drain a person, only weaken the start of new sessions.
    pub one_time_per_target: Allowance,
    /// Sends of one device: a burst from an outbox that waited, then a steady flow.
    pub sends: Allowance,
    /// Ephemeral packets of one device; what is over is dropped.
    pub ephemerals: Allowance,
    /// Changes of list, record, prekeys, contacts or presence by one device.
    pub changes: Allowance,
    /// Rooms that one account makes: each takes a name.
    pub room_creations: Allowance,
    /// Commits of one account over all rooms: each carries the whole GroupInfo.
    pub room_commits: Allowance,
    /// Lists of rooms and looks at one by one account: programs ask while they wait for something.
    pub room_looks: Allowance,
    /// Messages of one account in one room: a room multiplies each by its members.
    pub room_messages: Allowance,
    /// Devices in one room.
    pub room_devices_max: usize,
    /// Rooms that one account is in.
    pub rooms_per_account_max: usize,
    /// Entries in one room's log; over it the oldest go.
    pub room_entries_max: u64,
    /// Bytes in one room's log; over it the oldest go.
    pub room_bytes_max: u64,
    /// Entries in one mailbox.
    pub mailbox_entries_max: u64,
    /// Bytes in one mailbox.
    pub mailbox_bytes_max: u64,
    /// Milliseconds that an entry, and the memory of an answered request, is kept.
    pub retention_ms: u64,
    /// Milliseconds that the name of a deleted account can't be taken: nobody is to be found under it who
    /// is somebody else while its contacts have not noticed.
    pub name_reserved_ms: u64,
    /// Milliseconds that a connection may take to log in. The promise is 30 s; the rest is the TLS
    /// handshake's and the sweep's.
    pub login_ms_max: u64,
    /// Milliseconds of silence after which a connection is closed: ten heartbeats were missed, so the
    /// peer is gone without a goodbye. Presence goes much earlier.
    pub silent_connection_ms_max: u64,
}

/// 30 days: a month away from every device is common, more is rare.
pub const RETENTION_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Entries in one mailbox.
pub const MAILBOX_ENTRIES_MAX: u64 = 10_000;
/// 64 MiB in one mailbox: 10,000 entries of 6 KiB.
pub const MAILBOX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Entries in one room's log: a month of a busy room.
pub const ROOM_ENTRIES_MAX: u64 = 100_000;
/// 256 MiB in one room's log.
pub const ROOM_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Rooms held in memory; one of 1,000 devices takes about 150 KiB, most take one.
pub const ROOMS_CACHED_MAX: usize = 2_048;
/// Commits that may stand beside the first one of a base (SPEC 12.2.4).
pub const CONTESTS_MAX: u32 = 8;
/// Bytes of a leave or of a deletion's statement: a key and a signature, with room to grow.
pub const STATEMENT_BYTES_MAX: usize = 1_024;
/// Device lists that tell a room why somebody left it: members know most of a chain,
/// and each list takes less than 2 KiB.
pub const DEPARTURE_LISTS_MAX: u64 = 16;
/// Device lists in one answer about a room: they lie in the head, which has room for these.
pub const ROOM_LISTS_MAX: usize = 300;
/// Milliseconds until a login must stand.
pub const LOGIN_MS_MAX: u64 = 21_000;
/// Milliseconds of silence until the connection is closed.
pub const SILENT_CONNECTION_MS_MAX: u64 = 30_000;

/// Refusals on one connection before it is logged in, after which it is closed: an honest client needs
/// none, a person who mistypes a password a few.
pub const STRIKES_BEFORE_LOGIN_MAX: u32 = 16;

/// Devices of one account that wait to be let in, or were decided about not long ago: a person has few at hand, and
/// each asks the enrolled ones once.
pub const SEEKERS_PER_ACCOUNT_MAX: usize = 4;
/// The same over all accounts: 16,384 × ~120 B stay under 2 MiB.
pub const SEEKERS_MAX: usize = 16_384;
/// Milliseconds that a device's wish to be let in is kept, decided or not: time to come home to another device.
pub const SEEKER_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Milliseconds that a connection may stay while its device waits; then it asks again on another one.
pub const SEEKING_CONNECTION_MS_MAX: u64 = 60 * 60 * 1_000;

/// Keys that one rate limiter remembers: 65,536 × ~100 B stay under 8 MiB.
pub const LIMITER_KEYS_MAX: usize = 65_536;

/// Bytes of deliveries under way to one connection without an acknowledgement: bounds what a reader
/// that takes its time holds in memory, beside the count in `chat_wire::limits`.
pub const DELIVERY_BYTES_UNDER_WAY_MAX: usize = 2 * 1024 * 1024;

/// Acknowledged entries that are deleted together with the next group; fewer wait for a sweep, which comes
/// within half a second. A crash before that repeats as many deliveries, which costs less than a deletion
/// for each.
pub const ACKNOWLEDGED_TOGETHER: u64 = 8_192;

/// Milliseconds that a send whose readers are all connected is left out of a group while many wait: most are
/// acknowledged by then and need no row.
pub const ACKNOWLEDGEMENT_WAIT_MS: u64 = 50;

/// Sends that wait before any is held back: with fewer the disk has nothing better to do.
pub const HELD_BACK_MIN: usize = 64;

/// Bytes of packets held back at most: a quarter of what the shell stops at.
pub const HELD_BACK_BYTES_MAX: usize = WAITING_BYTES_MAX / 4;

/// Milliseconds after which acknowledgements are written at the latest.
pub const ACKNOWLEDGED_WAIT_MS: u64 = 500;

/// Milliseconds between two sweeps at most: presence promises 10 s, and silence counts from 8 s.
pub const SWEEP_MS_MAX: u64 = 5_000;

/// Milliseconds between two sweeps at least: a crowd whose times run out one by one is swept together.
pub const SWEEP_MS_MIN: u64 = 250;

/// Bytes of packets that wait to be written above which the shell should take nothing more in: the
/// disk stalls, and memory is not to grow with its patience.
pub const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Frames that wait on a connection that is not logged in, while its signature or password is checked: an
/// honest client waits for the answer and beats meanwhile.
pub const WAITING_BEFORE_LOGIN_MAX: usize = 8;

/// Accounts that the packets of one send may name: the recipient's and the own.
pub const ACCOUNTS_PER_SEND_MAX: usize = 2;

/// Packets in one ephemeral frame, and bytes of each: typing marks are small, and nobody stores them.
pub const EPHEMERAL_BYTES_MAX: usize = 4 * 1024;

/// Rosters held in memory: 16,384 × ~200 B.
pub const ROSTERS_CACHED_MAX: usize = 16_384;

/// Mailbox figures held in memory: 65,536 × ~64 B.
pub const MAILBOXES_CACHED_MAX: usize = 65_536;

/// Entries that one sweep expires, so that it never holds the relay for long.
pub const EXPIRED_PER_SWEEP_MAX: usize = 1_000;

/// Milliseconds that a wall clock may be set ahead while the relay runs and still be believed when mail
/// expires: an hour is a time zone or a leap of a virtual machine, a month is a mistake.
pub const CLOCK_SET_MS_MAX: u64 = 60 * 60 * 1_000;

/// Milliseconds between two sweeps for expired entries.
pub const EXPIRY_SWEEP_MS: u64 = 60_000;

/// Characters of an invite code.
pub const INVITE_CHARS_MAX: usize = 64;

impl Default for Limits {
    fn default() -> Self {
        Self {
            password_tries_per_name: Allowance::per_minute(20, 1),
            password_tries_per_address: Allowance::per_minute(40, 10),
            registrations_per_address: Allowance::per_minute(20, 2),
            finds: Allowance::per_minute(60, 20),
            fetches: Allowance::per_minute(2_000, 600),
            claims: Allowance::per_minute(500, 60),
            claims_per_target: Allowance::per_minute(20, 2),
            one_time_per_target: Allowance::per_minute(100, 2),
            sends: Allowance::per_minute(5_000, 3_000),
            ephemerals: Allowance::per_minute(60, 120),
            changes: Allowance::per_minute(200, 120),
            room_creations: Allowance::per_minute(50, 2),
            room_commits: Allowance::per_minute(300, 60),
            room_looks: Allowance::per_minute(600, 240),
            room_messages: Allowance::per_minute(600, 240),
            room_devices_max: ROOM_DEVICES_MAX,
            rooms_per_account_max: ROOMS_PER_ACCOUNT_MAX,
            room_entries_max: ROOM_ENTRIES_MAX,
            room_bytes_max: ROOM_BYTES_MAX,
            mailbox_entries_max: MAILBOX_ENTRIES_MAX,
            mailbox_bytes_max: MAILBOX_BYTES_MAX,
            retention_ms: RETENTION_MS,
            name_reserved_ms: RETENTION_MS,
            login_ms_max: LOGIN_MS_MAX,
            silent_connection_ms_max: SILENT_CONNECTION_MS_MAX,
        }
    }
}

/// Limits on blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobLimits {
    /// Bytes of one blob: a file of the largest size with its padding (12 % at most) and its tags.
    pub blob_bytes_max: u64,
    /// Bytes of all blobs of one account.
    pub account_bytes_max: u64,
    /// Milliseconds that a blob is kept.
    pub retention_ms: u64,
}

/// 2 GiB of file: Padmé rounds at most 3.2 % up at this size, the tags add 16 bytes a MiB.
pub const BLOB_BYTES_MAX: u64 = chat_wire::limits::FILE_BYTES_MAX + 128 * 1024 * 1024;
/// 10 GiB an account: five files of the largest size a month.
pub const BLOB_ACCOUNT_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;

/// Milliseconds that a ticket opens bulk connections: time to dial, and to dial again.
pub const BLOB_TICKET_MS: u64 = 60_000;

impl Default for BlobLimits {
    fn default() -> Self {
        Self { blob_bytes_max: BLOB_BYTES_MAX, account_bytes_max: BLOB_ACCOUNT_BYTES_MAX, retention_ms: RETENTION_MS }
    }
}
