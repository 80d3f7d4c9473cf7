//! A drive in memory below SQLite. It keeps apart what was written and what was synced, so that a power
//! cut can take back everything else: all of it, the tail with a torn write, or any of the writes in
//! between. It can also be full, read-only or broken, and fail a sync in the way of a kernel that then
//! forgets what it could not write.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::io;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use sqlite_plugin::flags::{AccessFlags, LockLevel, OpenOpts, ShmLockMode};
use sqlite_plugin::vars;
use sqlite_plugin::vfs::{RegisterOpts, Vfs, VfsHandle, VfsResult, register_static};

/// Name of the file layer in SQLite.
pub const VFS: &str = "faults";

/// What a torn write keeps or loses as a whole, in bytes.
const SECTOR_BYTES: usize = 512;

/// Locks of a write-ahead log's index.
const SHM_LOCKS: usize = 8;

/// Something done to a file since its last sync.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Debug, Default)]
struct DriveFile {
    /// What the program sees.
    live: Vec<u8>,
    /// What surely survives.
    safe: Vec<u8>,
    is_safe: bool,
    changes: Vec<Change>,
    /// Failed syncs so far: each who has the file open hears of each once, as from Linux.
    failures: u64,
    /// What the relay's own open file has heard of.
    heard: u64,
}

/// What is wrong with the drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// No room for anything that is written.
    Full,
    /// Nothing can be written.
    ReadOnly,
    /// Writing fails.
    Broken,
    /// The next sync fails, and what it should have saved is forgotten.
    Forgetful,
    /// No power: nothing works any more.
    Off,
}

#[derive(Default)]
struct Content {
    files: BTreeMap<String, DriveFile>,
    trouble: Trouble,
    /// Writes until the power goes.
    writes_left: Option<u64>,
    locks: HashMap<String, HashMap<u64, LockLevel>>,
    shm: Vec<AtomicPtr<u8>>,
    shm_locks: [HashMap<u64, bool>; SHM_LOCKS],
    syncs: u64,
}

/// A drive. Clones are the same one.
#[derive(Clone)]
pub struct Drive {
    name: String,
    content: Arc<Mutex<Content>>,
}

/// Which changes a power cut spares; chosen by the test's seed.
pub trait Fate {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize;
}

static DRIVES: LazyLock<Mutex<HashMap<String, Drive>>> = LazyLock::new(|| {
    let options = RegisterOpts { make_default: false };
    let name = CString::new(VFS).unwrap_or_default();
    // Fails only when SQLite can't start; every opening says so then.
    let _ = register_static(name, Layer, options);
    Mutex::default()
});

static NEXT: AtomicU64 = AtomicU64::new(1);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drive {
    /// An empty drive.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Content::default())
    }

    fn with(content: Content) -> Self {
        let name = format!("drive{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let drive = Self { name: name.clone(), content: Arc::new(Mutex::new(content)) };
        locked(&DRIVES).insert(name, drive.clone());
        drive
    }

    /// Where a file of this drive lies.
    #[must_use]
    pub fn path(&self, file: &str) -> std::path::PathBuf {
        Path::new("/").join(&self.name).join(file)
    }

    /// Sets what is wrong.
    pub fn set(&self, trouble: Trouble) {
        locked(&self.content).trouble = trouble;
    }

    /// The power goes after so many more writes.
    pub fn cut_after(&self, writes: u64) {
        locked(&self.content).writes_left = Some(writes);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        locked(&self.content).trouble == Trouble::Off
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        locked(&self.content).syncs
    }

    /// Makes a file durable, as the relay asks the operating system to.
    ///
    /// # Errors
    /// The drive's trouble.
    pub fn sync(path: &Path) -> io::Result<()> {
        let (drive, file) = find(&path.to_string_lossy()).map_err(|_| io::ErrorKind::NotFound)?;
        let mut heard = locked(&drive.content).files.get(&file).map_or(0, |f| f.heard);
        let result = drive.sync_file(&file, &mut heard);
        if let Some(file) = locked(&drive.content).files.get_mut(&file) {
            file.heard = heard;
        }
        result.map_err(|code| match code {
            vars::SQLITE_FULL => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other("the drive fails"),
        })
    }

    fn sync_file(&self, name: &str, heard: &mut u64) -> VfsResult<()> {
        let mut content = locked(&self.content);
        content.syncs += 1;
        let trouble = content.trouble;
        let Some(file) = content.files.get_mut(name) else { return Err(vars::SQLITE_IOERR_FSYNC) };
        match trouble {
            Trouble::None | Trouble::ReadOnly => {}
            Trouble::Full => return Err(vars::SQLITE_FULL),
            Trouble::Forgetful => {
                file.changes.clear();
                file.failures += 1;
            }
            Trouble::Broken | Trouble::Off => return Err(vars::SQLITE_IOERR_FSYNC),
        }
        // Not simply what the program sees: changes that a failed sync forgot stay forgotten.
        for change in std::mem::take(&mut file.changes) {
            apply(&mut file.safe, &change);
        }
        file.is_safe = true;
        let news = file.failures > std::mem::replace(heard, file.failures);
        if trouble == Trouble::Forgetful {
            content.trouble = Trouble::None;
        }
        if news { Err(vars::SQLITE_IOERR_FSYNC) } else { Ok(()) }
    }

    /// Cuts the power; the drive as it is found when it comes back.
    #[must_use]
    pub fn cut(&self, fate: &mut dyn Fate) -> Self {
        let mut content = locked(&self.content);
        content.trouble = Trouble::Off;
        let mut after = Content::default();
        for (name, file) in &content.files {
            let mut safe = file.safe.clone();
            let mode = fate.below(4);
            let torn = fate.below(file.changes.len() + 1);
            for (at, change) in file.changes.iter().enumerate() {
                let survives = match mode {
                    0 => false,
                    1 => at < torn,
                    _ => fate.below(2) == 0,
                };
                if survives {
                    apply(&mut safe, change);
                } else if mode == 1 && at == torn {
                    tear(&mut safe, change, fate);
                }
            }
            if file.is_safe || (mode > 0 && !safe.is_empty()) {
                let found = DriveFile { live: safe.clone(), safe, is_safe: true, ..DriveFile::default() };
                after.files.insert(name.clone(), found);
            }
        }
        drop(content);
        Self::with(after)
    }
}

