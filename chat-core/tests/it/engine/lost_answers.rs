//! Changes of an account that a relay cuts off, forks or plays twice: what was signed and shown once is not lost.

use bytes::Bytes;
use chat_core::engine::{
    AccountCommand, AlarmKind, Event, ExportKey, Failure, NewPassword, NoticeKind, PasswordChange, Recovery, Reply,
    Route, Trouble,
};
use chat_core::identity::{RecoveryCode, Vault, VaultScope};
use chat_wire::device_list::{DeviceList, ListBody};

use super::world::{World, name};

const NEXT: [u8; 64] = [8; 64];

fn new_password() -> NewPassword {
    NewPassword { record: Bytes::from_static(&[1; 192]), export_key: ExportKey(zeroize::Zeroizing::new(NEXT)), kp: 1 }
}

/// What `recover` does once the relay has taken the code.
fn recover(world: &mut World, who: &'static str, code: &str) -> Result<Reply, Failure> {
    let connection = world.client(who).connection.unwrap();
    let account = world.relay.names[&name("alice")];
    world.relay.prove(connection, account);
    let recovery = Recovery {
        route: Route(connection),
        username: name("alice"),
        device_name: Some(who.to_owned()),
        code: RecoveryCode::parse(code).unwrap(),
        account,
        list: Bytes::from(world.relay.list_of("alice")),
        vault: Bytes::from(world.relay.vault_of(&account)),
        new: new_password(),
    };
    world.account(who, AccountCommand::Recover(Box::new(recovery)))
}

fn generation(world: &World) -> u32 {
    DeviceList::decode(&world.relay.list_of("alice")).unwrap().body().vault_gen
}

/// Whether a code opens the account's vault.
fn opens(world: &World, code: &str) -> bool {
    let list = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    let body = list.body();
    let vault = Vault::decode(&world.relay.vault_of(&body.account_id)).unwrap();
    let (generation, kp) = vault.generation_and_profile();
    let scope = VaultScope { relay: body.relay_id, account: body.account_id, name: &body.name, generation, kp };
    vault.open_with_recovery(&scope, &RecoveryCode::parse(code).unwrap()).is_ok()
}

/// A recovery on a fresh profile whose program dies so many steps later; what it was told of it.
fn cut_off(step: usize) -> (World, Option<String>) {
    let mut world = World::friends(950);
    world.pass(2_000);
    let old_code = world.recovery_code("alice");
    world.open("phone");
    world.connect("phone");
    let steps = world.client("phone").steps;
    world.client("phone").crash_after = Some(steps + step);
    let answered = recover(&mut world, "phone", &old_code);
    world.client("phone").crash_after = None;
    if world.client("phone").engine.is_none() {
        world.open("phone");
    }
    if world.client("phone").connection.is_none() {
        world.connect("phone");
    }
    world.pass(3_000);
    match answered {
        Ok(Reply::Recovered { recovery_code, .. }) => (world, Some(recovery_code)),
        _ => (world, None),
    }
}

#[test]
fn a_recovery_that_died_at_any_step_is_repeated_and_its_new_code_is_never_lost() {
    let (mut stood, mut repeated) = (0, 0);
    for step in 1..14 {
        let (mut world, mut told) = cut_off(step);
        let old_code = world.recovery_code("alice");
        if generation(&world) == 1 {
            // It never got through: the old code is good still.
            let again = recover(&mut world, "phone", &old_code).unwrap();
            let Reply::Recovered { recovery_code, new_device: true, .. } = again else { panic!("{again:?}") };
            (told, repeated) = (Some(recovery_code), repeated + 1);
        } else if told.is_none() {
            // It stands: the new password lets this device in, and the code waits for whoever has that.
            if !world.status("phone").logged_in {
                let entered = world.join_with("phone", "alice", NEXT).unwrap();
                assert!(matches!(entered, Reply::LoggedIn { new_device: true, .. }), "step {step}: {entered:?}");
            }
            assert!(world.status("phone").changing_password, "step {step}");
            let reply = world.account("phone", AccountCommand::PasswordStands).unwrap();
            let Reply::PasswordChanged { recovery_code } = reply else { panic!("{reply:?}") };
            (told, stood) = (Some(recovery_code), stood + 1);
        }
        assert!(opens(&world, &told.unwrap()), "step {step}");
        assert!(!opens(&world, &old_code), "step {step}");
        world.pass(5_000);
        let list = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
        assert_eq!(list.body().live_devices().count(), 2, "step {step}: one new device, however often it was tried");
        world.say("bob", "alice", "to both");
        world.pass(5_000);
        assert_eq!(world.heard("phone"), ["to both"], "step {step}");
        assert_eq!(world.heard("alice").last().unwrap(), "to both", "step {step}");
    }
    assert!(stood > 1 && repeated > 1, "{stood} stood, {repeated} were repeated");
}

