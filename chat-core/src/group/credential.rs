//! The credential of a leaf (SPEC 12.3): an account, a device, the list that both stand in, and the device's
//! signature over the leaf key. Layout: `version u8=1 | account 32 | device u32 | list_seq u64 | list_hash 32 |
//! signature 64`.

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::device_list::DeviceList;
use chat_wire::domain::SIG_LEAF;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, ListHash, RelayId};
use chat_wire::keys::{Signature, VerifyKey};
use openmls::prelude::{Credential, CredentialType};

use crate::identity::DeviceKeys;

/// Type of our credentials, of the range for private use.
pub(super) const CREDENTIAL_TYPE: CredentialType = CredentialType::Other(0xF6C1);

const VERSION: u8 = 1;
const BYTES: usize = 1 + 32 + 4 + 8 + 32 + 64;

/// What a leaf says of its owner; true only once [`LeafCredential::is_certified`] by a verified list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeafCredential {
    pub(crate) owner: DeviceAddress,
    pub(crate) list_seq: u64,
    pub(crate) list_hash: ListHash,
    signature: Signature,
}

/// What a device vouches for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeafClaim<'a> {
    pub(crate) relay: &'a RelayId,
    pub(crate) list: &'a DeviceList,
}

impl LeafCredential {
    /// A device certifies one of its leaf keys.
    pub(crate) fn certify(keys: &DeviceKeys, claim: LeafClaim<'_>, leaf_key: &VerifyKey) -> Self {
        let (owner, list_seq, list_hash) = (keys.address(), claim.list.body().seq, claim.list.hash());
        let signed = signed_bytes(claim.relay, &owner, (list_seq, &list_hash), leaf_key);
        Self { owner, list_seq, list_hash, signature: keys.sign(SIG_LEAF, &signed) }
    }

    /// Whether a verified list of the owner, the one that the credential names or a later one, has the device,
    /// and the device signed this leaf key (SPEC 12.3.1).
    pub(crate) fn is_certified(&self, claim: LeafClaim<'_>, leaf_key: &VerifyKey) -> bool {
        let body = claim.list.body();
        let named = body.seq == self.list_seq && claim.list.hash() == self.list_hash;
        if body.account_id != self.owner.account || !(named || body.seq > self.list_seq) {
            return false;
        }
        let signed = signed_bytes(claim.relay, &self.owner, (self.list_seq, &self.list_hash), leaf_key);
        let device = body.device(self.owner.device);
        device.is_some_and(|device| device.sig_key.verifies(SIG_LEAF, &[&signed], &self.signature))
    }

    pub(super) fn to_mls(&self) -> Credential {
        let mut out = Writer::with_capacity(BYTES);
        out.u8(VERSION).put(&self.owner.account.0).u32(self.owner.device.0).u64(self.list_seq);
        out.put(&self.list_hash.0).put(&self.signature.0);
        Credential::new(CREDENTIAL_TYPE, out.finish())
    }

    pub(super) fn of_mls(credential: &Credential) -> Result<Self, Malformed> {
        if credential.credential_type() != CREDENTIAL_TYPE {
            return Err(Malformed);
        }
        let mut reader = Reader::new(credential.serialized_content());
        if reader.u8()? != VERSION {
            return Err(Malformed);
        }
        let account = AccountId(reader.array()?);
        let device = Some(reader.u32()?).filter(|id| *id != 0).map(DeviceId).ok_or(Malformed)?;
        let list_seq = reader.u64()?;
        let list_hash = ListHash(reader.array()?);
        let signature = Signature(reader.array()?);
        reader.end()?;
        Ok(Self { owner: DeviceAddress { account, device }, list_seq, list_hash, signature })
    }
}

fn signed_bytes(relay: &RelayId, owner: &DeviceAddress, list: (u64, &ListHash), leaf_key: &VerifyKey) -> Vec<u8> {
    let mut out = Writer::with_capacity(32 + 32 + 4 + 8 + 32 + 32);
    out.put(&relay.0).put(&owner.account.0).u32(owner.device.0).u64(list.0).put(&list.1.0).put(&leaf_key.0);
    out.finish()
}
