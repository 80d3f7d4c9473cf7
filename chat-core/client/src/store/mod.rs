//! The encrypted store of one profile (DESIGN §10): records of the engine, history with full-text
//! search, notices, drafts and settings in one SQLCipher file, changed in one transaction a step.
//!
//! ```text
//! DIR/            0700
//! ├── lock        held as long as the profile is open
//! ├── store.key   0600, 32 random bytes, or those sealed under a passphrase, or where in the keyring they are
//! ├── store.db    0600, SQLCipher; store.db-wal and store.db-shm beside it while open
//! └── uploads/    0700, what transfers keep apart from it: a message never waits for a file
//! ```
//!
//! The parts beside this file don't know each other; they share [`sqlite::Db`] only.

mod amend;
mod archive;
mod drafts;
mod file;
mod history;
mod keyfile;
mod keyring;
mod migrate;
mod notices;
mod place;
mod records;
mod seal;
mod search;
mod settings;
mod sqlite;
#[cfg(test)]
mod tests;
mod transfers;

use std::path::Path;

use chat_core::archive::encode_row;
use chat_core::engine::{Conversation, FailureKind, HISTORY_PIECE_BYTES_MAX, HistoryPiece, Message, Notice};
use chat_core::store::{HistoryChange, Records, Table, WriteBatch};
use chat_wire::ids::{DeviceId, MessageId};

use crate::config::{Kept, StoreKey};
use crate::error::OpenError;
use crate::request::{ConversationSummary, HistoryPart, MessagePage};

pub(crate) use settings::Settings;
pub(crate) use transfers::Came;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The database refused: no space, no right, I/O error.
    #[error("the store can't be read or written (SQLite code {code})")]
    Io {
        /// SQLite's extended result code.
        code: i32,
    },
    /// What is stored is damaged.
    #[error("the store is damaged")]
    Damaged,
    /// A kind of value that this version can't store.
    #[error("the store has no place for this")]
    Unsupported,
    /// What was given is no conversation's name.
    #[error("this is no name")]
    Name,
    /// The message is not in the conversation.
    #[error("the message is not in the conversation")]
    UnknownMessage,
    /// The text is longer than a message may be.
    #[error("a text of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl StoreError {
    /// The kind under which every shell reports it.
    pub(crate) fn kind(self) -> FailureKind {
        match self {
            Self::Io { .. } => FailureKind::Io,
            Self::Damaged => FailureKind::Integrity,
            Self::Unsupported => FailureKind::Internal,
            Self::Name => FailureKind::InvalidParams,
            Self::UnknownMessage => FailureKind::UnknownMessage,
            Self::TooLarge { .. } => FailureKind::TooLarge,
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { .. } => Self::Io(std::io::Error::other(error)),
            _ => Self::Corrupt,
        }
    }
}

/// Messages that are looked at for one piece of another device's history: more than usual ones that fill it.
const PIECE_MESSAGES: u32 = 500;

/// Messages in the order of the store.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) messages: Vec<Message>,
    /// The place that it ends with; none when there was nothing.
    pub(crate) end: Option<i64>,
}

/// An open profile. Dropping it closes the database and gives the lock back.
#[derive(Debug)]
pub(crate) struct Store {
    db: sqlite::Db,
    /// Dropped last: the profile is free only when its database is closed.
    _place: place::Place,
}

impl Store {
    /// Opens the profile in `dir`, making it when there is none.
    ///
    /// An existing store is checked through a connection that can't write before anything is opened
    /// for writing, so that a damaged or newer file stays as it is.
    pub(crate) fn open(dir: &Path, keeping: &StoreKey) -> Result<Self, OpenError> {
        let place = place::Place::take(dir)?;
        let path = place.database();
        let key = if place.has_database()? {
            let file = keyfile::read(&place.key())?.ok_or(OpenError::Corrupt)?;
            let kept = file.kept();
            let key = file.open(keeping.passphrase.as_ref())?;
            let version = sqlite::check(&path, &key)?;
            migrate::check(version)?;
            // Only now is it sure that this is the database's key.
            if let Some(wanted) = keeping.kept.filter(|wanted| *wanted != kept) {
                keyfile::write(&place.key(), &key, kept_as(wanted, keeping)?)?;
            }
            key
        } else {
            let wanted = keeping.passphrase.as_ref().map_or(Kept::Bare, |_| Kept::Sealed);
            let key = seal::StoreKey::random()?;
            // Durable before anything is sealed with it. What a cut-off attempt left sealed nothing.
            keyfile::write(&place.key(), &key, kept_as(keeping.kept.unwrap_or(wanted), keeping)?)?;
            let fresh = place.fresh_database()?;
            migrate::create(&fresh, &key)?;
            place.publish(&fresh)?;
            key
        };
        let mut db = sqlite::Db::open(&path, &key)?;
        migrate::run(&mut db)?;
        Ok(Self { db, _place: place })
    }

