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
        if !self.public && !(change.resumes && change.returns()) {
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
mod tests {
    use super::*;
    use chat_wire::ids::DeviceId;

    fn door() -> Option<DoorKey> {
        minicbor_serde::from_slice(&minicbor_serde::to_vec(serde_bytes::ByteBuf::from(vec![1; 32])).unwrap()).ok()
    }

    fn leaf(n: u8) -> DeviceAddress {
        DeviceAddress { account: AccountId([n; 32]), device: DeviceId(u32::from(n)) }
    }

    /// Owner 1, admin 2, members 3 and 4.
    fn policy() -> Policy {
        let mut policy = Policy::new("room", door(), None, 5);
        policy.set_role(leaf(1).account, Actor::Owner);
        policy.set_role(leaf(2).account, Actor::Admin);
        policy
    }

    fn by(n: u8, removed: &[u8]) -> Change {
        let removed: Vec<_> = removed.iter().map(|n| leaf(*n)).collect();
        let staying: Vec<_> = (1..=4).map(leaf).filter(|leaf| !removed.contains(leaf)).collect();
        let policy = policy().settled(&staying);
        Change { committer: leaf(n), external: false, resumes: false, added: vec![], removed, staying, policy }
    }

    fn verdict(change: &Change) -> Result<(), Denied> {
        policy().check(change, &|leaf| leaf.account == AccountId([4; 32]))
    }

    #[test]
    fn owner_and_admins_remove_who_is_below_them_and_members_remove_nobody() {
        assert_eq!(verdict(&by(1, &[2, 3])), Ok(()));
        assert_eq!(verdict(&by(2, &[3])), Ok(()));
        assert_eq!(verdict(&by(2, &[1])), Err(Denied::Removal));
        assert_eq!(verdict(&by(3, &[2])), Err(Denied::Removal));
        // Who said goodbye goes by anybody's hand, and one's own devices by one's own.
        assert_eq!(verdict(&by(3, &[4])), Ok(()));
        assert_eq!(verdict(&by(3, &[3])), Ok(()));
    }

    #[test]
    fn a_room_whose_owner_goes_gets_the_first_admin_and_else_the_first_leaf() {
        let left = policy().settled(&[leaf(2), leaf(3)]);
        assert_eq!((left.owner, left.admins.len()), (Some(leaf(2).account), 0));
        let left = policy().settled(&[leaf(4), leaf(3)]);
        assert_eq!(left.owner, Some(leaf(4).account));
        let mut without = by(1, &[1]);
        without.policy = policy();
        assert_eq!(verdict(&without), Err(Denied::Policy));
    }

    #[test]
    fn only_those_who_may_change_topic_and_roles() {
        let with = |n: u8, change: &dyn Fn(&mut Policy)| {
            let mut commit = by(n, &[]);
            change(&mut commit.policy);
            verdict(&commit)
        };
        let topic = |policy: &mut Policy| policy.topic = Some("tea".into());
        assert_eq!((with(1, &topic), with(2, &topic), with(3, &topic)), (Ok(()), Ok(()), Err(Denied::Policy)));
        let promote = |policy: &mut Policy| policy.set_role(leaf(3).account, Actor::Admin);
        assert_eq!((with(1, &promote), with(2, &promote)), (Ok(()), Err(Denied::Policy)));
        let hand_over = |policy: &mut Policy| policy.set_role(leaf(3).account, Actor::Owner);
        assert_eq!((with(1, &hand_over), with(3, &hand_over)), (Ok(()), Err(Denied::Policy)));
        let stranger = |policy: &mut Policy| policy.set_role(leaf(9).account, Actor::Admin);
        assert_eq!(with(1, &stranger), Err(Denied::Policy));
        let open = |policy: &mut Policy| policy.public = true;
        assert_eq!(with(1, &open), Err(Denied::Policy));
    }

    #[test]
    fn a_joiner_adds_itself_to_a_public_room_and_touches_nothing_else() {
        let mut public = policy();
        public.public = true;
        let join = Change { external: true, committer: leaf(7), policy: public.clone(), ..by(7, &[]) };
        let nobody = |_: &DeviceAddress| true;
        assert_eq!(public.check(&join, &nobody), Ok(()));
        assert_eq!(policy().check(&Change { policy: policy(), ..join.clone() }, &nobody), Err(Denied::NotPublic));
        assert_eq!(public.check(&Change { removed: vec![leaf(3)], ..join.clone() }, &nobody), Err(Denied::Removal));
        assert_eq!(public.check(&Change { removed: vec![leaf(7)], ..join.clone() }, &nobody), Ok(()));
        let mut crowned = join;
        crowned.policy.set_role(leaf(7).account, Actor::Owner);
        assert_eq!(public.check(&crowned, &nobody), Err(Denied::Policy));
    }

    #[test]
    fn into_a_private_room_comes_back_alone_who_was_in_it_and_in_the_place_of_its_own_leaf() {
        let nobody = |_: &DeviceAddress| true;
        let back = Change { external: true, resumes: true, policy: policy(), ..by(3, &[3]) };
        assert_eq!(policy().check(&back, &nobody), Ok(()));
        let without_proof = Change { resumes: false, ..back.clone() };
        assert_eq!(policy().check(&without_proof, &nobody), Err(Denied::NotPublic));
        let anew = Change { removed: vec![], ..back.clone() };
        assert_eq!(policy().check(&anew, &nobody), Err(Denied::NotPublic));
        let instead = Change { removed: vec![leaf(2)], ..back };
        assert_eq!(policy().check(&instead, &nobody), Err(Denied::NotPublic));
    }

    #[test]
    fn no_device_is_in_a_room_twice() {
        let twice = Change { added: vec![leaf(3)], ..by(1, &[]) };
        assert_eq!(verdict(&twice), Err(Denied::Twice));
        let again = Change { added: vec![leaf(8), leaf(8)], ..by(1, &[]) };
        assert_eq!(verdict(&again), Err(Denied::Twice));
        assert_eq!(verdict(&Change { added: vec![leaf(3)], ..by(1, &[3]) }), Ok(()));
    }
}
