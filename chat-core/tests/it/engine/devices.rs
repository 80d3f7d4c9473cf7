//! Several devices an account: lists that change, fan-out, copies for own devices.

use chat_core::engine::{Event, IdentityChange, MessageStatus, NoticeKind, Trouble};
use chat_core::identity::{DeviceKeys, Party};
use chat_core::prekey;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::ids::{DeviceAddress, DeviceId};

use super::world::{Seeded, World};

/// Adds a device to an account, as a login with the password does. It publishes keys unless told not to.
fn add_device(world: &mut World, who: &str, publishes: bool) -> DeviceAddress {
    let mut rng = Seeded::new(777);
    let account_key = world.relay.account_key(who);
    let before = DeviceList::decode(&world.relay.list_of(who)).unwrap();
    let address = DeviceAddress { account: before.body().account_id, device: DeviceId(u32::MAX) };
    let keys = DeviceKeys::generate(address, &mut rng);
    let seq = before.body().seq + 1;
    let mut body = ListBody { seq, prev_hash: before.hash(), ..before.body().clone() };
    body.devices.push(keys.listed(&account_key.public(), seq, 0));
    world.relay.put_list(address.account, account_key.sign_list(&body)).unwrap();
    if publishes {
        let (signed, _) = prekey::signed(&keys, world.now, &mut rng);
        let pairs = (0..3).map(|_| prekey::one_time(&keys, world.now, &mut rng).0).collect();
        world.relay.publish(address, signed, pairs);
    }
    assert!(Party::of(&DeviceList::decode(&world.relay.list_of(who)).unwrap(), address.device).is_some());
    address
}

#[test]
fn a_new_device_of_a_contact_gets_the_next_message_and_is_announced() {
    let mut world = World::friends(200);
    let second = add_device(&mut world, "bob", true);
    let id = world.say("alice", "bob", "to both");
    world.pass(3_000);
    assert!(!world.relay.devices[&second].mailbox.is_empty());
    assert_eq!(world.heard("bob").last().unwrap(), "to both");
    assert_eq!(world.status_of("alice", id), MessageStatus::Delivered);
    let told = |kind: &NoticeKind| matches!(kind, NoticeKind::IdentityChanged { reason: IdentityChange::Device, username } if username.as_str() == "bob");
    assert_eq!(world.notices("alice", told), 1);
}

#[test]
fn own_other_devices_get_a_copy_of_what_is_sent() {
    let mut world = World::friends(201);
    let second = add_device(&mut world, "alice", true);
    for n in 0..20 {
        world.say("alice", "bob", &n.to_string());
    }
    let note = world.say("alice", "alice", "to my other self");
    world.pass(3_000);
    let told = |kind: &NoticeKind| matches!(kind, NoticeKind::IdentityChanged { username, .. } if username.as_str() == "alice");
    assert_eq!(world.notices("alice", told), 1, "nobody adds a device unseen");
    assert_eq!(world.heard("bob").len(), 21);
    assert!(world.relay.devices[&second].mailbox.len() >= 21, "copies and the note");
    assert_eq!(world.status_of("alice", note), MessageStatus::Sent);
}

#[test]
fn a_device_that_published_nothing_holds_nobody_up() {
    let mut world = World::friends(202);
    add_device(&mut world, "bob", false);
    world.say("alice", "bob", "still");
    assert_eq!(world.heard("bob").last().unwrap(), "still");
}

#[test]
fn a_list_that_does_not_continue_the_verified_one_is_not_used() {
    let mut world = World::friends(203);
    // The relay makes up a second first list for bob's account: it can't sign, so it takes another's.
    world.register("mallory");
    let bob = world.relay.names[&super::world::name("bob")];
    let before = DeviceList::decode(&world.relay.list_of("bob")).unwrap();
    let mallory_key = world.relay.account_key("mallory");
    let mut rng = Seeded::new(5);
    let address = DeviceAddress { account: bob, device: DeviceId(u32::MAX) };
    let keys = DeviceKeys::generate(address, &mut rng);
    let mut body = ListBody { seq: 2, prev_hash: before.hash(), ..before.body().clone() };
    body.devices.push(keys.listed(&mallory_key.public(), 2, 0));
    let forged = mallory_key.sign_list(&body);
    assert!(DeviceList::decode(&forged).is_err());
    world.relay.hostile.stale = Some(forged);
    world.say("alice", "bob", "for bob only");
    world.pass(3_000);
    assert_eq!(world.heard("bob"), ["hello"], "nothing was sent on the relay's word");
    world.relay.hostile.stale = None;
    world.pass(130_000);
    assert_eq!(world.heard("bob"), ["hello", "for bob only"]);
}

#[test]
fn a_list_is_checked_again_after_a_day() {
    let mut world = World::friends(204);
    world.cut("alice");
    world.cut("bob");
    world.now = world.now.plus_ms(25 * 3_600_000);
    world.connect("alice");
    let before = world.relay.log.len();
    world.say("alice", "bob", "long time");
    let log: Vec<_> = world.relay.log[before..].iter().map(String::as_str).collect();
    assert_eq!(log, ["FetchLists", "Send"]);
}

#[test]
fn mail_for_a_prekey_that_was_replaced_meanwhile_still_opens() {
    let mut world = World::with(205, &["alice", "bob"]);
    world.kill("bob");
    world.say("alice", "bob", "made with the old key");
    world.cut("alice");
    world.now = world.now.plus_ms(8 * 24 * 3_600_000);
    world.relay.now_ms = world.now.as_ms();
    let before = world.relay.log.len();
    world.open("bob");
    world.connect("bob");
    assert!(world.relay.log[before..].iter().any(|message| message == "PutPreKeys"), "renewed after a week");
    assert_eq!(world.requests("bob")[0].preview, "made with the old key");
    let dropped = |event: &Event| matches!(event, Event::Trouble(Trouble::Undecryptable));
    assert!(!world.client("bob").events.iter().any(dropped));
}
