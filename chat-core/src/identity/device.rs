//! A device's own keys: Ed25519 for what it publishes, X25519 for handshakes. Separate keys, so that
//! no signature is ever a key agreement.
//!
//! Record: `version u8=1 | account 32 | device u32 | incarnation u32 | Ed25519 seed 32 | X25519 key 32`.

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::device_list::{ListBody, ListedDevice, possession_bytes};
use chat_wire::domain::{SIG_LIST, SIG_POSSESSION, SIG_PROOF};
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, RelayId};
use chat_wire::keys::{DhKey, Signature, VerifyKey};
use chat_wire::message::{ChannelBinding, proof_bytes};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::crypto::dh::{DhSecret, NotContributory};
use crate::crypto::sign::SigningSecret;
use crate::secret::Secret;

/// The private keys of one device.
///
/// ```
/// # use chat_fixtures::{person::{Person, RELAY}, seeded::Seeded};
/// use chat_core::identity::DeviceKeys;
/// use chat_wire::message::ChannelBinding;
/// # let alice = Person::new(1);
/// let device = DeviceKeys::generate(alice.device.address(), &mut Seeded::new(2));
/// let stored = device.encode(); // secret
/// let device = DeviceKeys::decode(&stored)?.with_incarnation(2);
/// assert_eq!((device.address(), device.incarnation()), (alice.device.address(), 2));
/// // An entry of the account's list, with the proof that the device holds its keys.
/// let entry = device.listed(&alice.account.public(), 1, 0);
/// assert_eq!((entry.sig_key, entry.dh_key), (device.sig_key(), device.dh_key()));
/// // Who it is, on one connection and no other.
/// let [here, there] = [1, 2].map(|exporter| ChannelBinding { challenge: [9; 32], exporter: [exporter; 32] });
/// assert_ne!(device.sign_proof(&RELAY, &here), device.sign_proof(&RELAY, &there));
/// // A list that this device signs; whether it may, the list before says.
/// assert_ne!(device.sign_list(alice.list.body()), alice.device.sign_list(alice.list.body()));
/// # Ok::<(), chat_wire::codec::Malformed>(())
/// ```
#[derive(Debug)]
pub struct DeviceKeys {
    address: DeviceAddress,
    incarnation: u32,
    sig: SigningSecret,
    dh: DhSecret,
    sig_key: VerifyKey,
    dh_key: DhKey,
}

const RECORD_VERSION: u8 = 1;
const RECORD_BYTES: usize = 1 + 32 + 4 + 4 + 32 + 32;

