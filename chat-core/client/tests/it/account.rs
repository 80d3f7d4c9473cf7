//! Registration and login: what is accepted, what is refused, and under which name.

use chat_client::{
    Ack, Answer, Client, Command, ConnectionState, Credentials, Failure, FailureKind, LoggedIn, Password, Query, Status,
};

use crate::world::{PASSWORD, Person, Relay, friends, registration};

async fn login(client: &Client, name: &str, password: &str) -> Result<LoggedIn, Failure> {
    let password = Password::from(password.to_owned());
    client.login(Credentials { username: name.to_owned(), password, device_name: None }).await
}

async fn status(client: &Client) -> Status {
    match client.query(Query::Status).await.unwrap() {
        Answer::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Failure>) -> FailureKind {
    result.unwrap_err().kind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_profile_is_logged_in_and_comes_back_by_itself() {
    let relay = Relay::start();
    let alice = Person::new(&relay).await;
    let registered = alice.register("Alice").await.unwrap();
    assert_eq!(registered.username.as_str(), "alice");
    assert_eq!(registered.recovery_code.split('-').map(str::len).collect::<Vec<_>>(), [5; 8]);
    let before = status(&alice.client).await;
    assert!(before.enrolled && before.logged_in && before.online, "{before:?}");
    let mut alice = alice.reopened(&relay, Ack::Automatic).await;
    alice.online().await;
    assert_eq!(status(&alice.client).await.device, Some(registered.device));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_registration_is_refused_by_its_name() {
    let relay = Relay::start();
    let (alice, bob) = (Person::registered(&relay, "alice").await, Person::new(&relay).await);
    for (password, unmet) in [("Sh0rt!x", "length"), ("alllowercase7xyzq", "capital"), ("Password1", "common")] {
        let failure = bob.client.register(registration("bob", password)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::WeakPassword);
        assert!(failure.unmet.contains(&unmet), "{failure:?}");
    }
    for name in ["al", "a b", "älice", "#room", ""] {
        assert_eq!(kind(bob.register(name).await), FailureKind::InvalidParams, "{name}");
    }
    assert_eq!(kind(bob.register("ALICE").await), FailureKind::UsernameTaken);
    assert_eq!(kind(alice.register("second").await), FailureKind::Forbidden);
    bob.register("bob").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_name_look_the_same_and_change_nothing() {
    let relay = Relay::start();
    let (mut alice, other) = (Person::registered(&relay, "alice").await, Person::new(&relay).await);
    for client in [&other.client, &alice.client] {
        assert_eq!(kind(login(client, "alice", "Wrong-pass-w0rd").await), FailureKind::BadCredentials);
    }
    assert_eq!(kind(login(&other.client, "nobody", PASSWORD).await), FailureKind::BadCredentials);
    // On a profile that let itself in, a right password is all that a login asks for.
    let again = login(&alice.client, "alice", PASSWORD).await.unwrap();
    assert!(!again.new_device);
    assert!(status(&alice.client).await.online);
    alice.send("alice", "still here").await;
    assert_eq!(kind(login(&alice.client, "bob", PASSWORD).await), FailureKind::Forbidden);
    alice.connection(ConnectionState::Connected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_out_profile_keeps_its_device_and_gets_its_mail_with_the_next_login() {
    let relay = Relay::start();
    let (mut alice, bob) = friends(&relay).await;
    let device = status(&alice.client).await.device;
    alice.client.run(Command::Logout { forget: false }).await.unwrap();
    assert!(!status(&alice.client).await.logged_in);
    bob.send("alice", "while out").await;
    assert_eq!(kind(login(&alice.client, "alice", "Wrong-pass-w0rd").await), FailureKind::BadCredentials);
    let back = login(&alice.client, "alice", PASSWORD).await.unwrap();
    assert_eq!((back.new_device, Some(back.device)), (false, device));
    assert_eq!(alice.text().await, "while out");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_leaves_no_history_and_a_profile_that_can_register_anew() {
    let relay = Relay::start();
    let (alice, _bob) = friends(&relay).await;
    alice.client.run(Command::Logout { forget: true }).await.unwrap();
    assert!(!status(&alice.client).await.enrolled);
    assert_eq!(alice.client.conversations().await.unwrap(), []);
    let alice = alice.reopened(&relay, Ack::Automatic).await;
    alice.register("alice2").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_same_however_its_letters_are_composed() {
    let relay = Relay::start();
    let alice = Person::new(&relay).await;
    alice.client.register(registration("alice", "Ko\u{308}nigsberg-7-Klopse")).await.unwrap();
    login(&alice.client, "alice", "K\u{f6}nigsberg-7-Klopse").await.unwrap();
}
