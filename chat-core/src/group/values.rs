//! What goes into a group and what comes out of it.

use chat_wire::ids::RoomId;
use chat_wire::keys::VerifyKey;
use openmls::prelude::StagedCommit;

use super::credential::LeafCredential;
use super::keys::{LeafKey, OfferedMember};
use super::leaf::Leaf;
use super::policy::{Change, Policy};

/// Whom a commit adds and removes.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) members: Vec<OfferedMember>,
    pub(crate) removed: Vec<u32>,
    pub(crate) policy: Option<Policy>,
    /// When this is, milliseconds since the Unix epoch: the leaf says that its device was seen then.
    pub(crate) at_ms: u64,
    /// Why leaves go that this one has no right to remove (SPEC 12.4.8).
    pub(crate) evidence: Vec<Vec<u8>>,
}

/// A member that lost its place and comes back, into a private room with a secret of an epoch that it was in.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) epoch: Option<u64>,
    /// The policy as it knows it.
    pub(crate) policy: Policy,
}

/// A leaf that this device is about to take.
#[derive(Debug)]
pub(crate) struct OwnLeaf<'a> {
    pub(crate) key: LeafKey,
    pub(crate) credential: &'a LeafCredential,
    /// When, milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
}

/// Where a GroupInfo is from, as seen by a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// From this very epoch, or one before.
    No,
    /// The room is further on, or in another epoch of the same number.
    Yes,
}

/// A commit that was made and is pending.
#[derive(Debug)]
pub(crate) struct MadeCommit {
    pub(crate) commit: Vec<u8>,
    pub(crate) group_info: Vec<u8>,
    pub(crate) welcome: Option<Vec<u8>>,
}

/// What a message of the log turned out to be.
#[derive(Debug)]
pub(crate) enum Processed {
    /// A content of a leaf.
    Message(Box<Leaf>, Vec<u8>),
    /// A commit that is sound for MLS; its rights are still to be checked.
    Commit(Box<StagedChange>),
    /// Made by this leaf.
    Own,
    /// Something that is not used in our rooms.
    Foreign,
}

/// A commit before its merge.
#[derive(Debug)]
pub(crate) struct StagedChange {
    pub(super) staged: StagedCommit,
    pub(crate) change: Change,
    /// New leaves, whose owners are to be verified.
    pub(crate) added: Vec<Leaf>,
    pub(crate) removed: Vec<Leaf>,
    /// What stands beside it for those that go.
    pub(crate) evidence: Vec<Vec<u8>>,
    /// It removes this very leaf.
    pub(crate) removes_us: bool,
}

/// A Welcome as seen before it is taken.
#[derive(Debug)]
pub(crate) struct WelcomeCard {
    pub(crate) room: RoomId,
    pub(crate) epoch: u64,
    pub(crate) inviter: Leaf,
    pub(crate) own_key: VerifyKey,
    /// Who else is in it.
    pub(crate) others: Vec<Leaf>,
    pub(crate) policy: Policy,
}
