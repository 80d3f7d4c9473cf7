//! Several devices of one account, as engines: what joins, what stays in step, what a relay that lies
//! is caught with.

use bytes::Bytes;
use chat_core::engine::{
    AccountCommand, AlarmKind, Answer, Command, Deletion, Event, ExportKey, FailureKind, MessageStatus, NewPassword,
    NoticeKind, PasswordChange, Query, Recovery, Reply, Route, SafetyNumber, SafetyProof, Trouble,
};
use chat_core::identity::RecoveryCode;
use chat_core::identity::record::SealedRecord;
use chat_core::store::{Records as _, Table};
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::ids::AccountId;

use super::world::{World, name, send};

const NEXT: [u8; 64] = [8; 64];

fn with_second(seed: u64) -> World {
    let mut world = World::friends(seed);
    world.pass(2_000);
    let reply = world.join("laptop", "alice").unwrap();
    assert!(matches!(reply, Reply::LoggedIn { new_device: true, .. }), "{reply:?}");
    world.pass(3_000);
    world
}

fn alarms(world: &mut World, who: &str, wanted: AlarmKind) -> usize {
    world.notices(who, |kind| matches!(kind, NoticeKind::TrustAlarm(alarm) if alarm.kind == wanted))
}

fn account_of(world: &World, who: &str) -> AccountId {
    world.relay.names[&name(who)]
}

fn safety(world: &mut World, who: &'static str, whom: &str) -> SafetyNumber {
    match world.account(who, AccountCommand::SafetyNumber(name(whom))).unwrap() {
        Reply::Safety(number) => number,
        other => panic!("{other:?}"),
    }
}

fn verify(world: &mut World, who: &'static str, whom: &str) {
    let code = safety(world, who, whom).code;
    let proof = SafetyProof::Code(code);
    assert_eq!(world.account(who, AccountCommand::Verify { username: name(whom), proof }).unwrap(), Reply::Verified);
}

fn new_password(key: [u8; 64]) -> NewPassword {
    NewPassword { record: Bytes::from_static(&[1; 192]), export_key: ExportKey(zeroize::Zeroizing::new(key)), kp: 1 }
}

fn change_password(world: &mut World, who: &'static str, whose: &str) -> Result<Reply, chat_core::engine::Failure> {
    let route = Route(world.client(who).connection.unwrap());
    let change = PasswordChange { route, old: world.proven(whose, [7; 64]), new: new_password(NEXT) };
    world.account(who, AccountCommand::ChangePassword(Box::new(change)))
}

#[test]
fn a_device_that_joins_knows_what_the_others_decided() {
    let mut world = World::friends(300);
    world.ok("alice", Command::SetProfile { display_name: Some("Alice A.".into()) });
    world.ok("bob", Command::SetProfile { display_name: Some("Bob".into()) });
    world.register("carol");
    world.ok("alice", Command::Block(name("carol")));
    verify(&mut world, "alice", "bob");
    world.pass(3_000);
    world.join("laptop", "alice").unwrap();
    world.pass(3_000);
    let bob = world.contact("laptop", "bob");
    assert!(bob.verified && bob.mutual && !bob.blocked);
    assert_eq!(bob.display_name.as_deref(), Some("Bob"));
    assert!(world.contact("laptop", "carol").blocked);
    assert_eq!(world.status("laptop").display_name.as_deref(), Some("Alice A."));
    world.say("laptop", "bob", "from the second");
    world.say("bob", "alice", "to both");
    world.pass(3_000);
    assert_eq!(world.heard("bob"), ["hello", "from the second"]);
    assert_eq!(world.heard("alice").last().unwrap(), "to both");
    assert_eq!(world.heard("laptop"), ["to both"]);
}

