//! What the devices of one account share (SPEC 10.6): each field with the stamp of its last change, so
//! that devices which change things at once come to the same end, whoever hears of what first.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, UserName};
use chat_wire::message::PresenceStatus;
use serde::{Deserialize, Serialize};

use super::people::{Person, Standing, VerifiedMark};
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::store::{Records, Table};

const SHARED_KEY: &[u8] = b"shared";

/// When and by which device something was changed. Of two changes the higher stamp stands (SPEC 10.6.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) struct Stamp {
    #[serde(rename = "t")]
    pub(in crate::engine) at_ms: u64,
    #[serde(rename = "d")]
    pub(in crate::engine) device: u32,
}

/// A value and its last change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Field<T> {
    #[serde(rename = "v")]
    pub(in crate::engine) value: T,
    #[serde(rename = "s")]
    stamp: Stamp,
}

/// One person, as far as it is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct SharedPerson {
    #[serde(rename = "n")]
    pub(in crate::engine) name: UserName,
    #[serde(rename = "s")]
    pub(in crate::engine) standing: Field<Standing>,
    #[serde(rename = "b")]
    pub(in crate::engine) blocked: Field<bool>,
    #[serde(rename = "a")]
    pub(in crate::engine) accepts_us: Field<bool>,
    #[serde(rename = "v")]
    pub(in crate::engine) verified: Field<Option<VerifiedMark>>,
    #[serde(rename = "d")]
    pub(in crate::engine) display_name: Field<Option<String>>,
}

/// One own device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct SharedDevice {
    #[serde(rename = "n")]
    pub(in crate::engine) name: Field<Option<String>>,
    #[serde(rename = "c")]
    pub(in crate::engine) created_ms: u64,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Shared {
    #[serde(rename = "p")]
    people: BTreeMap<AccountId, SharedPerson>,
    #[serde(rename = "d")]
    pub(in crate::engine) devices: BTreeMap<u32, SharedDevice>,
    #[serde(rename = "n")]
    pub(in crate::engine) display_name: Field<Option<String>>,
    #[serde(rename = "o")]
    pub(in crate::engine) status: Field<Option<PresenceStatus>>,
    /// Highest list of the own account that its writers knew: a device that joins holds the relay to it.
    #[serde(rename = "l", default)]
    pub(in crate::engine) list_seq: u64,
}

impl<T: PartialEq + Clone> Field<T> {
    /// Takes an own change over; `true` when it is one.
    pub(in crate::engine) fn set(&mut self, value: &T, stamp: Stamp) -> bool {
        if self.value == *value {
            return false;
        }
        self.value = value.clone();
        // Never behind what it replaces, however wrong a clock is.
        let at_ms = stamp.at_ms.max(self.stamp.at_ms.saturating_add(1));
        self.stamp = Stamp { at_ms, ..stamp };
        true
    }

    /// Takes the higher of two; `true` when ours is.
    fn merge(&mut self, other: Self) -> bool {
        if other.stamp > self.stamp {
            *self = other;
            return false;
        }
        self.stamp > other.stamp
    }
}

impl SharedPerson {
    fn new(name: UserName) -> Self {
        Self {
            name,
            standing: Field::default(),
            blocked: Field::default(),
            accepts_us: Field::default(),
            verified: Field::default(),
            display_name: Field::default(),
        }
    }

    fn note(&mut self, person: &Person, stamp: Stamp) -> bool {
        // No short cut: every field takes its change.
        let changes = [
            self.standing.set(&person.standing, stamp),
            self.blocked.set(&person.blocked, stamp),
            self.accepts_us.set(&person.accepts_us, stamp),
            self.verified.set(&person.verified, stamp),
            self.display_name.set(&person.display_name, stamp),
        ];
        changes.contains(&true)
    }

    fn merge(&mut self, other: Self) -> bool {
        let ahead = [
            self.standing.merge(other.standing),
            self.blocked.merge(other.blocked),
            self.accepts_us.merge(other.accepts_us),
            self.verified.merge(other.verified),
            self.display_name.merge(other.display_name),
        ];
        ahead.contains(&true)
    }
}

