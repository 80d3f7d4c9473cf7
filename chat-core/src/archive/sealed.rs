//! The sealed file (SPEC 14.1): a head in the clear, then pieces in boxes that know their place.

use chat_wire::codec::{Reader, Writer};
use chat_wire::domain::plain_hash;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identity::passphrase::{self, PassphraseKey, Purpose};

const MAGIC: &[u8; 12] = b"chat-history";
const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;

/// Bytes of a head.
pub const HEAD_BYTES: usize = MAGIC.len() + 2 + SALT_BYTES;

const CHECK_BYTES: usize = 16;

/// Bytes before the first piece.
pub const OPENING_BYTES: usize = HEAD_BYTES + CHECK_BYTES;

/// Bytes before a box: kind and length.
pub const PIECE_HEAD_BYTES: usize = 5;

/// Bytes of a box: twice the longest row, as a piece ends behind the row that fills it.
pub const PIECE_BYTES_MAX: usize = 512 * 1024;

/// Why an archive can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is no archive, was cut, or was changed.
    #[error("the archive is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("version {found} of the archive is not known, only up to {VERSION}")]
    TooNew {
        /// The version that it names.
        found: u8,
    },
    /// Its passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
}

/// What stands in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the Argon2id profile (SPEC 9.2).
    pub profile: u8,
    /// Salt of the passphrase.
    pub salt: [u8; SALT_BYTES],
}

impl Head {
    /// As it stands in the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(HEAD_BYTES);
        writer.put(MAGIC).u8(VERSION).u8(self.profile).put(&self.salt);
        writer.finish()
    }

    /// Out of the first bytes of a file.
    ///
    /// # Errors
    /// `Damaged`, `TooNew`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let mut reader = Reader::new(bytes);
        let damaged = |_| ArchiveError::Damaged;
        if reader.array().map_err(damaged)? != *MAGIC {
            return Err(ArchiveError::Damaged);
        }
        match reader.u8().map_err(damaged)? {
            VERSION => {}
            0 => return Err(ArchiveError::Damaged),
            found => return Err(ArchiveError::TooNew { found }),
        }
        Ok(Self { profile: reader.u8().map_err(damaged)?, salt: reader.array().map_err(damaged)? })
    }
}

/// What a piece holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Whose history it is: the first piece.
    Owner,
    /// Rows.
    Rows,
    /// The number of rows, u64: the last piece.
    End,
}

impl Piece {
    fn number(self) -> u8 {
        match self {
            Self::Owner => 0,
            Self::Rows => 1,
            Self::End => 2,
        }
    }

    fn of(number: u8) -> Result<Self, ArchiveError> {
        let all = [Self::Owner, Self::Rows, Self::End];
        all.into_iter().find(|piece| piece.number() == number).ok_or(ArchiveError::Damaged)
    }
}

/// Writes an archive, piece after piece.
///
/// ```
/// # use chat_fixtures::seeded::Seeded;
/// use chat_core::archive::{Head, OPENING_BYTES, Opener, PIECE_HEAD_BYTES, Piece, Sealer};
/// use chat_core::identity::passphrase::PassphraseKey;
/// # let mut rng = Seeded::new(1);
/// // The passphrase, stretched as the head says.
/// let key = || PassphraseKey::stretched(&zeroize::Zeroizing::new([7; 32]));
/// let head = Head { profile: 1, salt: [9; 16] };
/// let mut sealer = Sealer::new(&head, key());
/// let mut file = sealer.seal(Piece::Owner, b"whose", &mut rng);
/// file.extend(sealer.seal(Piece::Rows, b"rows", &mut rng));
///
/// let (opening, rest) = file.split_at(OPENING_BYTES);
/// let (mut opener, read) = Opener::new(opening)?;
/// assert_eq!(read, Head::decode(&head.encode())?);
/// let (piece_head, _) = rest.split_first_chunk::<PIECE_HEAD_BYTES>().unwrap();
/// let (piece, bytes) = opener.measure(piece_head)?;
/// assert_eq!(piece, Piece::Owner);
/// let (first, rest) = rest.split_at(PIECE_HEAD_BYTES + bytes);
/// opener.check_first(first)?; // damage shows before anybody stretches a passphrase
/// assert_eq!(*opener.unlock(key(), &first[PIECE_HEAD_BYTES..])?, b"whose");
/// assert_eq!(*opener.open(Piece::Rows, &rest[PIECE_HEAD_BYTES..])?, b"rows");
/// opener.rewind(); // behind the first piece, to read the rows again
/// assert_eq!(*opener.open(Piece::Rows, &rest[PIECE_HEAD_BYTES..])?, b"rows");
/// # Ok::<(), chat_core::archive::ArchiveError>(())
/// ```
pub struct Sealer {
    head: Vec<u8>,
    key: PassphraseKey,
    next: u64,
}

