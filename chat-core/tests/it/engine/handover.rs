//! A new password whose answer is lost, and the history between own devices.

use bytes::Bytes;
use chat_core::engine::{
    AccountCommand, Command, Event, ExportKey, Failure, FailureKind, HistoryPiece, HistoryProgress, NewPassword,
    NoticeKind, PasswordChange, Reply, Route,
};
use chat_core::identity::{RecoveryCode, Vault, VaultScope};
use chat_wire::device_list::DeviceList;
use chat_wire::ids::DeviceId;

use super::world::World;

const NEXT: [u8; 64] = [8; 64];

fn with_second(seed: u64) -> World {
    let mut world = World::friends(seed);
    world.pass(2_000);
    world.join("laptop", "alice").unwrap();
    world.pass(3_000);
    world
}

fn change(world: &mut World) -> Result<Reply, Failure> {
    let route = Route(world.client("alice").connection.unwrap());
    let new = NewPassword {
        record: Bytes::from_static(&[1; 192]),
        export_key: ExportKey(zeroize::Zeroizing::new(NEXT)),
        kp: 1,
    };
    let change = PasswordChange { route, old: world.proven("alice", [7; 64]), new };
    world.account("alice", AccountCommand::ChangePassword(Box::new(change)))
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

#[test]
fn a_new_password_that_died_at_any_step_stands_or_not_and_its_code_is_never_lost() {
    let mut stood = 0;
    for step in 1..12 {
        let mut world = with_second(700);
        let steps = world.client("alice").steps;
        world.client("alice").crash_after = Some(steps + step);
        let answered = change(&mut world);
        world.client("alice").crash_after = None;
        if world.client("alice").engine.is_none() {
            world.open("alice");
        }
        if world.client("alice").connection.is_none() {
            world.connect("alice");
        }
        world.pass(5_000);
        let mut told = match &answered {
            Ok(Reply::PasswordChanged { recovery_code }) => Some(recovery_code.clone()),
            _ => None,
        };
        if world.status("alice").changing_password {
            let reply = world.account("alice", AccountCommand::PasswordStands).unwrap();
            let Reply::PasswordChanged { recovery_code } = reply else { panic!("{reply:?}") };
            // A death right after the answer may tell it again, and then the same.
            assert!(told.is_none_or(|before| before == recovery_code), "step {step}");
            told = Some(recovery_code);
        }
        assert_eq!(told.is_some(), generation(&world) == 2, "step {step}: {answered:?}");
        if let Some(code) = &told {
            assert!(opens(&world, code), "step {step}");
            stood += 1;
        }
        assert!(!world.status("alice").changing_password, "step {step}: told");
        let again = world.account("alice", AccountCommand::PasswordStands).unwrap_err();
        assert_eq!(again.kind, FailureKind::NotFound);
        // Both devices are in step, whatever was lost.
        world.ok("alice", Command::SetProfile { display_name: Some("after".into()) });
        world.pass(5_000);
        assert_eq!(world.status("laptop").display_name.as_deref(), Some("after"), "step {step}");
    }
    assert!(stood > 2, "{stood}");
}

fn wanted(world: &mut World, who: &str) -> Vec<(DeviceId, Option<i64>)> {
    let wanted = |event: &Event| match event {
        Event::HistoryWanted { device, before } => Some((*device, *before)),
        _ => None,
    };
    world.client(who).events.iter().filter_map(wanted).collect()
}

fn piece(world: &mut World, before: Option<i64>, next: Option<i64>) -> HistoryPiece {
    let device = world.status("laptop").device.unwrap();
    let rows =
        world.client("alice").disk.history.iter().map(|message| chat_core::archive::encode_row(message).unwrap());
    HistoryPiece { device, before, rows: rows.collect::<Vec<_>>().concat(), next, left: 1 }
}

fn progress(world: &mut World, who: &str) -> Option<HistoryProgress> {
    let progress = |event: &Event| match event {
        Event::HistoryProgress(progress) => Some(*progress),
        _ => None,
    };
    world.client(who).events.iter().rev().find_map(progress)
}

#[test]
fn no_history_leaves_before_the_person_says_so_and_only_to_the_device_that_asked() {
    let mut world = with_second(701);
    let laptop = world.status("laptop").device.unwrap();
    let unasked = piece(&mut world, None, None);
    world.account("alice", AccountCommand::GiveHistory(unasked.clone())).unwrap();
    world.account("laptop", AccountCommand::AskHistory).unwrap();
    world.pass(3_000);
    let asked = |kind: &NoticeKind| matches!(kind, NoticeKind::DeviceAsks { device, .. } if *device == laptop);
    assert_eq!(world.notices("alice", asked), 1);
    assert_eq!(wanted(&mut world, "alice"), []);
    world.account("alice", AccountCommand::GiveHistory(unasked)).unwrap();
    world.pass(3_000);
    assert_eq!(progress(&mut world, "laptop"), Some(HistoryProgress::Asked));
    let other = AccountCommand::AnswerHistory { device: DeviceId(1), allow: true };
    assert_eq!(world.account("alice", other).unwrap_err().kind, FailureKind::NotFound);
    world.account("alice", AccountCommand::AnswerHistory { device: laptop, allow: true }).unwrap();
    assert_eq!(wanted(&mut world, "alice"), [(laptop, None)]);
}

#[test]
fn a_history_goes_on_after_a_restart_of_either_side_and_ends_when_its_giver_turns_in_circles() {
    let mut world = with_second(702);
    let laptop = world.status("laptop").device.unwrap();
    world.account("alice", AccountCommand::ShareHistory(true)).unwrap();
    world.account("laptop", AccountCommand::AskHistory).unwrap();
    world.pass(3_000);
    assert_eq!(wanted(&mut world, "alice"), [(laptop, None)], "the setting allows it");
    world.restart("alice");
    world.pass(1_000);
    assert_eq!(wanted(&mut world, "alice").last(), Some(&(laptop, None)), "asked of the shell until it answers");
    let first = piece(&mut world, None, Some(5));
    world.account("alice", AccountCommand::GiveHistory(first)).unwrap();
    world.pass(3_000);
    assert!(matches!(progress(&mut world, "laptop"), Some(HistoryProgress::Coming { .. })));
    assert_eq!(wanted(&mut world, "alice").last(), Some(&(laptop, Some(5))));
    world.restart("laptop");
    world.pass(3_000);
    assert_eq!(wanted(&mut world, "alice").last(), Some(&(laptop, Some(5))));
    let circle = piece(&mut world, Some(5), Some(5));
    world.account("alice", AccountCommand::GiveHistory(circle)).unwrap();
    world.pass(3_000);
    assert!(matches!(progress(&mut world, "laptop"), Some(HistoryProgress::Done { .. })));
}

#[test]
fn a_contact_s_device_gets_no_history() {
    let mut world = with_second(703);
    world.account("alice", AccountCommand::ShareHistory(true)).unwrap();
    assert_eq!(world.account("bob", AccountCommand::AskHistory).unwrap_err().kind, FailureKind::NotFound);
    world.pass(3_000);
    assert_eq!(wanted(&mut world, "alice"), []);
}
