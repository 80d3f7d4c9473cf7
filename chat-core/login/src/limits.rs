//! Sizes that the suite fixes, and the limit of a password (SPEC 9.1).

/// Bytes of the client's registration request.
pub const REGISTRATION_REQUEST_BYTES: usize = 32;
/// Bytes of the server's registration response.
pub const REGISTRATION_RESPONSE_BYTES: usize = 64;
/// Bytes of the record that the server keeps.
pub const RECORD_BYTES: usize = 192;
/// Bytes of the first login message.
pub const KE1_BYTES: usize = 96;
/// Bytes of the second login message.
pub const KE2_BYTES: usize = 320;
/// Bytes of the third login message.
pub const KE3_BYTES: usize = 64;
/// Bytes of export key and session key.
pub const KEY_BYTES: usize = 64;

/// Longest password in bytes: longer than any passphrase, short enough to be hashed at once.
pub const PASSWORD_BYTES_MAX: usize = 1024;
