//! What makes a commit durable. SQLite writes a commit into its write-ahead log and does not wait
//! (`synchronous = NORMAL`); the log is then synced here, on a thread of its own, before anybody is told
//! that the commit stands. So a commit is as durable as with FULL, and the relay's thread goes on
//! meanwhile. Without this sync acknowledged mail is lost in a power cut (tried in `faults`).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use chat_relay::storage::{StorageError, SyncJob};
use rusqlite::Connection;

/// 4 MiB: a log that long still fits the caches.
const CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;

/// Makes everything in a file durable.
pub type SyncFile = dyn Fn(&Path) -> io::Result<()> + Send + Sync;

/// What a database lies on. Another than the file system itself is for tests that break it.
#[derive(Clone)]
pub struct Disk {
    /// Name of SQLite's file layer; none for the usual one.
    pub vfs: Option<String>,
    /// Makes everything in a log file durable.
    pub sync: Arc<SyncFile>,
    /// Bytes written after which the log is moved into the database file, beside the relay's work.
    pub checkpoint_bytes: u64,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("vfs", &self.vfs).finish_non_exhaustive()
    }
}

impl Default for Disk {
    fn default() -> Self {
        // Opened once and kept: the kernel tells of a failed write each file that was open then, and a
        // file that is opened later hears nothing.
        let open: Mutex<Option<File>> = Mutex::new(None);
        let sync = move |log: &Path| {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let file = match open.take() {
                Some(file) => file,
                None => File::open(log)?,
            };
            open.insert(file).sync_data()
        };
        Self { vfs: None, sync: Arc::new(sync), checkpoint_bytes: CHECKPOINT_BYTES }
    }
}

/// Syncs one database's log.
#[derive(Debug)]
pub(super) struct Syncer {
    disk: Disk,
    log: PathBuf,
    /// A sync failed: what the kernel dropped is unknown until everything was written anew.
    failed: Arc<AtomicBool>,
    checkpoints: SyncSender<()>,
    written: u64,
}

impl Syncer {
    /// Starts the thread that moves the log; it ends with the syncer.
    pub(super) fn start(disk: Disk, database: &Path, mover: Connection) -> io::Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let (checkpoints, asked) = sync_channel(1);
        let failed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&failed);
        std::thread::Builder::new()
            .name("relay-checkpoint".to_owned())
            .spawn(move || move_log(&mover, &asked, &seen))?;
        Ok(Self { disk, log: PathBuf::from(log), failed, checkpoints, written: 0 })
    }

    /// What makes everything durable that is committed by now.
    pub(super) fn job(&self) -> SyncJob {
        let (disk, log, failed) = (self.disk.clone(), self.log.clone(), Arc::clone(&self.failed));
        Box::new(move || {
            (disk.sync)(&log).map_err(|error| {
                failed.store(true, Ordering::Release);
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full,
                    _ => StorageError::Io,
                }
            })
        })
    }

    /// Whether a sync has failed since [`Syncer::mended`].
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Everything was written anew and is durable.
    pub(super) fn mended(&self) {
        self.failed.store(false, Ordering::Release);
    }

    /// So much was written; now and then the log is moved.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written = self.written.saturating_add(bytes);
        if self.written >= self.disk.checkpoint_bytes {
            self.written = 0;
            // One that waits already does the work of this one too.
            let (Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(()))) = self.checkpoints.try_send(());
        }
    }
}

/// Moves the log into the database file whenever asked. When that fails the next commit finds out what
/// still holds: a failed write may have been one of the log's.
fn move_log(mover: &Connection, asked: &Receiver<()>, failed: &AtomicBool) {
    while asked.recv().is_ok() {
        if mover.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).is_err() {
            failed.store(true, Ordering::Release);
        }
    }
}
