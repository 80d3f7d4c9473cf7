//! Several devices of one account against a real relay: login by password alone, recovery, a new
//! password, removal, the end of an account.

use std::time::Duration;

use chat_client::{
    AccountCommand, Ack, Answer, Client, ClientEvent, Command, Contact, Credentials, Device, Failure, FailureKind,
    IdentityChange, NoticeKind, Password, Query, Recovered, RecoveryRequest, Reply, SafetyNumber, SafetyProof,
};
use tokio::time::{Instant, sleep};

use crate::world::{PASSWORD, ParseName, Person, Relay, friends};

const NEXT_PASSWORD: &str = "Zu7-nebelkarte-orkan";

async fn login(person: &Person, name: &str, password: &str, device: &str) -> Result<bool, Failure> {
    let password = Password::from(password.to_owned());
    let credentials = Credentials { username: name.to_owned(), password, device_name: Some(device.to_owned()) };
    person.client.login(credentials).await.map(|logged_in| logged_in.new_device)
}

async fn recover(person: &Person, name: &str, code: &str, password: &str) -> Result<Recovered, Failure> {
    let request = RecoveryRequest {
        username: name.to_owned(),
        recovery_code: Password::from(code.to_owned()),
        new_password: Password::from(password.to_owned()),
        device_name: None,
    };
    person.client.recover(request).await
}

async fn contacts(client: &Client) -> Vec<Contact> {
    match client.query(Query::Contacts).await.unwrap() {
        Answer::Contacts(contacts) => contacts,
        other => panic!("{other:?}"),
    }
}

async fn devices(client: &Client) -> Vec<Device> {
    match client.query(Query::Devices).await.unwrap() {
        Answer::Devices(devices) => devices,
        other => panic!("{other:?}"),
    }
}

async fn account(client: &Client, command: AccountCommand) -> Result<Reply, Failure> {
    client.run(Command::Account(command)).await
}

