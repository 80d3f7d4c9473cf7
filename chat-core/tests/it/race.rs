//! Both sides begin at once.

use chat_core::session::Session;

use crate::pair::{NOW, Person, open, seeded};

#[test]
fn both_sides_pick_the_same_session_and_the_other_one_still_receives() {
    for seed in 0..8 {
        let mut rng = seeded(seed);
        let (mut alice, mut bob) = (Person::new("alice", &mut rng), Person::new("bob", &mut rng));
        let (for_alice, for_bob) = (alice.verified_bundle(true, &mut rng), bob.verified_bundle(true, &mut rng));
        let mut a_own = alice.initiate(for_bob, None, &mut rng);
        let mut b_own = bob.initiate(for_alice, None, &mut rng);
        let from_a = a_own.seal(b"a", &mut rng).unwrap().packet;
        let from_b = b_own.seal(b"b", &mut rng).unwrap().packet;
        let (at_b, _) = bob.accept(&from_a, &alice.party).unwrap();
        let (at_a, _) = alice.accept(&from_b, &bob.party).unwrap();
        let (a_other, b_other) = (at_a.session, at_b.session);

        let a_keeps_own = a_own.wins_over(&a_other);
        assert_ne!(a_keeps_own, b_own.wins_over(&b_other));
        let (winner_a, winner_b, loser_b): (Session, Session, Session) =
            if a_keeps_own { (a_own, b_other, b_own) } else { (a_other, b_own, b_other) };
        assert_eq!(winner_a.sid(), winner_b.sid());
        let (mut winner_a, mut winner_b, mut loser_b) = (winner_a, winner_b, loser_b);
        let packet = winner_a.seal(b"on the winner", &mut rng).unwrap().packet;
        assert_eq!(open(&mut winner_b, &packet), b"on the winner");
        assert!(loser_b.open(&packet, NOW).is_err());
        let packet = winner_b.seal(b"back", &mut rng).unwrap().packet;
        assert_eq!(open(&mut winner_a, &packet), b"back");
        if loser_b.can_seal() {
            assert!(winner_a.open(&loser_b.seal(b"x", &mut rng).unwrap().packet, NOW).is_err());
        }
    }
}
