//! The key of one file, and what is derived from it.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::layout::{HEADER_BYTES, Layout, MAGIC, Salt};
use crate::crypto::hkdf::{Prk, part};
use crate::crypto::random;
use crate::labels;
use crate::secret::Secret;

/// Bytes of a file's key.
pub const FILE_KEY_BYTES: usize = 32;

/// The key of one file: drawn for it, never used for another. It travels inside the sealed message, and
/// every place that keeps it holds the same copy.
///
/// ```
/// use chat_core::file::FileKey;
/// let key = FileKey::generate(&mut chat_fixtures::seeded::Seeded::new(1));
/// assert_eq!(FileKey::from_slice(key.expose()), Some(key)); // as it travels in the sealed message
/// assert_eq!(FileKey::from_slice(b"short"), None);
/// ```
#[derive(Clone)]
pub struct FileKey(Arc<Secret<FILE_KEY_BYTES>>);

impl FileKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Arc::new(random::secret(rng)))
    }

    /// Takes a key out of bytes that are wiped elsewhere; none when the length differs.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(|secret| Self(Arc::new(secret)))
    }

    /// The bytes, for the sealed message and for an encrypted record; for nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8; FILE_KEY_BYTES] {
        self.0.expose()
    }

    /// The stream's key and the header that commits to it.
    pub(super) fn derive(&self, salt: &Salt, layout: &Layout) -> (Secret<32>, [u8; HEADER_BYTES]) {
        let derived: Secret<64> = Prk::extract(salt, &[self.expose()]).expand(&[labels::FILE, &[layout.lg()]]);
        let commitment = part(&derived, 1);
        let fields: [&[u8]; 4] = [MAGIC, &[layout.lg()], salt, commitment.expose()];
        let mut header = [0; HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        (part(&derived, 0), header)
    }
}

impl PartialEq for FileKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0)
    }
}

impl Eq for FileKey {}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}
