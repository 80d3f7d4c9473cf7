//! The relay's data directory: 0700, locked by one relay at a time, with everything secret in files
//! of their own beside the database (SPEC 9.6.1), so that a copied or backed-up one opens nothing.
//!
//! ```text
//! DATA/lock            held while a relay runs
//! DATA/admin.sock      where `admin` says that it has written
//! DATA/relay.db        accounts, public keys, sealed packets
//! DATA/blobs/          sealed files
//! DATA/meters          what the limits on guessing have counted
//! DATA/keys/relay.key  Ed25519 seed: loses clients' trust when lost
//! DATA/keys/login.key  OPAQUE secrets: lock everybody out of login by password when lost
//! DATA/keys/tls.key, tls.crt   made once when no certificate is configured
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_login::server::ServerSecrets;
use chat_relay::RelayIdentity;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use tokio::net::UnixDatagram;

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Reading or writing failed.
    #[error("the data directory can't be used")]
    Io(#[from] io::Error),
    /// Another relay runs on it.
    #[error("another relay runs on this data directory")]
    InUse,
    /// A key file does not hold what it should.
    #[error("the key file {0} is damaged")]
    DamagedKey(&'static str),
}

/// A data directory, locked until dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
    temporary: bool,
}

/// What names of temporary directories begin with.
const TEMPORARY_PREFIX: &str = "chat-relay-";

/// Age at which a temporary directory without a relay counts as abandoned: a start between making the
/// directory and locking it takes milliseconds.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

const RELAY_KEY: &str = "relay.key";
const LOGIN_KEY: &str = "login.key";

