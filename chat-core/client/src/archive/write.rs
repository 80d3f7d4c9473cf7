//! An archive on its way to its file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chat_core::archive::{Head, HistoryOwner, Piece, Sealer, encode_row};
use chat_core::engine::{Failure, FailureKind, Message};
use chat_login::Profile;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

use super::{stretched, told};
use crate::config::Passphrase;

/// Bytes of rows that fill a piece: what a reader has to hold at once, beside a longest row.
const PIECE_BYTES: usize = 64 * 1024;

/// Only the owner reads a history.
const OWNER_ONLY: u32 = 0o600;

/// A file that has no name of its own yet; dropped unfinished, it is gone.
pub(super) struct Writing {
    file: BufWriter<File>,
    part: Part,
    target: PathBuf,
    sealer: Sealer,
    rows: Zeroizing<Vec<u8>>,
    messages: u64,
}

/// The temporary file.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Linked to its name, or given up.
        let _ = fs::remove_file(&self.0);
    }
}

impl Writing {
    /// Begins beside `target`, which must be free.
    pub(super) fn begin(target: &Path, owner: &HistoryOwner, passphrase: &Passphrase) -> Result<Self, Failure> {
        match fs::symlink_metadata(target) {
            Ok(_) => return Err(Failure::of(FailureKind::FileExists)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(&error)),
            Err(_) => {}
        }
        if target.file_name().is_none() {
            return Err(Failure::of(FailureKind::InvalidParams));
        }
        let (profile, mut salt, mut name) = (Profile::DEFAULT, [0; 16], [0; 8]);
        getrandom::fill(&mut salt)
            .and_then(|()| getrandom::fill(&mut name))
            .map_err(|_| Failure::of(FailureKind::Io))?;
        let part = Part(dir_of(target).join(format!(".chat-{:016x}.part", u64::from_be_bytes(name))));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(OWNER_ONLY);
        let file = options.open(&part.0).map_err(|error| told(&error))?;
        let head = Head { profile: profile.number(), salt };
        let sealer = Sealer::new(&head, stretched(profile, passphrase, &salt)?);
        let rows = Zeroizing::new(Vec::new());
        let mut writing =
            Self { file: BufWriter::new(file), part, target: target.to_owned(), sealer, rows, messages: 0 };
        let owner = owner.encode().map_err(|_| Failure::of(FailureKind::Internal))?;
        writing.piece(Piece::Owner, &owner)?;
        Ok(writing)
    }

    /// Adds messages.
    pub(super) fn write(mut self, messages: &[Message]) -> Result<Self, Failure> {
        for message in messages {
            let row = Zeroizing::new(encode_row(message).map_err(|_| Failure::of(FailureKind::TooLarge))?);
            if self.rows.len().saturating_add(row.len()) > PIECE_BYTES {
                self.flush()?;
            }
            self.rows.extend_from_slice(&row);
            self.messages = self.messages.saturating_add(1);
        }
        Ok(self)
    }

    /// Brings everything to disk and gives the file its name (SPEC 14.1.4); tells how many messages it holds.
    pub(super) fn finish(mut self) -> Result<u64, Failure> {
        self.flush()?;
        self.piece(Piece::End, &self.messages.to_be_bytes())?;
        self.publish().map_err(|error| told(&error))?;
        Ok(self.messages)
    }

    fn publish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        match fs::hard_link(&self.part.0, &self.target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) => {}
            // A file system without links: the name is taken first, then filled by the move.
            Err(_) => {
                OpenOptions::new().write(true).create_new(true).open(&self.target)?;
                fs::rename(&self.part.0, &self.target)?;
            }
        }
        File::open(dir_of(&self.target))?.sync_all()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.piece(Piece::Rows, &rows)
    }

    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<(), Failure> {
        let sealed = self.sealer.seal(piece, bytes, &mut UnwrapErr(SysRng));
        self.file.write_all(&sealed).map_err(|error| told(&error))
    }
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
