//! The store's key: 32 random bytes, wiped when dropped, never printed.

use std::io;

use zeroize::Zeroizing;

/// Bytes of the key.
pub(super) const KEY_BYTES: usize = 32;

/// The key of the database.
pub(super) struct StoreKey(Zeroizing<[u8; KEY_BYTES]>);

impl StoreKey {
    /// A new key.
    pub(super) fn random() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *key).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
        Ok(Self(key))
    }

    /// Copies a key out of bytes that are wiped elsewhere; none when the length is another.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    /// The bytes, for the file that keeps them.
    pub(super) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The statement that keys a connection: SQLCipher's raw key, so that no password hashing runs.
    pub(super) fn statement(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str("PRAGMA key = \"x'");
        for byte in self.0.iter() {
            for nibble in [byte >> 4, byte & 0x0f] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
            }
        }
        text.push_str("'\"");
        text
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey")
    }
}
