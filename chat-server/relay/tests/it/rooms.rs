//! Rooms at the relay: the log, commits, who may do what, what readers get.

// By path: the server runs these tests on its storage, from a folder of its own.
#[path = "rooms/crowd.rs"]
mod crowd;
#[path = "rooms/packages.rs"]
mod packages;

use bytes::Bytes;
use chat_relay::limits::{Allowance, Limits};
use chat_relay::{Config, ConnectionId, Input, Lobby};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::frame::ServerFrame;
use chat_wire::ids::{AccountId, DeviceAddress, KeyPackageId, RequestKey, RoomId, RoomName};
use chat_wire::message::{
    ClientMessage, CommitHead, Departure, EntryKind, KeyPackageUpload, ListState, PacketHead, PresenceStatus,
    RoomAnswer, RoomAsk, RoomCard, RoomEnd, RoomPush, ServerMessage,
};
use serde_bytes::ByteBuf;

use crate::bench::Bench;
use crate::kit::Person;
use crate::store;

const ROOM: RoomId = RoomId([4; 16]);

fn name(text: &str) -> RoomName {
    RoomName::parse(text).unwrap()
}

fn key(number: u8) -> RequestKey {
    RequestKey([number; 16])
}

fn room(bench: &mut Bench, connection: ConnectionId, ask: RoomAsk) -> RoomAnswer {
    room_with(bench, connection, ask, b"").0
}

fn room_with(bench: &mut Bench, connection: ConnectionId, ask: RoomAsk, body: &[u8]) -> (RoomAnswer, Bytes) {
    let frame = bench.ask_with(connection, ClientMessage::Room(ask), Bytes::copy_from_slice(body));
    match frame.message {
        ServerMessage::Room(answer) => (answer, frame.body),
        other => panic!("{other:?}"),
    }
}