async fn safety(client: &Client, name: &str) -> SafetyNumber {
    match account(client, AccountCommand::SafetyNumber(name.parse_name())).await.unwrap() {
        Reply::Safety(number) => number,
        other => panic!("{other:?}"),
    }
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Failure>) -> FailureKind {
    result.unwrap_err().kind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_profile_and_the_password_are_a_second_device_that_stays_in_step() {
    let relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    let mut second = Person::new(&relay).await;
    assert_eq!(kind(login(&second, "alice", "Wr0ng-quarzlampe-tundra", "x").await), FailureKind::BadCredentials);
    assert!(login(&second, "alice", PASSWORD, "laptop").await.unwrap());
    let known = contacts(&second.client).await;
    assert_eq!(known.iter().map(|c| (c.username.as_str(), c.mutual)).collect::<Vec<_>>(), [("bob", true)]);
    // What one device sends, the other shows; both get the answer.
    second.send("bob", "from the second").await;
    assert_eq!(bob.message().await.1.text.as_deref(), Some("from the second"));
    let (_, copy) = alice.message().await;
    assert!(copy.outgoing && copy.text.as_deref() == Some("from the second"));
    bob.send("alice", "to both").await;
    assert_eq!(alice.message().await.1.text.as_deref(), Some("to both"));
    assert_eq!(second.message().await.1.text.as_deref(), Some("to both"));
    alice.send("bob", "from the first").await;
    assert!(second.message().await.1.outgoing);
    // Names of devices are shared among them.
    let (client, other) = (&alice.client, &second.client);
    until("the first device knows the second's name", || async {
        devices(client).await.iter().any(|device| device.name.as_deref() == Some("laptop"))
    })
    .await;
    assert_eq!(devices(other).await.len(), 2);
    assert!(devices(other).await[0].current);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_decides_the_others_learn() {
    let relay = Relay::start();
    let (alice, bob) = friends(&relay).await;
    let second = Person::new(&relay).await;
    login(&second, "alice", PASSWORD, "laptop").await.unwrap();
    let (here, there) = (safety(&alice.client, "bob").await, safety(&bob.client, "alice").await);
    assert_eq!((&here.digits, &here.code), (&there.digits, &there.code));
    assert_eq!(safety(&second.client, "bob").await.digits, here.digits, "stable across devices");
    let wrong = SafetyProof::Digits(here.digits.replacen(char::is_numeric, "x", 1));
    let verify = |proof| AccountCommand::Verify { username: "bob".parse_name(), proof };
    assert_eq!(kind(account(&alice.client, verify(wrong)).await), FailureKind::Integrity);
    account(&alice.client, verify(SafetyProof::Code(there.code))).await.unwrap();
    alice.client.run(Command::SetProfile { display_name: Some("Alice A.".to_owned()) }).await.unwrap();
    let client = &second.client;
    until("the mark and the name reach the second device", || async {
        let verified = contacts(client).await.iter().any(|contact| contact.verified);
        let Answer::Status(status) = client.query(Query::Status).await.unwrap() else { return false };
        verified && status.display_name.as_deref() == Some("Alice A.")
    })
    .await;
    second.client.run(Command::Block("bob".parse_name())).await.unwrap();
    let client = &alice.client;
    until("the block reaches the first", || async { contacts(client).await.iter().any(|contact| contact.blocked) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_device_is_told_and_gets_nothing_more() {
    let relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    let mut second = Person::new(&relay).await;
    login(&second, "alice", PASSWORD, "laptop").await.unwrap();
    bob.wait(|event| match event {
        ClientEvent::Notice(notice) => match notice.kind {
            NoticeKind::IdentityChanged { reason: IdentityChange::Device, .. } => Some(()),
            _ => None,
        },
        _ => None,
    })
    .await;
    let gone = devices(&alice.client).await.into_iter().find(|device| !device.current).unwrap().id;
    account(&alice.client, AccountCommand::RemoveDevice(gone)).await.unwrap();
    second
        .wait(|event| match event {
            ClientEvent::Notice(notice) => matches!(notice.kind, NoticeKind::LoggedOut { .. }).then_some(()),
            _ => None,
        })
        .await;
    bob.send("alice", "not for the removed one").await;
    assert_eq!(devices(&alice.client).await.len(), 1);
    assert_eq!(kind(account(&alice.client, AccountCommand::RemoveDevice(gone)).await), FailureKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_the_old_password_and_code_open_nothing_and_the_new_ones_do() {
    let relay = Relay::start();
    let alice = Person::new(&relay).await;
    let first_code = alice.register("alice").await.unwrap().recovery_code;
    let bob = Person::registered(&relay, "bob").await;
    alice.send("bob", "hello").await;
    let change = |old: &str, new: &str| {
        alice.client.change_password(Password::from(old.to_owned()), Password::from(new.to_owned()))
    };
    assert_eq!(kind(change("Wr0ng-quarzlampe-tundra", NEXT_PASSWORD).await), FailureKind::BadCredentials);
    assert_eq!(kind(change(PASSWORD, "short").await), FailureKind::WeakPassword);
    let code = change(PASSWORD, NEXT_PASSWORD).await.unwrap();
    assert_ne!(code, first_code);
    let second = Person::new(&relay).await;
    assert_eq!(kind(login(&second, "alice", PASSWORD, "x").await), FailureKind::BadCredentials);
    assert_eq!(kind(recover(&second, "alice", &first_code, PASSWORD).await), FailureKind::BadCredentials);
    assert!(login(&second, "alice", NEXT_PASSWORD, "x").await.unwrap());
    assert_eq!(contacts(&second.client).await.len(), 1);
    // The code replaces a forgotten password, and is used up by that.
    let third = Person::new(&relay).await;
    assert_eq!(kind(recover(&third, "alice", "00000-typo", PASSWORD).await), FailureKind::BadCredentials);
    let recovered = recover(&third, "alice", &code, PASSWORD).await.unwrap();
    assert!(recovered.new_device);
    assert_eq!(contacts(&third.client).await.len(), 1);
    third.send("bob", "it is me again").await;
    let fourth = Person::new(&relay).await;
    assert_eq!(kind(recover(&fourth, "alice", &code, NEXT_PASSWORD).await), FailureKind::BadCredentials);
    assert_eq!(kind(login(&fourth, "alice", NEXT_PASSWORD, "x").await), FailureKind::BadCredentials);
    assert!(login(&fourth, "alice", PASSWORD, "x").await.unwrap());
    assert_eq!(devices(&fourth.client).await.len(), 4, "enrolled devices stay");
    drop(bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_gone_for_its_devices_and_its_contacts() {
    let relay = Relay::start();
    let (alice, bob) = friends(&relay).await;
    let mut second = Person::new(&relay).await;
    login(&second, "alice", PASSWORD, "laptop").await.unwrap();
    let delete = |password: &str| alice.client.delete_account(Password::from(password.to_owned()));
    assert_eq!(kind(delete("Wr0ng-quarzlampe-tundra").await), FailureKind::BadCredentials);
    delete(PASSWORD).await.unwrap();
    let Answer::Status(status) = alice.client.query(Query::Status).await.unwrap() else { panic!() };
    assert!(!status.enrolled);
    second
        .wait(|event| match event {
            ClientEvent::Notice(notice) => match notice.kind {
                NoticeKind::LoggedOut { reason } => (reason == "deleted").then_some(()),
                _ => None,
            },
            _ => None,
        })
        .await;
    let other = Person::new(&relay).await;
    assert_eq!(kind(login(&other, "alice", PASSWORD, "x").await), FailureKind::BadCredentials);
    assert_eq!(kind(other.register("alice").await), FailureKind::UsernameTaken, "reserved");
    let client = &bob.client;
    until("bob sees alice gone", || async {
        contacts(client).await.iter().any(|contact| contact.username.as_str() == "alice" && !contact.mutual)
    })
    .await;
    let _ = Ack::Automatic;
}