    /// Starts the transaction that the next steps share.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        self.db.execute("BEGIN IMMEDIATE")
    }

    /// Makes everything since [`Store::begin`] durable.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        self.db.take_fault()?;
        self.db.execute("COMMIT")
    }

    /// Tells, once, whether a read through [`Records`] failed: its caller can't be told there.
    pub(crate) fn settled(&self) -> Result<(), StoreError> {
        self.db.take_fault()
    }

    /// Forgets everything since [`Store::begin`].
    pub(crate) fn roll_back(&self) {
        // Read faults belong to what is rolled back.
        let _ = self.db.take_fault();
        // SQLite has already rolled back by itself after some errors; a second one is refused.
        let _ = self.db.execute("ROLLBACK");
    }

    /// Stores a batch inside the current transaction.
    ///
    /// A read that failed since the last batch fails this one: its step was made from nothing.
    pub(crate) fn apply(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.db.take_fault()?;
        if batch.erase {
            self.erase()?;
        }
        records::write(&self.db, &batch.writes)?;
        for change in &batch.history {
            self.change(change)?;
        }
        for notice in &batch.notices {
            if let Some(message) = notices::message(notice)
                && let Some(row) = history::insert(&self.db, message)?
            {
                search::index(&self.db, row.place, &row.text)?;
            }
            notices::write(&self.db, notice)?;
        }
        Ok(())
    }

    fn change(&self, change: &HistoryChange) -> Result<(), StoreError> {
        let replaced = match change {
            HistoryChange::Edit { conversation, id, text } => amend::edit(&self.db, (conversation, id), text)?,
            HistoryChange::Delete { conversation, id } => amend::delete(&self.db, (conversation, id))?,
            HistoryChange::React { conversation, id, from, sign } => {
                return amend::react(&self.db, (conversation, id), (from, sign));
            }
            HistoryChange::Import(messages) => return self.import_piece(messages),
            change => {
                let learned = history::change(&self.db, change)?;
                return learned.map_or(Ok(()), |row| search::index(&self.db, row.place, &row.text));
            }
        };
        let Some(amend::Replaced { place, old, new }) = replaced else { return Ok(()) };
        old.map_or(Ok(()), |old| search::unlearn(&self.db, place, &old))?;
        new.map_or(Ok(()), |new| search::index(&self.db, place, &new))
    }

    /// Settings outlive a logout: what a relay once showed of itself is no secret of the account.
    fn erase(&self) -> Result<(), StoreError> {
        records::erase(&self.db)?;
        notices::erase(&self.db)?;
        drafts::erase(&self.db)?;
        settings::set_keepsake(&self.db, "")?;
        transfers::erase(&self.db)?;
        search::erase(&self.db)?;
        amend::erase(&self.db)?;
        history::erase(&self.db)
    }

    /// Returns the space of what was erased, outside a transaction.
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        self.db.execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// A page of the conversation of that name.
    pub(crate) fn history(&self, with: &str, part: HistoryPart, limit: u32) -> Result<MessagePage, StoreError> {
        history::page(&self.db, with, part, limit)
    }

    /// Up to `limit` messages of all conversations between two places, in their order, without those that are to
    /// expire (SPEC 14.2.1): an archive would outlive them.
    pub(crate) fn stretch(&self, between: (i64, i64), limit: u32) -> Result<Stretch, StoreError> {
        let messages = history::stretch(&self.db, between, limit)?;
        let end = messages.last().map(|(place, _)| *place);
        let transient = records::expiring(&self.db)?;
        let lasting =
            messages.into_iter().map(|(_, message)| message).filter(|message| !transient.contains(&message.id));
        Ok(Stretch { messages: lasting.collect(), end })
    }

    /// The lowest and the highest place of a message.
    pub(crate) fn ends(&self) -> Result<Option<(i64, i64)>, StoreError> {
        history::ends(&self.db)
    }

    fn import_piece(&self, messages: &[Message]) -> Result<(), StoreError> {
        let mut import = archive::Import::begin(&self.db, u64::try_from(messages.len()).unwrap_or(u64::MAX))?;
        messages.iter().try_for_each(|message| import.take(message))?;
        import.finish().map(|_| ())
    }

    /// What another own device is given of the history before a place, or of its end.
    pub(crate) fn piece(&self, device: DeviceId, before: Option<i64>) -> Result<HistoryPiece, StoreError> {
        let before_all = before.unwrap_or(i64::MAX);
        let left = history::count_before(&self.db, before_all)?;
        let transient = records::expiring(&self.db)?;
        let (mut rows, mut bytes, mut next) = (Vec::new(), 0_usize, None);
        for (place, message) in history::backwards(&self.db, before_all, PIECE_MESSAGES)? {
            // One that no message could carry stays where it is.
            let row = encode_row(&message).ok().filter(|row| row.len() <= HISTORY_PIECE_BYTES_MAX);
            let row = row.filter(|_| !transient.contains(&message.id)).unwrap_or_default();
            bytes = bytes.saturating_add(row.len());
            if bytes > HISTORY_PIECE_BYTES_MAX {
                break;
            }
            rows.push(row);
            next = Some(place);
        }
        rows.reverse();
        let lowest = history::ends(&self.db)?.map(|(lowest, _)| lowest);
        Ok(HistoryPiece { device, before, rows: rows.concat(), next: next.filter(|next| lowest < Some(*next)), left })
    }

    /// Takes over `count` messages of an archive, or none of them when one can't be had. Tells how many were new.
    pub(crate) fn import<E>(
        &self,
        count: u64,
        mut more: impl FnMut() -> Result<Option<Vec<Message>>, E>,
    ) -> Result<Result<u64, E>, StoreError> {
        self.db.execute("SAVEPOINT import")?;
        let mut imported = || -> Result<Result<u64, E>, StoreError> {
            let mut import = archive::Import::begin(&self.db, count)?;
            loop {
                match more() {
                    Ok(Some(messages)) => messages.iter().try_for_each(|message| import.take(message))?,
                    Ok(None) => return import.finish().map(Ok),
                    Err(error) => return Ok(Err(error)),
                }
            }
        };
        let result = imported();
        if !matches!(result, Ok(Ok(_))) {
            self.db.execute("ROLLBACK TO import")?;
        }
        self.db.execute("RELEASE import")?;
        result
    }

    /// Where a message lies.
    pub(crate) fn conversation_of(&self, id: &MessageId) -> Result<Conversation, StoreError> {
        amend::conversation_of(&self.db, id)?.ok_or(StoreError::UnknownMessage)
    }

    /// Messages with all words of `query`, newest first.
    pub(crate) fn search(&self, query: &str, with: Option<&str>, limit: u32) -> Result<Vec<Message>, StoreError> {
        let Some(words) = search::Words::parse(query) else {
            return Ok(Vec::new());
        };
        history::matching(&self.db, words.as_match(), with, limit)
    }

    /// All conversations that hold a message, newest first.
    pub(crate) fn conversations(&self) -> Result<Vec<ConversationSummary>, StoreError> {
        let mut conversations = history::conversations(&self.db)?;
        let mut drafts = drafts::all(&self.db)?;
        for conversation in &mut conversations {
            conversation.draft = drafts.remove(&conversation.name);
        }
        Ok(conversations)
    }

    /// Unread texts of rooms in which somebody is called by name, with the rooms' names.
    pub(crate) fn calls(&self) -> Result<Vec<(String, String)>, StoreError> {
        history::calls(&self.db)
    }

    /// The unsent text of a conversation.
    pub(crate) fn draft(&self, with: &str) -> Result<Option<String>, StoreError> {
        drafts::read(&self.db, with)
    }

    /// Keeps the unsent text of a conversation; an empty one removes it.
    pub(crate) fn set_draft(&self, with: &str, text: &str) -> Result<(), StoreError> {
        drafts::write(&self.db, with, text)
    }

    /// What the interface keeps for itself.
    pub(crate) fn keepsake(&self) -> Result<Option<String>, StoreError> {
        settings::keepsake(&self.db)
    }

    /// Keeps it, in the place of what was kept before.
    pub(crate) fn set_keepsake(&self, text: &str) -> Result<(), StoreError> {
        settings::set_keepsake(&self.db, text)
    }

    /// Notices not yet acknowledged, after `seq`, in order.
    pub(crate) fn notices(&self, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        notices::page(&self.db, after, limit)
    }

    /// Notices up to `seq` were taken.
    pub(crate) fn acknowledge(&self, seq: u64) -> Result<(), StoreError> {
        notices::acknowledge(&self.db, seq)
    }

    /// All transfers, as they were stored.
    pub(crate) fn transfers(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        transfers::all(&self.db)
    }

    /// Up to which notice it was decided whether a file comes by itself.
    pub(crate) fn files_decided(&self) -> Result<u64, StoreError> {
        transfers::decided(&self.db)
    }

    /// It is decided up to this notice.
    pub(crate) fn set_files_decided(&self, seq: u64) -> Result<(), StoreError> {
        transfers::set_decided(&self.db, seq)
    }

    /// What came by itself of late.
    pub(crate) fn files_came(&self) -> Result<Came, StoreError> {
        transfers::came(&self.db)
    }

    /// So much came by itself.
    pub(crate) fn set_files_came(&self, came: Came) -> Result<(), StoreError> {
        transfers::set_came(&self.db, came)
    }

    /// Stores a transfer, replacing what was known of it.
    pub(crate) fn set_transfer(&self, id: &MessageId, direction: u8, body: &[u8]) -> Result<(), StoreError> {
        transfers::write(&self.db, id, direction, body)
    }

    /// Forgets a transfer.
    pub(crate) fn remove_transfer(&self, id: &MessageId, direction: u8) -> Result<(), StoreError> {
        transfers::remove(&self.db, id, direction)
    }

    /// What is kept beside account and history.
    pub(crate) fn settings(&self) -> Result<Settings, StoreError> {
        settings::read(&self.db)
    }

    /// Replaces what is kept beside account and history.
    pub(crate) fn set_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        settings::write(&self.db, settings)
    }
}

