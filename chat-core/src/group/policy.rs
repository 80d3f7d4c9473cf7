//! Who may do what in a room (SPEC 12.4). The policy is part of the group's context: all members agree on it,
//! and each checks every commit against the one before it merges.

use chat_wire::ids::{AccountId, DeviceAddress};
use chat_wire::limits::ROOM_DEVICES_MAX;
use serde::{Deserialize, Serialize};

use super::door::DoorKey;

const VERSION: u8 = 1;

/// The policy of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(rename = "v")]
    version: u8,
    /// Without `#`.
    #[serde(rename = "n")]
    pub(crate) name: String,
    #[serde(rename = "u")]
    pub(crate) public: bool,
    #[serde(rename = "t", default)]
    pub(crate) topic: Option<String>,
    /// Milliseconds since the Unix epoch, by the creator's clock.
    #[serde(rename = "c")]
    pub(crate) created_ms: u64,
    /// None for the lobby.
    #[serde(rename = "o", default)]
    pub(crate) owner: Option<AccountId>,
    #[serde(rename = "a", default)]
    pub(crate) admins: Vec<AccountId>,
    /// Seals what the relay keeps; of private rooms.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) door: Option<DoorKey>,
}

/// What somebody may do, the higher the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    Member,
    Admin,
    Owner,
}

/// What a commit does, as MLS authenticated it.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) committer: DeviceAddress,
    /// The committer was no member before.
    pub(crate) external: bool,
    /// It proves that it had been one, lately (SPEC 12.4.6).
    pub(crate) resumes: bool,
    pub(crate) added: Vec<DeviceAddress>,
    pub(crate) removed: Vec<DeviceAddress>,
    /// Owners of the leaves that stay, in the order of the leaves.
    pub(crate) staying: Vec<DeviceAddress>,
    /// The policy of the new epoch.
    pub(crate) policy: Policy,
}

impl Change {
    /// A device comes back in the place of its own leaf.
    pub(crate) fn returns(&self) -> bool {
        self.external && self.removed == [self.committer]
    }
}

/// Why a commit is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Denied {
    /// A room that is not public was entered without an invitation.
    NotPublic,
    /// More devices than a room can have.
    Full,
    /// A device would be there twice.
    Twice,
    /// Somebody was removed by somebody who may not.
    Removal,
    /// The policy was changed by somebody who may not, or was not changed where it must be.
    Policy,
}

impl Policy {
    /// A private room has a door, a public one none.
    pub(crate) fn new(name: &str, door: Option<DoorKey>, topic: Option<String>, created_ms: u64) -> Self {
        let (public, name) = (door.is_none(), name.to_owned());
        Self { version: VERSION, name, public, topic, created_ms, owner: None, admins: Vec::new(), door }
    }

    /// Whether a member that lost its place goes on under this policy, which nobody proves to it: the same
    /// room, and nobody in it who may do more than before. Else somebody who knows has to add it again.
    pub(crate) fn may_become(&self, later: &Self) -> bool {
        let same = self.fixed() == later.fixed() && self.owner == later.owner;
        same && later.admins.iter().all(|admin| self.admins.contains(admin))
    }

    fn fixed(&self) -> (u8, &str, bool, u64, Option<&DoorKey>) {
        (self.version, &self.name, self.public, self.created_ms, self.door.as_ref())
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        minicbor_serde::to_vec(self).ok()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        minicbor_serde::from_slice(bytes).ok().filter(|policy: &Self| policy.version == VERSION)
    }

    pub(crate) fn role(&self, account: &AccountId) -> Actor {
        if self.owner == Some(*account) {
            Actor::Owner
        } else if self.admins.contains(account) {
            Actor::Admin
        } else {
            Actor::Member
        }
    }

    /// Whether `by` may remove `whom` against its will.
    pub(crate) fn may_kick(&self, by: &AccountId, whom: &AccountId) -> bool {
        self.role(by) > Actor::Member && self.role(by) > self.role(whom)
    }

    pub(crate) fn may_set_topic(&self, by: &AccountId) -> bool {
        self.role(by) > Actor::Member
    }

