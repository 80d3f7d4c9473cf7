//! An archive on its way into the store.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use chat_core::archive::{
    ArchiveError, HistoryFault, HistoryOwner, OPENING_BYTES, Opener, PIECE_HEAD_BYTES, Piece, decode_rows,
};
use chat_core::engine::{Failure, FailureKind, Message};
use chat_login::Profile;

use super::{stretched, told};
use crate::config::Passphrase;

/// A file whose passphrase was right.
pub(super) struct Reading {
    file: BufReader<File>,
    opener: Opener,
    owner: HistoryOwner,
    /// Where the pieces of rows begin.
    rows_at: u64,
    /// Messages read so far.
    messages: u64,
    ended: bool,
}

/// A file that is whole.
pub(super) struct Checked {
    pub(super) owner: HistoryOwner,
    pub(super) messages: u64,
    pub(super) reading: Reading,
}

impl Reading {
    /// Opens the file as far as its owner.
    pub(super) fn begin(path: &Path, passphrase: &Passphrase) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| told(&error))?;
        if !file.metadata().map_err(|error| told(&error))?.is_file() {
            return Err(Failure::of(FailureKind::InvalidParams));
        }
        let mut file = BufReader::new(file);
        let mut opening = [0; OPENING_BYTES];
        file.read_exact(&mut opening).map_err(|error| told(&error))?;
        let (mut opener, head) = Opener::new(&opening).map_err(refused)?;
        // SPEC 14.1.1: whatever the file asks for, no work is done outside the table.
        let profile = Profile::try_from(head.profile).map_err(|_| Failure::of(FailureKind::Integrity))?;
        let (_, framed) = framed(&mut file, &opener)?;
        opener.check_first(&framed).map_err(refused)?;
        let sealed = framed.get(PIECE_HEAD_BYTES..).unwrap_or_default();
        let owner = opener.unlock(stretched(profile, passphrase, &head.salt)?, sealed).map_err(refused)?;
        let owner = HistoryOwner::decode(&owner).map_err(damaged)?;
        let rows_at = file.stream_position().map_err(|error| told(&error))?;
        Ok(Self { file, opener, owner, rows_at, messages: 0, ended: false })
    }

    /// Reads all of it once (SPEC 14.1.3), and goes back to the first row.
    pub(super) fn check(mut self) -> Result<Checked, Failure> {
        while self.next()?.is_some() {}
        let messages = self.messages;
        self.file.seek(SeekFrom::Start(self.rows_at)).map_err(|error| told(&error))?;
        self.opener.rewind();
        (self.messages, self.ended) = (0, false);
        Ok(Checked { owner: self.owner.clone(), messages, reading: self })
    }

    /// The next messages; none at the end, and only there.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Message>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let (piece, framed) = framed(&mut self.file, &self.opener)?;
        let bytes = self.opener.open(piece, framed.get(PIECE_HEAD_BYTES..).unwrap_or_default()).map_err(refused)?;
        if piece == Piece::Rows {
            let messages = decode_rows(&bytes).map_err(damaged)?;
            self.messages = self.messages.saturating_add(u64::try_from(messages.len()).unwrap_or(u64::MAX));
            return Ok(Some(messages));
        }
        let counted = <[u8; 8]>::try_from(&bytes[..]).map(u64::from_be_bytes);
        let behind = self.file.read(&mut [0]).map_err(|error| told(&error))?;
        if counted.ok() != Some(self.messages) || behind > 0 {
            return Err(Failure::of(FailureKind::Integrity));
        }
        self.ended = true;
        Ok(None)
    }
}

/// The next piece with its head.
fn framed(file: &mut BufReader<File>, opener: &Opener) -> Result<(Piece, Vec<u8>), Failure> {
    let mut head = [0; PIECE_HEAD_BYTES];
    file.read_exact(&mut head).map_err(|error| told(&error))?;
    let (piece, length) = opener.measure(&head).map_err(refused)?;
    let mut framed = head.to_vec();
    let announced = u64::try_from(length).map_err(|_| Failure::of(FailureKind::Integrity))?;
    // Grows with what is there, not with what is announced.
    let read = file.take(announced).read_to_end(&mut framed).map_err(|error| told(&error))?;
    if read == length { Ok((piece, framed)) } else { Err(Failure::of(FailureKind::Integrity)) }
}

fn refused(error: ArchiveError) -> Failure {
    Failure::of(match error {
        ArchiveError::TooNew { .. } => FailureKind::StoreTooNew,
        ArchiveError::WrongPassphrase => FailureKind::BadCredentials,
        _ => FailureKind::Integrity,
    })
}

fn damaged(_: HistoryFault) -> Failure {
    Failure::of(FailureKind::Integrity)
}
