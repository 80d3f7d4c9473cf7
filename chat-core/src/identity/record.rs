//! The account record and the key that it is sealed under (key-schedule E, SPEC 10.5, SPEC 10.6): what
//! the devices of one account share, as one box on the relay.
//!
//! ```text
//! "CAR1" | version u64 | prev_hash 32 | sgen u32 | device u32 | gen u32 | kp u8 | sync box 1232
//! n u32 | CSeal(SYNC, "record", AD_r, len u32 ‖ content ‖ zeros) n | signature 64
//! AD_r = L("record") ‖ account_id ‖ version ‖ prev_hash ‖ sgen ‖ device
//! ```

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::domain::{SIG_RECORD, plain_hash};
use chat_wire::ids::{AccountId, DeviceId};
use chat_wire::keys::{Signature, VerifyKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::device::DeviceKeys;
use super::vault::{Vault, VaultScope, VaultSecret};
use crate::crypto::hkdf::expand;
use crate::crypto::padding::padme_len;
use crate::crypto::random;
use crate::crypto::seal::{BadSeal, Binding, XSEAL_BYTES, copen, cseal, xopen, xseal};
use crate::crypto::xwing::XWingSeed;
use crate::labels;
use crate::secret::{Secret, secret_role};

const MAGIC: &[u8; 4] = b"CAR1";
/// Bytes of a sync key in its box.
pub const SYNC_BOX_BYTES: usize = 32 + XSEAL_BYTES;
/// Bytes of a content at least: a record of two contacts looks like one of twenty.
const PADDED_BYTES_MIN: usize = 4 * 1024;

secret_role!(
    /// SYNC of key-schedule E: on every device of the account, and on none that was removed.
    pub SyncKey, 32
);

/// A sync key in the box that the vault opens, with what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncBox {
    /// Generation of the key.
    pub sgen: u32,
    /// Generation of the vault whose key it is sealed to.
    pub vault_gen: u32,
    /// Argon2id profile of that vault.
    pub kp: u8,
    /// The box.
    pub bytes: Vec<u8>,
}

/// Where a record stands in the account's chain of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPlace {
    /// The account.
    pub account: AccountId,
    /// From 1 on.
    pub version: u64,
    /// Hash of the record before; zero in the first.
    pub prev_hash: [u8; 32],
}

/// A record as received: its shape was read, nothing else.
///
/// ```
/// # use chat_fixtures::{person::{Person, RELAY}, seeded::Seeded};
/// # use chat_core::identity::record::{RecordPlace, SealedRecord, SyncBox, SyncKey, seal};
/// # use chat_core::identity::{Vault, VaultScope, vault};
/// # let (alice, mut rng) = (Person::new(1), Seeded::new(2));
/// # let name = alice.list.body().name.clone();
/// # let scope = VaultScope { relay: RELAY, account: alice.account.id(), name: &name, generation: 1, kp: 1 };
/// # let made = vault::create(&scope, &[7; 64], &alice.account, &mut rng)?;
/// # let vault = Vault::decode(&made.bytes)?;
/// // The key that the account's records are sealed under, in a box for whoever opens the vault.
/// let key = SyncKey::generate(&mut rng);
/// let boxed = SyncBox::seal(&vault, &scope, (1, &key), &mut rng)?;
/// let place = RecordPlace { account: alice.account.id(), version: 1, prev_hash: [0; 32] };
/// let bytes = seal(&place, (&boxed, &key), b"contacts", (&alice.device, &mut rng));
///
/// let record = SealedRecord::decode(&bytes)?;
/// assert_eq!((record.version(), record.prev_hash()), (1, [0; 32])); // versions are chained
/// assert_eq!((record.device(), record.hash().len()), (alice.device.address().device, 32));
/// assert!(record.is_signed_by(&alice.device.sig_key()));
/// let opened = record.sync_box().open(&scope, &made.secret)?;
/// assert!(opened.is_same(&key) && SyncKey::from_bytes(&key.to_bytes()).is_some());
/// assert_eq!(*record.open(&alice.account.id(), &opened)?, b"contacts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    version: u64,
    prev_hash: [u8; 32],
    device: DeviceId,
    sync_box: SyncBox,
    sealed: Vec<u8>,
    signed_hash: [u8; 32],
    signature: Signature,
    hash: [u8; 32],
}

/// Why a record is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not a record.
    #[error("the account record is malformed")]
    Malformed,
    /// Another key, another account, or changed bytes.
    #[error("the account record does not open")]
    Sealed,
}

impl From<Malformed> for RecordError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<BadSeal> for RecordError {
    fn from(_: BadSeal) -> Self {
        Self::Sealed
    }
}

impl SyncKey {
    /// A new independent key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::new(random::secret(rng))
    }

    /// A key as one of the account's devices handed it on; none when it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes)
    }

    /// Whether two keys are the same, in time that does not tell where they differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0)
    }

    /// The bytes, to be stored, or handed to an own device inside a session.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.expose().to_vec())
    }
}