fn refused(bench: &mut Bench, connection: ConnectionId, ask: RoomAsk, body: &[u8]) -> RefusalKind {
    match bench.ask_with(connection, ClientMessage::Room(ask), Bytes::copy_from_slice(body)).message {
        ServerMessage::Refused(Refusal { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

fn create(room: RoomId, text: &str, public: bool) -> RoomAsk {
    RoomAsk::Create { key: key(0), room, name: name(text), public, owned: text != "lobby", topic: None }
}

/// A commit without welcomes; its bytes are `commit N`, where N is the base.
fn commit(number: u8, base: u64, added: &[DeviceAddress], removed: &[DeviceAddress]) -> RoomAsk {
    RoomAsk::Commit(CommitHead {
        key: key(number),
        room: ROOM,
        base,
        contest: false,
        added: added.to_vec(),
        removed: removed.to_vec(),
        topic: None,
        owner: None,
        commit_len: 6,
        group_info_len: 4,
        welcomes: vec![],
    })
}

fn head(ask: &mut RoomAsk) -> &mut CommitHead {
    match ask {
        RoomAsk::Commit(head) => head,
        other => panic!("{other:?}"),
    }
}

const COMMIT_BODY: &[u8] = b"commitinfo";

fn post(number: u8, epoch: u64) -> RoomAsk {
    RoomAsk::Post { key: key(number), room: ROOM, epoch }
}

fn open(after: u64) -> RoomAsk {
    RoomAsk::Open { room: ROOM, after }
}

fn seq_of(answer: &RoomAnswer) -> u64 {
    match answer {
        RoomAnswer::Appended { seq, .. } => *seq,
        other => panic!("{other:?}"),
    }
}

/// Texts of entries that were pushed since the last look, with their places.
fn entries(frames: &[ServerFrame]) -> Vec<(u64, EntryKind, Bytes)> {
    let entry = |frame: &ServerFrame| match &frame.message {
        ServerMessage::RoomPush(RoomPush::Entry { seq, kind, .. }) => Some((*seq, *kind, frame.body.clone())),
        _ => None,
    };
    frames.iter().filter_map(entry).collect()
}

fn places(frames: &[ServerFrame]) -> Vec<u64> {
    entries(frames).into_iter().map(|(seq, ..)| seq).collect()
}

/// A room of alice, into which bob came by a commit of hers; both read it.
fn two_in_a_room(bench: &mut Bench, public: bool) -> ((Person, ConnectionId), (Person, ConnectionId)) {
    let ((alice, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    room_with(bench, a, create(ROOM, "garden", public), b"info");
    let added = commit(1, 0, &[bob.address(1)], &[]);
    assert_eq!(seq_of(&room_with(bench, a, added, COMMIT_BODY).0), 1);
    room(bench, a, open(1));
    room(bench, b, open(1));
    bench.outputs.clear();
    ((alice, a), (bob, b))
}

#[test]
fn a_message_is_stored_once_and_reaches_everybody_who_reads_and_later_who_was_away() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = two_in_a_room(&mut bench, false);
    let answer = room_with(&mut bench, a, post(2, 1), b"hello").0;
    assert_eq!(seq_of(&answer), 2);
    for connection in [a, b] {
        let got = entries(&bench.pushed(connection));
        assert_eq!(got, [(2, EntryKind::Message, Bytes::from_static(b"hello"))], "the sender hears itself too");
    }
    bench.take(Input::Closed(b));
    room_with(&mut bench, a, post(3, 1), b"are you there?");
    let b = bench.login(&bob, 1);
    bench.outputs.clear();
    assert_eq!(room(&mut bench, b, open(2)), RoomAnswer::Opened { first: 3, last: 3, epoch: 1 });
    let frames = bench.pushed(b);
    assert_eq!(places(&frames), [3]);
    let caught_up = ServerMessage::RoomPush(RoomPush::CaughtUp { room: ROOM, seq: 3 });
    assert_eq!(frames.last().map(|f| &f.message), Some(&caught_up));
}

#[test]
fn a_repeat_of_anything_gets_the_first_answer_and_is_stored_once() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, _)) = two_in_a_room(&mut bench, true);
    let again = room_with(&mut bench, a, commit(1, 0, &[bob.address(1)], &[]), COMMIT_BODY).0;
    assert_eq!((seq_of(&again), matches!(again, RoomAnswer::Appended { epoch: 1, .. })), (1, true));
    let first = room_with(&mut bench, a, post(2, 1), b"once").0;
    bench.pass_ms(1_000);
    assert_eq!(room_with(&mut bench, a, post(2, 1), b"once").0, first);
    let a = bench.login(&alice, 1);
    assert_eq!(room_with(&mut bench, a, post(2, 1), b"once").0, first);
    let leave = RoomAsk::Leave { key: key(5), room: ROOM };
    let left = room_with(&mut bench, a, leave.clone(), b"bye").0;
    assert_eq!(room_with(&mut bench, a, leave, b"bye").0, left);

    let dave = bench.reachable("daveb").1;
    let other = RoomId([5; 16]);
    let made = room_with(&mut bench, dave, create(other, "shed", false), b"info").0;
    assert_eq!(room_with(&mut bench, dave, create(other, "shed", false), b"info").0, made);
    assert_eq!(refused(&mut bench, dave, create(RoomId([6; 16]), "shed", false), b"info"), RefusalKind::RoomExists);
    assert_eq!(refused(&mut bench, a, create(other, "another", false), b"info"), RefusalKind::RoomExists);
}

#[test]
fn of_commits_from_one_base_the_first_wins_and_the_others_learn_where_the_room_is() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (_, b)) = two_in_a_room(&mut bench, false);
    assert_eq!(seq_of(&room_with(&mut bench, a, commit(2, 1, &[], &[]), COMMIT_BODY).0), 2);
    let late = room_with(&mut bench, b, commit(3, 1, &[], &[]), COMMIT_BODY).0;
    assert_eq!(late, RoomAnswer::Behind { epoch: 2, seq: 2 });
    let early = room_with(&mut bench, b, commit(4, 3, &[], &[]), COMMIT_BODY).0;
    assert_eq!(early, RoomAnswer::Behind { epoch: 2, seq: 2 });
    assert_eq!(places(&bench.pushed(a)), [2], "what lost is stored nowhere");
    let (info, body) = room_with(&mut bench, b, RoomAsk::GroupInfo { room: ROOM }, b"");
    assert_eq!((info, &body[..]), (RoomAnswer::GroupInfo { epoch: 2, seq: 2 }, &b"info"[..]));
}

#[test]
fn a_base_may_be_contested_eight_times_and_who_the_first_commit_removed_comes_back() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = two_in_a_room(&mut bench, false);
    let (carol, c) = bench.reachable("carol");
    room_with(&mut bench, a, commit(20, 1, &[carol.address(1)], &[]), COMMIT_BODY);
    room(&mut bench, c, open(2));
    bench.outputs.clear();
    room_with(&mut bench, c, commit(2, 2, &[], &[bob.address(1)]), COMMIT_BODY);
    assert_eq!(places(&bench.pushed(b)), [3], "bob reads that he is out, and nothing after it");
    assert_eq!(refused(&mut bench, b, post(3, 3), b"hm"), RefusalKind::UnknownRoom);
    let contest = |number, base| {
        let mut ask = commit(number, base, &[], &[]);
        head(&mut ask).contest = true;
        ask
    };
    let beside = room_with(&mut bench, a, contest(4, 2), COMMIT_BODY).0;
    assert!(matches!(beside, RoomAnswer::Appended { seq: 4, epoch: 3, .. }), "{beside:?}");
    room(&mut bench, b, open(3));
    assert_eq!(places(&bench.pushed(b)), [4]);
    assert_eq!(seq_of(&room_with(&mut bench, b, post(5, 3), b"back").0), 5);
    for number in 6..13 {
        assert!(matches!(room_with(&mut bench, a, contest(number, 2), COMMIT_BODY).0, RoomAnswer::Appended { .. }));
    }
    assert!(matches!(room_with(&mut bench, a, contest(13, 2), COMMIT_BODY).0, RoomAnswer::Behind { epoch: 3, .. }));
    assert!(matches!(room_with(&mut bench, a, contest(14, 1), COMMIT_BODY).0, RoomAnswer::Behind { epoch: 3, .. }));
}