#[test]
fn what_one_device_sends_and_reads_the_others_show() {
    let mut world = with_second(301);
    let id = world.say("laptop", "bob", "sent there");
    world.pass(3_000);
    let copy = world.client("alice").disk.history.iter().find(|message| message.id == id).unwrap().clone();
    assert!(copy.outgoing);
    assert_eq!(world.status_of("alice", id), MessageStatus::Delivered, "receipts reach every device");
    let answer = world.say("bob", "alice", "read this");
    world.pass(3_000);
    world.ok("laptop", Command::MarkRead { with: "bob".into(), id: answer });
    world.pass(3_000);
    assert!(world.client("alice").disk.read.iter().any(|(_, id)| *id == answer));
    // Somebody that only one device has met is known to the other with the first message.
    world.register("carol");
    world.say("laptop", "carol", "hi carol");
    world.pass(3_000);
    assert!(world.client("alice").disk.history.iter().any(|m| m.text.as_deref() == Some("hi carol")));
}

#[test]
fn devices_that_decide_apart_agree_when_they_meet() {
    let mut world = with_second(302);
    world.cut("alice");
    world.cut("laptop");
    world.ok("alice", Command::SetProfile { display_name: Some("One".into()) });
    world.pass(10);
    world.ok("laptop", Command::SetProfile { display_name: Some("Two".into()) });
    world.ok("laptop", Command::Block(name("bob")));
    world.connect("alice");
    world.connect("laptop");
    world.pass(10_000);
    for who in ["alice", "laptop"] {
        assert_eq!(world.status(who).display_name.as_deref(), Some("Two"), "{who}: the later one stands");
        assert!(world.contact(who, "bob").blocked, "{who}");
    }
}

#[test]
fn a_removed_device_is_out_and_the_next_record_is_under_a_key_it_never_had() {
    let mut world = with_second(303);
    let account = account_of(&world, "alice");
    let sgen = |world: &World| SealedRecord::decode(&world.relay.record_of(&account).1).unwrap().sync_box().sgen;
    assert_eq!(sgen(&world), 1);
    let gone = world.status("laptop").device.unwrap();
    assert_eq!(world.account("alice", AccountCommand::RemoveDevice(gone)).unwrap(), Reply::Done);
    world.pass(3_000);
    assert!(!world.status("laptop").logged_in);
    assert_eq!(sgen(&world), 2);
    let before = world.client("laptop").disk.history.len();
    world.say("bob", "alice", "not for the laptop");
    world.pass(3_000);
    assert_eq!(world.client("laptop").disk.history.len(), before);
    assert_eq!(world.heard("alice").last().unwrap(), "not for the laptop");
    let own = world.status("alice").device.unwrap();
    assert_eq!(world.account("alice", AccountCommand::RemoveDevice(own)).unwrap_err().kind, FailureKind::Forbidden);
    // A third one joins and reads the record under the new key.
    world.join("tablet", "alice").unwrap();
    assert!(world.contact("tablet", "bob").mutual);
}

#[test]
fn a_device_erases_itself_only_on_a_signed_list() {
    let mut world = with_second(304);
    world.ok("laptop", Command::Account(AccountCommand::EraseWhenRemoved(true)));
    world.say("bob", "alice", "keep this");
    world.pass(1_000);
    let gone = world.status("laptop").device.unwrap();
    let connection = world.client("laptop").connection.unwrap();
    world.relay.lie_about_removal(connection);
    world.run();
    assert!(!world.status("laptop").logged_in);
    assert_eq!(world.heard("laptop"), ["keep this"], "the relay's word erases nothing");
    world.connect("laptop");
    world.join("laptop", "alice").unwrap();
    world.account("alice", AccountCommand::RemoveDevice(gone)).unwrap();
    world.pass(1_000);
    let disk = &world.client("laptop").disk;
    assert!(disk.history.is_empty());
    assert!(matches!(disk.notices.last().unwrap().kind, NoticeKind::LoggedOut { .. }));
}