impl SyncBox {
    /// Seals a key to whoever opens the vault.
    ///
    /// # Errors
    /// [`RecordError::Sealed`] when the vault's public key is none.
    pub fn seal(
        vault: &Vault,
        scope: &VaultScope<'_>,
        (sgen, key): (u32, &SyncKey),
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, RecordError> {
        let public = vault.kem_public(scope).map_err(|_| RecordError::Malformed)?;
        let ad = box_data(scope, sgen);
        let bytes = xseal(&public, Binding { label: labels::VAULT_SYNC, ad: &ad }, key.expose(), rng)?;
        Ok(Self { sgen, vault_gen: scope.generation, kp: scope.kp, bytes })
    }

    /// Opens the box with the vault's secret.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn open(&self, scope: &VaultScope<'_>, secret: &VaultSecret) -> Result<SyncKey, RecordError> {
        let scope = VaultScope { generation: self.vault_gen, kp: self.kp, ..*scope };
        let seed = XWingSeed::new(expand(secret.expose(), &[labels::VAULT_KEM]));
        let ad = box_data(&scope, self.sgen);
        let key = xopen(&seed, Binding { label: labels::VAULT_SYNC, ad: &ad }, &self.bytes)?;
        SyncKey::from_slice(&key).ok_or(RecordError::Malformed)
    }
}

/// Seals a content as the record at its place, signed by the device.
pub fn seal(
    place: &RecordPlace,
    (sync_box, key): (&SyncBox, &SyncKey),
    content: &[u8],
    (device, rng): (&DeviceKeys, &mut dyn CryptoRng),
) -> Vec<u8> {
    let id = device.address().device;
    let ad = record_data(place, sync_box.sgen, id);
    let sealed = cseal(key.secret(), Binding { label: labels::RECORD, ad: &ad }, &pad(content), rng);
    let mut out = Writer::with_capacity(sealed.len().saturating_add(2 * 1024));
    out.put(MAGIC).u64(place.version).put(&place.prev_hash).u32(sync_box.sgen).u32(id.0);
    out.u32(sync_box.vault_gen).u8(sync_box.kp).put(&sync_box.bytes);
    out.u32(u32::try_from(sealed.len()).unwrap_or(u32::MAX)).put(&sealed);
    let mut bytes = out.finish();
    let signature = device.sign(SIG_RECORD, &plain_hash(&[&bytes]));
    bytes.extend_from_slice(&signature.0);
    bytes
}

impl SealedRecord {
    /// Reads the shape.
    ///
    /// # Errors
    /// [`RecordError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(RecordError::Malformed)?;
        let mut reader = Reader::new(signed);
        if reader.take(4)? != MAGIC {
            return Err(RecordError::Malformed);
        }
        let (version, prev_hash) = (reader.u64()?, reader.array()?);
        let (sgen, device) = (reader.u32()?, DeviceId(reader.u32()?));
        let (vault_gen, kp) = (reader.u32()?, reader.u8()?);
        let sync_box = SyncBox { sgen, vault_gen, kp, bytes: reader.take(SYNC_BOX_BYTES)?.to_vec() };
        let len = usize::try_from(reader.u32()?).map_err(|_| RecordError::Malformed)?;
        let sealed = reader.take(len)?.to_vec();
        reader.end()?;
        if version == 0 {
            return Err(RecordError::Malformed);
        }
        let (signed_hash, signature) = (plain_hash(&[signed]), Signature(*signature));
        Ok(Self { version, prev_hash, device, sync_box, sealed, signed_hash, signature, hash: plain_hash(&[bytes]) })
    }

    /// Version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Hash of the record before.
    #[must_use]
    pub fn prev_hash(&self) -> [u8; 32] {
        self.prev_hash
    }

    /// SHA-256 of the whole.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The device that says it wrote it.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The key that it is sealed under, in its box.
    #[must_use]
    pub fn sync_box(&self) -> &SyncBox {
        &self.sync_box
    }

    /// Whether the device with this key signed it.
    #[must_use]
    pub fn is_signed_by(&self, sig_key: &VerifyKey) -> bool {
        sig_key.verifies(SIG_RECORD, &[&self.signed_hash], &self.signature)
    }

    /// Opens it. Who signed it is asked apart.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn open(&self, account: &AccountId, key: &SyncKey) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        let place = RecordPlace { account: *account, version: self.version, prev_hash: self.prev_hash };
        let ad = record_data(&place, self.sync_box.sgen, self.device);
        let padded = copen(key.secret(), Binding { label: labels::RECORD, ad: &ad }, &self.sealed)?;
        let mut reader = Reader::new(&padded);
        let len = usize::try_from(reader.u32()?).map_err(|_| RecordError::Malformed)?;
        let content = Zeroizing::new(reader.take(len)?.to_vec());
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(RecordError::Malformed);
        }
        Ok(content)
    }
}