#[test]
fn a_welcome_lies_in_the_mailbox_of_the_device_exactly_when_its_commit_lies_in_the_room() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), _) = two_in_a_room(&mut bench, false);
    let (carol, c) = bench.reachable("carol");
    bench.outputs.clear();
    let inviting = |number, base, to: DeviceAddress, added: &[DeviceAddress]| {
        let mut ask = commit(number, base, added, &[]);
        head(&mut ask).welcomes = vec![PacketHead { to, len: 7 }];
        ask
    };
    let body = b"commitinfowelcome";
    let stranger = refused(&mut bench, a, inviting(2, 1, carol.address(1), &[]), body);
    assert_eq!(stranger, RefusalKind::Malformed, "a welcome for who is not added");
    let behind = room_with(&mut bench, a, inviting(3, 0, carol.address(1), &[carol.address(1)]), body).0;
    assert!(matches!(behind, RoomAnswer::Behind { .. }));
    assert_eq!(bench.delivered(c), []);
    let nobody = DeviceAddress { account: AccountId([9; 32]), device: carol.devices[0].id };
    assert_eq!(refused(&mut bench, a, inviting(4, 1, nobody, &[nobody]), body), RefusalKind::UnknownUser);
    assert_eq!(
        refused(&mut bench, a, inviting(4, 1, carol.address(7), &[carol.address(7)]), body),
        RefusalKind::BadList
    );

    let done = room_with(&mut bench, a, inviting(5, 1, carol.address(1), &[carol.address(1)]), body).0;
    assert_eq!(seq_of(&done), 2);
    assert_eq!(bench.delivered(c), [(1, Bytes::from_static(b"welcome"))]);
    room_with(&mut bench, a, post(6, 2), b"hi carol");
    assert_eq!(room(&mut bench, c, open(0)), RoomAnswer::Opened { first: 3, last: 3, epoch: 2 });
    assert_eq!(places(&bench.pushed(c)), [3], "history starts at the join");
}

#[test]
fn a_public_room_is_entered_by_oneself_alone_and_a_private_one_does_not_exist_for_others() {
    for public in [true, false] {
        let mut bench = Bench::new(Config::default());
        let ((alice, a), (bob, _)) = two_in_a_room(&mut bench, public);
        let (carol, c) = bench.reachable("carol");
        let outside = if public { RefusalKind::Forbidden } else { RefusalKind::UnknownRoom };
        assert_eq!(refused(&mut bench, c, post(9, 1), b"x"), outside);
        assert_eq!(refused(&mut bench, c, open(0), b""), outside);
        let sly = [
            commit(10, 1, &[carol.address(1)], &[alice.address(1)]),
            commit(11, 1, &[carol.address(1), bob.address(1)], &[]),
            commit(12, 1, &[], &[]),
        ];
        for ask in sly {
            assert_eq!(refused(&mut bench, c, ask, COMMIT_BODY), outside);
        }
        let info = RoomAsk::Info { name: name("garden") };
        let list = RoomAsk::List { joined: false, after: None, limit: 10 };
        if public {
            let RoomAnswer::Info(card) = room(&mut bench, c, info) else { panic!() };
            assert_eq!((card.members, card.joined, card.epoch), (2, false, 1));
            assert!(matches!(room(&mut bench, c, RoomAsk::GroupInfo { room: ROOM }), RoomAnswer::GroupInfo { .. }));
            let joined = room_with(&mut bench, c, commit(13, 1, &[carol.address(1)], &[]), COMMIT_BODY).0;
            assert!(matches!(joined, RoomAnswer::Appended { seq: 2, epoch: 2, .. }));
            let RoomAnswer::Rooms { rooms } = room(&mut bench, c, list) else { panic!() };
            assert!(matches!(&rooms[..], [RoomCard { members: 3, joined: true, .. }]));
            assert_eq!(places(&bench.pushed(a)), [2], "each join is seen");
        } else {
            assert_eq!(refused(&mut bench, c, info, b""), RefusalKind::UnknownRoom);
            assert_eq!(refused(&mut bench, c, RoomAsk::GroupInfo { room: ROOM }, b""), RefusalKind::UnknownRoom);
            assert_eq!(refused(&mut bench, c, commit(13, 1, &[carol.address(1)], &[]), COMMIT_BODY), outside);
            assert_eq!(room(&mut bench, c, list), RoomAnswer::Rooms { rooms: vec![] });
        }
    }
}