impl Default for Drive {
    fn default() -> Self {
        Self::new()
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Truncate(len) => bytes.resize(*len, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

/// Some of the sectors of a write.
fn tear(bytes: &mut Vec<u8>, change: &Change, fate: &mut dyn Fate) {
    let Change::Write(offset, data) = change else { return };
    for (at, sector) in data.chunks(SECTOR_BYTES).enumerate() {
        if fate.below(2) == 0 {
            apply(bytes, &Change::Write(offset + at * SECTOR_BYTES, sector.to_vec()));
        }
    }
}

fn find(path: &str) -> VfsResult<(Drive, String)> {
    let (drive, file) = path.trim_start_matches('/').split_once('/').ok_or(vars::SQLITE_CANTOPEN)?;
    let drives = locked(&DRIVES);
    Ok((drives.get(drive).ok_or(vars::SQLITE_CANTOPEN)?.clone(), file.to_owned()))
}

/// SQLite's way to the drives.
struct Layer;

/// An open file.
struct Handle {
    drive: Drive,
    file: String,
    id: u64,
    /// Failed syncs that it has heard of.
    heard: u64,
}

impl VfsHandle for Handle {
    fn readonly(&self) -> bool {
        false
    }

    fn in_memory(&self) -> bool {
        false
    }
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut DriveFile) -> T) -> VfsResult<T> {
        let mut content = locked(&self.drive.content);
        if content.trouble == Trouble::Off {
            return Err(vars::SQLITE_IOERR);
        }
        content.files.get_mut(&self.file).map(act).ok_or(vars::SQLITE_IOERR)
    }

    fn change(&self, change: Change) -> VfsResult<()> {
        let mut content = locked(&self.drive.content);
        match content.trouble {
            Trouble::Full => return Err(vars::SQLITE_FULL),
            Trouble::ReadOnly => return Err(vars::SQLITE_READONLY),
            Trouble::Broken | Trouble::Off => return Err(vars::SQLITE_IOERR_WRITE),
            Trouble::None | Trouble::Forgetful => {}
        }
        if let Some(left) = &mut content.writes_left {
            if *left == 0 {
                content.trouble = Trouble::Off;
                return Err(vars::SQLITE_IOERR_WRITE);
            }
            *left -= 1;
        }
        let file = content.files.get_mut(&self.file).ok_or(vars::SQLITE_IOERR)?;
        apply(&mut file.live, &change);
        file.changes.push(change);
        Ok(())
    }
}

impl Vfs for Layer {
    type Handle = Handle;

