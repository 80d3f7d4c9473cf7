//! Where the store's key lies: bare, or sealed under a passphrase (Argon2id), in one file that only its
//! owner reads, or in the system's keyring, whose entry the file names. Bare it protects a copied database,
//! not a copied directory; the others protect both.
//!
//! ```text
//! bare    key 32
//! sealed  "chat-key" | 1 | Argon2id profile u8 | salt 16 | CSeal(stretched, head, key) 112
//! keyring "chat-key" | 2 | entry 16
//! ```
//!
//! The file is replaced whole: a crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use chat_core::identity::passphrase::{PassphraseKey, Purpose, open, seal};
use chat_login::{Profile, SALT_BYTES, StretchError, stretch};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

use super::keyring::{self, ENTRY_BYTES, Entry};
use super::place::open_private;
use super::seal::{KEY_BYTES, StoreKey};
use crate::config::{Kept, Passphrase};
use crate::error::OpenError;

const MAGIC: &[u8; 8] = b"chat-key";
const SEALED: u8 = 1;
const KEYRING: u8 = 2;
const HEAD_BYTES: usize = MAGIC.len() + 2 + SALT_BYTES;
/// A sealed file: what `CSeal` adds is its salt, commitment and tag.
const SEALED_BYTES: usize = HEAD_BYTES + KEY_BYTES + 32 + 32 + 16;
const KEYRING_BYTES: usize = MAGIC.len() + 1 + ENTRY_BYTES;

/// What a key file holds.
#[derive(Debug)]
pub(super) enum KeyFile {
    /// The key itself.
    Bare(StoreKey),
    /// The key in a box.
    Sealed(SealedKey),
    /// The key is elsewhere.
    Keyring(Entry),
}

/// How a key is to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keeping<'a> {
    Bare,
    Under(&'a Passphrase),
    InKeyring,
}

/// A key under a passphrase.
#[derive(Debug)]
pub(super) struct SealedKey {
    bytes: Vec<u8>,
    profile: Profile,
    salt: [u8; SALT_BYTES],
}

/// Reads the file; none when there is none.
pub(super) fn read(path: &Path) -> Result<Option<KeyFile>, OpenError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Tightens a mode that was loosened since.
    open_private(path, OpenOptions::new().read(true))?;
    if let Some(key) = StoreKey::from_slice(&bytes) {
        return Ok(Some(KeyFile::Bare(key)));
    }
    if let Some(entry) = entry(&bytes) {
        return Ok(Some(KeyFile::Keyring(entry)));
    }
    SealedKey::parse(&bytes).map(|sealed| Some(KeyFile::Sealed(sealed)))
}

/// The entry that a file names; none when it is another sort of file.
fn entry(bytes: &[u8]) -> Option<Entry> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&[KEYRING])?;
    rest.try_into().ok().map(Entry)
}

impl KeyFile {
    /// How the file keeps its key.
    pub(super) fn kept(&self) -> Kept {
        match self {
            Self::Bare(_) => Kept::Bare,
            Self::Sealed(_) => Kept::Sealed,
            Self::Keyring(_) => Kept::Keyring,
        }
    }

    /// The key.
    pub(super) fn open(self, passphrase: Option<&Passphrase>) -> Result<StoreKey, OpenError> {
        match self {
            Self::Bare(key) => Ok(key),
            Self::Sealed(sealed) => sealed.open(passphrase.ok_or(OpenError::Locked)?),
            Self::Keyring(entry) => keyring::get(entry),
        }
    }
}

impl SealedKey {
    fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.len() != SEALED_BYTES {
            return Err(OpenError::Corrupt);
        }
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(OpenError::Corrupt)?;
        let ([version, profile], rest) = rest.split_first_chunk::<2>().ok_or(OpenError::Corrupt)?;
        let (salt, _) = rest.split_first_chunk().ok_or(OpenError::Corrupt)?;
        if (magic, *version) != (MAGIC, SEALED) {
            return Err(OpenError::Corrupt);
        }
        let profile = Profile::try_from(*profile).map_err(|_| OpenError::Corrupt)?;
        Ok(Self { bytes: bytes.to_vec(), profile, salt: *salt })
    }

    fn open(&self, passphrase: &Passphrase) -> Result<StoreKey, OpenError> {
        let stretched = stretched(self.profile, passphrase, &self.salt)?;
        let (head, sealed) = self.bytes.split_at_checked(HEAD_BYTES).ok_or(OpenError::Corrupt)?;
        let key = open(&stretched, Purpose::StoreKey, head, sealed).map_err(|_| OpenError::WrongPassphrase)?;
        StoreKey::from_slice(&key).ok_or(OpenError::Corrupt)
    }
}

/// Keeps the key as told, in place of whatever the file held.
pub(super) fn write(path: &Path, key: &StoreKey, keeping: Keeping<'_>) -> Result<(), OpenError> {
    let bytes = match keeping {
        Keeping::Bare => Zeroizing::new(key.expose().to_vec()),
        Keeping::Under(passphrase) => Zeroizing::new(sealed(key, passphrase)?),
        Keeping::InKeyring => Zeroizing::new(handed_over(key)?),
    };
    let before = fs::read(path).map(Zeroizing::new);
    let fresh = path.with_file_name("key.new");
    let mut file = open_private(&fresh, OpenOptions::new().write(true).create(true).truncate(true))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    // Nothing names the old entry any more.
    if let Some(entry) = before.ok().and_then(|bytes| entry(&bytes)) {
        keyring::remove(entry);
    }
    Ok(())
}