#[test]
fn who_is_removed_reads_up_to_there_also_when_away_and_not_a_word_further() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = two_in_a_room(&mut bench, false);
    bench.take(Input::Closed(b));
    room_with(&mut bench, a, post(2, 1), b"before");
    room_with(&mut bench, a, commit(3, 1, &[], &[bob.address(1)]), COMMIT_BODY);
    room_with(&mut bench, a, post(4, 2), b"after");
    let b = bench.login(&bob, 1);
    bench.outputs.clear();
    assert_eq!(room(&mut bench, b, open(1)), RoomAnswer::Opened { first: 2, last: 3, epoch: 2 });
    assert_eq!(places(&bench.pushed(b)), [2, 3]);
    room_with(&mut bench, a, post(5, 2), b"secret");
    assert!(bench.pushed(b).is_empty());
    assert_eq!(refused(&mut bench, b, RoomAsk::GroupInfo { room: ROOM }, b""), RefusalKind::UnknownRoom);
    bench.tell(b, ClientMessage::Room(RoomAsk::Ack { room: ROOM, seq: 3 }));
    bench.pass_ms(120_000);
    let b = bench.login(&bob, 1);
    assert_eq!(refused(&mut bench, b, open(3), b""), RefusalKind::UnknownRoom);
}

#[test]
fn a_message_may_be_five_epochs_late_and_never_early() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), _) = two_in_a_room(&mut bench, false);
    for base in 1..7 {
        room_with(&mut bench, a, commit(10 + base as u8, base, &[], &[]), COMMIT_BODY);
    }
    assert!(matches!(room_with(&mut bench, a, post(30, 2), b"late").0, RoomAnswer::Appended { epoch: 7, .. }));
    assert_eq!(room_with(&mut bench, a, post(31, 1), b"too late").0, RoomAnswer::Behind { epoch: 7, seq: 8 });
    assert_eq!(room_with(&mut bench, a, post(32, 8), b"early").0, RoomAnswer::Behind { epoch: 7, seq: 8 });
}

#[test]
fn leaving_takes_all_devices_of_the_account_and_the_last_one_out_ends_the_room() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (_, b)) = two_in_a_room(&mut bench, true);
    let leave = |number| RoomAsk::Leave { key: key(number), room: ROOM };
    assert_eq!(refused(&mut bench, b, leave(2), &[1; 2_000]), RefusalKind::Malformed);
    room_with(&mut bench, b, leave(2), b"statement");
    let seen = entries(&bench.pushed(a));
    assert_eq!(seen, [(2, EntryKind::Leave, Bytes::from_static(b"statement"))]);
    assert_eq!(refused(&mut bench, b, post(3, 1), b"x"), RefusalKind::Forbidden);
    room_with(&mut bench, a, leave(4), b"statement");
    let gone = ServerMessage::RoomPush(RoomPush::Gone { room: ROOM, reason: RoomEnd::Closed });
    let told: Vec<_> = bench.pushed(a).into_iter().map(|f| f.message).collect();
    assert!(!told.contains(&gone), "who left is not told twice");
    assert_eq!(refused(&mut bench, b, RoomAsk::Info { name: name("garden") }, b""), RefusalKind::UnknownRoom);
    let made = room_with(&mut bench, b, create(RoomId([5; 16]), "garden", true), b"info").0;
    assert!(matches!(made, RoomAnswer::Appended { .. }), "the name is free");
    assert_eq!(refused(&mut bench, b, create(ROOM, "other", true), b"info"), RefusalKind::RoomExists, "the id is not");
}

#[test]
fn only_the_owner_deletes_and_everybody_learns_it_with_the_owners_statement() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = two_in_a_room(&mut bench, false);
    let delete = RoomAsk::Delete { room: ROOM };
    assert_eq!(refused(&mut bench, b, delete.clone(), b"mine"), RefusalKind::Forbidden);
    let mut handing_over = commit(2, 1, &[], &[]);
    head(&mut handing_over).owner = Some(bob.account);
    assert_eq!(refused(&mut bench, b, handing_over.clone(), COMMIT_BODY), RefusalKind::Forbidden);
    assert!(matches!(room_with(&mut bench, a, handing_over, COMMIT_BODY).0, RoomAnswer::Appended { .. }));
    assert_eq!(refused(&mut bench, a, delete.clone(), b"mine"), RefusalKind::Forbidden);
    bench.outputs.clear();
    let body = Bytes::from_static(b"statement");
    let done = bench.ask_with(b, ClientMessage::Room(delete.clone()), body.clone()).message;
    assert_eq!(done, ServerMessage::Done {});
    let gone = ServerMessage::RoomPush(RoomPush::Gone { room: ROOM, reason: RoomEnd::Deleted });
    let pushed = bench.pushed(a);
    assert_eq!(pushed.last().map(|f| (&f.message, &f.body)), Some((&gone, &body)));
    assert_eq!(bench.ask_with(b, ClientMessage::Room(delete), body).message, ServerMessage::Done {}, "a repeat");

    let a = bench.login(&alice, 1);
    let (answer, statement) = room_with(&mut bench, a, open(1), b"");
    assert_eq!((answer, &statement[..]), (RoomAnswer::Gone { reason: RoomEnd::Deleted }, &b"statement"[..]));
    let taken = refused(&mut bench, a, create(RoomId([5; 16]), "garden", true), b"info");
    assert_eq!(taken, RefusalKind::RoomExists, "nobody poses as a room that just went");
    assert!(matches!(
        room_with(&mut bench, b, create(RoomId([6; 16]), "garden", true), b"info").0,
        RoomAnswer::Appended { .. }
    ));
}

