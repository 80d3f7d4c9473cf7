//! The profile's directory: its files, their modes, its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

use crate::error::OpenError;

/// A directory that this process holds the lock of.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    /// Unlocked by closing it.
    _lock: File,
}

impl Place {
    /// Makes the directory when there is none, closes it to everybody else and takes its lock.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        builder.mode(OWNER_ONLY_DIR);
        builder.create(dir)?;
        // Neither the umask nor an older, laxer mode decides who may look.
        restrict(dir, OWNER_ONLY_DIR)?;
        let lock = open_private(&dir.join("lock"), OpenOptions::new().read(true).write(true).create(true))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.dir.join("store.db")
    }

    pub(super) fn key(&self) -> PathBuf {
        key_of(&self.dir)
    }

    pub(super) fn has_database(&self) -> io::Result<bool> {
        self.database().try_exists()
    }

    /// An empty private file to make a database in. It gets the database's name only when it is
    /// whole: a database cut short is then always damage, never a creation that was interrupted.
    pub(super) fn fresh_database(&self) -> io::Result<PathBuf> {
        let path = self.dir.join("store.new");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        open_private(&path, OpenOptions::new().write(true).create_new(true))?;
        Ok(path)
    }

    /// Gives a fresh database its name, durably.
    pub(super) fn publish(&self, fresh: &Path) -> io::Result<()> {
        File::open(fresh)?.sync_all()?;
        fs::rename(fresh, self.database())?;
        File::open(&self.dir)?.sync_all()
    }
}

/// The file with the key of the profile in `dir`.
pub(super) fn key_of(dir: &Path) -> PathBuf {
    dir.join("store.key")
}

/// Only the owner may list and enter.
const OWNER_ONLY_DIR: u32 = 0o700;
/// Only the owner may read and write. SQLite gives `-wal` and `-shm` the mode of the database.
const OWNER_ONLY_FILE: u32 = 0o600;

/// Opens or makes a file that nobody else may read, whatever the umask says.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    options.mode(OWNER_ONLY_FILE);
    let file = options.open(path)?;
    restrict(path, OWNER_ONLY_FILE)?;
    Ok(file)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Elsewhere the user's profile folder is private by itself.
#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
