//! Work that is done beside the relay: requests of one connection keep their order, the others go on, and what
//! changed meanwhile counts.

use bytes::Bytes;
use chat_relay::storage::Storage;
use chat_relay::{Config, ConnectionId, Input, Task};
use chat_wire::error::RefusalKind;
use chat_wire::frame::Frame;
use chat_wire::message::{AccountAsk, ClientMessage, ServerMessage};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

use crate::bench::{Bench, EXPORTER};
use crate::kit::{self, Person};

fn run<S: Storage + 'static>(bench: &mut Bench<S>, tasks: Vec<Task<S>>) {
    for task in tasks {
        let done = task.run(&mut UnwrapErr(SysRng));
        bench.relay.finish(bench.now, done);
        bench.flush();
    }
}

fn say(bench: &mut Bench, connection: ConnectionId, request: u32, message: ClientMessage) {
    bench.take(Input::Frame(connection, Frame::new(request, message)));
}

/// A greeted connection, and the proof of a device on it.
fn at_the_door(bench: &mut Bench, person: &Person) -> (ConnectionId, ClientMessage) {
    let connection = bench.open();
    let ready = bench.hello(connection);
    let proof = person.proof(1, &kit::binding(&ready, EXPORTER));
    (connection, proof)
}

/// What a connection was told since the last look: the numbers of the requests.
fn answers(bench: &mut Bench, connection: ConnectionId) -> Vec<u32> {
    bench.pushed(connection).iter().filter(|f| f.request > 0).map(|f| f.request).collect()
}

#[test]
fn what_a_connection_says_while_its_proof_is_checked_waits_in_order_and_the_others_go_on() {
    let mut bench = Bench::new(Config::default());
    let ((alice, _), (bob, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    bench.relay.defer_tasks();
    let (door, proof) = at_the_door(&mut bench, &alice);
    say(&mut bench, door, 1, proof);
    say(&mut bench, door, 2, ClientMessage::GetVault {});
    let (send, body) = kit::send(1, vec![bob.state()], &[bob.address(1)], b"hello");
    bench.take(Input::Frame(door, Frame::with_body(3, send, body)));
    say(&mut bench, door, 4, ClientMessage::Heartbeat {});
    assert!(bench.relay.is_busy(door));
    assert_eq!(answers(&mut bench, door), []);
    say(&mut bench, b, 9, ClientMessage::Heartbeat {});
    assert_eq!(answers(&mut bench, b), [9], "nobody else waits");
    let tasks = bench.relay.take_tasks();
    assert_eq!(tasks.len(), 1, "one at a time");
    run(&mut bench, tasks);
    assert!(!bench.relay.is_busy(door));
    // A send is answered apart, when it is safe.
    let mut told = answers(&mut bench, door);
    assert!(told.contains(&3));
    told.retain(|request| *request != 3);
    assert_eq!(told, [1, 2, 4]);
    assert_eq!(bench.delivered(b), [(1, Bytes::from_static(b"hello"))]);
}

#[test]
fn a_proof_that_was_right_when_it_was_checked_lets_nobody_in_after_the_account_is_gone() {
    let mut bench = Bench::new(Config::default());
    let (alice, a) = bench.reachable("alice");
    bench.relay.defer_tasks();
    let (door, proof) = at_the_door(&mut bench, &alice);
    say(&mut bench, door, 1, proof);
    let checked = bench.relay.take_tasks();
    say(&mut bench, a, 2, ClientMessage::Account(AccountAsk::Delete { signature: alice.deletion() }));
    let deleting = bench.relay.take_tasks();
    run(&mut bench, deleting);
    run(&mut bench, checked);
    let frames = bench.pushed(door);
    assert!(frames.iter().all(|f| !matches!(f.message, ServerMessage::LoggedIn { .. })), "{frames:?}");
    assert_eq!(bench.relay.logins(), 0);
}

#[test]
fn of_two_lists_that_were_checked_against_the_same_one_the_second_is_a_conflict() {
    let mut bench = Bench::new(Config::default());
    let (mut alice, a) = bench.reachable("alice");
    let with_second = alice.add_device(2);
    let put = |list: Vec<u8>| ClientMessage::PutDeviceList { list: serde_bytes::ByteBuf::from(list), vault: None };
    assert_eq!(bench.ask(a, put(with_second)), ServerMessage::Done {});
    let b = bench.login(&alice, 2);
    bench.outputs.clear();
    bench.relay.defer_tasks();
    let (mut one, mut two) = (alice.copy(), alice.copy());
    say(&mut bench, a, 1, put(one.add_device(3)));
    say(&mut bench, b, 2, put(two.add_device(4)));
    let tasks = bench.relay.take_tasks();
    run(&mut bench, tasks);
    let told = |bench: &mut Bench, connection, request: u32| {
        let mut frames = bench.pushed(connection).into_iter().filter(move |f| f.request == request);
        frames.next().map(|f| f.message)
    };
    assert_eq!(told(&mut bench, a, 1), Some(ServerMessage::Done {}));
    let second = told(&mut bench, b, 2);
    assert!(matches!(&second, Some(ServerMessage::Refused(r)) if r.kind == RefusalKind::Conflict), "{second:?}");
}

#[test]
fn a_stranger_that_talks_on_while_it_is_checked_is_sent_away() {
    let mut bench = Bench::new(Config::default());
    let (alice, _) = bench.reachable("alice");
    bench.relay.defer_tasks();
    let (door, proof) = at_the_door(&mut bench, &alice);
    say(&mut bench, door, 1, proof);
    for request in 2..20 {
        say(&mut bench, door, request, ClientMessage::Heartbeat {});
    }
    assert!(bench.is_closed(door));
    let tasks = bench.relay.take_tasks();
    run(&mut bench, tasks);
    assert!(!bench.pushed(door).iter().any(|f| matches!(f.message, ServerMessage::LoggedIn { .. })));
}

#[test]
fn work_for_a_connection_that_is_gone_changes_nothing() {
    let mut bench = Bench::new(Config::default());
    let (alice, a) = bench.reachable("alice");
    bench.relay.defer_tasks();
    let (door, proof) = at_the_door(&mut bench, &alice);
    say(&mut bench, door, 1, proof);
    let tasks = bench.relay.take_tasks();
    bench.take(Input::Closed(door));
    run(&mut bench, tasks);
    say(&mut bench, a, 5, ClientMessage::Heartbeat {});
    assert_eq!(answers(&mut bench, a), [5], "the login that stood stands");
}
