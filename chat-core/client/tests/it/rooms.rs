//! Rooms against a real relay: the lobby, public and private rooms, somebody away, the relay going down.

use chat_client::{
    Ack, ClientEvent, Command, FailureKind, MessageStatus, Notice, NoticeKind, Reply, Role, RoomCommand, RoomEventKind,
    RoomInfo, RoomName, RoomNotice, RoomReply,
};

use crate::world::{ParseName, Person, Relay, friends};

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

async fn ask(person: &Person, command: RoomCommand) -> Result<Reply, FailureKind> {
    person.client.run(Command::Room(command)).await.map_err(|failure| failure.kind)
}

async fn create(person: &Person, name: &str, public: bool) {
    let create = RoomCommand::Create { name: room(name), public, topic: None, idempotency_key: None };
    assert_eq!(ask(person, create).await, Ok(Reply::Room(RoomReply::Created(room(name)))));
}

async fn info(person: &Person, name: &str) -> RoomInfo {
    match ask(person, RoomCommand::Info(room(name))).await.unwrap() {
        Reply::Room(RoomReply::Info(info)) => info,
        other => panic!("{other:?}"),
    }
}

async fn members(person: &Person, name: &str) -> Vec<String> {
    info(person, name).await.members.into_iter().map(|member| member.username.to_string()).collect()
}