#[test]
fn nobody_throws_the_owner_out_and_when_the_owner_has_left_a_commit_names_the_next() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = two_in_a_room(&mut bench, false);
    let named = |mut ask: RoomAsk, next: AccountId| {
        head(&mut ask).owner = Some(next);
        ask
    };
    let coup = commit(2, 1, &[], &[alice.address(1)]);
    assert_eq!(refused(&mut bench, b, coup.clone(), COMMIT_BODY), RefusalKind::Forbidden);
    assert_eq!(refused(&mut bench, b, named(coup, bob.account), COMMIT_BODY), RefusalKind::Forbidden);
    room_with(&mut bench, a, RoomAsk::Leave { key: key(3), room: ROOM }, b"statement");
    let outsider = named(commit(4, 1, &[], &[]), AccountId([9; 32]));
    assert_eq!(refused(&mut bench, b, outsider, COMMIT_BODY), RefusalKind::Forbidden, "nobody from outside");
    let heir = named(commit(5, 1, &[], &[alice.address(1)]), bob.account);
    assert!(matches!(room_with(&mut bench, b, heir, COMMIT_BODY).0, RoomAnswer::Appended { .. }));
    let done = bench.ask_with(b, ClientMessage::Room(RoomAsk::Delete { room: ROOM }), Bytes::new()).message;
    assert_eq!(done, ServerMessage::Done {});
}

#[test]
fn the_lobby_is_public_and_nobodys() {
    let mut bench = Bench::new(Config::default());
    let (_, a) = bench.reachable("alice");
    let lobby =
        |public, owned| RoomAsk::Create { key: key(0), room: ROOM, name: name("#Lobby"), public, owned, topic: None };
    assert_eq!(refused(&mut bench, a, lobby(true, true), b"info"), RefusalKind::Malformed);
    assert_eq!(refused(&mut bench, a, lobby(false, false), b"info"), RefusalKind::Malformed);
    assert!(matches!(room_with(&mut bench, a, lobby(true, false), b"info").0, RoomAnswer::Appended { .. }));
    let delete = RoomAsk::Delete { room: ROOM };
    assert_eq!(refused(&mut bench, a, delete, b""), RefusalKind::Forbidden);
    let ownerless = RoomAsk::Create {
        key: key(0),
        room: RoomId([5; 16]),
        name: name("garden"),
        public: false,
        owned: false,
        topic: None,
    };
    assert_eq!(refused(&mut bench, a, ownerless, b"info"), RefusalKind::Malformed);
}

