//! The private halves of prekeys. Each is an independent random value, never derived from a seed and
//! an index: a copied device could make deleted ones again (SPEC 6.1.1).
//!
//! Record: `version u8=1 | kind u8 | created u64 | X25519 secret 32, public 32 (kinds 1, 2) | ML-KEM
//! seed 64 (kinds 2, 4)`. The public half saves a multiplication at each handshake.

use std::sync::Arc;

use chat_wire::bundle::{LastResortKey, OneTimePair, PreKeyKind, SignedPreKey, prekey_id};
use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::domain::{SIG_LAST_RESORT, SIG_ONE_TIME_PAIR, SIG_SIGNED_PREKEY};
use chat_wire::ids::PreKeyId;
use chat_wire::keys::DhKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::crypto::dh::DhSecret;
use crate::crypto::kem::KemSeed;
use crate::identity::DeviceKeys;
use crate::time::Timestamp;

/// The private half of a prekey.
#[derive(Debug)]
#[non_exhaustive]
pub enum PrivatePreKey {
    /// Medium-term X25519 prekey.
    Signed(PrivateSigned),
    /// One-time pair.
    OneTime(PrivatePair),
    /// Last-resort ML-KEM-1024 prekey.
    LastResort(PrivateLastResort),
}

/// The private half of a medium-term prekey.
#[derive(Debug)]
pub struct PrivateSigned {
    pub(crate) created: Timestamp,
    pub(crate) dh: Arc<DhSecret>,
    pub(crate) public: DhKey,
}

/// The private halves of a one-time pair.
#[derive(Debug)]
pub struct PrivatePair {
    pub(crate) created: Timestamp,
    pub(crate) dh: DhSecret,
    pub(crate) public: DhKey,
    pub(crate) kem: KemSeed,
}

/// The private half of a last-resort prekey.
#[derive(Debug)]
pub struct PrivateLastResort {
    pub(crate) created: Timestamp,
    pub(crate) kem: KemSeed,
}

const RECORD_VERSION: u8 = 1;
const RECORD_BYTES_MAX: usize = 1 + 1 + 8 + 32 + 32 + 64;

/// Makes a medium-term prekey: what is published, and what is kept.
///
/// ```
/// # use chat_fixtures::{person::{NOW, Person}, seeded::Seeded};
/// use chat_core::prekey::{self, PrivatePreKey};
/// let bob = Person::new(1).device;
/// let (published, kept) = prekey::signed(&bob, NOW, &mut Seeded::new(2));
/// assert_eq!(published.id(), kept.record_key()); // ids are hashes of the public key
/// assert!(published.verifies(&bob.address(), &bob.sig_key()));
/// assert_eq!(PrivatePreKey::decode(&kept.encode())?.created(), NOW);
/// # Ok::<(), chat_wire::codec::Malformed>(())
/// ```
pub fn signed(device: &DeviceKeys, now: Timestamp, rng: &mut dyn CryptoRng) -> (SignedPreKey, PrivatePreKey) {
    let dh = Arc::new(DhSecret::generate(rng));
    let (public, created_ms) = (dh.public(), now.as_ms());
    let bytes = SignedPreKey::signed_bytes(&device.address(), created_ms, &public);
    let signature = device.sign(SIG_SIGNED_PREKEY, &bytes);
    (SignedPreKey { public, created_ms, signature }, PrivatePreKey::Signed(PrivateSigned { created: now, dh, public }))
}

/// Makes a one-time pair, signed as one: what is published, and what is kept.
///
/// ```
/// # use chat_fixtures::{person::{NOW, Person}, seeded::Seeded};
/// let bob = Person::new(1).device;
/// let (mut pair, _) = chat_core::prekey::one_time(&bob, NOW, &mut Seeded::new(2));
/// assert!(pair.verifies(&bob.address(), &bob.sig_key()));
/// pair.kem = chat_core::prekey::one_time(&bob, NOW, &mut Seeded::new(3)).0.kem;
/// assert!(!pair.verifies(&bob.address(), &bob.sig_key())); // no half of another pair
/// ```
pub fn one_time(device: &DeviceKeys, now: Timestamp, rng: &mut dyn CryptoRng) -> (OneTimePair, PrivatePreKey) {
    let (secret, kem_seed) = (DhSecret::generate(rng), KemSeed::generate(rng));
    let (dh, kem) = (secret.public(), kem_seed.public());
    let signature = device.sign(SIG_ONE_TIME_PAIR, &OneTimePair::signed_bytes(&device.address(), &dh, &kem));
    let secret = PrivatePair { created: now, dh: secret, public: dh, kem: kem_seed };
    (OneTimePair { dh, kem, signature }, PrivatePreKey::OneTime(secret))
}

