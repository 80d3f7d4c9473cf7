//! Whose certificate is accepted, and that a changed one is never spoken to.

use chat_client::{
    Ack, Client, ClientEvent, Config, ConnectionState, Credentials, FailureKind, OfflineReason, Password, Pin,
    RelayTrust, Trust,
};
use tempfile::TempDir;

use crate::world::{PASSWORD, Person, Relay, registration};

fn config(relay: &Relay, dir: &TempDir) -> Config {
    Config { relay: Some(relay.addr.to_string().parse().unwrap()), ..Config::new(dir.path()) }
}

fn credentials() -> Credentials {
    Credentials { username: "alice".to_owned(), password: Password::from(PASSWORD.to_owned()), device_name: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_told_pin_is_the_only_one_and_a_wrong_one_is_a_changed_certificate() {
    let relay = Relay::start();
    let dir = TempDir::new().unwrap();
    let wrong = Config { pin: Some(Pin([0; 32])), ..config(&relay, &dir) };
    let (client, mut events) = Client::open(wrong).await.unwrap();
    let failure = client.register(registration("alice", PASSWORD)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::CertificateChanged);
    assert_eq!(client.login(credentials()).await.unwrap_err().kind, FailureKind::CertificateChanged);
    let offline = loop {
        match events.next().await.unwrap() {
            ClientEvent::Connection(c) if c.state == ConnectionState::Offline => break c,
            _ => {}
        }
    };
    assert_eq!(offline.reason, Some(OfflineReason::CertificateChanged));
    assert!(offline.retry_in_ms.unwrap() >= 15_000, "{offline:?}");
    client.close().await;

    let right = Config { pin: Some(relay.pin()), ..config(&relay, &dir) };
    let (client, _events) = Client::open(right).await.unwrap();
    client.register(registration("alice", PASSWORD)).await.unwrap();
    assert_eq!(client.relay_identity().await.unwrap().trust, RelayTrust::Pinned);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_is_kept_and_another_one_at_the_same_address_gets_nothing() {
    let mut relay = Relay::start();
    let alice = Person::registered(&relay, "alice").await;
    let identity = alice.client.relay_identity().await.unwrap();
    assert_eq!((identity.pin, identity.trust), (relay.pin(), RelayTrust::FirstUse));
    relay.stop().await;
    relay.data = TempDir::new().unwrap();
    relay.start_again();
    assert_ne!(identity.pin, relay.pin());
    let mut alice = alice.reopened(&relay, Ack::Automatic).await;
    let offline = alice.connection(ConnectionState::Offline).await;
    assert_eq!(offline.reason, Some(OfflineReason::CertificateChanged));
    assert_eq!(alice.client.login(credentials()).await.unwrap_err().kind, FailureKind::CertificateChanged);
    assert_eq!(alice.client.trust_certificate(relay.pin()).await.unwrap_err().kind, FailureKind::CertificateChanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_its_relays_key_when_the_address_changes_and_a_new_profile_does_not() {
    let relay = Relay::start();
    let other = Relay::start();
    let (alice, nobody) = (Person::registered(&relay, "alice").await, Person::new(&relay).await);
    nobody.client.relay_identity().await.unwrap();
    let elsewhere: chat_client::RelayAddress = other.addr.to_string().parse().unwrap();
    alice.client.connect_to(elsewhere.clone()).await.unwrap();
    nobody.client.connect_to(elsewhere).await.unwrap();
    assert_eq!(alice.client.relay_identity().await.unwrap_err().kind, FailureKind::CertificateChanged);
    let identity = nobody.client.relay_identity().await.unwrap();
    assert_eq!((identity.pin, identity.trust), (other.pin(), RelayTrust::FirstUse));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_asked_is_and_nothing_is_said_before_the_answer() {
    let relay = Relay::start();
    let dir = TempDir::new().unwrap();
    let ask = || Config { trust: Trust::Ask, ..config(&relay, &dir) };
    let (client, mut events) = Client::open(ask()).await.unwrap();
    let shown = loop {
        if let ClientEvent::UnknownCertificate { pin, .. } = events.next().await.unwrap() {
            break pin;
        }
    };
    assert_eq!(shown, relay.pin());
    assert_eq!(client.relay_identity().await.unwrap().trust, RelayTrust::Unknown);
    let failure = client.register(registration("alice", PASSWORD)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::CertificateChanged);
    client.trust_certificate(shown).await.unwrap();
    assert_eq!(client.relay_identity().await.unwrap().trust, RelayTrust::Pinned);
    client.register(registration("alice", PASSWORD)).await.unwrap();
    client.close().await;
    let (client, _events) = Client::open(ask()).await.unwrap();
    assert_eq!(client.relay_identity().await.unwrap().trust, RelayTrust::Pinned);
}
