//! Domain separation that both ends compute: `L(x) = "CHAT-v1 " ‖ x ‖ 0x00` (key-schedule, SPEC 4.1).
//! Labels of secrets stand in `chat-core`; here are only those over public bytes.

use sha2::{Digest, Sha256};

/// Signed device lists.
pub const SIG_LIST: &str = "sig/list";
/// Possession of a device key inside a list.
pub const SIG_POSSESSION: &str = "sig/pop";
/// Medium-term X25519 prekeys.
pub const SIG_SIGNED_PREKEY: &str = "sig/spk";
/// One-time pairs of an X25519 and an ML-KEM prekey.
pub const SIG_ONE_TIME_PAIR: &str = "sig/otp";
/// Last-resort ML-KEM prekeys.
pub const SIG_LAST_RESORT: &str = "sig/lastres";
/// A device's answer to the relay's challenge.
pub const SIG_PROOF: &str = "sig/proof";
/// The relay's greeting.
pub const SIG_READY: &str = "sig/ready";
/// Certificate of a room's leaf key, by the device (SPEC 12.3).
pub const SIG_LEAF: &str = "sig/leaf";
/// Statement that an account leaves a room, by its leaf key.
pub const SIG_LEAVE: &str = "sig/leave";
/// Statement that a room is deleted, by its owner's leaf key.
pub const SIG_ROOM_END: &str = "sig/room-end";
/// What a member says of a room's epoch, by its leaf key (SPEC 12.6.1).
pub const SIG_ROOM_STATE: &str = "sig/room-state";
/// A member that lost its place asks to be put back, by its leaf key (SPEC 12.6.4).
pub const SIG_ROOM_BACK: &str = "sig/room-back";
/// A member writes in a room, or stopped, by its leaf key (SPEC 12.5.4).
pub const SIG_ROOM_TYPING: &str = "sig/room-typing";
/// A request for recovery.
pub const SIG_RECOVERY: &str = "sig/recover";
/// The end of an account.
pub const SIG_DELETION: &str = "sig/delete";
/// Account records.
pub const SIG_RECORD: &str = "sig/record";
/// Ids of prekeys.
pub const PREKEY_ID: &str = "prekey-id";
/// Relay ids.
pub const RELAY_ID: &str = "relay";
/// Account ids.
pub const ACCOUNT_ID: &str = "account";
/// Codes of devices that ask to be let in.
pub const ASK_IN: &str = "ask-in";
/// Proofs that a ticket is known on a bulk connection.
pub const BLOB_ENTER: &str = "blob/enter";
/// What the relay makes tickets of.
pub const BLOB_TICKET_KEY: &str = "blob/tickets";
/// Secrets of tickets, made by the relay.
pub const BLOB_TICKET: &str = "blob/ticket";
/// Hashes of tokens that write and delete blobs.
pub const BLOB_TOKEN: &str = "blob/token";

/// `L(label) ‖ parts…`, the bytes that a signature covers.
#[must_use]
pub fn labelled(label: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|p| p.len()).sum::<usize>().saturating_add(64));
    bytes.extend_from_slice(b"CHAT-v1 ");
    bytes.extend_from_slice(label.as_bytes());
    bytes.push(0);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// `SHA-256(L(label) ‖ parts…)`.
#[must_use]
pub fn labelled_hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"CHAT-v1 ");
    hash.update(label.as_bytes());
    hash.update([0]);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// `SHA-256(parts…)`, for objects that carry their own magic.
#[must_use]
pub fn plain_hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
