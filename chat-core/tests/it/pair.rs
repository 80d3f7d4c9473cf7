//! Two people with one device each, and sessions between them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chat_core::identity::{AccountKey, DeviceKeys, Party};
use chat_core::prekey::{self, PrivatePreKey, VerifiedBundle};
use chat_core::session::{
    Accept, AcceptError, HandshakeError, IncomingInitiation, Initiate, InitiationHead, Opened, PreKeyPair, Psk,
    Session, UsedPreKeys,
};
use chat_core::time::Timestamp;
use chat_wire::bundle::PreKeyBundle;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::ids::{DeviceAddress, DeviceId, ListHash, PreKeyId, RelayId, UserName};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
pub(crate) const RELAY: RelayId = RelayId([42; 32]);

/// SHA-256 in counter mode: the same seed, the same run.
#[derive(Clone)]
pub(crate) struct Seeded {
    seed: u64,
    block: u64,
}

pub(crate) fn seeded(seed: u64) -> Seeded {
    Seeded { seed, block: 0 }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            self.block += 1;
            let hash = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(self.block.to_be_bytes());
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// Somebody with one device.
pub(crate) struct Person {
    pub(crate) keys: DeviceKeys,
    pub(crate) list: DeviceList,
    pub(crate) party: Party,
    pub(crate) private: BTreeMap<PreKeyId, PrivatePreKey>,
    signed: chat_wire::bundle::SignedPreKey,
    last_resort: chat_wire::bundle::LastResortKey,
}

impl Person {
    pub(crate) fn new(name: &str, rng: &mut dyn CryptoRng) -> Self {
        let account = AccountKey::generate(rng);
        let address = DeviceAddress { account: account.id(), device: DeviceId(7) };
        let keys = DeviceKeys::generate(address, rng);
        let body = ListBody {
            relay_id: RELAY,
            account_id: account.id(),
            seq: 1,
            prev_hash: ListHash([0; 32]),
            merged_hash: ListHash([0; 32]),
            created_ms: NOW.as_ms(),
            expires_ms: NOW.as_ms() + 1,
            account_key: account.public(),
            next_account_key_hash: [0; 32],
            flags: 0,
            vault_gen: 1,
            vault_hash: [0; 32],
            record_floor: 0,
            name: UserName::parse(name).unwrap(),
            devices: vec![keys.listed(&account.public(), 1, 0)],
        };
        let list = DeviceList::decode(&account.sign_list(&body)).unwrap();
        let party = Party::of(&list, address.device).unwrap();
        let (signed, signed_private) = prekey::signed(&keys, NOW, rng);
        let (last_resort, last_private) = prekey::last_resort(&keys, NOW, rng);
        let private = [signed_private, last_private].map(|key| (key.record_key(), key)).into();
        Self { keys, list, party, private, signed, last_resort }
    }

    /// A bundle as the relay hands it out, with a new one-time pair or with the last resort.
    pub(crate) fn bundle(&mut self, one_time: bool, rng: &mut dyn CryptoRng) -> PreKeyBundle {
        let pair = one_time.then(|| {
            let (pair, private) = prekey::one_time(&self.keys, NOW, rng);
            self.private.insert(private.record_key(), private);
            pair
        });
        let last_resort = pair.is_none().then(|| self.last_resort.clone());
        PreKeyBundle { owner: self.keys.address(), signed: self.signed.clone(), one_time: pair, last_resort }
    }

    pub(crate) fn verified_bundle(&mut self, one_time: bool, rng: &mut dyn CryptoRng) -> VerifiedBundle {
        VerifiedBundle::verify(&self.bundle(one_time, rng), &self.party).unwrap()
    }

    pub(crate) fn initiate(&self, bundle: VerifiedBundle, psk: Option<Psk>, rng: &mut dyn CryptoRng) -> Session {
        self.try_initiate(bundle, psk, rng).unwrap()
    }

    pub(crate) fn try_initiate(
        &self,
        bundle: VerifiedBundle,
        psk: Option<Psk>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Session, HandshakeError> {
        let with = Initiate { me: &self.keys, my: &self.party, relay: RELAY, bundle, session_no: 3, psk, now: NOW };
        Session::initiate(with, rng)
    }

    /// Opens the sealed identity of an initiation with whatever prekeys it names.
    pub(crate) fn identify(&self, packet: &[u8]) -> Result<IncomingInitiation, HandshakeError> {
        let head = InitiationHead::parse(packet)?;
        let signed = self.private.get(&head.signed()).ok_or(HandshakeError::OtherPreKeys)?;
        let kem = self.private.get(&head.one_time().unwrap_or(head.kem())).ok_or(HandshakeError::OtherPreKeys)?;
        IncomingInitiation::open(packet, &self.keys, &PreKeyPair { signed, kem })
    }

    pub(crate) fn accept(&self, packet: &[u8], from: &Party) -> Result<(Opened, UsedPreKeys), AcceptError> {
        self.accept_with(packet, from, None)
    }

    pub(crate) fn accept_with(
        &self,
        packet: &[u8],
        from: &Party,
        psk: Option<Psk>,
    ) -> Result<(Opened, UsedPreKeys), AcceptError> {
        let incoming = self.identify(packet)?;
        incoming.complete(Accept { my: &self.party, peer: from, relay: RELAY, psk, now: NOW })
    }
}

/// Two people and a session that both have; each side has sent once.
pub(crate) struct Pair {
    pub(crate) alice: Session,
    pub(crate) bob: Session,
    pub(crate) rng: Seeded,
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = seeded(seed);
        let (alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
        let bundle = bob.verified_bundle(true, &mut rng);
        let mut session = alice.initiate(bundle, None, &mut rng);
        let first = session.seal(b"hello", &mut rng).unwrap().packet;
        let (opened, _) = bob.accept(&first, &alice.party).unwrap();
        let mut pair = Self { alice: session, bob: opened.session, rng };
        let reply = pair.bob.seal(b"hi", &mut pair.rng).unwrap().packet;
        assert_eq!(open(&mut pair.alice, &reply), b"hi");
        pair
    }

    pub(crate) fn for_bob(&mut self, content: &[u8]) -> Vec<u8> {
        self.alice.seal(content, &mut self.rng).unwrap().packet
    }

    pub(crate) fn for_alice(&mut self, content: &[u8]) -> Vec<u8> {
        self.bob.seal(content, &mut self.rng).unwrap().packet
    }

    /// One message each way, so that both ratchets step.
    pub(crate) fn exchange(&mut self) {
        let packet = self.for_bob(b"ping");
        assert_eq!(open(&mut self.bob, &packet), b"ping");
        let packet = self.for_alice(b"pong");
        assert_eq!(open(&mut self.alice, &packet), b"pong");
    }
}

/// Opens and keeps the next state.
#[track_caller]
pub(crate) fn open(session: &mut Session, packet: &[u8]) -> Vec<u8> {
    let opened = session.open(packet, NOW).unwrap();
    *session = opened.session;
    opened.content
}