#[test]
fn the_operator_turns_the_lobby_off_and_who_is_in_it_stays() {
    let lobby = |number| create(RoomId([number; 16]), "lobby", true);
    let mut bench = Bench::new(Config { lobby: Lobby::Off, ..Config::default() });
    let (_, a) = bench.reachable("alice");
    assert_eq!(refused(&mut bench, a, lobby(4), b"info"), RefusalKind::Forbidden);
    assert!(matches!(
        room_with(&mut bench, a, create(RoomId([6; 16]), "garden", true), b"info").0,
        RoomAnswer::Appended { .. }
    ));

    // It stood before the operator decided so.
    let mut bench = Bench::new(Config::default());
    let ((_, a), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    room_with(&mut bench, a, lobby(4), b"info");
    bench.relay.reconfigure(Config { lobby: Lobby::Off, ..Config::default() });
    assert_eq!(refused(&mut bench, b, RoomAsk::Info { name: name("lobby") }, b""), RefusalKind::UnknownRoom);
    assert_eq!(refused(&mut bench, b, RoomAsk::GroupInfo { room: ROOM }, b""), RefusalKind::UnknownRoom);
    assert_eq!(refused(&mut bench, b, commit(2, 0, &[bob.address(1)], &[]), COMMIT_BODY), RefusalKind::UnknownRoom);
    assert!(matches!(room_with(&mut bench, a, post(3, 0), b"alone").0, RoomAnswer::Appended { .. }));
    assert!(matches!(room(&mut bench, a, RoomAsk::Info { name: name("lobby") }), RoomAnswer::Info(_)));
    let all = RoomAsk::List { joined: false, after: None, limit: 9 };
    let names = |answer| match answer {
        RoomAnswer::Rooms { rooms } => rooms.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((names(room(&mut bench, a, all.clone())), names(room(&mut bench, b, all))), (1, 0));
}

#[test]
fn who_writes_is_passed_on_to_who_reads_in_small_rooms_and_stored_nowhere() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (_, b)) = two_in_a_room(&mut bench, true);
    let (_, c) = bench.reachable("carol");
    let heard = |bench: &mut Bench, connection| {
        let typing = ServerMessage::RoomPush(RoomPush::Typing { room: ROOM });
        bench.pushed(connection).iter().filter(|f| f.message == typing).map(|f| f.body.clone()).collect::<Vec<_>>()
    };
    let types = |bench: &mut Bench, connection, body: Vec<u8>| {
        bench.tell_with(connection, ClientMessage::Room(RoomAsk::Typing { room: ROOM }), body.into());
    };
    types(&mut bench, a, b"sealed".to_vec());
    assert_eq!(heard(&mut bench, b), [&b"sealed"[..]]);
    assert!(heard(&mut bench, a).is_empty(), "nobody hears itself");
    types(&mut bench, c, b"from outside".to_vec());
    types(&mut bench, a, vec![0; 5_000]);
    assert!(heard(&mut bench, b).is_empty());
    assert_eq!(room(&mut bench, b, open(0)), RoomAnswer::Opened { first: 2, last: 1, epoch: 1 }, "nothing is stored");
    // In a crowd nobody is told.
    let crowd: Vec<_> = (0..50).map(|n| bench.reachable(&format!("guest{n}")).0.address(1)).collect();
    room_with(&mut bench, a, commit(2, 1, &crowd[..48], &[]), COMMIT_BODY);
    bench.outputs.clear();
    types(&mut bench, a, b"fifty".to_vec());
    assert_eq!(heard(&mut bench, b).len(), 1);
    room_with(&mut bench, a, commit(3, 2, &crowd[48..], &[]), COMMIT_BODY);
    bench.outputs.clear();
    types(&mut bench, a, b"fifty-two".to_vec());
    assert!(heard(&mut bench, b).is_empty());
}

#[test]
fn who_is_online_is_told_to_members_of_small_private_rooms_and_never_of_who_hides() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, b)) = two_in_a_room(&mut bench, false);
    let (_, c) = bench.reachable("carol");
    let look = RoomAsk::WhoIsHere { room: ROOM };
    let seen = |bench: &mut Bench| match room(bench, b, RoomAsk::WhoIsHere { room: ROOM }) {
        RoomAnswer::Present { accounts } => accounts,
        other => panic!("{other:?}"),
    };
    let show = |bench: &mut Bench, connection, status| bench.ask(connection, ClientMessage::SetPresence { status });
    show(&mut bench, a, PresenceStatus::Invisible);
    show(&mut bench, b, PresenceStatus::Online);
    assert_eq!(seen(&mut bench), [bob.account], "who hides is not there");
    show(&mut bench, a, PresenceStatus::Online);
    let mut both = vec![alice.account, bob.account];
    both.sort_unstable();
    assert_eq!(seen(&mut bench), both);
    bench.take(Input::Closed(a));
    assert_eq!(seen(&mut bench), [bob.account]);
    assert_eq!(refused(&mut bench, c, look.clone(), b""), RefusalKind::UnknownRoom);
    room_with(&mut bench, c, create(RoomId([6; 16]), "garden2", true), b"info");
    let public = RoomAsk::WhoIsHere { room: RoomId([6; 16]) };
    assert_eq!(refused(&mut bench, c, public, b""), RefusalKind::Forbidden, "not of public rooms");
}

#[test]
fn a_removed_device_and_a_deleted_account_leave_their_rooms_at_once() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (mut bob, b)) = two_in_a_room(&mut bench, true);
    let list = ByteBuf::from(bob.add_device(2));
    bench.ask(b, ClientMessage::PutDeviceList { list, vault: None });
    let b2 = bench.login(&bob, 2);
    room_with(&mut bench, b2, commit(2, 1, &[bob.address(2)], &[]), COMMIT_BODY);
    room(&mut bench, b2, open(2));
    let before = bob.list.clone();
    let list = ByteBuf::from(bob.revoke(2));
    bench.outputs.clear();
    bench.ask(b, ClientMessage::PutDeviceList { list: list.clone(), vault: None });
    let told = entries(&bench.pushed(a));
    let [(3, EntryKind::Departed, body)] = &told[..] else { panic!("{told:?}") };
    let why = Departure::decode(body).unwrap();
    assert_eq!((why.lists.last().map(|l| &l[..]), why.deletion), (Some(&list[..]), None), "the account's own word");
    assert!(why.lists.iter().any(|known| known[..] == before[..]), "with the lists that lead to it");
    bench.outputs.clear();
    room_with(&mut bench, a, post(3, 2), b"hello");
    assert!(bench.pushed(b2).is_empty() && !bench.pushed(b).is_empty());
    let info = |bench: &mut Bench| match room(bench, a, RoomAsk::Info { name: name("garden") }) {
        RoomAnswer::Info(card) => card.members,
        other => panic!("{other:?}"),
    };
    assert_eq!(info(&mut bench), 2);
    bench.outputs.clear();
    let ask = chat_wire::message::AccountAsk::Delete { signature: bob.deletion() };
    assert_eq!(bench.ask(b, ClientMessage::Account(ask)), ServerMessage::Done {});
    assert_eq!(info(&mut bench), 1);
    let told = entries(&bench.pushed(a));
    let [(5, EntryKind::Departed, body)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(Departure::decode(body).unwrap().deletion, Some(bob.deletion()));
}

