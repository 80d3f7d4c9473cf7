//! A leaf of the tree, and why something with a group was not done.

use chat_wire::ids::DeviceAddress;
use chat_wire::keys::VerifyKey;
use openmls::prelude::{LeafNode, Member};

use super::credential::LeafCredential;

/// Why something was not done. The group is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GroupError {
    /// The bytes are no message of this kind, or not a sound one.
    #[error("malformed")]
    Malformed,
    /// A message of an epoch that is no longer held.
    #[error("of another epoch")]
    OtherEpoch,
    /// A message of an epoch that this group never came to: it went on without us.
    #[error("of a later epoch")]
    Ahead,
    /// A message that was opened before.
    #[error("opened before")]
    Again,
    /// A Welcome for a key package that is not here.
    #[error("no key package for it")]
    NoKeyPackage,
    /// The stored state can't be read.
    #[error("stored state is damaged")]
    Damaged,
    /// Our own bug.
    #[error("broken")]
    Broken,
}

/// One leaf of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) index: u32,
    pub(crate) credential: LeafCredential,
    pub(crate) key: VerifyKey,
}

impl Leaf {
    pub(super) fn of_node(index: u32, node: &LeafNode) -> Result<Self, GroupError> {
        let key = node.signature_key().as_slice().try_into().map_err(|_| GroupError::Malformed)?;
        let credential = LeafCredential::of_mls(node.credential()).map_err(|_| GroupError::Malformed)?;
        Ok(Self { index, credential, key: VerifyKey(key) })
    }

    pub(super) fn of_member(member: &Member) -> Result<Self, GroupError> {
        let key = member.signature_key.as_slice().try_into().map_err(|_| GroupError::Malformed)?;
        let credential = LeafCredential::of_mls(&member.credential).map_err(|_| GroupError::Malformed)?;
        Ok(Self { index: member.index.u32(), credential, key: VerifyKey(key) })
    }

    pub(crate) fn owner(&self) -> DeviceAddress {
        self.credential.owner
    }
}
