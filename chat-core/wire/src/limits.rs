//! Every limit of the wire, with its unit and its reason (SPEC 2).

/// Version of the protocol that this package speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// Bytes of a whole frame after its length prefix. One send carries a 64 KiB text, padded, to every
/// device of two accounts (2 × 16 × 72 KiB = 2.3 MiB); 4 MiB leaves room and bounds a reader's buffer.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a frame before the connection is logged in: registration carries list, vault and record.
pub const FRAME_BYTES_MAX_BEFORE_LOGIN: usize = 64 * 1024;

/// Bytes of the CBOR head of a frame: prekey uploads and bundles are the largest heads.
pub const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Characters of a user name.
pub const NAME_CHARS_MIN: usize = 3;
/// Characters of a user name.
pub const NAME_CHARS_MAX: usize = 32;

/// Devices of one account: bounds the fan-out of one message.
pub const DEVICES_MAX: usize = 16;

/// Device lists in one `Lists` answer (at most 2.8 KiB each): what is left is asked for again.
pub const LISTS_PER_ANSWER_MAX: usize = 100;

/// Bytes of one sealed packet: a 64 KiB text with content head, chunks, Padmé and initiation around it.
pub const PACKET_BYTES_MAX: usize = 96 * 1024;

/// Packets in one `Send`: every device of the recipient and every other device of the sender.
pub const PACKETS_PER_SEND_MAX: usize = 2 * DEVICES_MAX;

/// One-time prekey pairs in one upload: 50 × 1,664 B stay under a tenth of a frame.
pub const ONE_TIME_PAIRS_PER_UPLOAD_MAX: usize = 50;

/// One-time prekey pairs that the relay stores for one device.
pub const ONE_TIME_PAIRS_STORED_MAX: usize = 100;

/// One-time prekey pairs left below which the device refills.
pub const ONE_TIME_PAIRS_LOW: usize = 25;

/// Users in one `Found` answer.
pub const FIND_RESULTS_MAX: usize = 50;

/// Accounts in one `SetContacts`: presence flows to and from these only.
pub const CONTACTS_MAX: usize = 10_000;

/// Deliveries that may be under way to one connection without an acknowledgement.
pub const DELIVERIES_UNDER_WAY_MAX: usize = 256;

/// Bytes of a vault.
pub const VAULT_BYTES_MAX: usize = 4 * 1024;

/// Bytes of an account record (contacts, blocks, settings; Padmé, at least 4 KiB): [`CONTACTS_MAX`] people at about
/// 300 bytes each, all verified and with names of the usual length, in one frame.
pub const RECORD_BYTES_MAX: usize = 3_584 * 1024;

/// Features that a `Hello` may name, and bytes of each name.
pub const FEATURES_MAX: usize = 32;
/// Bytes of one feature name.
pub const FEATURE_BYTES_MAX: usize = 32;

/// Milliseconds between two heartbeats of an idle client.
pub const HEARTBEAT_MS: u64 = 3_000;

/// Milliseconds of silence after which the relay calls a client offline; the promise is 10 s
/// (DESIGN §8), the rest is the sweep's interval and a busy machine's delays.
pub const SILENCE_MS_MAX: u64 = 8_000;

/// Devices in one room: bounds trees, commits and fan-out.
pub const ROOM_DEVICES_MAX: usize = 1_000;

/// Rooms that one account is in.
pub const ROOMS_PER_ACCOUNT_MAX: usize = 200;

/// Bytes of a room's topic.
pub const TOPIC_BYTES_MAX: usize = 1_024;

/// Epochs that a message may lag behind its room (DESIGN §6): late, but still readable for everybody.
pub const ROOM_EPOCHS_LATE_MAX: u64 = 5;

/// Bytes of a sealed room message: a 64 KiB text with its head, padding and MLS framing.
pub const ROOM_MESSAGE_BYTES_MAX: usize = 96 * 1024;

/// Accounts in a room in which members see who writes, and in a private one who is online: in a crowd that
/// would tell strangers and cost everybody.
pub const SMALL_ROOM_ACCOUNTS_MAX: usize = 50;

/// Bytes of a Welcome: it holds the room's tree, up to 2.7 KiB a device.
pub const WELCOME_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Bytes of a key package; about 1.7 KiB with a hybrid key.
pub const KEY_PACKAGE_BYTES_MAX: usize = 8 * 1024;

/// Key packages in one upload.
pub const KEY_PACKAGES_PER_UPLOAD_MAX: usize = 50;

/// One-time key packages that the relay stores for one device.
pub const KEY_PACKAGES_STORED_MAX: usize = 100;

/// One-time key packages left below which the device refills.
pub const KEY_PACKAGES_LOW: usize = 10;

/// Accounts whose lists are asked for at once.
pub const LISTS_WANTED_MAX: usize = 100;

/// Rooms in one `Rooms` answer.
pub const ROOMS_PER_ANSWER_MAX: usize = 200;

/// Bytes of a file that clients send, and that a relay takes unless its operator says otherwise: what a
/// person waits for on a usual line.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes of one part of a blob in a frame's body: the largest sealed chunk with the header before it.
pub const BLOB_PART_BYTES_MAX: usize = 1024 * 1024 + 1024;