/// Makes a last-resort prekey: what is published, and what is kept.
///
/// ```
/// # use chat_fixtures::{person::{NOW, Person}, seeded::Seeded};
/// let bob = Person::new(1).device;
/// let (published, kept) = chat_core::prekey::last_resort(&bob, NOW, &mut Seeded::new(2));
/// assert_eq!(published.id(), kept.record_key());
/// assert!(published.verifies(&bob.address(), &bob.sig_key()));
/// ```
pub fn last_resort(device: &DeviceKeys, now: Timestamp, rng: &mut dyn CryptoRng) -> (LastResortKey, PrivatePreKey) {
    let secret = PrivateLastResort { created: now, kem: KemSeed::generate(rng) };
    let (kem, created_ms) = (secret.kem.public(), now.as_ms());
    let bytes = LastResortKey::signed_bytes(&device.address(), created_ms, &kem);
    let signature = device.sign(SIG_LAST_RESORT, &bytes);
    (LastResortKey { kem, created_ms, signature }, PrivatePreKey::LastResort(secret))
}

impl PrivatePreKey {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Malformed`] when the record is not one that [`PrivatePreKey::encode`] wrote.
    pub fn decode(record: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(record);
        if reader.u8()? != RECORD_VERSION {
            return Err(Malformed);
        }
        let (kind, created) = (reader.u8()?, Timestamp::from_ms(reader.u64()?));
        let key = if kind == PreKeyKind::Signed as u8 {
            let (dh, public) = read_dh(&mut reader)?;
            Self::Signed(PrivateSigned { created, dh: Arc::new(dh), public })
        } else if kind == PreKeyKind::OneTime as u8 {
            let (dh, public) = read_dh(&mut reader)?;
            Self::OneTime(PrivatePair { created, dh, public, kem: read_kem(&mut reader)? })
        } else if kind == PreKeyKind::LastResortKem as u8 {
            Self::LastResort(PrivateLastResort { created, kem: read_kem(&mut reader)? })
        } else {
            return Err(Malformed);
        };
        reader.end()?;
        Ok(key)
    }

    /// The record to store; secret.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(RECORD_BYTES_MAX);
        out.u8(RECORD_VERSION).u8(self.kind() as u8).u64(self.created().as_ms());
        match self {
            Self::Signed(key) => out.put(key.dh.expose()).put(&key.public.0),
            Self::OneTime(key) => out.put(key.dh.expose()).put(&key.public.0).put(key.kem.expose()),
            Self::LastResort(key) => out.put(key.kem.expose()),
        };
        Zeroizing::new(out.finish())
    }

    /// The id that an initiation names it by; a pair goes by its X25519 half.
    #[must_use]
    pub fn record_key(&self) -> PreKeyId {
        match self {
            Self::Signed(key) => prekey_id(self.kind(), &key.public.0),
            Self::OneTime(key) => prekey_id(self.kind(), &key.public.0),
            Self::LastResort(key) => prekey_id(self.kind(), &key.kem.public().0),
        }
    }

    /// When it was made, by this device's clock.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        match self {
            Self::Signed(key) => key.created,
            Self::OneTime(key) => key.created,
            Self::LastResort(key) => key.created,
        }
    }

    fn kind(&self) -> PreKeyKind {
        match self {
            Self::Signed(_) => PreKeyKind::Signed,
            Self::OneTime(_) => PreKeyKind::OneTime,
            Self::LastResort(_) => PreKeyKind::LastResortKem,
        }
    }
}

fn read_dh(reader: &mut Reader<'_>) -> Result<(DhSecret, DhKey), Malformed> {
    Ok((DhSecret::from_slice(reader.take(32)?).ok_or(Malformed)?, DhKey(reader.array()?)))
}

fn read_kem(reader: &mut Reader<'_>) -> Result<KemSeed, Malformed> {
    KemSeed::from_slice(reader.take(64)?).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use chat_wire::device_list::account_id;
    use chat_wire::ids::{DeviceAddress, DeviceId};
    use chat_wire::keys::VerifyKey;

    use super::*;
    use crate::crypto::tests::rng;

    #[test]
    fn each_kind_reads_back_under_the_id_that_is_published_and_only_whole() {
        let address = DeviceAddress { account: account_id(&VerifyKey([9; 32])), device: DeviceId(5) };
        let (rng, now) = (&mut rng(), Timestamp::from_ms(77));
        let device = DeviceKeys::generate(address, rng);
        let (signed, signed_secret) = signed(&device, now, rng);
        let (pair, pair_secret) = one_time(&device, now, rng);
        let (last, last_secret) = last_resort(&device, now, rng);
        assert!(signed.verifies(&address, &device.sig_key()));
        assert!(pair.verifies(&address, &device.sig_key()));
        assert!(last.verifies(&address, &device.sig_key()));
        for (id, secret) in [(signed.id(), signed_secret), (pair.dh_id(), pair_secret), (last.id(), last_secret)] {
            let record = secret.encode();
            let read = PrivatePreKey::decode(&record).unwrap();
            assert_eq!((read.record_key(), read.created(), read.encode()), (id, now, record.clone()));
            for cut in 0..record.len() {
                assert!(PrivatePreKey::decode(&record[..cut]).is_err());
            }
            assert!(PrivatePreKey::decode(&[&record[..], &[0]].concat()).is_err());
        }
    }
}
