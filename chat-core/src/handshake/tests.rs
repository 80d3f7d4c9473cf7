//! What needs private fields: keys of low order at every place where a DH is computed, prekeys that are
//! not the named ones, and the frozen transcript.

use chat_wire::codec::Reader;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::ids::{DeviceAddress, DeviceId, ListHash, RelayId, UserName};
use chat_wire::keys::DhKey;

use super::accept::{Identified, Known, PreKeyPair};
use super::initiate::{Initiated, Initiation};
use super::transcript::HandshakeError;
use crate::crypto::dh::tests::low_order_points;
use crate::crypto::tests::{SeededRng, rng};
use crate::identity::{AccountKey, DeviceKeys, Party};
use crate::prekey::bundle::{KemChoice, VerifiedBundle};
use crate::prekey::{self, PrivatePreKey};
use crate::ratchet::header::TYPE_INITIATION;
use crate::time::Timestamp;

const RELAY: RelayId = RelayId([42; 32]);
const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

struct Person {
    keys: DeviceKeys,
    party: Party,
}

fn person(name: &str, rng: &mut SeededRng) -> Person {
    let account = AccountKey::generate(rng);
    let address = DeviceAddress { account: account.id(), device: DeviceId(7) };
    let keys = DeviceKeys::generate(address, rng);
    let body = ListBody {
        relay_id: RELAY,
        account_id: account.id(),
        seq: 1,
        prev_hash: ListHash([0; 32]),
        merged_hash: ListHash([0; 32]),
        created_ms: 0,
        expires_ms: 1,
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
    Person { party: Party::of(&list, address.device).unwrap(), keys }
}

/// The same party with another X25519 key, as a list with a possession proof for it would give.
fn with_dh_key(party: &Party, key: DhKey) -> Party {
    let mut bytes = party.to_bytes();
    bytes[136..168].copy_from_slice(&key.0);
    Party::read(&mut Reader::new(&bytes)).unwrap()
}

struct World {
    alice: Person,
    bob: Person,
    bundle: VerifiedBundle,
    signed: PrivatePreKey,
    pair: PrivatePreKey,
    rng: SeededRng,
}

fn world() -> World {
    let mut rng = rng();
    let (alice, bob) = (person("alice", &mut rng), person("bob", &mut rng));
    let (signed, signed_private) = prekey::signed(&bob.keys, NOW, &mut rng);
    let (pair, pair_private) = prekey::one_time(&bob.keys, NOW, &mut rng);
    let bundle = VerifiedBundle {
        owner: bob.party.clone(),
        signed: signed.public,
        signed_id: signed.id(),
        kem: KemChoice::OneTime { dh: pair.dh, dh_id: pair.dh_id(), kem: Box::new(pair.kem), kem_id: pair.kem_id() },
    };
    World { alice, bob, bundle, signed: signed_private, pair: pair_private, rng }
}

impl World {
    fn initiate(&mut self, bundle: &VerifiedBundle) -> Result<Initiated, HandshakeError> {
        let (me, my) = (&self.alice.keys, &self.alice.party);
        Initiation { me, my, relay: RELAY, bundle, session_no: 9, psk: None }.run(&mut self.rng)
    }

    fn packet(&mut self) -> Vec<u8> {
        let bundle = self.bundle.clone();
        let initiated = self.initiate(&bundle).map_err(|why| why.to_string()).unwrap();
        [&[TYPE_INITIATION][..], &initiated.initiation].concat()
    }

    fn identify(&self, packet: &[u8]) -> Result<Identified, HandshakeError> {
        Identified::open(packet, &self.bob.keys, &PreKeyPair { signed: &self.signed, kem: &self.pair })
    }
}

#[test]
fn both_sides_agree_on_every_key() {
    let mut world = world();
    let bundle = world.bundle.clone();
    let initiated = world.initiate(&bundle).map_err(|why| why.to_string()).unwrap();
    let packet = [&[TYPE_INITIATION][..], &initiated.initiation].concat();
    let identified = world.identify(&packet).map_err(|why| why.to_string()).unwrap();
    let known = Known { my: &world.bob.party, peer: &world.alice.party, relay: RELAY, psk: None };
    let agreed = identified.agree(&known).map_err(|why| why.to_string()).unwrap();
    let mine = initiated.agreed;
    assert!(mine.sk_ec.ct_eq(&agreed.sk_ec) && mine.sk_pq.ct_eq(&agreed.sk_pq));
    assert!(mine.hk_a.ct_eq(&agreed.hk_a) && mine.nhk_b.ct_eq(&agreed.nhk_b));
    assert!(mine.exporter.ct_eq(&agreed.exporter));
    assert_eq!((mine.sid, mine.associated), (agreed.sid, agreed.associated));
    assert!(!mine.sk_ec.ct_eq(&mine.sk_pq) && !mine.hk_a.ct_eq(&mine.nhk_b));
}

#[test]
fn a_key_of_low_order_stops_the_initiator_wherever_it_stands() {
    let mut world = world();
    for point in low_order_points() {
        let genuine = world.bundle.clone();
        let signed = VerifiedBundle { signed: point, ..genuine.clone() };
        let identity = VerifiedBundle { owner: with_dh_key(&genuine.owner, point), ..genuine.clone() };
        let mut one_time = genuine;
        if let KemChoice::OneTime { dh, .. } = &mut one_time.kem {
            *dh = point;
        }
        for bundle in [signed, identity, one_time] {
            assert_eq!(world.initiate(&bundle).err(), Some(HandshakeError::LowOrder));
        }
    }
}

#[test]
fn a_key_of_low_order_stops_the_responder_wherever_it_stands() {
    let mut world = world();
    let packet = world.packet();
    let mut identified = world.identify(&packet).map_err(|why| why.to_string()).unwrap();
    for point in low_order_points() {
        // EK stands after type and suite.
        let mut bad = packet.clone();
        bad[3..35].copy_from_slice(&point.0);
        assert_eq!(world.identify(&bad).err(), Some(HandshakeError::LowOrder));
        // IK_A, in a claim that a list with a possession proof confirms.
        let peer = with_dh_key(&world.alice.party, point);
        identified.claimed = crate::identity::ClaimedParty::read(&mut Reader::new(&peer.to_bytes())).unwrap();
        let known = Known { my: &world.bob.party, peer: &peer, relay: RELAY, psk: None };
        assert_eq!(identified.agree(&known).err(), Some(HandshakeError::LowOrder));
    }
}

#[test]
fn private_prekeys_other_than_the_named_ones_are_refused() {
    let mut world = world();
    let packet = world.packet();
    let (_, other_pair) = prekey::one_time(&world.bob.keys, NOW, &mut world.rng);
    let (_, other_signed) = prekey::signed(&world.bob.keys, NOW, &mut world.rng);
    let (_, last) = prekey::last_resort(&world.bob.keys, NOW, &mut world.rng);
    for (signed, kem) in [
        (&other_signed, &world.pair),
        (&world.signed, &other_pair),
        (&world.signed, &last),
        (&world.signed, &world.signed),
        (&world.pair, &world.pair),
    ] {
        let refused = Identified::open(&packet, &world.bob.keys, &PreKeyPair { signed, kem }).err();
        assert_eq!(refused, Some(HandshakeError::OtherPreKeys));
    }
}

#[test]
fn an_ml_kem_key_outside_the_modulus_is_refused() {
    let mut world = world();
    let mut bundle = world.bundle.clone();
    if let KemChoice::OneTime { kem, .. } = &mut bundle.kem {
        kem.0[..384].fill(0xff);
    }
    assert_eq!(world.initiate(&bundle).err(), Some(HandshakeError::BadKemKey));
}

#[test]
fn half_a_pair_is_no_initiation() {
    let mut world = world();
    let packet = world.packet();
    // opk stands after type, suite, EK and SPK_id; kind after OPK_id.
    for (opk, kind) in [(0, 1), (1, 2), (0, 2), (2, 1), (1, 0), (1, 3)] {
        let mut bad = packet.clone();
        (bad[43], bad[52]) = (opk, kind);
        assert_eq!(world.identify(&bad).err(), Some(HandshakeError::Malformed), "{opk} {kind}");
    }
}

#[test]
fn every_fact_of_the_transcript_gives_other_keys() {
    let mut world = world();
    let packet = world.packet();
    let agree = |world: &World, identified: &Identified, relay| {
        let known = Known { my: &world.bob.party, peer: &world.alice.party, relay, psk: None };
        identified.agree(&known).map(|agreed| agreed.sid)
    };
    let identified = world.identify(&packet).map_err(|why| why.to_string()).unwrap();
    let sid = agree(&world, &identified, RELAY).unwrap();
    assert_eq!(agree(&world, &identified, RELAY), Ok(sid));
    assert_ne!(agree(&world, &identified, RelayId([41; 32])), Ok(sid));
    let mut other = world.identify(&packet).map_err(|why| why.to_string()).unwrap();
    other.session_no += 1;
    assert_ne!(agree(&world, &other, RELAY), Ok(sid));
}