impl SyncKey {
    fn secret(&self) -> &Secret<32> {
        &self.0
    }
}

fn pad(content: &[u8]) -> Zeroizing<Vec<u8>> {
    let len = content.len().saturating_add(4);
    let size = padme_len(len.max(PADDED_BYTES_MIN));
    let mut padded = Zeroizing::new(Vec::with_capacity(size));
    padded.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    padded.extend_from_slice(content);
    padded.resize(size, 0);
    padded
}

/// `AD_v ‖ sgen u32`.
fn box_data(scope: &VaultScope<'_>, sgen: u32) -> Vec<u8> {
    [&scope.associated_data()[..], &sgen.to_be_bytes()].concat()
}

fn record_data(place: &RecordPlace, sgen: u32, device: DeviceId) -> Vec<u8> {
    let (version, sgen, device) = (place.version.to_be_bytes(), sgen.to_be_bytes(), device.0.to_be_bytes());
    [labels::RECORD, &place.account.0, &version, &place.prev_hash, &sgen, &device].concat()
}

#[cfg(test)]
mod tests {
    use chat_wire::ids::{DeviceAddress, RelayId, UserName};

    use super::*;
    use crate::identity::account::AccountKey;
    use crate::identity::vault;

    /// New chance for each caller: what is made here must differ.
    fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
        rand_core::UnwrapErr(getrandom::SysRng)
    }

    struct Made {
        account: AccountKey,
        name: UserName,
        vault: vault::NewVault,
        device: DeviceKeys,
        key: SyncKey,
    }

    fn made() -> Made {
        let (account, name) = (AccountKey::generate(&mut rng()), UserName::parse("alice").unwrap());
        let vault = vault::create(&scope(&name, &account), &[3; 64], &account, &mut rng()).unwrap();
        let address = DeviceAddress { account: account.id(), device: DeviceId(7) };
        let device = DeviceKeys::generate(address, &mut rng());
        Made { account, name, vault, device, key: SyncKey::generate(&mut rng()) }
    }

    fn scope<'a>(name: &'a UserName, account: &AccountKey) -> VaultScope<'a> {
        VaultScope { relay: RelayId([1; 32]), account: account.id(), name, generation: 2, kp: 1 }
    }

    fn sealed(made: &Made, content: &[u8]) -> Vec<u8> {
        let vault = Vault::decode(&made.vault.bytes).unwrap();
        let scope = scope(&made.name, &made.account);
        let sync_box = SyncBox::seal(&vault, &scope, (4, &made.key), &mut rng()).unwrap();
        let place = RecordPlace { account: made.account.id(), version: 9, prev_hash: [5; 32] };
        seal(&place, (&sync_box, &made.key), content, (&made.device, &mut rng()))
    }

    #[test]
    fn whoever_opens_the_vault_opens_the_record_and_knows_who_wrote_it() {
        let made = made();
        let record = SealedRecord::decode(&sealed(&made, b"contacts")).unwrap();
        let scope = scope(&made.name, &made.account);
        let key = record.sync_box().open(&scope, &made.vault.secret).unwrap();
        assert_eq!(key.expose(), made.key.expose());
        assert_eq!(&record.open(&made.account.id(), &key).unwrap()[..], b"contacts");
        assert_eq!((record.version(), record.prev_hash(), record.device()), (9, [5; 32], DeviceId(7)));
        assert!(record.is_signed_by(&made.device.sig_key()));
        assert!(!record.is_signed_by(&made.account.public()));
    }

    #[test]
    fn a_record_with_one_bit_changed_is_malformed_or_not_signed() {
        let made = made();
        let good = sealed(&made, b"contacts");
        for at in (0..good.len()).step_by(13) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let signed = SealedRecord::decode(&bad).is_ok_and(|r| r.is_signed_by(&made.device.sig_key()));
            assert!(!signed, "byte {at}");
        }
        for cut in [0, 63, 64, 100, good.len() - 1] {
            assert!(SealedRecord::decode(&good[..cut]).is_err());
        }
    }

    #[test]
    fn another_key_or_account_opens_nothing_and_lengths_tell_little() {
        let made = made();
        let record = SealedRecord::decode(&sealed(&made, b"contacts")).unwrap();
        let other = SyncKey::generate(&mut rng());
        assert_eq!(record.open(&made.account.id(), &other), Err(RecordError::Sealed));
        assert_eq!(record.open(&AccountId([0; 32]), &made.key), Err(RecordError::Sealed));
        assert_eq!(sealed(&made, b"x").len(), sealed(&made, &[1; 4_000]).len());
        assert!(sealed(&made, &[1; 40_000]).len() < 48_000);
    }
}
