//! Answered sends, for their repeats (SPEC 7.3.2): one row a device and group instead of one a message, so
//! that a message costs 24 bytes in a row and no index of random keys. A repeat carries its step, which leads
//! to the few rows that may hold it.

use chat_relay::storage::{Answered, StorageError};
use chat_wire::ids::{DeviceAddress, RequestKey};
use rusqlite::params;

use super::database::{Gathered, SqliteStorage};
use super::rows::{int, trouble};

/// Bytes of a key, and of an answer: its key and its time.
const KEY_BYTES: usize = 16;
const ANSWER_BYTES: usize = KEY_BYTES + 8;

/// Rows looked at for one repeat, the nearest first: groups of one device hardly overlap in their steps.
const ROWS_PER_LOOK_MAX: i64 = 64;

impl SqliteStorage {
    /// Remembers an answer; its row is written with the group.
    pub(super) fn answer(
        &mut self,
        device: &DeviceAddress,
        (key, answered): (&RequestKey, Answered),
        step: u64,
    ) -> Result<(), StorageError> {
        let row = self.listed(device)?;
        let Answered { accepted_ms } = answered;
        let gathered = self.answers.entry(row.device).or_insert_with(|| Gathered {
            first_step: step,
            last_step: step,
            accepted_ms,
            answers: Vec::with_capacity(ANSWER_BYTES),
        });
        gathered.first_step = gathered.first_step.min(step);
        gathered.last_step = gathered.last_step.max(step);
        gathered.accepted_ms = gathered.accepted_ms.max(accepted_ms);
        gathered.answers.extend_from_slice(&key.0);
        gathered.answers.extend_from_slice(&accepted_ms.to_be_bytes());
        Ok(())
    }

    /// Writes the rows of what was gathered: before a commit, and before whatever reads or removes them. When
    /// that fails the group is lost.
    pub(super) fn write_answers(&mut self) -> Result<(), StorageError> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let written = self.insert_answers();
        if let Err(error) = written {
            self.give_up(error)?;
        }
        self.answers.clear();
        written
    }

    fn insert_answers(&self) -> Result<(), StorageError> {
        let sql = "INSERT INTO answered (device, first_step, last_step, accepted_ms, answers) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = self.statement(sql)?;
        let sql = "INSERT INTO steps (device, step) VALUES (?1, ?2) \
                   ON CONFLICT (device) DO UPDATE SET step = max(step, excluded.step)";
        let mut step = self.statement(sql)?;
        for (device, Gathered { first_step, last_step, accepted_ms, answers }) in &self.answers {
            insert
                .execute(params![device, int(*first_step), int(*last_step), int(*accepted_ms), answers])
                .map_err(trouble)?;
            step.execute(params![device, int(*last_step)]).map_err(trouble)?;
        }
        Ok(())
    }

    /// The answer that a repeat gets, if it is one.
    pub(super) fn find_answer(
        &mut self,
        device: i64,
        (key, step): (&RequestKey, u64),
    ) -> Result<Option<Answered>, StorageError> {
        self.write_answers()?;
        let sql = "SELECT answers FROM answered WHERE device = ?1 AND first_step <= ?2 AND last_step >= ?2 \
                   ORDER BY first_step DESC LIMIT ?3";
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(params![device, int(step), ROWS_PER_LOOK_MAX]).map_err(trouble)?;
        while let Some(row) = rows.next().map_err(trouble)? {
            let answers = row.get_ref(0).and_then(|v| Ok(v.as_blob()?)).map_err(trouble)?;
            let (answers, rest) = answers.as_chunks::<ANSWER_BYTES>();
            if !rest.is_empty() {
                return Err(StorageError::Damaged);
            }
            if let Some(answer) = answers.iter().find(|answer| answer.starts_with(&key.0)) {
                let accepted_ms = answer.last_chunk().copied().map_or(0, u64::from_be_bytes);
                return Ok(Some(Answered { accepted_ms }));
            }
        }
        Ok(None)
    }

    /// Rows lie in order of arrival; each goes when its newest answer is too old.
    pub(super) fn expire_answers(&self, before_ms: u64, rows_max: i64) -> Result<usize, StorageError> {
        let sql = "DELETE FROM answered WHERE no IN (SELECT no FROM (SELECT no, accepted_ms FROM answered \
                   ORDER BY no LIMIT ?2) WHERE accepted_ms < ?1)";
        self.change(sql, params![int(before_ms), rows_max])
    }
}