#[test]
fn a_login_that_died_at_any_step_is_finished_by_the_next_one() {
    for step in 1..14 {
        let mut world = World::friends(305);
        world.open("laptop");
        world.connect("laptop");
        let steps = world.client("laptop").steps;
        world.client("laptop").crash_after = Some(steps + step);
        let first = world.join("laptop", "alice");
        world.client("laptop").crash_after = None;
        if world.client("laptop").engine.is_none() {
            world.open("laptop");
        }
        if world.client("laptop").connection.is_none() {
            world.connect("laptop");
        }
        if !world.status("laptop").logged_in {
            let reply = world.join("laptop", "alice");
            assert!(matches!(reply, Ok(Reply::LoggedIn { .. })), "step {step}: {first:?}, then {reply:?}");
        }
        world.pass(3_000);
        world.say("laptop", "bob", "here");
        world.pass(3_000);
        assert_eq!(world.heard("bob").last().unwrap(), "here", "step {step}");
        let list = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
        assert_eq!(list.body().live_devices().count(), 2, "step {step}: one device, not two");
    }
}

#[test]
fn a_new_password_makes_a_new_vault_and_the_old_one_opens_nothing() {
    let mut world = with_second(306);
    let reply = change_password(&mut world, "alice", "alice").unwrap();
    let Reply::PasswordChanged { recovery_code } = reply else { panic!("{reply:?}") };
    world.pass(3_000);
    assert_eq!(world.join("tablet", "alice").unwrap_err().kind, FailureKind::Integrity);
    world.join_with("tablet", "alice", NEXT).unwrap();
    assert!(world.contact("tablet", "bob").mutual);
    // The other device got the new key by session, and still writes what the others read.
    world.ok("laptop", Command::SetProfile { display_name: Some("later".into()) });
    world.pass(5_000);
    assert_eq!(world.status("tablet").display_name.as_deref(), Some("later"));
    // The code of the new generation replaces the password once more, on a fresh profile.
    world.open("phone");
    world.connect("phone");
    let connection = world.client("phone").connection.unwrap();
    let account = account_of(&world, "alice");
    world.relay.prove(connection, account);
    let recovery = Recovery {
        route: Route(connection),
        username: name("alice"),
        device_name: None,
        code: RecoveryCode::parse(&recovery_code).unwrap(),
        account,
        list: Bytes::from(world.relay.list_of("alice")),
        vault: Bytes::from(world.relay.vault_of(&account)),
        new: new_password([9; 64]),
    };
    let reply = world.account("phone", AccountCommand::Recover(Box::new(recovery))).unwrap();
    let Reply::Recovered { new_device: true, recovery_code: next, .. } = reply else { panic!("{reply:?}") };
    assert_ne!(next, recovery_code);
    world.pass(3_000);
    assert!(world.contact("phone", "bob").mutual);
    let list = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    assert_eq!((list.body().vault_gen, list.body().live_devices().count()), (3, 4));
}

#[test]
fn a_relay_that_shows_an_old_record_is_caught_and_nothing_is_lost() {
    let mut world = World::friends(307);
    world.pass(2_000);
    let account = account_of(&world, "alice");
    let old = world.relay.record_of(&account);
    world.ok("alice", Command::SetProfile { display_name: Some("newer".into()) });
    world.pass(2_000);
    assert!(world.relay.record_of(&account).0 > old.0);
    world.relay.set_record(&account, old.clone());
    world.restart("alice");
    world.pass(2_000);
    assert_eq!(alarms(&mut world, "alice", AlarmKind::RecordRolledBack), 1);
    assert_eq!(world.status("alice").display_name.as_deref(), Some("newer"));
    assert!(world.relay.record_of(&account).0 > old.0, "written over");
    let Answer::Alarms(kept) = world.ask("alice", &Query::Alarms) else { panic!() };
    assert_eq!(kept.len(), 1, "the evidence is kept");
    assert_eq!(kept[0].evidence[1], old.1);
}

#[test]
fn a_device_that_joins_is_not_fooled_by_an_older_list() {
    let mut world = with_second(308);
    world.join("tablet", "alice").unwrap();
    world.pass(3_000);
    let account = account_of(&world, "alice");
    world.relay.roll_lists_back(&account, 2);
    let failure = world.join("phone", "alice").unwrap_err();
    assert_eq!(failure.kind, FailureKind::Integrity);
    assert!(!world.status("phone").enrolled);
    assert_eq!(alarms(&mut world, "phone", AlarmKind::ListRolledBack), 1);
}

