//! The handshake as two people see it.

use chat_core::prekey::{BundleError, VerifiedBundle};
use chat_core::session::{Accept, AcceptError, HandshakeError, InitiationHead, OpenError, Psk, Session, is_initiation};
use chat_wire::ids::RelayId;

use crate::pair::{NOW, Person, RELAY, Seeded, open, seeded};

struct Two {
    alice: Person,
    bob: Person,
    rng: Seeded,
}

fn two() -> Two {
    let mut rng = seeded(1);
    Two { alice: Person::new("alice", &mut rng), bob: Person::new("bob", &mut rng), rng }
}

impl Two {
    fn first_packet(&mut self, one_time: bool) -> (Session, Vec<u8>) {
        let bundle = self.bob.verified_bundle(one_time, &mut self.rng);
        let mut session = self.alice.initiate(bundle, None, &mut self.rng);
        let packet = session.seal(b"hello", &mut self.rng).unwrap().packet;
        (session, packet)
    }
}

#[test]
fn a_first_message_opens_with_and_without_a_one_time_pair() {
    for one_time in [true, false] {
        let mut two = two();
        let (mut alice, packet) = two.first_packet(one_time);
        assert!(is_initiation(&packet));
        let head = InitiationHead::parse(&packet).unwrap();
        assert_eq!(head.last_resort(), !one_time);
        let incoming = two.bob.identify(&packet).unwrap();
        assert_eq!(incoming.claimed().address(), two.alice.keys.address());
        assert_eq!((incoming.session_no(), incoming.uses_psk()), (3, false));
        assert_eq!(incoming.my_list(), (1, two.bob.list.hash()));
        let (opened, used) = two.bob.accept(&packet, &two.alice.party).unwrap();
        assert_eq!(opened.content, b"hello");
        assert_eq!((used.one_time, used.last_resort), (head.one_time(), (!one_time).then(|| head.kem())));
        let mut bob = opened.session;
        assert_eq!(bob.sid(), alice.sid());
        assert_eq!(bob.initiation_id(), alice.initiation_id());
        assert_eq!((bob.peer(), alice.peer()), (&two.alice.party, &two.bob.party));
        assert!(bob.acknowledged() && !alice.acknowledged());
        let reply = bob.seal(b"hi", &mut two.rng).unwrap().packet;
        assert!(!is_initiation(&reply));
        assert_eq!(open(&mut alice, &reply), b"hi");
        assert!(alice.acknowledged());
    }
}

#[test]
fn the_initiation_is_repeated_until_the_first_reply_and_recognised() {
    let mut two = two();
    let (mut alice, first) = two.first_packet(true);
    let second = alice.seal(b"still there?", &mut two.rng).unwrap().packet;
    assert!(is_initiation(&second));
    let (opened, _) = two.bob.accept(&first, &two.alice.party).unwrap();
    let mut bob = opened.session;
    assert_eq!(InitiationHead::parse(&second).unwrap().id(), bob.initiation_id());
    assert_eq!(open(&mut bob, &second), b"still there?");
    assert_eq!(bob.open(&first, NOW).err(), Some(OpenError::Duplicate));
    let reply = bob.seal(b"yes", &mut two.rng).unwrap().packet;
    open(&mut alice, &reply);
    let third = alice.seal(b"good", &mut two.rng).unwrap().packet;
    assert!(!is_initiation(&third));
    assert_eq!(open(&mut bob, &third), b"good");
}

#[test]
fn the_second_packet_may_bring_the_session_when_the_first_is_lost_or_late() {
    let mut two = two();
    let (mut alice, first) = two.first_packet(true);
    let second = alice.seal(b"second", &mut two.rng).unwrap().packet;
    let (opened, _) = two.bob.accept(&second, &two.alice.party).unwrap();
    let mut bob = opened.session;
    assert_eq!(opened.content, b"second");
    assert_eq!(open(&mut bob, &first), b"hello");
}

#[test]
fn nothing_in_an_initiation_names_the_sender() {
    let mut two = two();
    let (_, packet) = two.first_packet(true);
    let (party, address) = (&two.alice.party, two.alice.keys.address());
    let names: [&[u8]; 5] =
        [&address.account.0, &party.sig_key().0, &party.dh_key().0, &party.account_key().0, &party.list_hash().0];
    for name in names {
        assert!(!packet.windows(name.len()).any(|window| window == name));
    }
}

#[test]
fn a_session_is_not_accepted_from_anybody_but_the_claimed_initiator() {
    let mut two = two();
    let (_, packet) = two.first_packet(true);
    let mallory = Person::new("mallory", &mut two.rng);
    let refused = two.bob.accept(&packet, &mallory.party).err();
    assert_eq!(refused, Some(AcceptError::Handshake(HandshakeError::OtherInitiator)));
}