async fn event(person: &mut Person, name: &str, kind: RoomEventKind) -> RoomNotice {
    let wanted = room(name);
    person
        .wait(|event| match event {
            ClientEvent::Notice(Notice { kind: NoticeKind::Room(notice), .. })
                if notice.room == wanted && notice.kind == kind =>
            {
                Some(notice)
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_meets_in_the_lobby_and_a_message_reaches_all() {
    let relay = Relay::start();
    let mut alice = Person::registered(&relay, "alice").await;
    event(&mut alice, "lobby", RoomEventKind::Created).await;
    let mut bob = Person::registered(&relay, "bob").await;
    event(&mut bob, "lobby", RoomEventKind::Joined).await;
    let mut carol = Person::registered(&relay, "carol").await;
    event(&mut carol, "lobby", RoomEventKind::Joined).await;
    event(&mut alice, "lobby", RoomEventKind::Joined).await;
    event(&mut alice, "lobby", RoomEventKind::Joined).await;
    event(&mut bob, "lobby", RoomEventKind::Joined).await;
    let id = alice.send("#lobby", "hello all").await;
    assert_eq!(bob.text().await, "hello all");
    assert_eq!(carol.text().await, "hello all");
    alice.receipt(id, MessageStatus::Sent).await;
    assert_eq!(members(&carol, "lobby").await, ["alice", "bob", "carol"]);
    assert_eq!(bob.history("#lobby").await, ["hello all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_room_lives_through_joins_roles_kicks_leaves_and_its_end() {
    let relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    create(&alice, "tea", true).await;
    ask(&bob, RoomCommand::Join(room("tea"))).await.unwrap();
    event(&mut alice, "tea", RoomEventKind::Joined).await;
    bob.send("#tea", "hi").await;
    assert_eq!(alice.text().await, "hi");
    let (name, bobs) = (room("tea"), "bob".parse_name());
    let topic = RoomCommand::SetTopic { room: name.clone(), topic: "leaves".to_owned() };
    assert_eq!(ask(&bob, topic.clone()).await, Err(FailureKind::Forbidden));
    let admin = RoomCommand::SetRole { room: name.clone(), username: bobs.clone(), role: Role::Admin };
    ask(&alice, admin).await.unwrap();
    event(&mut bob, "tea", RoomEventKind::Role).await;
    ask(&bob, topic).await.unwrap();
    event(&mut alice, "tea", RoomEventKind::Topic).await;
    assert_eq!(info(&alice, "tea").await.topic.as_deref(), Some("leaves"));
    ask(&alice, RoomCommand::Kick { room: name.clone(), username: bobs }).await.unwrap();
    event(&mut bob, "tea", RoomEventKind::Kicked).await;
    ask(&bob, RoomCommand::Join(name.clone())).await.unwrap();
    ask(&bob, RoomCommand::Leave(name.clone())).await.unwrap();
    event(&mut alice, "tea", RoomEventKind::Left).await;
    ask(&bob, RoomCommand::Join(name.clone())).await.unwrap();
    ask(&alice, RoomCommand::Delete(name)).await.unwrap();
    event(&mut bob, "tea", RoomEventKind::Deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_room_is_for_the_invited_and_waits_for_who_is_away() {
    let mut relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    create(&alice, "secret", false).await;
    assert_eq!(ask(&bob, RoomCommand::Join(room("secret"))).await, Err(FailureKind::UnknownRoom));
    ask(&alice, RoomCommand::Invite { room: room("secret"), username: "bob".parse_name() }).await.unwrap();
    event(&mut bob, "secret", RoomEventKind::Joined).await;
    bob.done_reading();
    bob.client.close().await;
    alice.send("#secret", "while away").await;
    let topic = RoomCommand::SetTopic { room: room("secret"), topic: "x".to_owned() };
    ask(&alice, topic).await.unwrap();
    alice.send("#secret", "in the next epoch").await;
    relay.stop().await;
    relay.start_again();
    let mut bob = Person::in_dir(&relay, bob.dir, Ack::Automatic).await;
    assert_eq!(bob.text().await, "while away");
    assert_eq!(bob.text().await, "in the next epoch");
    let mut carol = Person::registered(&relay, "carol").await;
    ask(&bob, RoomCommand::Invite { room: room("secret"), username: "carol".parse_name() }).await.unwrap();
    event(&mut carol, "secret", RoomEventKind::Invited).await;
    ask(&carol, RoomCommand::Join(room("secret"))).await.unwrap();
    carol.send("#secret", "thanks").await;
    assert_eq!(bob.text().await, "thanks");
    assert_eq!(members(&carol, "secret").await, ["alice", "bob", "carol"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_join_at_once_the_owner_leaves_and_all_agree() {
    let relay = Relay::start();
    let mut alice = Person::registered(&relay, "alice").await;
    let mut others = [
        Person::registered(&relay, "bob").await,
        Person::registered(&relay, "carol").await,
        Person::registered(&relay, "dave").await,
        Person::registered(&relay, "erin").await,
    ];
    create(&alice, "tea", true).await;
    let [bob, carol, dave, erin] = others.each_ref();
    let join = |person| ask(person, RoomCommand::Join(room("tea")));
    let joined = tokio::join!(join(bob), join(carol), join(dave), join(erin));
    assert_eq!(joined, (Ok(Reply::Done), Ok(Reply::Done), Ok(Reply::Done), Ok(Reply::Done)));
    for _ in &others {
        event(&mut alice, "tea", RoomEventKind::Joined).await;
    }
    ask(&alice, RoomCommand::Leave(room("tea"))).await.unwrap();
    // Whoever takes the leaf away, the first of those who stay is the owner then.
    event(&mut others[0], "tea", RoomEventKind::Left).await;
    others[3].send("#tea", "without alice").await;
    assert_eq!(others[1].text().await, "without alice");
    let mut epochs = Vec::new();
    for _ in 0..100 {
        epochs.clear();
        for person in &others {
            let info = info(person, "tea").await;
            assert_eq!(info.members.len(), 4);
            epochs.push((info.epoch, info.owner.is_some()));
        }
        if epochs.iter().all(|epoch| *epoch == (5, true)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{epochs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_is_in_the_rooms_of_its_account_without_another_step() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    create(&alice, "tea", true).await;
    create(&alice, "secret", false).await;
    ask(&bob, RoomCommand::Join(room("tea"))).await.unwrap();
    let mut second = Person::new(&relay).await;
    let password = chat_client::Password::from(crate::world::PASSWORD.to_owned());
    let credentials = chat_client::Credentials { username: "alice".to_owned(), password, device_name: None };
    assert!(second.client.login(credentials).await.unwrap().new_device);
    // Into the public one it goes by itself, into the private one its account's other device puts it.
    let mut both = std::collections::BTreeSet::new();
    while both.len() < 2 {
        let joined = second.wait(|event| match event {
            ClientEvent::Notice(Notice { kind: NoticeKind::Room(notice), .. }) => Some(notice),
            _ => None,
        });
        let joined = joined.await;
        if joined.kind == RoomEventKind::Joined && joined.room != room("lobby") {
            both.insert(joined.room.to_string());
        }
    }
    bob.send("#tea", "for both").await;
    assert_eq!(second.text().await, "for both");
    second.send("#tea", "from the new one").await;
    assert_eq!(bob.text().await, "from the new one");
    assert_eq!(members(&bob, "tea").await, ["alice", "bob"]);
    alice.send("#secret", "to myself").await;
    assert_eq!(second.message().await.1.text.unwrap(), "to myself");
}
