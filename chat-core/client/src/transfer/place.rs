//! Where a download goes: into a temporary file beside its place, which gets its name when everything was
//! checked. No link is followed on the way, nothing that lies there is touched.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chat_wire::ids::MessageId;
#[cfg(target_os = "linux")]
use rustix::fs::Advice;
use sha2::{Digest as _, Sha256};

use super::names;

/// Only the owner reads what came: others may once the owner says so.
const OWNER_ONLY: u32 = 0o600;

/// A file that is coming.
#[derive(Debug)]
pub(super) struct Incoming {
    file: File,
    path: PathBuf,
}

/// The directory of downloads: what the desktop says, else `Downloads` at home.
pub(super) fn downloads() -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute())?;
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.unwrap_or_else(|| home.join(".config"));
    let named = fs::read_to_string(config.join("user-dirs.dirs")).ok().and_then(|text| named_in(&text, &home));
    Some(named.unwrap_or_else(|| home.join("Downloads")))
}

/// `XDG_DOWNLOAD_DIR="$HOME/…"` or an absolute path, as the desktop writes it.
fn named_in(text: &str, home: &Path) -> Option<PathBuf> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR="))?;
    let value = value.trim().trim_matches('"');
    let path = match value.strip_prefix("$HOME") {
        Some(below) => home.join(below.trim_start_matches('/')),
        None => PathBuf::from(value),
    };
    // The desktop's way to say that there is none.
    (path.is_absolute() && path != home).then_some(path)
}

/// Makes the directory of downloads where there is none.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The directory that a download goes to, and the name that it is to have there.
pub(super) fn target(target: &Path, exact: bool, name: &str) -> (PathBuf, String) {
    if !exact {
        return (target.to_path_buf(), names::safe_name(name));
    }
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = target.file_name().map_or_else(|| names::safe_name(name), |name| name.to_string_lossy().into_owned());
    (dir.to_path_buf(), name)
}

impl Incoming {
    /// Opens what an earlier try left, or begins.
    pub(super) fn open(dir: &Path, id: &MessageId) -> io::Result<Self> {
        let path = temporary(dir, id);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(OWNER_ONLY);
        match options.clone().create_new(true).open(&path) {
            Ok(file) => return Ok(Self { file, path }),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
        let seen = fs::symlink_metadata(&path)?;
        let file = if seen.is_file() { options.open(&path)? } else { return Err(io::ErrorKind::AlreadyExists.into()) };
        let opened = file.metadata()?;
        // What was looked at is what was opened: no link was put there in between, and nobody else holds it.
        if (seen.dev(), seen.ino()) != (opened.dev(), opened.ino()) || opened.nlink() != 1 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Self { file, path })
    }

