//! Boxes under a passphrase (key-schedule E's `CSeal`): the key of a store, a history in a file. The
//! passphrase is stretched by whoever has Argon2id; here comes what it gave.
//!
//! A box commits to its key: no box opens under two passphrases.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::crypto::seal::{Binding, copen, cseal};
use crate::labels;
use crate::secret::{Secret, secret_role};

secret_role!(
    /// What a passphrase was stretched to.
    pub PassphraseKey, 32
);

impl PassphraseKey {
    /// From the stretching function; the caller's copy is wiped by its own type.
    #[must_use]
    pub fn stretched(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self::new(Secret::fill(|out| out.copy_from_slice(&**bytes)))
    }
}

/// What a box holds. A box of one kind does not open as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// The key of a local store.
    StoreKey,
    /// A piece of an exported history.
    Archive,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::StoreKey => labels::PASSPHRASE_STORE,
            Self::Archive => labels::PASSPHRASE_ARCHIVE,
        }
    }
}

/// A box did not open: another passphrase, another place, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase is wrong, or the file was changed")]
pub struct WrongPassphrase;

/// Seals; `ad` is bound in the clear beside it.
///
/// ```
/// use chat_core::identity::passphrase::{PassphraseKey, Purpose, open, seal};
/// # let mut rng = chat_fixtures::seeded::Seeded::new(1);
/// // What Argon2id made of the passphrase.
/// let key = PassphraseKey::stretched(&zeroize::Zeroizing::new([7; 32]));
/// let sealed = seal(&key, Purpose::StoreKey, b"head of the file", b"a store's key", &mut rng);
/// assert_eq!(*open(&key, Purpose::StoreKey, b"head of the file", &sealed)?, b"a store's key");
/// assert!(open(&key, Purpose::Archive, b"head of the file", &sealed).is_err());
/// # Ok::<(), chat_core::identity::passphrase::WrongPassphrase>(())
/// ```
pub fn seal(key: &PassphraseKey, purpose: Purpose, ad: &[u8], text: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
    cseal(&key.0, Binding { label: purpose.label(), ad }, text, rng)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`WrongPassphrase`].
pub fn open(
    key: &PassphraseKey,
    purpose: Purpose,
    ad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WrongPassphrase> {
    copen(&key.0, Binding { label: purpose.label(), ad }, sealed).map_err(|_| WrongPassphrase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::rng;

    #[test]
    fn a_box_opens_under_its_passphrase_purpose_and_place_only() {
        let rng = &mut rng();
        let key = |byte| PassphraseKey::stretched(&Zeroizing::new([byte; 32]));
        let sealed = seal(&key(1), Purpose::StoreKey, b"head", b"text", rng);
        let opened = |byte, purpose, ad: &[u8]| open(&key(byte), purpose, ad, &sealed).map(|text| text.to_vec());
        assert_eq!(opened(1, Purpose::StoreKey, b"head"), Ok(b"text".to_vec()));
        assert_eq!(opened(2, Purpose::StoreKey, b"head"), Err(WrongPassphrase));
        assert_eq!(opened(1, Purpose::Archive, b"head"), Err(WrongPassphrase));
        assert_eq!(opened(1, Purpose::StoreKey, b"heat"), Err(WrongPassphrase));
    }
}
