//! History that was said elsewhere: old messages get places before all that came here, so that nothing new moves.
//! Where a conversation holds older messages than those, its beginning is laid out again in the order of time.

use std::collections::BTreeSet;

use chat_core::engine::{Message, Reaction};
use rusqlite::params;

use super::StoreError;
use super::history;
use super::search;
use super::sqlite::Db;

/// An import under way, inside a transaction.
pub(super) struct Import<'a> {
    db: &'a Db,
    /// The place for the next message.
    next: i64,
    /// Places from here on were taken before.
    taken: i64,
    touched: BTreeSet<i64>,
    added: u64,
}

impl<'a> Import<'a> {
    /// Makes room for up to `count` messages.
    pub(super) fn begin(db: &'a Db, count: u64) -> Result<Self, StoreError> {
        let lowest = history::ends(db)?.map_or(0, |(lowest, _)| lowest.min(0));
        let count = i64::try_from(count).map_err(|_| StoreError::Unsupported)?;
        let next = lowest.checked_sub(count).ok_or(StoreError::Unsupported)?;
        Ok(Self { db, next, taken: lowest, touched: BTreeSet::new(), added: 0 })
    }

    /// Takes a message over unless its conversation holds it.
    pub(super) fn take(&mut self, message: &Message) -> Result<(), StoreError> {
        if self.next >= self.taken {
            return Err(StoreError::Unsupported);
        }
        let conversation = history::home(self.db, message)?;
        let Some(place) = history::insert_at(self.db, conversation, message, Some(self.next))? else { return Ok(()) };
        if let Some(text) = &message.text {
            search::index(self.db, place, text)?;
        }
        for Reaction { from, sign } in &message.reactions {
            self.db.change(
                "INSERT INTO reactions (message, reactor, sign) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![place, from.as_str(), sign],
            )?;
        }
        self.touched.insert(conversation);
        self.next = self.next.saturating_add(1);
        self.added = self.added.saturating_add(1);
        Ok(())
    }

    /// Brings what came between older messages into its order; tells how many messages were new.
    pub(super) fn finish(self) -> Result<u64, StoreError> {
        for conversation in &self.touched {
            Shelf { db: self.db, conversation: *conversation }.sort(self.taken)?;
        }
        Ok(self.added)
    }
}

/// One conversation, whose beginning may have to be laid out again.
struct Shelf<'a> {
    db: &'a Db,
    conversation: i64,
}

/// A message's place and time.
type Spot = (i64, u64);

impl Shelf<'_> {
    fn sort(&self, taken: i64) -> Result<(), StoreError> {
        let earliest = self.db.row(
            "SELECT min(time_ms) FROM messages WHERE conversation = ?1 AND place >= ?2",
            params![self.conversation, taken],
            |row| row.get::<_, Option<u64>>(0),
        )?;
        let latest = self.db.row(
            "SELECT max(time_ms) FROM messages WHERE conversation = ?1 AND place < ?2",
            params![self.conversation, taken],
            |row| row.get::<_, Option<u64>>(0),
        )?;
        match (earliest.flatten(), latest.flatten()) {
            (Some(earliest), Some(latest)) if latest > earliest => self.lay_out(taken),
            _ => Ok(()),
        }
    }

    /// Merges the new messages with those that were here, each side in its own order.
    fn lay_out(&self, taken: i64) -> Result<(), StoreError> {
        let (new, old): (Vec<Spot>, Vec<Spot>) = self.spots()?.into_iter().partition(|(place, _)| *place < taken);
        let first_old = old.first().map_or(0, |(place, _)| *place);
        let mut order = Vec::with_capacity(new.len().saturating_add(old.len()));
        let (mut new, mut old) = (new.into_iter().peekable(), old.into_iter().peekable());
        // What is behind the last new message keeps its place.
        while let Some((_, time)) = new.peek() {
            let older = old.next_if(|(_, known)| known <= time);
            order.extend(older.or_else(|| new.next()).map(|(place, _)| place));
        }
        let lowest = history::ends(self.db)?.map_or(0, |(lowest, _)| lowest);
        let count = i64::try_from(order.len()).map_err(|_| StoreError::Unsupported)?;
        let start = lowest.checked_sub(count).ok_or(StoreError::Unsupported)?;
        let read_to = self.read_to()?;
        let mut mark = read_to;
        for (place, to) in order.iter().zip(start..) {
            self.carry(*place, to)?;
            // Nothing of what was here is read: what lies before the first of it is.
            let before_first = (read_to < first_old && *place == first_old).then(|| to.saturating_sub(1));
            mark = before_first.unwrap_or(if *place == read_to { to } else { mark });
        }
        self.db.change("UPDATE conversations SET read_to = ?2 WHERE number = ?1", params![self.conversation, mark])?;
        Ok(())
    }

    fn spots(&self) -> Result<Vec<Spot>, StoreError> {
        self.db.rows(
            "SELECT place, time_ms FROM messages WHERE conversation = ?1 ORDER BY place",
            params![self.conversation],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    fn read_to(&self) -> Result<i64, StoreError> {
        let read_to =
            self.db.row("SELECT read_to FROM conversations WHERE number = ?1", params![self.conversation], |row| {
                row.get(0)
            })?;
        Ok(read_to.unwrap_or(0))
    }

    /// Gives a message another place, with all that names it by the old one.
    fn carry(&self, from: i64, to: i64) -> Result<(), StoreError> {
        let text: Option<Option<String>> =
            self.db.row("SELECT text FROM messages WHERE place = ?1", params![from], |row| row.get(0))?;
        // The reactions' key must name a message at every moment.
        let signs = self.db.rows("SELECT reactor, sign FROM reactions WHERE message = ?1", params![from], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        self.db.change("DELETE FROM reactions WHERE message = ?1", params![from])?;
        self.db.change("UPDATE messages SET place = ?2 WHERE place = ?1", params![from, to])?;
        for (reactor, sign) in signs {
            self.db.change(
                "INSERT INTO reactions (message, reactor, sign) VALUES (?1, ?2, ?3)",
                params![to, reactor, sign],
            )?;
        }
        if let Some(text) = text.flatten() {
            search::unlearn(self.db, from, &text)?;
            search::index(self.db, to, &text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