impl DeviceKeys {
    /// New independent keys, incarnation 1.
    pub fn generate(address: DeviceAddress, rng: &mut dyn CryptoRng) -> Self {
        Self::of(address, 1, SigningSecret::generate(rng), DhSecret::generate(rng))
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Malformed`] when the record is not one that [`DeviceKeys::encode`] wrote.
    pub fn decode(record: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(record);
        if reader.u8()? != RECORD_VERSION {
            return Err(Malformed);
        }
        let address = DeviceAddress { account: AccountId(reader.array()?), device: DeviceId(reader.u32()?) };
        let incarnation = reader.u32()?;
        let sig = SigningSecret::from_slice(reader.take(32)?).ok_or(Malformed)?;
        let dh = DhSecret::from_slice(reader.take(32)?).ok_or(Malformed)?;
        reader.end()?;
        Ok(Self::of(address, incarnation, sig, dh))
    }

    fn of(address: DeviceAddress, incarnation: u32, sig: SigningSecret, dh: DhSecret) -> Self {
        let (sig_key, dh_key) = (sig.public(), dh.public());
        Self { address, incarnation, sig, dh, sig_key, dh_key }
    }

    /// The same keys under another incarnation: after a stale or cloned store (DESIGN §5).
    #[must_use]
    pub fn with_incarnation(self, incarnation: u32) -> Self {
        Self { incarnation, ..self }
    }

    /// The record to store; secret.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(RECORD_BYTES);
        out.u8(RECORD_VERSION).put(&self.address.account.0).u32(self.address.device.0).u32(self.incarnation);
        out.put(self.sig.expose()).put(self.dh.expose());
        Zeroizing::new(out.finish())
    }

    /// Account and device.
    #[must_use]
    pub fn address(&self) -> DeviceAddress {
        self.address
    }

    /// Raised when the store was found stale or cloned.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Public Ed25519 key.
    #[must_use]
    pub fn sig_key(&self) -> VerifyKey {
        self.sig_key
    }

    /// Public X25519 key.
    #[must_use]
    pub fn dh_key(&self) -> DhKey {
        self.dh_key
    }

    /// This device as an entry of a list, with the proof that it holds its keys.
    #[must_use]
    pub fn listed(&self, account_key: &VerifyKey, added_seq: u64, flags: u8) -> ListedDevice {
        let claim = possession_bytes(&self.address.account, account_key, self.address.device, &self.dh_key);
        ListedDevice {
            id: self.address.device,
            incarnation: self.incarnation,
            flags,
            added_seq,
            sig_key: self.sig_key,
            dh_key: self.dh_key,
            possession: self.sig.sign(SIG_POSSESSION, &[&claim]),
        }
    }

    /// Signs a list as this device; the whole list as bytes. Whether the device has the right is in the
    /// list before.
    #[must_use]
    pub fn sign_list(&self, body: &ListBody) -> Vec<u8> {
        let signer = Some(self.address.device);
        let signature = self.sig.sign(SIG_LIST, &[&body.signed_bytes(signer)]);
        body.assemble(signer, &signature)
    }

    /// Answers the relay's challenge: who, on this connection and no other.
    #[must_use]
    pub fn sign_proof(&self, relay: &RelayId, binding: &ChannelBinding) -> Signature {
        self.sig.sign(SIG_PROOF, &[&proof_bytes(relay, binding, &self.address, self.incarnation)])
    }

    pub(crate) fn sign(&self, label: &str, bytes: &[u8]) -> Signature {
        self.sig.sign(label, &[bytes])
    }

    pub(crate) fn agree(&self, theirs: &DhKey) -> Result<Secret<32>, NotContributory> {
        self.dh.agree(theirs)
    }
}

#[cfg(test)]
mod tests {
    use chat_wire::device_list::account_id;

    use super::*;
    use crate::crypto::tests::rng;

    fn keys() -> DeviceKeys {
        let address = DeviceAddress { account: account_id(&VerifyKey([9; 32])), device: DeviceId(5) };
        DeviceKeys::generate(address, &mut rng()).with_incarnation(3)
    }

    #[test]
    fn a_record_reads_back_and_a_cut_or_longer_one_does_not() {
        let keys = keys();
        let record = keys.encode();
        let read = DeviceKeys::decode(&record).unwrap();
        assert_eq!((read.address(), read.incarnation()), (keys.address(), 3));
        assert_eq!((read.sig_key(), read.dh_key()), (keys.sig_key(), keys.dh_key()));
        assert_eq!(read.encode(), record);
        for cut in 0..record.len() {
            assert!(DeviceKeys::decode(&record[..cut]).is_err());
        }
        assert!(DeviceKeys::decode(&[&record[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_listed_device_proves_its_keys_for_this_account_only() {
        let (keys, account_key) = (keys(), VerifyKey([4; 32]));
        let listed = keys.listed(&account_key, 2, 0);
        let claim = possession_bytes(&keys.address().account, &account_key, listed.id, &listed.dh_key);
        assert!(listed.sig_key.verifies(SIG_POSSESSION, &[&claim], &listed.possession));
        let foreign = possession_bytes(&AccountId([0; 32]), &account_key, listed.id, &listed.dh_key);
        assert!(!listed.sig_key.verifies(SIG_POSSESSION, &[&foreign], &listed.possession));
    }
}