#[test]
fn a_new_device_of_a_member_is_told_of_in_private_rooms_once_it_can_be_added() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (mut bob, b)) = two_in_a_room(&mut bench, false);
    let list = ByteBuf::from(bob.add_device(2));
    bench.ask(b, ClientMessage::PutDeviceList { list: list.clone(), vault: None });
    let b2 = bench.login(&bob, 2);
    assert!(entries(&bench.pushed(a)).is_empty(), "nobody could add it yet");
    let expires_ms = bench.now.wall_ms + 900_000;
    let package =
        |number| KeyPackageUpload { id: KeyPackageId([number; 32]), expires_ms, package: ByteBuf::from(vec![1; 9]) };
    let put = |packages| RoomAsk::PutKeyPackages { packages, last_resort: None };
    room(&mut bench, b2, put(vec![package(1)]));
    let told = entries(&bench.pushed(a));
    let [(2, EntryKind::Departed, body)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(Departure::decode(body).unwrap().lists.last().map(|l| &l[..]), Some(&list[..]));
    bench.outputs.clear();
    room_with(&mut bench, a, commit(3, 1, &[bob.address(2)], &[]), COMMIT_BODY);
    bench.outputs.clear();
    room(&mut bench, b2, put(vec![package(2)]));
    assert!(entries(&bench.pushed(a)).is_empty(), "it is in it");
}

#[test]
fn a_reader_that_takes_its_time_gets_everything_in_order_from_the_log() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (_, b)) = two_in_a_room(&mut bench, false);
    for number in 0..600_u64 {
        let mut ask = post(0, 1);
        if let RoomAsk::Post { key, .. } = &mut ask {
            key.0[..8].copy_from_slice(&number.to_be_bytes());
        }
        let answer = bench.ask_with(a, ClientMessage::Room(ask), Bytes::from(number.to_string())).message;
        assert!(matches!(answer, ServerMessage::Room(RoomAnswer::Appended { .. })), "{answer:?}");
        bench.tell(a, ClientMessage::Room(RoomAsk::Ack { room: ROOM, seq: number + 2 }));
    }
    let (mut got, mut rounds) = (Vec::new(), 0);
    loop {
        let part = places(&bench.pushed(b));
        let Some(last) = part.last().copied() else { break };
        assert!(part.len() <= 256, "no more than a window is under way");
        got.extend(part);
        rounds += 1;
        bench.tell(b, ClientMessage::Room(RoomAsk::Ack { room: ROOM, seq: last }));
    }
    assert_eq!(got, (2..=601).collect::<Vec<_>>());
    assert!(rounds > 2);
    assert_eq!(places(&bench.pushed(a)), (2..=601).collect::<Vec<_>>());
}

#[test]
fn what_everybody_holds_goes_and_what_is_too_old_or_too_much_goes_too() {
    let limits = Limits { room_entries_max: 20, ..Limits::default() };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let ((_, a), (bob, b)) = two_in_a_room(&mut bench, false);
    for number in 2..6 {
        room_with(&mut bench, a, post(number, 1), b"text");
    }
    for connection in [a, b] {
        bench.tell(connection, ClientMessage::Room(RoomAsk::Ack { room: ROOM, seq: 4 }));
    }
    // A sweep later; the connections stay alive meanwhile.
    for _ in 0..7 {
        bench.pass_ms(10_000);
        bench.ask(a, ClientMessage::Heartbeat {});
        bench.ask(b, ClientMessage::Heartbeat {});
    }
    assert_eq!(room(&mut bench, b, open(0)), RoomAnswer::Opened { first: 5, last: 5, epoch: 1 });
    bench.take(Input::Closed(b));
    for number in 6..40 {
        room_with(&mut bench, a, post(number, 1), b"text");
    }
    let b = bench.login(&bob, 1);
    let RoomAnswer::Opened { first, last, .. } = room(&mut bench, b, open(5)) else { panic!() };
    assert_eq!(last, 39);
    assert!(first > 6 && last - first <= 20, "cut from the front, and the reader sees it: {first}");
    assert_eq!(places(&bench.pushed(b)).first(), Some(&first));
}