/// Puts the key into the keyring; what is left to write is where.
fn handed_over(key: &StoreKey) -> Result<Vec<u8>, OpenError> {
    let mut name = [0; ENTRY_BYTES];
    getrandom::fill(&mut name).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
    keyring::put(Entry(name), key)?;
    let mut bytes = Vec::with_capacity(KEYRING_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(KEYRING);
    bytes.extend_from_slice(&name);
    Ok(bytes)
}

fn sealed(key: &StoreKey, passphrase: &Passphrase) -> Result<Vec<u8>, OpenError> {
    let profile = Profile::DEFAULT;
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
    let mut bytes = Vec::with_capacity(SEALED_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[SEALED, profile.number()]);
    bytes.extend_from_slice(&salt);
    let stretched = stretched(profile, passphrase, &salt)?;
    let box_ = seal(&stretched, Purpose::StoreKey, &bytes, key.expose(), &mut UnwrapErr(SysRng));
    bytes.extend_from_slice(&box_);
    Ok(bytes)
}

fn stretched(profile: Profile, passphrase: &Passphrase, salt: &[u8; SALT_BYTES]) -> Result<PassphraseKey, OpenError> {
    match stretch(profile, passphrase.normalised().as_bytes(), salt) {
        Ok(bytes) => Ok(PassphraseKey::stretched(&bytes)),
        // Empty or too long: nothing was ever sealed under that.
        Err(StretchError::Length) => Err(OpenError::WrongPassphrase),
        Err(_) => Err(io::Error::from(io::ErrorKind::OutOfMemory).into()),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn phrase(text: &str) -> Passphrase {
        Passphrase::from(text.to_owned())
    }

    #[test]
    fn a_sealed_key_opens_under_its_passphrase_only_and_however_that_is_composed() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        let key = StoreKey::random().unwrap();
        write(&path, &key, Keeping::Under(&phrase("s\u{e9}same"))).unwrap();
        let opened = |text| read(&path).unwrap().unwrap().open(Some(&phrase(text)));
        assert_eq!(opened("se\u{301}same").unwrap().expose(), key.expose());
        assert!(matches!(opened("sesame"), Err(OpenError::WrongPassphrase)));
        assert!(matches!(opened(""), Err(OpenError::WrongPassphrase)));
        assert!(matches!(read(&path).unwrap().unwrap().open(None), Err(OpenError::Locked)));
        let stored = fs::read(&path).unwrap();
        assert!(!stored.windows(KEY_BYTES).any(|part| part == key.expose()), "the key is not in the file");
    }

    #[test]
    fn a_sealed_file_that_was_changed_or_cut_opens_under_nothing() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        write(&path, &StoreKey::random().unwrap(), Keeping::Under(&phrase("open"))).unwrap();
        let good = fs::read(&path).unwrap();
        for at in [0, 8, 9, 12, HEAD_BYTES, SEALED_BYTES - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&path, bad).unwrap();
            let opened = read(&path).and_then(|file| file.unwrap().open(Some(&phrase("open"))));
            assert!(matches!(opened, Err(OpenError::Corrupt | OpenError::WrongPassphrase)), "byte {at}");
        }
        for length in [0, 31, 33, SEALED_BYTES - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(matches!(read(&path), Err(OpenError::Corrupt)), "{length} bytes");
        }
    }

    #[test]
    #[cfg(feature = "keyring")]
    fn a_key_in_the_keyring_is_in_no_file_and_leaves_no_entry_behind() {
        let ring = keyring_core::mock::Store::new().unwrap();
        keyring_core::set_default_store(ring.clone());
        let entries = || -> Vec<usize> {
            let all = ring.inner.lock().unwrap();
            all.borrow().iter().filter_map(|c| c.inner.lock().unwrap().borrow().secret.as_ref().map(Vec::len)).collect()
        };
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        let key = StoreKey::random().unwrap();
        write(&path, &key, Keeping::Bare).unwrap();
        write(&path, &key, Keeping::InKeyring).unwrap();
        let opened = || read(&path).unwrap().unwrap().open(None);
        assert_eq!(opened().unwrap().expose(), key.expose());
        assert_eq!(read(&path).unwrap().unwrap().kept(), Kept::Keyring);
        let stored = fs::read(&path).unwrap();
        assert!(stored.len() == KEYRING_BYTES && !stored.windows(8).any(|part| key.expose().starts_with(part)));
        assert_eq!(entries(), [KEY_BYTES]);

        // The keyring of another login has no such entry.
        keyring_core::set_default_store(keyring_core::mock::Store::new().unwrap());
        assert!(matches!(opened(), Err(OpenError::Keyring)));
        keyring_core::set_default_store(ring.clone());
        write(&path, &key, Keeping::InKeyring).unwrap();
        assert_eq!(entries(), [KEY_BYTES], "the entry before is gone");
        write(&path, &key, Keeping::Under(&phrase("open"))).unwrap();
        assert_eq!(entries(), [0; 0]);
        assert!(matches!(opened(), Err(OpenError::Locked)));
    }

    #[test]
    #[cfg(not(feature = "keyring"))]
    fn a_build_without_the_keyring_says_that_it_needs_it_and_writes_nothing() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        let key = StoreKey::random().unwrap();
        write(&path, &key, Keeping::Bare).unwrap();
        assert!(matches!(write(&path, &key, Keeping::InKeyring), Err(OpenError::Keyring)));
        assert_eq!(fs::read(&path).unwrap(), key.expose());
        fs::write(&path, [MAGIC.as_slice(), &[KEYRING], &[7; ENTRY_BYTES]].concat()).unwrap();
        assert!(matches!(read(&path).unwrap().unwrap().open(None), Err(OpenError::Keyring)));
    }
}