#[test]
fn a_device_that_joins_signs_for_no_device_of_the_relay_s_making() {
    let mut world = World::friends(309);
    world.register("mallory");
    let account = account_of(&world, "alice");
    // A list that a device of the relay's making signed: it vouches for itself.
    let before = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    let keys = {
        let mut rng = super::world::Seeded::new(3);
        let address = chat_wire::ids::DeviceAddress { account, device: chat_wire::ids::DeviceId(u32::MAX) };
        chat_core::identity::DeviceKeys::generate(address, &mut rng)
    };
    let mut body = ListBody { seq: 2, prev_hash: before.hash(), ..before.body().clone() };
    body.devices.push(keys.listed(&before.body().account_key, 2, 1));
    world.relay.force_list(&account, keys.sign_list(&body));
    assert_eq!(world.join("laptop", "alice").unwrap_err().kind, FailureKind::Integrity);
    assert!(!world.status("laptop").enrolled);
}

#[test]
fn two_lists_at_one_sequence_raise_the_alarm_and_the_first_one_stands() {
    let mut world = World::friends(310);
    let key = world.relay.account_key("bob");
    let first = DeviceList::decode(&world.relay.list_of("bob")).unwrap();
    let next = |created_ms: u64| {
        let body = ListBody { seq: 2, prev_hash: first.hash(), created_ms, ..first.body().clone() };
        key.sign_list(&body)
    };
    world.relay.hostile.stale = Some(next(1));
    world.say("alice", "bob", "one");
    world.pass(500);
    world.relay.hostile.stale = Some(first.as_bytes().to_vec());
    world.pass(5_000);
    assert_eq!(alarms(&mut world, "alice", AlarmKind::ListRolledBack), 1);
    world.relay.hostile.stale = Some(next(2));
    world.pass(70_000);
    assert_eq!(alarms(&mut world, "alice", AlarmKind::ListForked), 1);
}

#[test]
fn a_device_in_one_branch_of_a_fork_gets_nothing() {
    let mut world = World::friends(314);
    let key = world.relay.account_key("bob");
    let first = DeviceList::decode(&world.relay.list_of("bob")).unwrap();
    let keys = {
        let mut rng = super::world::Seeded::new(4);
        let (account, device) = (first.body().account_id, chat_wire::ids::DeviceId(u32::MAX));
        chat_core::identity::DeviceKeys::generate(chat_wire::ids::DeviceAddress { account, device }, &mut rng)
    };
    let mut with_one_more = ListBody { seq: 2, prev_hash: first.hash(), ..first.body().clone() };
    with_one_more.devices.push(keys.listed(&first.body().account_key, 2, 0));
    let plain = ListBody { seq: 2, prev_hash: first.hash(), created_ms: 7, ..first.body().clone() };
    world.relay.force_list(&first.body().account_id, key.sign_list(&with_one_more));
    world.relay.add_mailbox(keys.address());
    let mut rng = super::world::Seeded::new(5);
    let (signed, _) = chat_core::prekey::signed(&keys, world.now, &mut rng);
    let pairs = (0..3).map(|_| chat_core::prekey::one_time(&keys, world.now, &mut rng).0).collect();
    world.relay.publish(keys.address(), signed, pairs);
    world.relay.hostile.stale = Some(key.sign_list(&with_one_more));
    world.say("alice", "bob", "one");
    world.pass(500);
    world.relay.hostile.stale = Some(key.sign_list(&plain));
    world.pass(3_000);
    world.relay.hostile.stale = None;
    world.pass(130_000);
    assert_eq!(alarms(&mut world, "alice", AlarmKind::ListForked), 1);
    assert_eq!(world.heard("bob").last().unwrap(), "one");
    // Bob's own device writes to it, for it stands in the list that bob has.
    let alice = world.relay.device_of("alice");
    let mailbox = &world.relay.devices[&keys.address()].mailbox;
    assert!(mailbox.values().all(|(from, ..)| *from != alice), "nothing of alice's");
}