#[test]
fn limits_hold_on_devices_rooms_names_sizes_and_rates() {
    let limits = Limits {
        room_devices_max: 2,
        rooms_per_account_max: 2,
        room_messages: Allowance { burst: 3, refill_ms: 1_000 },
        ..Limits::default()
    };
    let mut bench = Bench::new(Config { limits, ..Config::default() });
    let ((_, a), _) = two_in_a_room(&mut bench, true);
    let (carol, c) = bench.reachable("carol");
    let full = refused(&mut bench, c, commit(2, 1, &[carol.address(1)], &[]), COMMIT_BODY);
    assert_eq!(full, RefusalKind::TooLarge);
    for number in 5..7 {
        room_with(&mut bench, c, create(RoomId([number; 16]), &format!("room{number}"), false), b"info");
    }
    let third = create(RoomId([7; 16]), "room7", false);
    assert_eq!(refused(&mut bench, c, third, b"info"), RefusalKind::TooLarge);
    assert_eq!(refused(&mut bench, a, post(9, 1), &vec![0; 97 * 1024]), RefusalKind::TooLarge);
    assert_eq!(refused(&mut bench, a, post(9, 1), b""), RefusalKind::Malformed);
    for number in 10..13 {
        room_with(&mut bench, a, post(number, 1), b"text");
    }
    let over = bench.ask_with(a, ClientMessage::Room(post(13, 1)), Bytes::from_static(b"text")).message;
    assert!(matches!(over, ServerMessage::Refused(r) if r.kind == RefusalKind::RateLimited && r.retry_ms == 1_000));
    let long = RoomAsk::Create {
        key: key(0),
        room: RoomId([8; 16]),
        name: name("long"),
        public: true,
        owned: true,
        topic: Some("x".repeat(1_025)),
    };
    assert_eq!(refused(&mut bench, a, long, b"info"), RefusalKind::TooLarge);
}

#[test]
fn heads_that_do_not_fit_the_body_are_refused_whole() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), _) = two_in_a_room(&mut bench, false);
    for (commit_len, group_info_len, body) in [
        (6, 4, &b"commitinf"[..]),
        (6, 4, b"commitinfo!"),
        (0, 4, b"info"),
        (6, 0, b"commit"),
        (u32::MAX, u32::MAX, b"x"),
    ] {
        let mut ask = commit(2, 1, &[], &[]);
        let head = head(&mut ask);
        (head.commit_len, head.group_info_len) = (commit_len, group_info_len);
        assert_eq!(refused(&mut bench, a, ask, body), RefusalKind::Malformed);
    }
    assert!(matches!(room(&mut bench, a, RoomAsk::GroupInfo { room: ROOM }), RoomAnswer::GroupInfo { epoch: 1, .. }));
}

#[test]
fn the_operator_slows_a_room_down_and_closes_it() {
    let mut bench = Bench::new(Config::default());
    let ((_, a), (_, b)) = two_in_a_room(&mut bench, true);
    store::slow_room(bench.relay.storage(), &ROOM, 5_000);
    bench.take(Input::Nudged);
    room_with(&mut bench, b, post(2, 1), b"one");
    bench.pass_ms(1_000);
    let over = bench.ask_with(b, ClientMessage::Room(post(3, 1)), Bytes::from_static(b"two")).message;
    assert!(matches!(over, ServerMessage::Refused(r) if r.kind == RefusalKind::RateLimited && r.retry_ms == 4_000));
    for number in 4..6 {
        room_with(&mut bench, a, post(number, 1), b"the owner keeps order");
    }
    bench.outputs.clear();
    store::close_room(bench.relay.storage(), &ROOM);
    bench.take(Input::Nudged);
    let gone = ServerMessage::RoomPush(RoomPush::Gone { room: ROOM, reason: RoomEnd::Closed });
    for connection in [a, b] {
        assert_eq!(bench.pushed(connection).last().map(|f| &f.message), Some(&gone));
    }
    assert_eq!(refused(&mut bench, a, post(9, 1), b"x"), RefusalKind::UnknownRoom);
}

#[test]
fn lists_of_people_in_a_room_are_for_people_in_it_and_name_nobody_else() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (bob, _)) = two_in_a_room(&mut bench, false);
    let (carol, c) = bench.reachable("carol");
    let wanted = |people: &[&Person]| RoomAsk::Lists {
        room: ROOM,
        wanted: people.iter().map(|p| ListState { account: p.account, seq: 0 }).collect(),
    };
    let RoomAnswer::Lists { lists } = room(&mut bench, a, wanted(&[&alice, &bob, &carol])) else { panic!() };
    assert_eq!(lists, [ByteBuf::from(alice.list.clone()), ByteBuf::from(bob.list.clone())]);
    assert_eq!(refused(&mut bench, c, wanted(&[&alice]), b""), RefusalKind::UnknownRoom);
    let many: Vec<&Person> = std::iter::repeat_n(&alice, 101).collect();
    assert_eq!(refused(&mut bench, a, wanted(&many), b""), RefusalKind::TooLarge);
}
