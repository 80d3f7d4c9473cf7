//! What the relay keeps of a private room for its members, it can't read (SPEC 12.3.4): a GroupInfo names the
//! topic, and who may do what. The key is part of the policy, so every member has it and nobody else.

use rand_core::CryptoRng;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::crypto::aead;
use crate::labels::ROOM_DOOR;
use crate::secret::Secret;

const NONCE_BYTES: usize = 24;

/// Seals GroupInfos of one private room, for as long as it stands.
pub(crate) struct DoorKey(Secret<32>);

impl DoorKey {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::fill(|out| rng.fill_bytes(out)))
    }

    /// `nonce 24 ‖ ciphertext ‖ tag`.
    pub(super) fn seal(&self, nonce: &[u8; NONCE_BYTES], info: &[u8]) -> Vec<u8> {
        let mut text = info.to_vec();
        let tag = aead::xseal(self.0.expose(), nonce, ROOM_DOOR, &mut text);
        [&nonce[..], &text, &tag].concat()
    }

    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let (text, tag) = rest.split_last_chunk::<{ aead::TAG_BYTES }>()?;
        let mut out = vec![0; text.len()];
        aead::xopen(self.0.expose(), nonce, ROOM_DOOR, (text, tag), &mut out).ok()?;
        Some(out)
    }
}

impl Clone for DoorKey {
    fn clone(&self) -> Self {
        Self(Secret::fill(|out| out.copy_from_slice(self.0.expose())))
    }
}

impl PartialEq for DoorKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0)
    }
}

impl Eq for DoorKey {}

impl std::fmt::Debug for DoorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DoorKey")
    }
}

impl Serialize for DoorKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for DoorKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec());
        let key = Secret::from_slice(&bytes);
        key.map(Self).ok_or_else(|| D::Error::invalid_length(bytes.len(), &"32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_group_info_opens_with_its_key_alone_and_only_as_it_was() {
        let (key, other) = (DoorKey(Secret::fill(|out| out.fill(1))), DoorKey(Secret::fill(|out| out.fill(2))));
        let sealed = key.seal(&[7; NONCE_BYTES], b"topic and members");
        assert_eq!(key.open(&sealed).as_deref(), Some(&b"topic and members"[..]));
        assert_eq!(other.open(&sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(key.open(&bent), None, "byte {at}");
        }
        assert!((0..sealed.len()).all(|len| key.open(&sealed[..len]).is_none()));
    }
}
