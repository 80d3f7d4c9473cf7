//! Every limit of the protocol floors, with its unit and its reason.

/// Bytes of a content before padding: a 64 KiB text with its head, and room for later kinds. With
/// Padmé (12 % at most), chunks and an initiation around it a packet stays under `PACKET_BYTES_MAX`.
pub const CONTENT_BYTES_MAX: usize = 80 * 1024;

/// Bytes of one text (contract: 64 KiB of UTF-8).
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a reaction: the longest sequence that Unicode counts as one picture has 35.
pub const SIGN_BYTES_MAX: usize = 64;

/// Reactions in a row of an archive: one each of the devices that a room may have.
pub const REACTIONS_PER_ROW_MAX: usize = 1_000;

/// Chain steps that one packet may cost: a mangled body under a genuine header costs no more.
pub const CHAIN_STEPS_MAX: u32 = 2_000;

/// Skipped positions that a session keeps: at 64 bytes a position, 128 kB.
pub const SKIPPED_KEYS_MAX: usize = 2_000;

/// Milliseconds that a skipped key is kept: a lost message's key stays an attacker's target.
pub const SKIPPED_KEY_MS_MAX: u64 = 7 * DAY_MS;

/// Old receiving chains whose header keys are tried: with the current and the next key, seven trials.
pub const OLD_CHAINS_MAX: usize = 5;

/// Old receiving chains of the post-quantum ratchet: a late message is as old as the oldest old chain.
pub const OLD_PQ_CHAINS_MAX: usize = 5;

/// Messages of one sending chain; the position then needs a new session (key-schedule B).
pub const CHAIN_POSITIONS_MAX: u32 = 1 << 31;

/// Braid chunks in one message: an epoch is at most 36 chunks one way, and more would only delay acks.
pub const CHUNKS_PER_MESSAGE_MAX: usize = 32;

/// Milliseconds after which a medium-term and a last-resort prekey are replaced: the shorter, the
/// shorter the time in which a stolen one impersonates anybody to its owner.
pub const PREKEY_ROTATION_MS: u64 = 7 * DAY_MS;

/// Milliseconds that a replaced prekey stays usable: one generation, for mail that was under way.
pub const PREKEY_GRACE_MS: u64 = 7 * DAY_MS;

/// First messages on one last-resort key after which it is replaced early: half of what its replay
/// record holds (DESIGN §5).
pub const LAST_RESORT_USES_EARLY: u32 = 32_768;

/// Bytes of a password that are looked at: strength estimation is quadratic in the length.
pub const PASSWORD_BYTES_ASSESSED_MAX: usize = 128;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