#[test]
fn a_verified_contact_with_another_key_gets_nothing_until_somebody_decides() {
    let mut world = World::friends(311);
    let number = safety(&mut world, "alice", "bob");
    assert_eq!(number.digits, safety(&mut world, "bob", "alice").digits);
    assert_eq!(number.digits.chars().filter(char::is_ascii_digit).count(), 60);
    let wrong = SafetyProof::Digits("12345 ".repeat(12));
    let verify_with = |proof| AccountCommand::Verify { username: name("bob"), proof };
    assert_eq!(world.account("alice", verify_with(wrong)).unwrap_err().kind, FailureKind::Integrity);
    verify(&mut world, "alice", "bob");
    assert!(safety(&mut world, "alice", "bob").verified);
    // Bob's account key is replaced by the one that his recovery code stands for.
    let code = RecoveryCode::parse(&world.recovery_code("bob")).unwrap();
    let before = DeviceList::decode(&world.relay.list_of("bob")).unwrap();
    let next_key = code.next_account_key(1);
    let mut body = ListBody { seq: 2, prev_hash: before.hash(), ..before.body().clone() };
    body.account_key = next_key.public();
    body.devices = vec![world.device_keys("bob").listed(&body.account_key, 1, 1)];
    let account = account_of(&world, "bob");
    world.relay.force_list(&account, next_key.sign_list(&body));
    world.say("alice", "bob", "queued before it was known");
    world.pass(3_000);
    assert_eq!(world.refused("alice", send("bob", "no")), FailureKind::KeyChanged);
    assert!(!world.contact("alice", "bob").verified);
    assert!(!safety(&mut world, "alice", "bob").verified);
    world.ok("alice", Command::Account(AccountCommand::AcceptIdentity(name("bob"))));
    world.ok("alice", send("bob", "decided"));
}

#[test]
fn the_end_of_an_account_reaches_its_devices_and_contacts() {
    let mut world = with_second(312);
    let route = Route(world.client("alice").connection.unwrap());
    let wrong = Deletion { route, password: world.proven("alice", [3; 64]) };
    let refused = world.account("alice", AccountCommand::Delete(Box::new(wrong))).unwrap_err();
    assert_eq!(refused.kind, FailureKind::Integrity);
    let deletion = Deletion { route, password: world.proven("alice", [7; 64]) };
    assert_eq!(world.account("alice", AccountCommand::Delete(Box::new(deletion))).unwrap(), Reply::Done);
    world.pass(2_000);
    assert!(!world.status("alice").enrolled);
    // What is left numbers the notice that says so, and nothing else.
    let left = &world.client("alice").disk.records;
    assert!(left.len() == 1 && left.get(Table::Meta, b"order").is_some(), "{left:?}");
    assert!(!world.status("laptop").logged_in);
    assert!(!world.contact("bob", "alice").mutual, "told by the account itself, sealed");
}

#[test]
fn the_own_list_is_renewed_before_it_ends_and_a_contact_s_expired_one_only_warns() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let mut world = World::friends(313);
    world.kill("bob");
    world.cut("alice");
    world.now = world.now.plus_ms(300 * DAY_MS);
    world.connect("alice");
    world.pass(5_000);
    let renewed = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    assert_eq!((renewed.body().seq, renewed.signer()), (2, world.status("alice").device));
    assert!(renewed.body().expires_ms > world.now.plus_ms(364 * DAY_MS).as_ms());
    world.cut("alice");
    world.now = world.now.plus_ms(66 * DAY_MS);
    world.connect("alice");
    let id = world.say("alice", "bob", "after the end");
    world.pass(5_000);
    let warned = |event: &Event| matches!(event, Event::Trouble(Trouble::ListExpired(_)));
    assert_eq!(world.client("alice").events.iter().filter(|event| warned(event)).count(), 1);
    assert_eq!(world.status_of("alice", id), MessageStatus::Sent);
}
