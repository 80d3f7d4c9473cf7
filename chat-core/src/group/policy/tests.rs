//! Who may do what.

use super::*;
use chat_wire::ids::DeviceId;

fn door() -> Option<DoorKey> {
    minicbor_serde::from_slice(&minicbor_serde::to_vec(serde_bytes::ByteBuf::from(vec![1; 32])).unwrap()).ok()
}

fn leaf(n: u8) -> DeviceAddress {
    DeviceAddress { account: AccountId([n; 32]), device: DeviceId(u32::from(n)) }
}

/// Owner 1, admin 2, members 3 and 4.
fn policy() -> Policy {
    let mut policy = Policy::new("room", door(), None, 5);
    policy.set_role(leaf(1).account, Actor::Owner);
    policy.set_role(leaf(2).account, Actor::Admin);
    policy
}

fn by(n: u8, removed: &[u8]) -> Change {
    let removed: Vec<_> = removed.iter().map(|n| leaf(*n)).collect();
    let staying: Vec<_> = (1..=4).map(leaf).filter(|leaf| !removed.contains(leaf)).collect();
    let policy = policy().settled(&staying);
    Change { committer: leaf(n), external: false, resumes: false, added: vec![], removed, staying, policy }
}

fn verdict(change: &Change) -> Result<(), Denied> {
    policy().check(change, &|leaf| leaf.account == AccountId([4; 32]))
}

#[test]
fn owner_and_admins_remove_who_is_below_them_and_members_remove_nobody() {
    assert_eq!(verdict(&by(1, &[2, 3])), Ok(()));
    assert_eq!(verdict(&by(2, &[3])), Ok(()));
    assert_eq!(verdict(&by(2, &[1])), Err(Denied::Removal));
    assert_eq!(verdict(&by(3, &[2])), Err(Denied::Removal));
    // Who said goodbye goes by anybody's hand, and one's own devices by one's own.
    assert_eq!(verdict(&by(3, &[4])), Ok(()));
    assert_eq!(verdict(&by(3, &[3])), Ok(()));
}

#[test]
fn a_room_whose_owner_goes_gets_the_first_admin_and_else_the_first_leaf() {
    let left = policy().settled(&[leaf(2), leaf(3)]);
    assert_eq!((left.owner, left.admins.len()), (Some(leaf(2).account), 0));
    let left = policy().settled(&[leaf(4), leaf(3)]);
    assert_eq!(left.owner, Some(leaf(4).account));
    let mut without = by(1, &[1]);
    without.policy = policy();
    assert_eq!(verdict(&without), Err(Denied::Policy));
}

#[test]
fn only_those_who_may_change_topic_and_roles() {
    let with = |n: u8, change: &dyn Fn(&mut Policy)| {
        let mut commit = by(n, &[]);
        change(&mut commit.policy);
        verdict(&commit)
    };
    let topic = |policy: &mut Policy| policy.topic = Some("tea".into());
    assert_eq!((with(1, &topic), with(2, &topic), with(3, &topic)), (Ok(()), Ok(()), Err(Denied::Policy)));
    let promote = |policy: &mut Policy| policy.set_role(leaf(3).account, Actor::Admin);
    assert_eq!((with(1, &promote), with(2, &promote)), (Ok(()), Err(Denied::Policy)));
    let hand_over = |policy: &mut Policy| policy.set_role(leaf(3).account, Actor::Owner);
    assert_eq!((with(1, &hand_over), with(3, &hand_over)), (Ok(()), Err(Denied::Policy)));
    let stranger = |policy: &mut Policy| policy.set_role(leaf(9).account, Actor::Admin);
    assert_eq!(with(1, &stranger), Err(Denied::Policy));
    let open = |policy: &mut Policy| policy.public = true;
    assert_eq!(with(1, &open), Err(Denied::Policy));
}

#[test]
fn a_joiner_adds_itself_to_a_public_room_and_touches_nothing_else() {
    let mut public = policy();
    public.public = true;
    let join = Change { external: true, committer: leaf(7), policy: public.clone(), ..by(7, &[]) };
    let nobody = |_: &DeviceAddress| true;
    assert_eq!(public.check(&join, &nobody), Ok(()));
    assert_eq!(policy().check(&Change { policy: policy(), ..join.clone() }, &nobody), Err(Denied::NotPublic));
    assert_eq!(public.check(&Change { removed: vec![leaf(3)], ..join.clone() }, &nobody), Err(Denied::Removal));
    assert_eq!(public.check(&Change { removed: vec![leaf(7)], ..join.clone() }, &nobody), Ok(()));
    let mut crowned = join;
    crowned.policy.set_role(leaf(7).account, Actor::Owner);
    assert_eq!(public.check(&crowned, &nobody), Err(Denied::Policy));
}

#[test]
fn into_a_private_room_comes_back_alone_who_was_in_it_and_in_the_place_of_its_own_leaf() {
    let nobody = |_: &DeviceAddress| true;
    let back = Change { external: true, resumes: true, policy: policy(), ..by(3, &[3]) };
    assert_eq!(policy().check(&back, &nobody), Ok(()));
    let without_proof = Change { resumes: false, ..back.clone() };
    assert_eq!(policy().check(&without_proof, &nobody), Err(Denied::NotPublic));
    let anew = Change { removed: vec![], ..back.clone() };
    assert_eq!(policy().check(&anew, &nobody), Err(Denied::NotPublic));
    let instead = Change { removed: vec![leaf(2)], ..back };
    assert_eq!(policy().check(&instead, &nobody), Err(Denied::NotPublic));
}

#[test]
fn no_device_is_in_a_room_twice() {
    let twice = Change { added: vec![leaf(3)], ..by(1, &[]) };
    assert_eq!(verdict(&twice), Err(Denied::Twice));
    let again = Change { added: vec![leaf(8), leaf(8)], ..by(1, &[]) };
    assert_eq!(verdict(&again), Err(Denied::Twice));
    assert_eq!(verdict(&Change { added: vec![leaf(3)], ..by(1, &[3]) }), Ok(()));
}
