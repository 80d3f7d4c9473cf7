//! The operating system's keyring as the place of the store's key (feature `keyring`): the Secret Service
//! on Linux and the BSDs, or whatever store the program set as `keyring_core`'s default. A build without
//! the feature opens no such profile, and says so.

use std::fmt;

use super::seal::StoreKey;
use crate::error::OpenError;

pub(super) use system::{get, put, remove};

/// Bytes of an entry's name.
pub(super) const ENTRY_BYTES: usize = 16;

/// What the keyring calls one profile's key: random, so that two profiles never share one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(pub(super) [u8; ENTRY_BYTES]);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}

#[cfg(feature = "keyring")]
mod system {
    use keyring_core::{Entry as Credential, Error, get_default_store};
    use zeroize::Zeroizing;

    use super::{Entry, OpenError, StoreKey};

    /// What the keyring shows as the owner of the entries.
    const SERVICE: &str = "chat store";

    /// Keeps a key, and proves that it can be had again.
    pub(in crate::store) fn put(entry: Entry, key: &StoreKey) -> Result<(), OpenError> {
        credential(entry)?.set_secret(key.expose()).map_err(refused)?;
        // Another key would make the store unreadable as soon as the file says to look here.
        if get(entry)?.expose() == key.expose() { Ok(()) } else { Err(OpenError::Keyring) }
    }

    /// The key of an entry. The system may ask its user first, and this waits.
    pub(in crate::store) fn get(entry: Entry) -> Result<StoreKey, OpenError> {
        let secret = Zeroizing::new(credential(entry)?.get_secret().map_err(refused)?);
        StoreKey::from_slice(&secret).ok_or(OpenError::Keyring)
    }

    /// Forgets an entry. One that stays opens nothing that its owner could not open before.
    pub(in crate::store) fn remove(entry: Entry) {
        let removed = credential(entry).and_then(|credential| credential.delete_credential().map_err(refused));
        if removed.is_err() {
            tracing::info!("an entry stays in the keyring");
        }
    }

    fn credential(entry: Entry) -> Result<Credential, OpenError> {
        let store = get_default_store().map_or_else(usual, Ok).map_err(refused)?;
        store.build(SERVICE, &entry.to_string(), None).map_err(refused)
    }

    type Store = std::sync::Arc<keyring_core::CredentialStore>;

    #[cfg(all(unix, not(any(target_vendor = "apple", target_os = "android"))))]
    fn usual() -> Result<Store, Error> {
        Ok(dbus_secret_service_keyring_store::Store::new()?)
    }

    /// Elsewhere the program sets the store that it wants.
    #[cfg(not(all(unix, not(any(target_vendor = "apple", target_os = "android")))))]
    fn usual() -> Result<Store, Error> {
        Err(Error::NoDefaultStore)
    }

    /// Why is the system's to tell, and may name things: not for a log.
    fn refused(_: Error) -> OpenError {
        OpenError::Keyring
    }
}

#[cfg(not(feature = "keyring"))]
mod system {
    use super::{Entry, OpenError, StoreKey};

    pub(in crate::store) fn put(_: Entry, _: &StoreKey) -> Result<(), OpenError> {
        Err(OpenError::Keyring)
    }

    pub(in crate::store) fn get(_: Entry) -> Result<StoreKey, OpenError> {
        Err(OpenError::Keyring)
    }

    pub(in crate::store) fn remove(_: Entry) {}
}