impl Sealer {
    /// Begins; the key was stretched as `head` says.
    #[must_use]
    pub fn new(head: &Head, key: PassphraseKey) -> Self {
        Self { head: head.encode(), key, next: 0 }
    }

    /// The bytes that the file goes on with; the first ones, of [`Piece::Owner`], begin with the head.
    pub fn seal(&mut self, piece: Piece, bytes: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let number = self.next;
        self.next = number.saturating_add(1);
        let sealed = passphrase::seal(&self.key, Purpose::Archive, &place(&self.head, number, piece), bytes, rng);
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        let mut framed = Writer::with_capacity(sealed.len().saturating_add(PIECE_HEAD_BYTES));
        framed.u8(piece.number()).u32(length).put(&sealed);
        let framed = framed.finish();
        if number > 0 {
            return framed;
        }
        [&self.head[..], &check(&self.head, &framed), &framed].concat()
    }
}

/// Reads an archive, piece after piece.
pub struct Opener {
    head: Vec<u8>,
    check: [u8; CHECK_BYTES],
    key: Option<PassphraseKey>,
    next: u64,
}

impl Opener {
    /// Begins with the first [`OPENING_BYTES`] of a file.
    ///
    /// # Errors
    /// `Damaged`, `TooNew`.
    pub fn new(opening: &[u8]) -> Result<(Self, Head), ArchiveError> {
        let head = Head::decode(opening)?;
        let mut reader = Reader::new(opening);
        reader.take(HEAD_BYTES).map_err(|_| ArchiveError::Damaged)?;
        let check = reader.array().map_err(|_| ArchiveError::Damaged)?;
        reader.end().map_err(|_| ArchiveError::Damaged)?;
        Ok((Self { head: head.encode(), check, key: None, next: 0 }, head))
    }

    /// The kind and the bytes (SPEC 14.1.1) of the box behind a piece's first [`PIECE_HEAD_BYTES`].
    ///
    /// # Errors
    /// `Damaged`.
    pub fn measure(&self, head: &[u8; PIECE_HEAD_BYTES]) -> Result<(Piece, usize), ArchiveError> {
        let [kind, length @ ..] = *head;
        let piece = Piece::of(kind)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| ArchiveError::Damaged)?;
        let first = (self.next == 0) == (piece == Piece::Owner);
        if length > PIECE_BYTES_MAX || !first {
            return Err(ArchiveError::Damaged);
        }
        Ok((piece, length))
    }

    /// Whether the first piece is as it was written (SPEC 14.1.2): asked before a passphrase is stretched for it.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn check_first(&self, framed: &[u8]) -> Result<(), ArchiveError> {
        if check(&self.head, framed) == self.check { Ok(()) } else { Err(ArchiveError::Damaged) }
    }

    /// Opens the first piece, and keeps the key that does.
    ///
    /// # Errors
    /// `WrongPassphrase`.
    pub fn unlock(&mut self, key: PassphraseKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
        let at = place(&self.head, 0, Piece::Owner);
        let opened = passphrase::open(&key, Purpose::Archive, &at, sealed);
        let opened = opened.map_err(|_| ArchiveError::WrongPassphrase)?;
        (self.key, self.next) = (Some(key), 1);
        Ok(opened)
    }

    /// Begins again behind the first piece, with the key that opened it.
    pub fn rewind(&mut self) {
        self.next = 1;
    }

    /// Opens the next piece.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn open(&mut self, piece: Piece, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
        let key = self.key.as_ref().ok_or(ArchiveError::Damaged)?;
        let at = place(&self.head, self.next, piece);
        let opened = passphrase::open(key, Purpose::Archive, &at, sealed).map_err(|_| ArchiveError::Damaged)?;
        self.next = self.next.checked_add(1).ok_or(ArchiveError::Damaged)?;
        Ok(opened)
    }
}