impl DataDir {
    /// Opens or makes a directory and locks it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let lock = lock(path)?;
        make_private_dir(&path.join("keys"))?;
        Ok(Self { path: path.to_path_buf(), _lock: lock, temporary: false })
    }

    /// A directory that is removed when dropped. Those of relays that were killed go now.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub(crate) fn temporary() -> Result<Self, DataDirError> {
        remove_abandoned(&std::env::temp_dir());
        let path = std::env::temp_dir().join(format!("{TEMPORARY_PREFIX}{:016x}", random_number()?));
        let mut dir = Self::open(&path)?;
        dir.temporary = true;
        Ok(dir)
    }

    /// Where blobs lie.
    #[must_use]
    pub(crate) fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// Where the database lies.
    #[must_use]
    pub(crate) fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// Where the counts of the limits on guessing are kept.
    #[must_use]
    pub(crate) fn meters(&self) -> PathBuf {
        self.path.join("meters")
    }

    /// Where the operator's tool tells the relay that it has written. None where it can't be made: then
    /// the next sweep notices.
    #[must_use]
    pub(crate) fn nudges(&self) -> Option<UnixDatagram> {
        let path = nudges_in(&self.path);
        // Left from a relay that was killed; the lock says that none runs.
        let _ = fs::remove_file(&path);
        UnixDatagram::bind(path).ok()
    }

    /// Where a certificate made by the relay lies: key and certificate.
    #[must_use]
    pub(crate) fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.path.join("keys").join("tls.key"), self.path.join("keys").join("tls.crt"))
    }

    /// The relay's identity, made at the first start.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub(crate) fn identity(&self) -> Result<RelayIdentity, DataDirError> {
        let seed = self.key_file(RELAY_KEY, || {
            let mut seed = [0; RelayIdentity::SEED_BYTES];
            getrandom::fill(&mut seed).map_err(io::Error::other)?;
            Ok(seed.to_vec())
        })?;
        let seed = seed.as_slice().try_into().map_err(|_| DataDirError::DamagedKey(RELAY_KEY))?;
        Ok(RelayIdentity::from_seed(seed))
    }

    /// OPAQUE's secrets, made at the first start.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub(crate) fn login_secrets(&self) -> Result<ServerSecrets, DataDirError> {
        let bytes =
            self.key_file(LOGIN_KEY, || Ok(ServerSecrets::generate(&mut UnwrapErr(SysRng)).to_bytes().to_vec()))?;
        ServerSecrets::from_bytes(&bytes).map_err(|_| DataDirError::DamagedKey(LOGIN_KEY))
    }

    fn key_file(
        &self,
        name: &'static str,
        make: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, DataDirError> {
        let path = self.path.join("keys").join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(zeroize::Zeroizing::new(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = zeroize::Zeroizing::new(make()?);
                write_private(&path, &bytes)?;
                Ok(bytes)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.temporary {
            // Nobody can act on a failure here, and the system clears its temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Where the database of a data directory lies.
#[must_use]
pub(crate) fn database_in(path: &Path) -> PathBuf {
    path.join("relay.db")
}

/// Where a running relay of a data directory is told of changes.
#[must_use]
pub(crate) fn nudges_in(path: &Path) -> PathBuf {
    path.join("admin.sock")
}

/// Holds a data directory for something that no relay may run beside.
pub(crate) fn lock(path: &Path) -> Result<File, DataDirError> {
    make_private_dir(path)?;
    let lock = private_file().create(true).truncate(false).open(path.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Removes what relays left in the directory of temporary files that ended without cleaning up.
fn remove_abandoned(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
        if is_ours && is_abandoned(&entry.path()) {
            // Somebody else's, or gone already: both are fine.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() {
        return false;
    }
    let Ok(lock) = private_file().open(path.join("lock")) else { return false };
    let age = lock.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age >= ABANDONED_AFTER) && lock.try_lock().is_ok()
}

/// Writes a new 0600 file whole: under another name first, so that a crash leaves no half of a key.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = private_file().create(true).truncate(true).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // An older directory may have been made with another mode.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn random_number() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_restart_and_lie_in_private_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let (id, secrets) = (first.identity().unwrap().id(), first.login_secrets().unwrap().to_bytes());
        drop(first);
        let second = DataDir::open(&path).unwrap();
        assert_eq!(second.identity().unwrap().id(), id);
        assert_eq!(*second.login_secrets().unwrap().to_bytes(), *secrets);
        for (name, mode) in [("", 0o700), ("keys", 0o700), ("keys/relay.key", 0o600), ("keys/login.key", 0o600)] {
            let found = fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
        }
    }

    #[test]
    fn a_second_relay_on_the_same_directory_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::InUse)));
        drop(first);
        assert!(DataDir::open(dir.path()).is_ok());
    }

    #[test]
    fn a_damaged_key_is_reported_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        fs::write(dir.path().join("keys/relay.key"), b"short").unwrap();
        assert!(matches!(data.identity(), Err(DataDirError::DamagedKey("relay.key"))));
        assert_eq!(fs::read(dir.path().join("keys/relay.key")).unwrap(), b"short");
    }

    #[test]
    fn what_a_killed_relay_left_behind_goes_with_the_next_start_and_living_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(1);
        let make = |name: &str| {
            let path = dir.path().join(name);
            let data = DataDir::open(&path).unwrap();
            data._lock.set_modified(old).unwrap();
            (path, data)
        };
        let (dead, abandoned) = make("chat-relay-1");
        drop(abandoned);
        let (alive, _running) = make("chat-relay-2");
        let (foreign, other) = make("something-else");
        drop(other);
        let (fresh, young) = make("chat-relay-3");
        young._lock.set_modified(std::time::SystemTime::now()).unwrap();
        drop(young);
        remove_abandoned(dir.path());
        assert!(!dead.exists());
        assert!(alive.exists() && foreign.exists() && fresh.exists());
    }

    #[test]
    fn a_temporary_directory_is_gone_afterwards() {
        let dir = DataDir::temporary().unwrap();
        let path = dir.path.clone();
        assert!(path.exists());
        drop(dir);
        assert!(!path.exists());
    }
}