/// The passphrase under which a key is to be kept; none when it is to be bare.
fn kept_as(kept: Kept, keeping: &StoreKey) -> Result<keyfile::Keeping<'_>, OpenError> {
    match kept {
        Kept::Bare => Ok(keyfile::Keeping::Bare),
        Kept::Sealed => keeping.passphrase.as_ref().map(keyfile::Keeping::Under).ok_or(OpenError::Locked),
        Kept::Keyring => Ok(keyfile::Keeping::InKeyring),
    }
}

/// Whether the key of the profile in `dir` is sealed under a passphrase; not so when there is no profile.
pub(crate) fn is_locked(dir: &Path) -> Result<bool, OpenError> {
    let file = keyfile::read(&place::key_of(dir))?;
    Ok(file.is_some_and(|file| file.kept() == Kept::Sealed))
}

#[cfg(test)]
impl Store {
    /// A store whose key lies bare.
    pub(crate) fn bare(dir: &Path) -> Result<Self, OpenError> {
        Self::open(dir, &StoreKey::default())
    }

    /// From now on the database may not grow, as on a full disk; or it may again.
    pub(crate) fn fill_disk(&self, full: bool) -> Result<(), StoreError> {
        let pages = if full { 1 } else { i64::from(u32::MAX) - 1 };
        self.db.execute(&format!("PRAGMA max_page_count = {pages}"))
    }

    /// The records can't be read any more, as on a disk that fails; or they can again.
    pub(crate) fn lose_records(&self, lost: bool) -> Result<(), StoreError> {
        let (from, to) = if lost { ("records", "lost") } else { ("lost", "records") };
        self.db.execute(&format!("ALTER TABLE {from} RENAME TO {to}"))
    }
}

impl Records for Store {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.db.noting(records::get(&self.db, table, key)).flatten()
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.db.noting(records::scan(&self.db, table, (prefix, after), limit)).unwrap_or_default()
    }
}