#[test]
fn a_fork_of_the_own_list_ends_with_the_next_list_of_the_account_key_for_everybody() {
    let mut world = World::friends(951);
    world.pass(2_000);
    let key = world.relay.account_key("alice");
    let first = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    world.join("laptop", "alice").unwrap();
    world.pass(3_000);
    // The relay got another list signed for the same number, and shows it to some.
    let other = ListBody { seq: 2, prev_hash: first.hash(), created_ms: 7, ..first.body().clone() };
    let other = key.sign_list(&other);
    for (who, to) in [("bob", "alice"), ("alice", "bob")] {
        world.relay.hostile.stale = Some(other.clone());
        world.say(who, to, "held up");
        world.pass(500);
        world.relay.hostile.stale = None;
        world.pass(70_000);
        let fork = |kind: &NoticeKind| matches!(kind, NoticeKind::TrustAlarm(a) if a.kind == AlarmKind::ListForked);
        assert_eq!(world.notices(who, fork), 1, "{who}");
    }
    world.say("bob", "alice", "under the fork");
    world.pass(5_000);
    assert!(!world.heard("laptop").contains(&"under the fork".to_owned()), "it stands in one branch only");
    let route = Route(world.client("alice").connection.unwrap());
    let change = PasswordChange { route, old: world.proven("alice", [7; 64]), new: new_password() };
    world.account("alice", AccountCommand::ChangePassword(Box::new(change))).unwrap();
    world.pass(5_000);
    let merged = DeviceList::decode(&world.relay.list_of("alice")).unwrap();
    assert_eq!(merged.body().merged_hash, DeviceList::decode(&other).unwrap().hash(), "both branches are named");
    world.say("alice", "bob", "it is over");
    world.pass(5_000);
    world.say("bob", "alice", "to all again");
    world.pass(5_000);
    assert_eq!(world.heard("laptop").last().unwrap(), "to all again");
    assert_eq!(world.heard("alice").last().unwrap(), "to all again");
}

#[test]
fn a_one_time_key_that_is_handed_out_twice_opens_one_session_and_the_other_device_is_heard_all_the_same() {
    let mut world = World::friends(952);
    world.pass(2_000);
    world.relay.hostile.same_pair = true;
    for device in ["laptop", "tablet"] {
        world.join(device, "bob").unwrap();
        world.pass(3_000);
    }
    world.say("laptop", "alice", "from the first");
    world.say("tablet", "alice", "from the second");
    world.pass(10 * 60_000);
    let heard = world.heard("alice");
    for text in ["from the first", "from the second"] {
        assert_eq!(heard.iter().filter(|heard| *heard == text).count(), 1, "{text}: {heard:?}");
    }
    let undecryptable = |event: &Event| *event == Event::Trouble(Trouble::Undecryptable);
    assert!(world.client("alice").events.iter().any(undecryptable), "the second use opened nothing");
    world.say("alice", "bob", "to all");
    world.pass(60_000);
    for device in ["laptop", "tablet"] {
        assert_eq!(world.heard(device).last().unwrap(), "to all", "{device}");
    }
}

#[test]
fn a_list_of_six_devices_and_a_vault_take_a_few_kilobytes() {
    let mut world = World::with(953, &["alice"]);
    for device in ["two", "three", "four", "five", "six"] {
        world.join(device, "alice").unwrap();
        world.pass(1_000);
    }
    let list = world.relay.list_of("alice");
    assert_eq!(DeviceList::decode(&list).unwrap().body().live_devices().count(), 6);
    let account = world.relay.names[&name("alice")];
    let (vault, (_, record)) = (world.relay.vault_of(&account), world.relay.record_of(&account));
    println!("list of 6 devices {} B, vault {} B, record {} B", list.len(), vault.len(), record.len());
    assert!(list.len() < 1_300 && vault.len() < 4_000, "{} {}", list.len(), vault.len());
}
