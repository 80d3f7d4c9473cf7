//! The store's key: 32 random bytes in a file that only its owner reads. It protects a copied
//! database, not a copied directory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use zeroize::Zeroizing;

use super::place::open_private;
use crate::error::OpenError;

/// The key of the database: wiped when dropped, never printed.
pub(super) struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
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

/// The key of the file; none when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<StoreKey>, OpenError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Tightens a mode that was loosened since.
    open_private(path, OpenOptions::new().read(true))?;
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(OpenError::Corrupt);
    }
    key.copy_from_slice(&bytes);
    Ok(Some(StoreKey(key)))
}

/// The key of the file, or a new one, durable before anything is sealed with it.
pub(super) fn read_or_make(path: &Path) -> Result<StoreKey, OpenError> {
    match read(path) {
        Ok(Some(key)) => return Ok(key),
        // Cut short by a crash while no database existed: nothing is lost by a new one.
        Ok(None) | Err(OpenError::Corrupt) => {}
        Err(error) => return Err(error),
    }
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
    let mut file = open_private(path, OpenOptions::new().write(true).create(true).truncate(true))?;
    file.write_all(&*key)?;
    file.sync_all()?;
    Ok(StoreKey(key))
}