#[test]
fn a_session_is_not_accepted_for_another_relay_list_or_device() {
    let mut two = two();
    let (_, packet) = two.first_packet(true);
    let incoming = two.bob.identify(&packet).unwrap();
    let accept = |my, relay| Accept { my, peer: &two.alice.party, relay, psk: None, now: NOW };
    let other_relay = incoming.complete(accept(&two.bob.party, RelayId([9; 32]))).err();
    // Another transcript gives another session: its header key does not open the packet.
    assert_eq!(other_relay, Some(AcceptError::Open(OpenError::NotThisSession)));
    let other = Person::new("bob", &mut two.rng);
    let not_mine = incoming.complete(accept(&other.party, RELAY)).err();
    assert_eq!(not_mine, Some(AcceptError::Handshake(HandshakeError::NotMyParty)));
    // It may be tried again with the right facts.
    assert!(incoming.complete(accept(&two.bob.party, RELAY)).is_ok());
}

#[test]
fn an_initiation_for_somebody_else_s_prekeys_does_not_open() {
    let mut two = two();
    let (_, packet) = two.first_packet(true);
    let mut other = Person::new("bob", &mut two.rng);
    // Somebody who has the same prekeys, but not the device's key.
    other.private = std::mem::take(&mut two.bob.private);
    assert_eq!(other.identify(&packet).err(), Some(HandshakeError::Identity));
    other.private.clear();
    assert_eq!(other.identify(&packet).err(), Some(HandshakeError::OtherPreKeys));
}

#[test]
fn a_device_opens_no_session_with_itself() {
    let mut two = two();
    let bundle = two.alice.verified_bundle(true, &mut two.rng);
    assert_eq!(two.alice.try_initiate(bundle, None, &mut two.rng).err(), Some(HandshakeError::Oneself));
}

#[test]
fn a_replaced_session_s_secret_joins_only_when_both_have_it() {
    let mut two = two();
    let (mut old, packet) = two.first_packet(true);
    let (opened, _) = two.bob.accept(&packet, &two.alice.party).unwrap();
    let mut old_bob = opened.session;
    let reply = old_bob.seal(b"", &mut two.rng).unwrap().packet;
    open(&mut old, &reply);

    let bundle = two.bob.verified_bundle(true, &mut two.rng);
    let mut session = two.alice.initiate(bundle, Some(old.psk()), &mut two.rng);
    let packet = session.seal(b"again", &mut two.rng).unwrap().packet;
    assert!(two.bob.identify(&packet).unwrap().uses_psk());
    let with = |psk: Option<Psk>| two.bob.accept_with(&packet, &two.alice.party, psk);
    assert_eq!(with(None).err(), Some(AcceptError::Psk));
    assert_eq!(with(Some(session.psk())).err(), Some(AcceptError::Psk));
    assert_eq!(with(Some(old_bob.psk())).unwrap().0.content, b"again");
}

#[test]
fn a_secret_that_the_initiator_did_not_use_changes_nothing() {
    let mut two = two();
    let (session, packet) = two.first_packet(false);
    let opened = two.bob.accept_with(&packet, &two.alice.party, Some(session.psk()));
    assert_eq!(opened.unwrap().0.content, b"hello");
}

#[test]
fn a_bundle_with_a_swapped_or_forged_key_is_refused() {
    let mut two = two();
    let bundle = two.bob.bundle(true, &mut two.rng);
    let verify = |bundle| VerifiedBundle::verify(&bundle, &two.bob.party).err();
    assert_eq!(verify(bundle.clone()), None);
    let mut mallory = Person::new("mallory", &mut two.rng);
    let foreign = mallory.bundle(true, &mut two.rng);

    let mut swapped = bundle.clone();
    swapped.signed = foreign.signed.clone();
    assert_eq!(verify(swapped), Some(BundleError::Signature));
    let mut swapped = bundle.clone();
    swapped.one_time = foreign.one_time.clone();
    assert_eq!(verify(swapped), Some(BundleError::Signature));
    // Halves of two genuine pairs do not make a pair.
    let other = two.bob.bundle(true, &mut two.rng).one_time.unwrap();
    let mut mixed = bundle.clone();
    mixed.one_time.as_mut().unwrap().kem = other.kem;
    let verify = |bundle| VerifiedBundle::verify(&bundle, &two.bob.party).err();
    assert_eq!(verify(mixed), Some(BundleError::Signature));
    let mut neither = bundle.clone();
    neither.one_time = None;
    assert_eq!(verify(neither), Some(BundleError::Shape));
    assert_eq!(verify(foreign), Some(BundleError::Owner));
}
