//! Limits of the engine, with unit and reason. Those of the wire stand in `chat_wire::limits`, those
//! of the protocol in `crate::limits`.

/// Bytes of one text.
pub(super) const TEXT_BYTES_MAX: usize = crate::limits::TEXT_BYTES_MAX;

/// Bytes of a file's name: 255 of a file system, and room for those that count characters.
pub(super) const FILE_NAME_BYTES_MAX: usize = 1_024;

/// Bytes of a media type (RFC 6838 §4.2: 127 for each half).
pub(super) const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// Bytes of a thumbnail: with the longest caption and name a content stays under its limit.
pub const THUMBNAIL_BYTES_MAX: usize = 8 * 1024;

/// Messages of one stranger that are held back (DESIGN §5).
pub(super) const HELD_MESSAGES_MAX: u16 = 50;

/// Strangers with an open request: 1,000 × 50 held texts bound what outsiders can make us store.
pub(super) const REQUESTS_MAX: usize = 1_000;

/// Characters of a request's preview: two lines of a terminal.
pub(super) const PREVIEW_CHARS_MAX: usize = 120;

/// Bytes of a display name: longer ones are cut when they come in, refused when set.
pub(super) const DISPLAY_NAME_BYTES_MAX: usize = 256;

/// Packets of the mailbox in memory: the relay keeps at most 256 under way, twice that is its bug.
pub(super) const PARCELS_MAX: usize = 2 * chat_wire::limits::DELIVERIES_UNDER_WAY_MAX;

/// Packets in one `Send`; the wire's limit.
pub(super) const PACKETS_PER_SEND_MAX: usize = chat_wire::limits::PACKETS_PER_SEND_MAX;

/// Bytes of all packets in one `Send`: half of a frame, the rest is for head and padding.
pub(super) const SEND_BYTES_MAX: usize = chat_wire::limits::FRAME_BYTES_MAX / 2;

/// Ranges of a stream that are missing; beyond that the oldest become one.
pub(super) const GAPS_MAX: usize = 32;

/// Milliseconds until a request of a command fails with `Timeout`.
pub(super) const REQUEST_MS_MAX: u64 = 30_000;

/// Milliseconds without a word from the relay until a heartbeat asks for an answer: between two and three
/// heartbeats, so that an idle client is woken once in nine seconds for it.
pub(super) const RELAY_QUIET_MS: u64 = 5 * chat_wire::limits::HEARTBEAT_MS / 2;

/// Milliseconds without a word from the relay, although it was asked for one, until the connection
/// counts as dead.
pub(super) const RELAY_SILENCE_MS_MAX: u64 = 4 * chat_wire::limits::HEARTBEAT_MS;

/// Milliseconds between two receipts to one person: the first goes at once, a burst shares the next.
pub(super) const RECEIPT_GAP_MS: u64 = 1_000;

/// Milliseconds between two equal typing signals to one person.
pub(super) const TYPING_GAP_MS: u64 = 3_000;

/// Milliseconds after which a contact's list is checked again before something is sent (DESIGN §4).
pub(super) const LIST_AGE_MS_MAX: u64 = 24 * 3_600_000;

/// Versions of one account's list that are kept: initiations name the versions they were made with.
pub(super) const LIST_VERSIONS_MAX: usize = 32;

/// Milliseconds that a message's time may lie off the relay's (DESIGN §5).
pub(super) const CLOCK_SKEW_MS_MAX: u64 = 5 * 60_000;

/// Milliseconds to wait before a person's messages are tried again after a refusal: the first and the
/// longest wait; each refusal doubles it.
pub(super) const RETRY_MS_MIN: u64 = 1_000;
/// The longest wait.
pub(super) const RETRY_MS_MAX: u64 = 60_000;

/// Milliseconds that ids of messages and results of idempotent commands are kept: as long as a
/// mailbox keeps packets.
pub(super) const MEMORY_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// Entries looked at per clean-up, so that one step stays short.
pub(super) const CLEANUP_ENTRIES: usize = 500;

/// New sessions that one device may start with us in a minute (DESIGN §5).
pub(super) const INITIATIONS_PER_MINUTE_MAX: u32 = 10;

/// Verified lists kept parsed in memory.
pub(super) const LISTS_CACHED_MAX: usize = 1_024;

/// Bundles claimed and not yet used that are kept in memory.
pub(super) const BUNDLES_MAX: usize = 256;

