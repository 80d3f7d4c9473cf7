//! What became of messages after they were sent: edits, deletions, reactions, expiry. The latest counts,
//! by the clock of its author and then by its device, so that all devices end with the same.
//!
//! A change may come before its message, when another device of the author sent that: it waits; in a room,
//! whose log is one order for everybody, it never does. Records lie under the key of the dedup table,
//! `conversation 32 ‖ author 32 ‖ id 16`; in rooms the author is left out, because whoever reacts names an
//! id alone, and an id belongs to one author (SPEC 12.5.1).

use chat_wire::domain::labelled_hash;
use chat_wire::ids::{AccountId, DeviceAddress, MessageId, RoomId};
use serde::{Deserialize, Serialize};

use super::State;
use super::kept;
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::{Conversation, NoticeKind};
use crate::engine::limits::{EARLY_CHANGES_MAX, EXPIRIES_AT_ONCE};
use crate::store::{HistoryChange, Table};
use crate::time::Timestamp;

/// What is kept of a message that was seen: its place among all of this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Seen {
    /// 0 while it is held back.
    #[serde(rename = "o")]
    pub(in crate::engine) order: u64,
    #[serde(rename = "t")]
    pub(in crate::engine) at_ms: u64,
    /// Whose it is; in rooms only, where the key does not say it.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) author: Option<AccountId>,
}

/// Dedup key (key-schedule C): conversation, sender account, id.
pub(in crate::engine) fn seen_key(conversation: &AccountId, author: &AccountId, id: &MessageId) -> Vec<u8> {
    [&conversation.0[..], &author.0, &id.0].concat()
}

/// What stands for a room where conversations are told apart by accounts.
fn place(room: &RoomId) -> AccountId {
    AccountId(labelled_hash("room", &[&room.0]))
}

/// A message by its place and its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Target {
    #[serde(rename = "c")]
    pub(in crate::engine) conversation: Conversation,
    #[serde(rename = "a")]
    pub(in crate::engine) author: AccountId,
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
}

/// When a change was made, and on which device: the greater one counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) struct Stamp {
    #[serde(rename = "t")]
    pub(in crate::engine) time_ms: u64,
    #[serde(rename = "d")]
    pub(in crate::engine) device: u32,
}

/// Who does something, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Doer {
    pub(in crate::engine) device: DeviceAddress,
    pub(in crate::engine) time_ms: u64,
}

impl Doer {
    /// What it does.
    pub(in crate::engine) fn deed(&self, what: What) -> Deed {
        let stamp = Stamp { time_ms: self.time_ms, device: self.device.device.0 };
        Deed { by: self.device.account, stamp, what }
    }
}

/// What somebody did with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Deed {
    #[serde(rename = "b")]
    pub(in crate::engine) by: AccountId,
    #[serde(rename = "s")]
    pub(in crate::engine) stamp: Stamp,
    #[serde(rename = "w")]
    pub(in crate::engine) what: What,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) enum What {
    /// Another text.
    #[serde(rename = "e")]
    Edit(String),
    /// Gone.
    #[serde(rename = "g")]
    Gone,
    /// A sign, or none.
    #[serde(rename = "r")]
    React(String),
}

/// What became of a message so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Changed {
    #[serde(rename = "e")]
    edited: Option<Stamp>,
    #[serde(rename = "g")]
    gone: bool,
    #[serde(rename = "r")]
    reactions: Vec<(AccountId, Stamp)>,
}

impl Target {
    /// A message of the conversation with somebody.
    pub(in crate::engine) fn direct(with: AccountId, author: AccountId, id: MessageId) -> Self {
        Self { conversation: Conversation::Direct(with), author, id }
    }

    /// A message of a room, if it was seen there.
    pub(in crate::engine) fn in_room(
        work: &Work<'_>,
        room: RoomId,
        id: MessageId,
    ) -> Result<Option<Self>, EngineError> {
        let target = Self { conversation: Conversation::Room(room), author: AccountId([0; 32]), id };
        let seen: Option<Seen> = work.load(Table::Seen, &target.key())?;
        Ok(seen.and_then(|seen| seen.author).map(|author| Self { author, ..target }))
    }

