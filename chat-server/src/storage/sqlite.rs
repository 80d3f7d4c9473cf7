//! The transaction: opened by the first write of a round, committed by `sync`.
//!
//! Reads go over the same connection as the writes, so that each sees everything of its round; the
//! operator's tool and backups have connections of their own, which WAL keeps out of the way.

use chat_relay::storage::{Commit, Expired, Log, Storage, StorageError, Write};

use super::database::SqliteStorage;
use super::rows::{trouble, uint};

/// Bytes of the log that a write costs beside a body: its row, its place in an index.
const WRITE_OVERHEAD_BYTES: u64 = 256;

impl SqliteStorage {
    /// One typed write is a few prepared statements.
    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        match write {
            Write::AddAccount(new) => self.add_account(new),
            Write::PutLogin(account, record, kp) => self.put_login(account, record, *kp),
            Write::DeleteAccount(account, deletion) => self.delete_account(account, *deletion),
            Write::PutList(change) => self.put_list(change),
            Write::PutBoot(device, boot) => self.put_boot(device, *boot),
            Write::PutRecord(account, record) => self.put_record(account, record),
            Write::PutStandingKeys(device, keys) => self.put_standing_keys(device, keys),
            Write::AddPair(device, pair) => self.add_pair(device, pair),
            Write::SpendPair(device, id) => self.spend_pair(device, *id),
            Write::Append(log, entry) => self.append(log, entry),
            Write::Answer(device, key, answered, step) => self.answer(device, (key, *answered), *step),
            Write::Trim(log, seq) => self.trim(log, *seq),
            Write::Advance(log, device, seq) => self.advance(log, device, *seq),
            Write::Read(log, reader) => self.read(log, reader),
            Write::Room(write) => self.write_room(write),
        }
    }

    /// Mail, without a savepoint.
    fn mail(&mut self, batch: &[Write]) -> Result<(), StorageError> {
        self.begin()?;
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        for (at, write) in batch.iter().enumerate() {
            let Err(error) = self.write(write) else { continue };
            if at == 0 && error == StorageError::Conflict {
                return Err(error);
            }
            // Half a request must not stand: the whole group goes, and everybody in it is told.
            self.give_up(error)?;
            return Err(error);
        }
        Ok(())
    }

    /// The transaction is lost; the commit will say so.
    pub(super) fn give_up(&mut self, error: StorageError) -> Result<(), StorageError> {
        self.forget_rows();
        self.lost = Some(error);
        if !self.connection.is_autocommit() {
            self.statement("ROLLBACK")?.execute([]).map_err(trouble)?;
        }
        Ok(())
    }

    /// Ends the transaction if there is one: written, not yet durable.
    fn end_transaction(&mut self) -> Result<(), StorageError> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        if let Err(error) = self.write_answers() {
            // Told now, not once more with the next group.
            self.lost = None;
            return Err(error);
        }
        let committed = self.statement("COMMIT")?.execute([]).map_err(trouble);
        if committed.is_err() {
            self.forget_rows();
            if !self.connection.is_autocommit() {
                self.statement("ROLLBACK")?.execute([]).map_err(trouble)?;
            }
        }
        committed.map(drop)
    }

    /// After a failed sync nobody knows what the kernel has dropped, and asking again may be answered
    /// with a lie: everything in the log is written anew, into the database file, and synced there.
    fn mend(&mut self) -> Result<(), StorageError> {
        self.end_transaction()?;
        let moved: i64 =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(trouble)?;
        if moved != 0 {
            return Err(StorageError::Busy);
        }
        self.syncer.mended();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), StorageError> {
        if self.connection.is_autocommit() && self.lost.is_none() {
            self.statement("BEGIN IMMEDIATE")?.execute([]).map_err(trouble)?;
        }
        Ok(())
    }

    /// Runs writes in a savepoint: all or none of them.
    fn atomically<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, StorageError>) -> Result<T, StorageError> {
        self.begin()?;
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        // Outside the savepoint: what was answered before stands whatever becomes of this request.
        self.write_answers()?;
        self.statement("SAVEPOINT request")?.execute([]).map_err(trouble)?;
        let result = write(self);
        let end = if result.is_ok() { "RELEASE request" } else { "ROLLBACK TO request" };
        if let Err(error) = &result {
            self.forget_rows();
            if self.connection.is_autocommit() {
                // A full disk or an I/O error makes SQLite roll back the whole transaction: what was
                // applied before in this round is gone as well, and the sync must say so.
                self.lost = Some(*error);
                return result;
            }
        }
        self.statement(end)?.execute([]).map_err(trouble)?;
        if result.is_err() {
            self.statement("RELEASE request")?.execute([]).map_err(trouble)?;
        }
        result
    }
}

