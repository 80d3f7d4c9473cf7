//! What a leaf signs outside of MLS: that its account leaves, that its room ends, that it asks to be put back.

use bytes::Bytes;
use chat_wire::ids::RoomId;
use chat_wire::keys::{Signature, VerifyKey};

use crate::group::{Leaf, LeafKey};

/// `leaf_key 32 ‖ signature 64` (SPEC 12.3).
pub(super) fn statement(key: &LeafKey, label: &str, room: &RoomId) -> Bytes {
    let public = key.public();
    let signature = key.sign_statement(label, &[&room.0, &public.0]);
    Bytes::from([&public.0[..], &signature.0].concat())
}

/// The leaf that signed a statement, if it is one of these.
pub(super) fn signer<'a>(leaves: &'a [Leaf], label: &str, room: &RoomId, bytes: &[u8]) -> Option<&'a Leaf> {
    let (key, signature) = bytes.split_first_chunk::<32>()?;
    let signature = Signature(signature.try_into().ok()?);
    let key = VerifyKey(*key);
    let leaf = leaves.iter().find(|leaf| leaf.key == key)?;
    key.verifies(label, &[&room.0, &key.0], &signature).then_some(leaf)
}