    fn key(&self) -> Vec<u8> {
        match &self.conversation {
            Conversation::Direct(with) => seen_key(with, &self.author, &self.id),
            Conversation::Room(room) => seen_key(&place(room), &AccountId([0; 32]), &self.id),
        }
    }

    /// Notes that a message is here: at this place of all, 0 while it is held back.
    pub(in crate::engine) fn remember(&self, work: &mut Work<'_>, order: u64) -> Result<(), EngineError> {
        let author = matches!(self.conversation, Conversation::Room(_)).then_some(self.author);
        work.save(Table::Seen, &self.key(), &Seen { order, at_ms: work.now.as_ms(), author })
    }

    pub(in crate::engine) fn is_known(&self, work: &Work<'_>) -> bool {
        work.get(Table::Seen, &self.key()).is_some()
    }

    /// Whether the message is shown, held back, or was never heard of.
    pub(in crate::engine) fn standing(&self, work: &Work<'_>) -> Result<Presence, EngineError> {
        let seen: Option<Seen> = work.load(Table::Seen, &self.key())?;
        Ok(match seen {
            Some(Seen { order: 0, .. }) => Presence::Held,
            Some(_) => Presence::Shown,
            None => Presence::Unknown,
        })
    }

    /// Whether it was taken back, hidden, or has expired.
    pub(in crate::engine) fn is_gone(&self, work: &Work<'_>) -> Result<bool, EngineError> {
        let changed: Option<Changed> = work.load(Table::Changes, &self.key())?;
        Ok(changed.is_some_and(|changed| changed.gone))
    }
}

/// How far a message got here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Presence {
    /// In the history.
    Shown,
    /// Its author is not accepted yet.
    Held,
    /// Never heard of, or forgotten.
    Unknown,
}

impl State {
    /// Changes a message; one that is not here yet is changed when it comes.
    pub(in crate::engine) fn change_message(
        &mut self,
        work: &mut Work<'_>,
        target: &Target,
        deed: Deed,
    ) -> Result<(), EngineError> {
        if target.standing(work)? == Presence::Shown {
            return self.apply_deed(work, target, deed);
        }
        if matches!(target.conversation, Conversation::Room(_)) {
            return Ok(());
        }
        let key = target.key();
        let mut waiting: Vec<Deed> = work.load(Table::EarlyChanges, &key)?.unwrap_or_default();
        let (author, _) = key.split_at_checked(64).unwrap_or((&key, &[]));
        // A bound on what an author can make us keep for messages that never come.
        let others = work.scan(Table::EarlyChanges, author, None, EARLY_CHANGES_MAX).len();
        if waiting.len() >= EARLY_CHANGES_MAX || (waiting.is_empty() && others >= EARLY_CHANGES_MAX) {
            return Ok(());
        }
        // Of edits the latest is enough.
        waiting.retain(|other| !(other.by == deed.by && replaces(&deed.what, &other.what)));
        waiting.push(deed);
        work.save(Table::EarlyChanges, &key, &waiting)
    }