/// Bytes that a write adds to the log, about.
fn bytes_of(write: &Write) -> u64 {
    let body = if let Write::Append(_, entry) = write { entry.body.len() } else { 0 };
    u64::try_from(body).unwrap_or(0).saturating_add(WRITE_OVERHEAD_BYTES)
}

/// What the relay does thousands of times a second. Only its first write can meet a row that must not
/// be there, so that it needs no savepoint: whatever else fails is the disk.
fn is_mail(write: &Write) -> bool {
    matches!(write, Write::Answer(..) | Write::Append(Log::Mailbox(_), _) | Write::Trim(Log::Mailbox(_), _))
}

impl Storage for SqliteStorage {
    fn apply(&mut self, batch: &[Write]) -> Result<(), StorageError> {
        self.syncer.wrote(batch.iter().map(bytes_of).sum());
        if batch.iter().all(is_mail) {
            return self.mail(batch);
        }
        self.atomically(|store| batch.iter().try_for_each(|write| store.write(write)))
    }

    fn expire(&mut self, before_ms: u64, rows_max: usize) -> Result<Expired, StorageError> {
        self.atomically(|store| store.expire_rows(before_ms, rows_max))
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        match self.commit()? {
            Commit::Durable => Ok(()),
            Commit::Pending(job) => job(),
        }
    }

    fn commit(&mut self) -> Result<Commit, StorageError> {
        if let Some(lost) = self.lost.take() {
            return Err(lost);
        }
        if self.syncer.has_failed() {
            self.mend()?;
        } else if self.connection.is_autocommit() {
            return Ok(Commit::Durable);
        }
        self.end_transaction()?;
        Ok(Commit::Pending(self.syncer.job()))
    }

    fn close(&mut self) -> Result<(), StorageError> {
        self.change("UPDATE runs SET is_running = 0", []).map(drop)?;
        (self.syncer.job())()
    }

    fn outside_changes(&mut self) -> Result<u64, StorageError> {
        let version = self.row("PRAGMA data_version", [], |row| row.get(0))?;
        Ok(uint(version.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use chat_relay::storage::{Account, AccountRows as _, ListChange, NewAccount, RosterDevice};
    use chat_wire::ids::{AccountId, DeviceId, UserName};
    use chat_wire::keys::{DhKey, VerifyKey};

    fn new_account(number: u8, list: usize) -> Write {
        let account = AccountId([number; 32]);
        let list = Bytes::from(vec![number; list]);
        let devices = vec![RosterDevice {
            id: DeviceId(1),
            incarnation: 1,
            sig_key: VerifyKey([number; 32]),
            dh_key: DhKey([number; 32]),
            reachable: false,
        }];
        let name = UserName::parse(&format!("user{number}")).unwrap();
        let login_record = Bytes::new();
        Write::AddAccount(Box::new(NewAccount {
            account: Account { id: account, name, login_record, kp: 1, disabled: false },
            list: ListChange { account, seq: 1, list, vault: None, devices, renewed: vec![], replaces: false },
            created_ms: 1,
            invite: None,
        }))
    }

    /// When space runs out in the middle of a round, either the requests before the failing one are
    /// still there and the sync says yes, or they are gone and the sync says no.
    #[test]
    fn a_full_disk_never_makes_a_sync_lie() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStorage::open(&dir.path().join("relay.db")).unwrap();
        store.apply(&[new_account(1, 100)]).unwrap();
        store.sync().unwrap();
        let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages + 3).unwrap();
        store.apply(&[new_account(2, 100)]).unwrap();
        assert_eq!(store.apply(&[new_account(3, 1_000_000)]), Err(StorageError::Full));
        let synced = store.sync();
        let kept = store.account(&AccountId([2; 32])).unwrap().is_some();
        assert_eq!(synced.is_ok(), kept, "{synced:?}");
        assert!(store.account(&AccountId([1; 32])).unwrap().is_some());
        assert!(store.account(&AccountId([3; 32])).unwrap().is_none());
        store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        store.apply(&[new_account(3, 1_000_000)]).unwrap();
        store.sync().unwrap();
        assert!(store.account(&AccountId([3; 32])).unwrap().is_some(), "it goes on when there is room again");
    }
}