/// Replaced sessions of one device that can still receive, and for how long (DESIGN §5).
pub(super) const REPLACED_SESSIONS_MAX: usize = 5;
/// Milliseconds that a replaced session can still receive.
pub(super) const REPLACED_SESSION_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// Commands waiting for one name to be resolved.
pub(super) const WAITING_COMMANDS_MAX: usize = 10_000;

/// Devices whose sessions are kept decoded in memory: a few KiB each.
pub(super) const SESSIONS_CACHED_MAX: usize = 256;

/// Devices whose sessions are tried for a packet that does not say whose it is.
pub(super) const TRIAL_DEVICES_MAX: usize = 64;

/// Milliseconds between two looks at old prekeys, ids and results on a standing connection: a day's
/// fraction, so that a week is kept to within hours.
pub(super) const CHORES_MS: u64 = 6 * 3_600_000;

/// Milliseconds that a listed device without prekeys is left out: it asks for nothing, and a relay that
/// has them meanwhile answers `StaleDevices`.
pub(super) const UNPUBLISHED_MS_MAX: u64 = 10_000;

/// Unsound packets of one device in a minute after which its packets are set aside until the minute is
/// over: each may cost 2,000 chain steps (SPEC 8.3.4).
pub(super) const MANGLED_PER_MINUTE_MAX: u32 = 8;
/// That minute.
pub(super) const MANGLED_WINDOW_MS: u64 = 60_000;

/// Packets that are set aside at once: a few megabytes at most, and a quarter of what the relay keeps
/// under way, so that others' mail goes on.
pub(super) const SET_ASIDE_MAX: usize = chat_wire::limits::DELIVERIES_UNDER_WAY_MAX / 4;

/// First messages of one account on one last-resort prekey, and of all (DESIGN §5): the replay record
/// is bounded, and full means closed.
pub(super) const LAST_RESORT_USES_PER_ACCOUNT_MAX: u64 = 16;
/// First messages of all accounts on one last-resort prekey.
pub(super) const LAST_RESORT_USES_MAX: u32 = 65_536;

/// Header keys that are tried for one packet over all sessions of its device (SPEC 8.3.3).
pub(super) const HEADER_TRIALS_MAX: usize = 16;

/// Milliseconds that a probe has to be answered before failing traffic starts a session over.
pub(super) const PROBE_MS: u64 = 10_000;
/// Milliseconds between two probes of one device: what the relay makes up costs no more than this.
pub(super) const PROBE_GAP_MS: u64 = 60_000;

/// Sessions that may be started over with one device in a day without the secret of the one before
/// (DESIGN §5).
pub(super) const BARE_RESETS_MAX: usize = 3;
/// The day of that limit, in milliseconds.
pub(super) const BARE_RESET_WINDOW_MS: u64 = 24 * 3_600_000;

/// Messages of a conversation that are kept for a device that lost them, and for how long (DESIGN §5).
pub(super) const KEPT_MESSAGES_MAX: u64 = 256;
/// Milliseconds that they are kept.
pub(super) const KEPT_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Kept messages that one receipt lets go.
pub(super) const KEPT_DROPPED_AT_ONCE: usize = 8;
/// Times that a gap in the stream of a device is asked about.
pub(super) const GAP_ASKS_MAX: u8 = 3;
/// Times that one message is sent to one incarnation of a device again.
pub(super) const RESENDS_MAX: u8 = 3;

/// Messages of one side after which the other answers with an empty one, so that its keys turn.
pub(super) const ANSWER_AFTER_MESSAGES: u32 = 50;
/// Milliseconds of one-way traffic after which it does.
pub(super) const ANSWER_AFTER_MS: u64 = 24 * 3_600_000;

/// Contents that wait for one device: twice what it may have again.
pub(super) const ERRANDS_MAX: usize = 512;
/// Milliseconds before a device's keys are asked for again, or what it was refused is sent again.
pub(super) const ERRAND_RETRY_MS: u64 = 10_000;

/// Own lists with a new incarnation that the relay may refuse before the device goes on without one.
pub(super) const RENEWALS_REFUSED_MAX: u32 = 5;

/// Places of a stream that an incarnation has for itself: a store that turned out to be an old copy goes
/// on in those of its next one, so that no place is used twice.
pub(super) const INCARNATION_PLACES: u64 = 1 << 32;
/// Places by which the own streams jump when an old copy can't get a new incarnation.
pub(super) const STREAM_JUMP: u64 = 1 << 20;