    fn apply_deed(&mut self, work: &mut Work<'_>, target: &Target, deed: Deed) -> Result<(), EngineError> {
        let key = target.key();
        let mut changed: Changed = work.load(Table::Changes, &key)?.unwrap_or_default();
        if changed.gone {
            return Ok(());
        }
        let (conversation, id) = (target.conversation, target.id);
        let change = match deed.what {
            What::Edit(text) => {
                if changed.edited.is_some_and(|before| before >= deed.stamp) {
                    return Ok(());
                }
                changed.edited = Some(deed.stamp);
                HistoryChange::Edit { conversation, id, text }
            }
            What::Gone => {
                changed = Changed { gone: true, ..Changed::default() };
                if let Conversation::Direct(with) = &conversation {
                    kept::forget(work, with, &id)?;
                }
                self.forget_file(work, (&conversation, &id))?;
                HistoryChange::Delete { conversation, id }
            }
            What::React(sign) => {
                let known = self.name_of(&deed.by);
                let Some(from) = known.map_or_else(|| self.listed_name(work, &deed.by), |name| Ok(Some(name)))? else {
                    return Ok(());
                };
                let before = changed.reactions.iter().find(|(by, _)| *by == deed.by).map(|(_, stamp)| *stamp);
                if before.is_some_and(|before| before >= deed.stamp) {
                    return Ok(());
                }
                changed.reactions.retain(|(by, _)| *by != deed.by);
                changed.reactions.push((deed.by, deed.stamp));
                HistoryChange::React { conversation, id, from, sign }
            }
        };
        work.save(Table::Changes, &key, &changed)?;
        work.history(change);
        work.notice(NoticeKind::Changed { conversation, id })?;
        Ok(())
    }

    /// A message came into the history: what waited for it happens, and its time begins.
    pub(in crate::engine) fn arrived(
        &mut self,
        work: &mut Work<'_>,
        target: &Target,
        expires_in_ms: Option<u64>,
    ) -> Result<(), EngineError> {
        if let Some(after) = expires_in_ms {
            let at = work.now.plus_ms(after);
            work.save(Table::Expiries, &[&at.as_ms().to_be_bytes()[..], &target.key()].concat(), target)?;
            self.next_expiry = Some(self.next_expiry.map_or(at, |next| next.min(at)));
        }
        let key = target.key();
        let Some(waiting) = work.load::<Vec<Deed>>(Table::EarlyChanges, &key)? else { return Ok(()) };
        work.delete(Table::EarlyChanges, &key);
        waiting.into_iter().try_for_each(|deed| self.apply_deed(work, target, deed))
    }

    /// Messages whose time is over are gone.
    pub(in crate::engine) fn expire_messages(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        if self.next_expiry.is_none_or(|at| at > work.now) {
            return Ok(());
        }
        for (key, value) in work.scan(Table::Expiries, &[], None, EXPIRIES_AT_ONCE) {
            let (at, _) = key.split_first_chunk::<8>().ok_or(EngineError::Store { table: Table::Expiries })?;
            let at = Timestamp::from_ms(u64::from_be_bytes(*at));
            if at > work.now {
                self.next_expiry = Some(at);
                return Ok(());
            }
            work.delete(Table::Expiries, &key);
            let target: Target = decode(Table::Expiries, &value)?;
            let stamp = Stamp { time_ms: at.as_ms(), device: 0 };
            self.apply_deed(work, &target, Deed { by: target.author, stamp, what: What::Gone })?;
        }
        self.next_expiry = next_expiry(&work.scan(Table::Expiries, &[], None, 1));
        Ok(())
    }
}

/// When the first of these is over.
pub(in crate::engine) fn next_expiry(first: &[(Vec<u8>, Vec<u8>)]) -> Option<Timestamp> {
    let (at, _) = first.first()?.0.split_first_chunk::<8>()?;
    Some(Timestamp::from_ms(u64::from_be_bytes(*at)))
}

/// Forgets the changes of a message that the dedup table forgets.
pub(in crate::engine) fn forget(work: &mut Work<'_>, seen_key: &[u8]) {
    if work.get(Table::Changes, seen_key).is_some() {
        work.delete(Table::Changes, seen_key);
    }
}

/// When the last of the changes was made that wait together.
pub(in crate::engine) fn latest_ms(value: &[u8]) -> Result<u64, EngineError> {
    let waiting: Vec<Deed> = decode(Table::EarlyChanges, value)?;
    Ok(waiting.iter().map(|deed| deed.stamp.time_ms).max().unwrap_or_default())
}

fn replaces(new: &What, old: &What) -> bool {
    matches!((new, old), (What::Edit(_), What::Edit(_)) | (What::React(_), What::React(_)) | (What::Gone, _))
}
