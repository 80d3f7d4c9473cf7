//! A leaf of the tree, and why something with a group was not done.

use chat_wire::ids::DeviceAddress;
use chat_wire::keys::VerifyKey;
use openmls::prelude::{Extension, Extensions, LeafNode, Member, UnknownExtension};

use super::credential::LeafCredential;

/// Number of the leaf's extension that says when its device was last seen, of the range for private use.
pub(super) const SEEN_TYPE: u16 = 0xF6C3;

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

/// What a leaf says of its device at this time.
pub(super) fn seen(at_ms: u64) -> Result<Extensions<LeafNode>, GroupError> {
    let stamp = UnknownExtension(at_ms.to_be_bytes().to_vec());
    Extensions::from_vec(vec![Extension::Unknown(SEEN_TYPE, stamp)]).map_err(|_| GroupError::Broken)
}

/// One leaf of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) index: u32,
    pub(crate) credential: LeafCredential,
    pub(crate) key: VerifyKey,
    /// When its device last showed that it is alive, by its own clock; none when it never did.
    pub(crate) seen_ms: Option<u64>,
}

impl Leaf {
    pub(super) fn of_node(index: u32, node: &LeafNode) -> Result<Self, GroupError> {
        let key = node.signature_key().as_slice().try_into().map_err(|_| GroupError::Malformed)?;
        let credential = LeafCredential::of_mls(node.credential()).map_err(|_| GroupError::Malformed)?;
        let seen = node.extensions().unknown(SEEN_TYPE).and_then(|seen| seen.0.as_slice().try_into().ok());
        Ok(Self { index, credential, key: VerifyKey(key), seen_ms: seen.map(u64::from_be_bytes) })
    }

    /// As far as it is needed to tell whose it is.
    pub(super) fn of_member(member: &Member) -> Result<Self, GroupError> {
        let key = member.signature_key.as_slice().try_into().map_err(|_| GroupError::Malformed)?;
        let credential = LeafCredential::of_mls(&member.credential).map_err(|_| GroupError::Malformed)?;
        Ok(Self { index: member.index.u32(), credential, key: VerifyKey(key), seen_ms: None })
    }

    pub(crate) fn owner(&self) -> DeviceAddress {
        self.credential.owner
    }
}