    pub(super) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, at)
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)?;
        start_writing(&self.file, at, bytes.len());
        Ok(())
    }

    pub(super) fn cut(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    /// Brings everything to disk and gives it the first name that is free. Where the file system can, the temporary
    /// name stays as well until [`discard`], so that a kill in between leads to no second copy.
    pub(super) fn publish(self, dir: &Path, name: &str) -> io::Result<PathBuf> {
        self.file.sync_all()?;
        for candidate in names::candidates(dir, name) {
            match claim(&self.path, &candidate) {
                Ok(()) => {
                    File::open(dir)?.sync_all()?;
                    return Ok(candidate);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The file that an earlier run gave its name and died before it could say so, if it still holds what it should.
pub(super) fn published(dir: &Path, id: &MessageId, name: &str, sha256: &[u8; 32]) -> io::Result<Option<PathBuf>> {
    let path = temporary(dir, id);
    let seen = match fs::symlink_metadata(&path) {
        Ok(seen) if seen.is_file() && seen.nlink() > 1 => seen,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let same =
        |at: &Path| fs::symlink_metadata(at).is_ok_and(|other| (other.dev(), other.ino()) == (seen.dev(), seen.ino()));
    let Some(named) = names::candidates(dir, name).find(|candidate| same(candidate)) else { return Ok(None) };
    if hash_of(&named)? == *sha256 {
        return Ok(Some(named));
    }
    // Its owner has changed it since: it is no longer ours to write to.
    fs::remove_file(&path)?;
    Ok(None)
}

fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(read) if !read.is_empty() => hash.update(read),
            _ => return Ok(hash.finalize().into()),
        }
    }
}

/// Has the kernel begin to write these bytes, without waiting: the sync at the end finds little left to do, and
/// syncs of messages do not queue up behind it.
#[cfg(target_os = "linux")]
fn start_writing(file: &File, at: u64, bytes: usize) {
    // A wish: without it the sync does everything.
    let _ = rustix::fs::fadvise(file, at, NonZeroU64::new(bytes as u64), Advice::DontNeed);
}

/// Elsewhere the sync does everything.
#[cfg(not(target_os = "linux"))]
fn start_writing(_: &File, _: u64, _: usize) {}

/// Gives a file a name that nobody has; never one that somebody has.
fn claim(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links: the name is taken first, then filled by the move.
        Err(_) => {
            OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(to)?;
            fs::rename(from, to).inspect_err(|_| {
                // Empty, and ours.
                let _ = fs::remove_file(to);
            })
        }
    }
}

/// Removes what an unfinished download left.
pub(super) fn discard(dir: &Path, id: &MessageId) -> io::Result<()> {
    match fs::remove_file(temporary(dir, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Named by the message, never by its sender.
fn temporary(dir: &Path, id: &MessageId) -> PathBuf {
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    dir.join(format!(".chat-{hex}.part"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const ID: MessageId = MessageId([0x5a; 16]);

    #[test]
    fn a_file_gets_the_next_free_name_and_what_lies_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.txt"), b"mine").unwrap();
        symlink("/etc/passwd", dir.path().join("a (1).txt")).unwrap();
        let incoming = Incoming::open(dir.path(), &ID).unwrap();
        incoming.write(0, b"theirs").unwrap();
        let path = incoming.publish(dir.path(), "a.txt").unwrap();
        assert_eq!(path, dir.path().join("a (2).txt"));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read(dir.path().join("a.txt")).unwrap(), b"mine");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        discard(dir.path(), &ID).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no temporary file is left");
    }

    #[test]
    fn a_file_that_got_its_name_before_a_kill_is_found_again_unless_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let hash: [u8; 32] = Sha256::digest(b"theirs").into();
        let found = |name: &str| published(dir.path(), &ID, name, &hash).unwrap();
        assert_eq!(found("a.txt"), None);
        let incoming = Incoming::open(dir.path(), &ID).unwrap();
        incoming.write(0, b"theirs").unwrap();
        assert_eq!(found("a.txt"), None, "not before it has its name");
        let path = incoming.publish(dir.path(), "a.txt").unwrap();
        assert_eq!(found("a.txt"), Some(path.clone()));
        fs::write(&path, b"edited").unwrap();
        assert_eq!(found("a.txt"), None);
        assert_eq!(fs::read(&path).unwrap(), b"edited");
        assert_eq!(Incoming::open(dir.path(), &ID).unwrap().bytes().unwrap(), 0, "it starts afresh");
    }

    #[test]
    fn neither_a_link_nor_a_second_name_in_the_way_is_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (outside, part) = (dir.path().join("outside"), temporary(dir.path(), &ID));
        fs::write(&outside, b"mine").unwrap();
        symlink(&outside, &part).unwrap();
        assert_eq!(Incoming::open(dir.path(), &ID).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&part).unwrap();
        fs::hard_link(&outside, &part).unwrap();
        assert_eq!(Incoming::open(dir.path(), &ID).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
    }

    #[test]
    fn a_second_try_finds_what_the_first_one_wrote_and_a_discarded_one_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Incoming::open(dir.path(), &ID).unwrap().write(0, b"half").unwrap();
        assert_eq!(Incoming::open(dir.path(), &ID).unwrap().bytes().unwrap(), 4);
        discard(dir.path(), &ID).unwrap();
        discard(dir.path(), &ID).unwrap();
        assert_eq!(Incoming::open(dir.path(), &ID).unwrap().bytes().unwrap(), 0);
    }

    #[test]
    fn the_desktop_s_word_on_downloads_is_read_as_it_writes_it() {
        let home = Path::new("/home/a");
        let text = "# comment\nXDG_DESKTOP_DIR=\"$HOME/Desktop\"\nXDG_DOWNLOAD_DIR=\"$HOME/Herunter geladen\"\n";
        assert_eq!(named_in(text, home), Some(PathBuf::from("/home/a/Herunter geladen")));
        assert_eq!(named_in("XDG_DOWNLOAD_DIR=\"/data/d\"", home), Some(PathBuf::from("/data/d")));
        assert_eq!(named_in("XDG_DOWNLOAD_DIR=\"$HOME/\"", home), None);
        assert_eq!(named_in("XDG_DOWNLOAD_DIR=\"relative\"", home), None);
    }
}
