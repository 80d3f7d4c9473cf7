//! The operator's tool beside a running relay.

use std::path::Path;
use std::time::Duration;

use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::message::ServerMessage;

use crate::client::{Client, is_well};
use crate::kit;
use crate::program::{Running, program};
use crate::service::two;

pub(crate) fn admin(data: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = program().args(["admin", "--data"]).arg(data).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_figures_are_shown_while_the_relay_runs() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path());
    let ((_, mut a), (bob, b)) = two(relay.place).await;
    drop(b);
    for number in 1..=3 {
        a.send(number, &bob, b"12345").await.unwrap();
    }
    assert_eq!(admin(dir.path(), &["users"]).unwrap(), "alice\t1 devices\t0 waiting\nbobby\t1 devices\t3 waiting\n");
    let stats = admin(dir.path(), &["stats"]).unwrap();
    for line in ["accounts\t2", "devices\t2", "waiting packets\t3", "waiting bytes\t15", "one-time prekeys\t10"] {
        assert!(stats.lines().any(|l| l == line), "{line:?} is not in {stats}");
    }
    is_well(&mut a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_cuts_a_connected_person_off_and_enabling_lets_the_person_back() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path());
    let ((alice, mut a), (_, mut b)) = two(relay.place).await;
    admin(dir.path(), &["disable", "Alice"]).unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(2), async { while a.read().await.unwrap().is_some() {} });
    closed.await.expect("cut off within a sweep");
    let mut again = Client::connect(relay.place).await;
    let ready = again.hello().await;
    let proof = alice.proof(1, &kit::binding(&ready, again.exporter));
    assert_eq!(again.ask(proof).await, ServerMessage::Refused(Refusal::of(RefusalKind::Forbidden)));
    is_well(&mut b).await;
    admin(dir.path(), &["enable", "alice"]).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    Client::login(relay.place, &alice).await;
    assert!(admin(dir.path(), &["disable", "nobody"]).unwrap_err().contains("nobody has this name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_lets_one_person_in() {
    use chat_wire::message::ClientMessage;
    let dir = tempfile::tempdir().unwrap();
    let relay = chat_relay::Config { registration: chat_relay::Registration::Invite, ..Default::default() };
    let config = chat_server::EmbedConfig { data_dir: Some(dir.path().to_path_buf()), relay, ..Default::default() };
    let relay = chat_server::embed(config).unwrap();
    let code = admin(dir.path(), &["invite"]).unwrap().trim_end().to_owned();
    let place = crate::client::Place { addr: relay.addr, pin: relay.pin.0 };
    let id = Client::relay_id(place).await;
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    for (name, works) in [("alice", true), ("bobby", false)] {
        let person = kit::Person::new(name, id);
        let (_, request) = chat_login::client::RegistrationStart::new(kit::PASSWORD, &mut rng).unwrap();
        let request = serde_bytes::ByteBuf::from(request.to_vec());
        let register1 = ClientMessage::Register1 { name: person.name.clone(), request, invite: Some(code.clone()) };
        let mut client = Client::connect(place).await;
        client.hello().await;
        let reply = client.ask(register1).await;
        if works {
            assert!(matches!(reply, ServerMessage::Register1Reply { .. }), "{reply:?}");
            client.ask(person.register2(kit::any_record())).await;
        } else {
            assert_eq!(reply, ServerMessage::Refused(Refusal::of(RefusalKind::BadInvite)));
        }
    }
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_private_and_works_with_the_keys_and_without_overwriting_anything() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup.db"));
    let relay = Running::start(&data);
    let ((_, mut a), (bob, b)) = two(relay.place).await;
    drop(b);
    a.send(1, &bob, b"in the backup").await.unwrap();
    admin(&data, &["backup", file.to_str().unwrap()]).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(admin(&data, &["backup", file.to_str().unwrap()]).unwrap_err().contains("exists"));
    a.send(2, &bob, b"after it").await.unwrap();
    drop(relay);

    let restored = dir.path().join("restored");
    std::fs::create_dir_all(restored.join("keys")).unwrap();
    std::fs::copy(&file, restored.join("relay.db")).unwrap();
    for name in ["relay.key", "login.key", "tls.key", "tls.crt"] {
        std::fs::copy(data.join("keys").join(name), restored.join("keys").join(name)).unwrap();
    }
    let relay = Running::start(&restored);
    let mut b = Client::login(relay.place, &bob).await;
    assert_eq!(b.drain().await, [(1, bytes::Bytes::from("in the backup"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_shown_slowed_down_and_closed_while_people_are_in_them() {
    use bytes::Bytes;
    use chat_wire::ids::{RequestKey, RoomId, RoomName};
    use chat_wire::message::{ClientMessage, RoomAnswer, RoomAsk, RoomEnd, RoomPush};
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path());
    let ((_, mut a), _) = two(relay.place).await;
    let (key, room) = (RequestKey([1; 16]), RoomId([2; 16]));
    let name = RoomName::parse("garden").unwrap();
    let create = RoomAsk::Create { key, room, name, public: true, owned: true, topic: None };
    let ask = |ask| ClientMessage::Room(ask);
    a.write(1, ask(create), Bytes::from_static(b"info")).await.unwrap();
    a.write(2, ask(RoomAsk::Open { room, after: 0 }), Bytes::new()).await.unwrap();
    a.write(3, ask(RoomAsk::Post { key, room, epoch: 0 }), Bytes::from_static(b"text")).await.unwrap();
    loop {
        let frame = a.read().await.unwrap().unwrap();
        if frame.request == 3 {
            assert!(matches!(frame.message, ServerMessage::Room(RoomAnswer::Appended { seq: 1, .. })));
            break;
        }
    }
    admin(dir.path(), &["slow-room", "#garden", "30"]).unwrap();
    let shown = admin(dir.path(), &["rooms"]).unwrap();
    assert_eq!(shown, "#garden\tpublic\t1 members\t1 entries\tslow 30 s\n");
    admin(dir.path(), &["close-room", "Garden"]).unwrap();
    let gone = ServerMessage::RoomPush(RoomPush::Gone { room, reason: RoomEnd::Closed });
    let told = async { while a.read().await.unwrap().unwrap().message != gone {} };
    tokio::time::timeout(Duration::from_secs(2), told).await.expect("told at once");
    assert_eq!(admin(dir.path(), &["rooms"]).unwrap(), "");
    assert!(admin(dir.path(), &["close-room", "garden"]).unwrap_err().contains("no room has this name"));
}
