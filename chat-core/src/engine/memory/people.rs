//! Everybody this account knows: contacts, strangers with a request, blocked ones. All in memory; a
//! record is written when it changes.

use std::collections::{BTreeMap, BTreeSet};

use chat_wire::ids::{AccountId, DeviceId, UserName};
use chat_wire::keys::VerifyKey;
use serde::{Deserialize, Serialize};

use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::store::{Records, Table};

/// What we think of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(in crate::engine) enum Standing {
    /// Wrote to us, or was only looked up.
    #[default]
    #[serde(rename = "s")]
    Stranger,
    /// Asked, and was turned down: what comes is dropped.
    #[serde(rename = "d")]
    Declined,
    /// We wrote, or accepted.
    #[serde(rename = "a")]
    Accepted,
}

/// A stranger's request as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct RequestCard {
    #[serde(rename = "p")]
    pub(in crate::engine) preview: String,
    #[serde(rename = "t")]
    pub(in crate::engine) timestamp_ms: u64,
    /// Place among all requests.
    #[serde(rename = "o")]
    pub(in crate::engine) order: u64,
    /// Messages held back.
    #[serde(rename = "c")]
    pub(in crate::engine) held: u16,
}

/// Somebody whose safety number was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct VerifiedMark {
    /// The account key that was compared: another key is not verified.
    #[serde(rename = "k")]
    pub(in crate::engine) account_key: VerifyKey,
    #[serde(rename = "m")]
    pub(in crate::engine) method: VerifyMethod,
    /// The own device that compared.
    #[serde(rename = "d")]
    pub(in crate::engine) device: DeviceId,
    #[serde(rename = "t")]
    pub(in crate::engine) at_ms: u64,
}

/// How a safety number was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) enum VerifyMethod {
    #[serde(rename = "n")]
    Digits,
    #[serde(rename = "q")]
    Code,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Person {
    /// From the verified list.
    #[serde(rename = "n")]
    pub(in crate::engine) name: UserName,
    #[serde(rename = "s")]
    pub(in crate::engine) standing: Standing,
    #[serde(rename = "b", default)]
    pub(in crate::engine) blocked: bool,
    /// It wrote to us or accepted our request.
    #[serde(rename = "a", default)]
    pub(in crate::engine) accepts_us: bool,
    /// Its safety number was compared.
    #[serde(rename = "w", default)]
    pub(in crate::engine) verified: Option<VerifiedMark>,
    /// Its account key is another one than was verified: nothing is sent until somebody decides.
    #[serde(rename = "k", default)]
    pub(in crate::engine) key_changed: bool,
    /// The name now leads to another account: nothing is sent until somebody decides.
    #[serde(rename = "m", default)]
    pub(in crate::engine) name_moved: bool,
    #[serde(rename = "d", default)]
    pub(in crate::engine) display_name: Option<String>,
    #[serde(rename = "l", default)]
    pub(in crate::engine) last_seen_ms: Option<u64>,
    #[serde(rename = "r", default)]
    pub(in crate::engine) request: Option<RequestCard>,
    /// Version of our profile that it was told.
    #[serde(rename = "p", default)]
    pub(in crate::engine) told_profile: u64,
}

impl Person {
    pub(in crate::engine) fn new(name: UserName) -> Self {
        Self {
            name,
            standing: Standing::Stranger,
            blocked: false,
            accepts_us: false,
            verified: None,
            key_changed: false,
            name_moved: false,
            display_name: None,
            last_seen_ms: None,
            request: None,
            told_profile: 0,
        }
    }

    /// Nothing may be sent before somebody decides: who it is has become doubtful.
    pub(in crate::engine) fn is_doubtful(&self) -> bool {
        self.name_moved || self.key_changed
    }

    /// Both have accepted each other: receipts and presence flow.
    pub(in crate::engine) fn is_mutual(&self) -> bool {
        self.is_contact() && self.accepts_us
    }

    /// We accepted it and did not block it.
    pub(in crate::engine) fn is_contact(&self) -> bool {
        self.standing == Standing::Accepted && !self.blocked
    }
}

/// Everybody, by account and by name.
#[derive(Debug, Default)]
pub(in crate::engine) struct People {
    by_account: BTreeMap<AccountId, Person>,
    by_name: BTreeMap<UserName, AccountId>,
    /// Whose record was written since the account's other devices were last thought of.
    changed: BTreeSet<AccountId>,
}

impl People {
    /// Reads everybody.
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let mut people = Self::default();
        for (key, value) in records.scan(Table::Contacts, &[], None, usize::MAX) {
            let account = AccountId::from_slice(&key).ok_or(EngineError::Store { table: Table::Contacts })?;
            let person: Person = decode(Table::Contacts, &value)?;
            people.by_name.insert(person.name.clone(), account);
            people.by_account.insert(account, person);
        }
        Ok(people)
    }

    /// Takes somebody in, as a stranger. A name that somebody else already has stays with that one:
    /// `false`, and nobody was taken in.
    pub(in crate::engine) fn meet(
        &mut self,
        work: &mut Work<'_>,
        account: AccountId,
        name: &UserName,
    ) -> Result<bool, EngineError> {
        if self.by_account.contains_key(&account) {
            return Ok(true);
        }
        if self.by_name.contains_key(name) {
            return Ok(false);
        }
        self.by_name.insert(name.clone(), account);
        self.by_account.insert(account, Person::new(name.clone()));
        self.save(work, account)?;
        Ok(true)
    }

    /// Changes somebody and writes the record, if it is another one afterwards.
    pub(in crate::engine) fn change(
        &mut self,
        work: &mut Work<'_>,
        account: AccountId,
        change: impl FnOnce(&mut Person),
    ) -> Result<(), EngineError> {
        let Some(person) = self.by_account.get_mut(&account) else { return Ok(()) };
        let before = person.clone();
        change(person);
        if *person == before { Ok(()) } else { self.save(work, account) }
    }

    pub(in crate::engine) fn get(&self, account: &AccountId) -> Option<&Person> {
        self.by_account.get(account)
    }

    pub(in crate::engine) fn account_of(&self, name: &UserName) -> Option<AccountId> {
        self.by_name.get(name).copied()
    }

    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = (&AccountId, &Person)> {
        self.by_account.iter()
    }

    pub(in crate::engine) fn open_requests(&self) -> usize {
        self.by_account.values().filter(|p| p.request.is_some()).count()
    }

    /// Takes the accounts that changed.
    pub(in crate::engine) fn take_changed(&mut self) -> BTreeSet<AccountId> {
        std::mem::take(&mut self.changed)
    }

    fn save(&mut self, work: &mut Work<'_>, account: AccountId) -> Result<(), EngineError> {
        self.changed.insert(account);
        match self.by_account.get(&account) {
            Some(person) => work.save(Table::Contacts, &account.0, person),
            None => Ok(()),
        }
    }
}