/// What a box is bound to: a piece opens in its file, at its place, as what it is.
fn place(head: &[u8], number: u64, piece: Piece) -> Vec<u8> {
    [head, &number.to_be_bytes(), &[piece.number()]].concat()
}

fn check(head: &[u8], framed: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(plain_hash(&[head, framed])).for_each(|(to, from)| *to = from);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::rng;

    fn key(byte: u8) -> PassphraseKey {
        PassphraseKey::stretched(&Zeroizing::new([byte; 32]))
    }

    fn archive() -> Vec<u8> {
        let mut sealer = Sealer::new(&Head { profile: 1, salt: [4; 16] }, key(1));
        let rng = &mut rng();
        [(Piece::Owner, &b"owner"[..]), (Piece::Rows, b"one"), (Piece::Rows, b"two"), (Piece::End, b"2")]
            .iter()
            .flat_map(|(piece, bytes)| sealer.seal(*piece, bytes, rng))
            .collect()
    }

    fn read(file: &[u8], byte: u8) -> Result<Vec<Vec<u8>>, ArchiveError> {
        let mut rest = Reader::new(file);
        let mut take = |count| rest.take(count).map_err(|_| ArchiveError::Damaged);
        let (mut opener, _) = Opener::new(take(OPENING_BYTES)?)?;
        let mut all = Vec::new();
        loop {
            let head: [u8; PIECE_HEAD_BYTES] = take(PIECE_HEAD_BYTES)?.try_into().unwrap();
            let (piece, length) = opener.measure(&head)?;
            let sealed = take(length)?;
            let bytes = match piece {
                Piece::Owner => {
                    opener.check_first(&[&head[..], sealed].concat())?;
                    opener.unlock(key(byte), sealed)?
                }
                piece => opener.open(piece, sealed)?,
            };
            all.push(bytes.to_vec());
            if piece == Piece::End {
                return Ok(all);
            }
        }
    }

    #[test]
    fn an_archive_opens_under_its_passphrase_and_a_wrong_one_is_called_wrong() {
        let file = archive();
        assert_eq!(read(&file, 1).unwrap(), [&b"owner"[..], b"one", b"two", b"2"]);
        assert_eq!(read(&file, 2), Err(ArchiveError::WrongPassphrase));
    }

    #[test]
    fn a_file_changed_anywhere_or_cut_anywhere_is_damaged() {
        let file = archive();
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x40;
            let found = read(&bad, 1).unwrap_err();
            let version = at == MAGIC.len();
            assert!(found == ArchiveError::Damaged || (version && found == ArchiveError::TooNew { found: 0x41 }));
            assert_eq!(read(&file[..at], 1), Err(ArchiveError::Damaged), "{at} bytes");
        }
    }

    #[test]
    fn pieces_that_are_exchanged_left_out_or_of_another_file_do_not_open() {
        let (file, piece) = (archive(), |n: usize| PIECE_HEAD_BYTES + 80 + n);
        let (owner, one) = (OPENING_BYTES + piece(5), piece(3));
        let (start, rest) = file.split_at(owner);
        let (first, others) = rest.split_at(one);
        let (second, end) = others.split_at(one);
        for wrong in [[second, first, end].concat(), [first, end].concat(), end.to_vec(), [first, first, end].concat()]
        {
            assert_eq!(read(&[start, &wrong].concat(), 1), Err(ArchiveError::Damaged));
        }
        let mut other = archive();
        other.truncate(owner);
        assert_eq!(read(&[&other, rest].concat(), 1).is_ok(), other == start, "the same salt, and another box");
    }
}