impl Shared {
    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Self, EngineError> {
        let bytes = records.get(Table::Meta, SHARED_KEY);
        bytes.map_or_else(|| Ok(Self::default()), |bytes| decode(Table::Meta, &bytes))
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, SHARED_KEY, self)
    }

    /// Reads the content of a record.
    pub(in crate::engine) fn read(content: &[u8]) -> Option<Self> {
        minicbor_serde::from_slice(content).ok()
    }

    /// Notes how a person stands now. Strangers are each device's own business.
    pub(in crate::engine) fn note_person(&mut self, account: &AccountId, person: &Person, stamp: Stamp) -> bool {
        let decided = person.standing != Standing::Stranger || person.blocked || person.verified.is_some();
        if !decided && !self.people.contains_key(account) {
            return false;
        }
        let shared = self.people.entry(*account).or_insert_with(|| SharedPerson::new(person.name.clone()));
        shared.note(person, stamp)
    }

    /// Brings another device's view in; `true` when ours then says more than that.
    pub(in crate::engine) fn merge(&mut self, other: Self) -> bool {
        let mut ahead = self.people.keys().any(|account| !other.people.contains_key(account))
            || self.devices.keys().any(|device| !other.devices.contains_key(device));
        for (account, theirs) in other.people {
            match self.people.get_mut(&account) {
                Some(ours) => ahead |= ours.merge(theirs),
                None => {
                    self.people.insert(account, theirs);
                }
            }
        }
        for (device, theirs) in other.devices {
            match self.devices.get_mut(&device) {
                Some(ours) => ahead |= ours.name.merge(theirs.name),
                None => {
                    self.devices.insert(device, theirs);
                }
            }
        }
        ahead |= self.display_name.merge(other.display_name);
        ahead |= self.status.merge(other.status);
        ahead |= self.list_seq > other.list_seq;
        self.list_seq = self.list_seq.max(other.list_seq);
        ahead
    }

    pub(in crate::engine) fn people(&self) -> impl Iterator<Item = (&AccountId, &SharedPerson)> {
        self.people.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    /// One change of one person by one device.
    #[derive(Debug, Clone)]
    struct Deed {
        who: u8,
        device: u32,
        at_ms: u64,
        blocked: bool,
        display_name: Option<String>,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        (0_u8..3, 0_u32..3, 0_u64..50, any::<bool>(), prop::option::of("[a-c]"))
            .prop_map(|(who, device, at_ms, blocked, display_name)| Deed { who, device, at_ms, blocked, display_name })
    }

    fn act(shared: &mut Shared, deed: &Deed) {
        let mut person = Person::new(UserName::parse("somebody").unwrap());
        person.standing = Standing::Accepted;
        person.blocked = deed.blocked;
        person.display_name.clone_from(&deed.display_name);
        shared.note_person(&account(deed.who), &person, Stamp { at_ms: deed.at_ms, device: deed.device });
    }

    proptest! {
        #[test]
        fn devices_that_hear_of_each_other_in_any_order_agree(
            mine in prop::collection::vec(deed(), 0..8),
            theirs in prop::collection::vec(deed(), 0..8),
        ) {
            let (mut a, mut b) = (Shared::default(), Shared::default());
            mine.iter().for_each(|deed| act(&mut a, &Deed { device: 1, ..deed.clone() }));
            theirs.iter().for_each(|deed| act(&mut b, &Deed { device: 2, ..deed.clone() }));
            let (first_a, first_b) = (a.clone(), b.clone());
            a.merge(first_b);
            b.merge(first_a);
            prop_assert_eq!(&a, &b);
            prop_assert!(!a.merge(b), "nothing is left to tell");
        }
    }

    #[test]
    fn a_later_change_stands_even_when_its_clock_is_behind() {
        let mut field = Field::default();
        assert!(field.set(&1, Stamp { at_ms: 1_000, device: 1 }));
        let before = field.clone();
        assert!(field.set(&2, Stamp { at_ms: 10, device: 1 }));
        assert!(!field.merge(before) || field.value == 2);
        assert_eq!(field.value, 2);
    }

    #[test]
    fn as_many_contacts_as_an_account_has_fit_into_one_record() {
        use chat_wire::limits::{CONTACTS_MAX, RECORD_BYTES_MAX};
        let mut shared = Shared::default();
        for n in 0..CONTACTS_MAX {
            let mut person = Person::new(UserName::parse(&format!("somebody-with-a-long-name-{n:05}")).unwrap());
            (person.standing, person.accepts_us) = (Standing::Accepted, true);
            person.display_name = Some("Somebody with a name of its own".to_owned());
            person.verified = Some(VerifiedMark {
                account_key: chat_wire::keys::VerifyKey([7; 32]),
                method: super::super::people::VerifyMethod::Digits,
                device: chat_wire::ids::DeviceId(u32::MAX),
                at_ms: 1_800_000_000_000,
            });
            let id = AccountId(chat_wire::domain::plain_hash(&[&n.to_be_bytes()]));
            shared.note_person(&id, &person, Stamp { at_ms: 1_800_000_000_000, device: u32::MAX });
        }
        let bytes = minicbor_serde::to_vec(&shared).unwrap();
        println!("{CONTACTS_MAX} contacts: {} bytes", bytes.len());
        // Padding adds at most a thirty-second part, the seal around it less than two kilobytes.
        assert!(bytes.len() + bytes.len() / 32 + 2_048 < RECORD_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Shared::read(&bytes), Some(shared));
    }

    #[test]
    fn a_stranger_nobody_decided_about_is_not_shared() {
        let mut shared = Shared::default();
        let stranger = Person::new(UserName::parse("stranger").unwrap());
        assert!(!shared.note_person(&account(1), &stranger, Stamp::default()));
        assert_eq!(shared.people().count(), 0);
    }
}