    fn canonical_path<'a>(&self, path: Cow<'a, str>) -> VfsResult<Cow<'a, str>> {
        Ok(path)
    }

    fn open(&self, path: Option<&str>, _: OpenOpts) -> VfsResult<Handle> {
        let (drive, file) = find(path.ok_or(vars::SQLITE_CANTOPEN)?)?;
        if drive.is_off() {
            return Err(vars::SQLITE_CANTOPEN);
        }
        let heard = locked(&drive.content).files.entry(file.clone()).or_default().failures;
        Ok(Handle { drive, file, heard, id: NEXT.fetch_add(1, Ordering::Relaxed) })
    }

    fn delete(&self, path: &str) -> VfsResult<()> {
        let (drive, file) = find(path)?;
        let mut content = locked(&drive.content);
        if content.trouble == Trouble::Off {
            return Err(vars::SQLITE_IOERR_DELETE);
        }
        content.files.remove(&file);
        Ok(())
    }

    fn access(&self, path: &str, _: AccessFlags) -> VfsResult<bool> {
        let (drive, file) = find(path)?;
        Ok(locked(&drive.content).files.contains_key(&file))
    }

    fn file_size(&self, handle: &mut Handle) -> VfsResult<usize> {
        handle.with(|file| file.live.len())
    }

    fn truncate(&self, handle: &mut Handle, size: usize) -> VfsResult<()> {
        handle.change(Change::Truncate(size))
    }

    fn write(&self, handle: &mut Handle, offset: usize, data: &[u8]) -> VfsResult<usize> {
        handle.change(Change::Write(offset, data.to_vec()))?;
        Ok(data.len())
    }

    fn read(&self, handle: &mut Handle, offset: usize, data: &mut [u8]) -> VfsResult<usize> {
        handle.with(|file| {
            let found = file.live.get(offset..).unwrap_or_default();
            let count = found.len().min(data.len());
            data[..count].copy_from_slice(&found[..count]);
            count
        })
    }

    fn lock(&self, handle: &mut Handle, level: LockLevel) -> VfsResult<()> {
        let mut content = locked(&handle.drive.content);
        let locks = content.locks.entry(handle.file.clone()).or_default();
        let others = || locks.iter().filter(|(id, _)| **id != handle.id).map(|(_, level)| *level);
        let free = match level {
            LockLevel::Unlocked => true,
            LockLevel::Shared => others().all(|l| l < LockLevel::Pending),
            LockLevel::Reserved | LockLevel::Pending => others().all(|l| l < LockLevel::Reserved),
            LockLevel::Exclusive => others().all(|l| l == LockLevel::Unlocked),
        };
        if !free {
            return Err(vars::SQLITE_BUSY);
        }
        locks.insert(handle.id, level);
        Ok(())
    }

    fn unlock(&self, handle: &mut Handle, level: LockLevel) -> VfsResult<()> {
        locked(&handle.drive.content).locks.entry(handle.file.clone()).or_default().insert(handle.id, level);
        Ok(())
    }

    fn check_reserved_lock(&self, handle: &mut Handle) -> VfsResult<bool> {
        let content = locked(&handle.drive.content);
        let locks = content.locks.get(&handle.file);
        Ok(locks.is_some_and(|l| l.iter().any(|(id, level)| *id != handle.id && *level >= LockLevel::Reserved)))
    }

    fn sync(&self, handle: &mut Handle) -> VfsResult<()> {
        let mut heard = handle.heard;
        let result = handle.drive.sync_file(&handle.file, &mut heard);
        handle.heard = heard;
        result
    }

    fn close(&self, handle: Handle) -> VfsResult<()> {
        let mut content = locked(&handle.drive.content);
        if let Some(locks) = content.locks.get_mut(&handle.file) {
            locks.remove(&handle.id);
        }
        for slot in &mut content.shm_locks {
            slot.remove(&handle.id);
        }
        Ok(())
    }

    fn device_characteristics(&self, _: &mut Handle) -> VfsResult<i32> {
        // As ordinary file systems have it: no order of writes, no atomic ones, neighbours stay unharmed.
        Ok(vars::SQLITE_IOCAP_POWERSAFE_OVERWRITE)
    }

    fn shm_map(
        &self,
        handle: &mut Handle,
        region_idx: usize,
        region_size: usize,
        extend: bool,
    ) -> VfsResult<Option<NonNull<u8>>> {
        let mut content = locked(&handle.drive.content);
        if content.shm.len() <= region_idx && !extend {
            return Ok(None);
        }
        while content.shm.len() <= region_idx {
            // Never given back: SQLite may look at it as long as a connection lives.
            let region = Box::leak(vec![0_u8; region_size].into_boxed_slice());
            content.shm.push(AtomicPtr::new(region.as_mut_ptr()));
        }
        Ok(NonNull::new(content.shm[region_idx].load(Ordering::Relaxed)))
    }

    fn shm_lock(&self, handle: &mut Handle, offset: u32, count: u32, mode: ShmLockMode) -> VfsResult<()> {
        let mut content = locked(&handle.drive.content);
        let range = offset as usize..(offset + count) as usize;
        let slots = content.shm_locks.get_mut(range).ok_or(vars::SQLITE_IOERR)?;
        let id = handle.id;
        let held = |slot: &HashMap<u64, bool>, exclusive_only: bool| {
            slot.iter().any(|(other, exclusive)| *other != id && (*exclusive || !exclusive_only))
        };
        match mode {
            ShmLockMode::LockShared if slots.iter().any(|s| held(s, true)) => return Err(vars::SQLITE_BUSY),
            ShmLockMode::LockExclusive if slots.iter().any(|s| held(s, false)) => return Err(vars::SQLITE_BUSY),
            ShmLockMode::LockShared => slots.iter_mut().for_each(|s| {
                s.insert(id, false);
            }),
            ShmLockMode::LockExclusive => slots.iter_mut().for_each(|s| {
                s.insert(id, true);
            }),
            ShmLockMode::UnlockShared | ShmLockMode::UnlockExclusive => slots.iter_mut().for_each(|s| {
                s.remove(&id);
            }),
        }
        Ok(())
    }

    fn shm_unmap(&self, handle: &mut Handle, _: bool) -> VfsResult<()> {
        let mut content = locked(&handle.drive.content);
        for slot in &mut content.shm_locks {
            slot.remove(&handle.id);
        }
        Ok(())
    }
}