    pub(crate) fn may_set_roles(&self, by: &AccountId) -> bool {
        self.role(by) == Actor::Owner
    }

    /// Sets what somebody may do; a new owner takes the place of the old one, who stays as an admin.
    pub(crate) fn set_role(&mut self, account: AccountId, role: Actor) {
        self.admins.retain(|admin| *admin != account);
        match role {
            Actor::Owner => {
                if let Some(old) = self.owner.replace(account).filter(|old| *old != account) {
                    self.admins.push(old);
                }
            }
            Actor::Admin => self.admins.push(account),
            Actor::Member => {}
        }
    }

    /// The policy once only these are left (SPEC 12.4.4): nobody who is gone keeps a role, and a room that
    /// had an owner gets another.
    pub(crate) fn settled(&self, staying: &[DeviceAddress]) -> Self {
        let stays = |account: &AccountId| staying.iter().any(|leaf| leaf.account == *account);
        let mut settled = self.clone();
        settled.admins.retain(stays);
        if settled.owner.is_some_and(|owner| !stays(&owner)) {
            let heir = settled.admins.first().copied().or_else(|| staying.first().map(|leaf| leaf.account));
            settled.owner = heir;
            settled.admins.retain(|admin| Some(*admin) != heir);
        }
        settled
    }

    /// Whether a commit may be merged (SPEC 12.4.1). `departed` tells whether a device's leaf may go by
    /// whoever's hand: its account said that it leaves, or no longer lists it (SPEC 12.4.2).
    pub(crate) fn check(&self, change: &Change, departed: &dyn Fn(&DeviceAddress) -> bool) -> Result<(), Denied> {
        let own = |leaf: &DeviceAddress| leaf.account == change.committer.account;
        if change.external {
            return self.check_external(change);
        }
        if change.staying.len().saturating_add(change.added.len()) > ROOM_DEVICES_MAX {
            return Err(Denied::Full);
        }
        let twice = |(at, leaf): (usize, &DeviceAddress)| {
            change.staying.contains(leaf) || change.added.iter().skip(at.saturating_add(1)).any(|other| other == leaf)
        };
        if change.added.iter().enumerate().any(twice) {
            return Err(Denied::Twice);
        }
        let by = &change.committer.account;
        let may_go = |leaf: &DeviceAddress| own(leaf) || departed(leaf) || self.may_kick(by, &leaf.account);
        if !change.removed.iter().all(may_go) {
            return Err(Denied::Removal);
        }
        self.check_policy(change)
    }

    /// A joiner adds itself to a public room and touches nothing else (SPEC 12.4.5); into any room it comes back
    /// in the place of its own leaf, with a secret of an epoch that it was in (SPEC 12.4.6).
    fn check_external(&self, change: &Change) -> Result<(), Denied> {
        let comes_back = change.resumes && change.returns();
        if !self.public && !comes_back {
            return Err(Denied::NotPublic);
        }
        if change.staying.len() >= ROOM_DEVICES_MAX {
            return Err(Denied::Full);
        }
        if change.removed.iter().any(|leaf| *leaf != change.committer) || !change.added.is_empty() {
            return Err(Denied::Removal);
        }
        if change.policy == *self { Ok(()) } else { Err(Denied::Policy) }
    }

    fn check_policy(&self, change: &Change) -> Result<(), Denied> {
        let by = &change.committer.account;
        // Who goes and comes in one commit was put back, and keeps its role.
        let present: Vec<DeviceAddress> = change.staying.iter().chain(&change.added).copied().collect();
        let expected = self.settled(&present);
        let new = &change.policy;
        let roles = |policy: &Self| (policy.owner, policy.admins.clone());
        // Roles that were given belong to somebody who is here.
        let here = |account: &AccountId| present.iter().any(|leaf| leaf.account == *account);
        let roles_fit = new.admins.iter().chain(&new.owner).all(here);
        let allowed = new.fixed() == expected.fixed()
            && (new.topic == expected.topic || self.may_set_topic(by))
            && (roles(new) == roles(&expected) || (self.may_set_roles(by) && roles_fit));
        if allowed { Ok(()) } else { Err(Denied::Policy) }
    }
}

#[cfg(test)]
mod tests;