/// Milliseconds that a typing signal waits for its person to be a mutual contact who is here.
pub(super) const TYPING_LATE_MS_MAX: u64 = 5_000;

/// Sync keys that are kept: records of the generation before may still be under way.
pub(super) const SYNC_KEYS_MAX: usize = 4;

/// Times that a change of the account is tried again when another device's came first.
pub(super) const UNDERTAKING_TRIES_MAX: u8 = 3;

/// Device lists that a device that joins follows: at one change a day, thirty years.
pub(super) const LIST_CHAIN_MAX: usize = 10_000;

/// Milliseconds until a list says of itself that it is old: a year. It warns, it stops nothing.
pub(super) const LIST_MS_MAX: u64 = 365 * 24 * 3_600_000;

/// Milliseconds before its end at which the own list is renewed: a device that is used now and then
/// does it in time.
pub(super) const LIST_RENEWAL_MS: u64 = LIST_MS_MAX / 4;

/// Devices that wait for this one to let them in, or were decided about: the relay shows no more at once.
pub(super) const SEEKERS_MAX: usize = 16;

/// Milliseconds that such a wish, and what was decided about it, counts: as long as at the relay (SPEC 9.13.2).
pub(super) const SEEKER_MS_MAX: u64 = 24 * 3_600_000;

/// Contradictions that are kept: more of the same tell nothing new.
pub(super) const ALARMS_MAX: usize = 200;

/// Entries of a room's log that wait here; more is asked for again on the next connection.
pub(super) const ROOM_ENTRIES_MAX: usize = 4_096;
/// Milliseconds after which a message that came too soon is tried again at the latest.
pub(super) const ROOM_POST_WAIT_MS_MAX: u64 = 3_600_000;
/// Messages to one room that are under way at once.
pub(super) const ROOM_POSTS_UNDER_WAY_MAX: usize = 32;
/// Milliseconds by which a lost commit waits longer each time, at random below.
pub(super) const ROOM_RETRY_MS: u64 = 120;
/// Milliseconds that a lost commit waits at most.
pub(super) const ROOM_RETRY_MS_MAX: u64 = 4_000;
/// Epochs of a room that are remembered: the present one and those whose messages still open.
pub(super) const ROOM_MARKS_MAX: usize = 6;
/// Milliseconds after its end for which an epoch's messages still open: 72 h (DESIGN §6).
pub(super) const ROOM_EPOCH_MS_MAX: u64 = 72 * 3_600_000;
/// Milliseconds after which a leaf renews its keys (DESIGN §6).
pub(super) const ROOM_RENEW_MS: u64 = 7 * 24 * 3_600_000;
/// Milliseconds without a sign of life after which anybody may take a leaf out of a room that is nobody's: two
/// weeks, in which a device that is ever on has renewed its keys twice (DESIGN §6).
pub(super) const ROOM_IDLE_MS: u64 = 14 * 24 * 3_600_000;
/// Milliseconds more that the one waits who does so: the others go by the relay's clock.
pub(super) const ROOM_IDLE_MARGIN_MS: u64 = 3_600_000;
/// Idle leaves that one commit takes out.
pub(super) const ROOM_IDLE_SWEPT_MAX: usize = 64;
/// Proofs that a room keeps, and that are read of one commit: somebody who leaves is swept in seconds.
pub(super) const ROOM_PROOFS_MAX: usize = 64;
/// One-time key packages of a device at the relay.
pub(super) const KEY_PACKAGES_WANTED: u32 = 20;
/// Milliseconds after which a last-resort key package is replaced: half of its lifetime.
pub(super) const LAST_RESORT_PACKAGE_MS: u64 = 30 * 24 * 3_600_000;

/// Changes of messages that are not here yet, and messages with such changes, of one author in one
/// conversation; what is over is dropped.
pub(super) const EARLY_CHANGES_MAX: usize = 32;

/// Messages that expire in one step.
pub(super) const EXPIRIES_AT_ONCE: usize = 64;

/// Bytes of a reaction.
pub(super) const SIGN_BYTES_MAX: usize = crate::limits::SIGN_BYTES_MAX;

/// Milliseconds after which a message may expire: a year. A longer life is none at all.
pub(super) const EXPIRY_MS_MAX: u64 = 366 * 24 * 3_600_000;
