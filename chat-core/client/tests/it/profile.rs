//! The profile on disk: one opener, no wait for the network, notices that are told until acknowledged.

use std::time::{Duration, Instant};

use chat_client::{
    Ack, Client, ClientEvent, Config, ConnectionState, FailureKind, HistoryPage, HistoryPart, Kept, MessageSearch,
    OfflineReason, OpenError, Passphrase, StoreKey,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::world::{Person, Relay, friends};

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_open_once_and_free_after_closing() {
    let relay = Relay::start();
    let alice = Person::new(&relay).await;
    let second = Client::open(Config::new(alice.dir.path())).await;
    assert_eq!(second.map(|_| ()).unwrap_err().kind(), FailureKind::ProfileInUse);
    alice.client.close().await;
    let (client, events) = Client::open(Config::new(alice.dir.path())).await.unwrap();
    // Dropping every handle closes too, only later.
    drop((client, events));
    let begun = Instant::now();
    while let Err(OpenError::InUse) = Client::open(Config::new(alice.dir.path())).await {
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_opening_nor_reading_nor_closing_waits_for_a_relay_that_does_not_answer() {
    // Accepts and says nothing: the worst kind of relay.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = TempDir::new().unwrap();
    let relay = silent.local_addr().unwrap().to_string().parse().unwrap();
    let begun = Instant::now();
    let (client, mut events) = Client::open(Config { relay: Some(relay), ..Config::new(dir.path()) }).await.unwrap();
    assert!(matches!(events.next().await, Some(ClientEvent::Connection(c)) if c.state == ConnectionState::Connecting));
    assert_eq!(client.conversations().await.unwrap(), []);
    client.set_draft("bob", "unsent".to_owned()).await.unwrap();
    client.close().await;
    assert!(events.next().await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(client.conversations().await.unwrap_err().kind, FailureKind::Internal);
    let (client, _events) = Client::open(Config::new(dir.path())).await.unwrap();
    assert_eq!(client.draft("Bob").await.unwrap(), Some("unsent".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_not_there_is_said_and_found_when_it_comes() {
    let mut relay = Relay::start();
    relay.stop().await;
    let mut alice = Person::new(&relay).await;
    let offline = alice.connection(ConnectionState::Offline).await;
    assert_eq!(offline.reason, Some(OfflineReason::Unreachable));
    assert_eq!(alice.register("alice").await.unwrap_err().kind, FailureKind::Offline);
    relay.start_again();
    alice.connection(ConnectionState::Connected).await;
    alice.register("alice").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_told_again_after_a_restart_until_they_are_acknowledged() {
    let relay = Relay::start();
    let (alice, bob) = friends(&relay).await;
    let mut bob = bob.reopened(&relay, Ack::Manual).await;
    for number in 0..4 {
        alice.send("bob", &number.to_string()).await;
    }
    let mut told = Vec::new();
    while told.len() < 4 {
        let (seq, message) = bob.message().await;
        // What `friends` left unacknowledged comes first.
        if message.text.as_deref() != Some("hello") {
            told.push(seq);
        }
    }
    assert!(told.is_sorted());
    bob.client.ack(told[1]).await.unwrap();
    let mut bob = bob.reopened(&relay, Ack::Manual).await;
    let (seq, message) = bob.message().await;
    assert_eq!((seq, message.text.as_deref()), (told[2], Some("2")));
    assert_eq!(bob.message().await.0, told[3]);
    assert_eq!(bob.history("alice").await, ["hello", "0", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_search_and_conversations_answer_from_this_device() {
    let mut relay = Relay::start();
    let (mut alice, _bob) = friends(&relay).await;
    alice.send("bob", "the quick brown fox").await;
    relay.stop().await;
    alice.connection(ConnectionState::Offline).await;
    let search = |query: &str| MessageSearch { query: query.to_owned(), with: None, limit: 10 };
    assert_eq!(alice.client.search_messages(search("bro qui")).await.unwrap().len(), 0);
    assert_eq!(alice.client.search_messages(search("quick bro")).await.unwrap().len(), 1);
    let conversations = alice.client.conversations().await.unwrap();
    assert_eq!((conversations.len(), conversations[0].name.as_str(), conversations[0].unread), (1, "bob", 0));
    let page = |with: &str| HistoryPage { with: with.to_owned(), part: HistoryPart::Newest, limit: 1 };
    assert!(alice.client.history(page("Bob")).await.unwrap().more_before);
    assert_eq!(alice.client.history(page("carol")).await.unwrap().messages, []);
    assert_eq!(alice.client.history(page("no name")).await.unwrap_err().kind, FailureKind::InvalidParams);
}

fn keyed(dir: &TempDir, kept: Option<Kept>, passphrase: Option<&str>) -> Config {
    let passphrase = passphrase.map(|text| Passphrase::from(text.to_owned()));
    Config { store_key: StoreKey { kept, passphrase }, ..Config::new(dir.path()) }
}

async fn draft_of(config: Config) -> Result<Option<String>, OpenError> {
    let (client, _events) = Client::open(config).await?;
    let draft = client.draft("bob").await.unwrap();
    client.close().await;
    Ok(draft)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_profile_opens_with_its_passphrase_only_and_can_be_locked_and_unlocked() {
    let dir = TempDir::new().unwrap();
    assert!(!Client::is_locked(dir.path()).unwrap());
    let (client, _events) = Client::open(keyed(&dir, None, None)).await.unwrap();
    client.set_draft("bob", "unsent".to_owned()).await.unwrap();
    client.close().await;

    let sealed = Some(Kept::Sealed);
    assert!(matches!(draft_of(keyed(&dir, sealed, None)).await, Err(OpenError::Locked)));
    assert_eq!(draft_of(keyed(&dir, None, Some("of no use yet"))).await.unwrap().as_deref(), Some("unsent"));
    assert!(!Client::is_locked(dir.path()).unwrap(), "a passphrase alone changes nothing");
    assert_eq!(draft_of(keyed(&dir, sealed, Some("open sesame"))).await.unwrap().as_deref(), Some("unsent"));
    assert!(Client::is_locked(dir.path()).unwrap());

    assert!(matches!(draft_of(keyed(&dir, None, None)).await, Err(OpenError::Locked)));
    let before = std::fs::read(dir.path().join("store.key")).unwrap();
    let wrong = draft_of(keyed(&dir, Some(Kept::Bare), Some("open barley"))).await.unwrap_err();
    assert_eq!(
        (wrong.kind(), std::fs::read(dir.path().join("store.key")).unwrap()),
        (FailureKind::WrongPassphrase, before)
    );
    assert_eq!(draft_of(keyed(&dir, None, Some("open sesame"))).await.unwrap().as_deref(), Some("unsent"));

    assert_eq!(draft_of(keyed(&dir, Some(Kept::Bare), Some("open sesame"))).await.unwrap().as_deref(), Some("unsent"));
    assert_eq!(draft_of(keyed(&dir, None, None)).await.unwrap().as_deref(), Some("unsent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_profile_with_a_passphrase_is_locked_from_the_first_byte() {
    let dir = TempDir::new().unwrap();
    assert_eq!(draft_of(keyed(&dir, None, Some("open sesame"))).await.unwrap(), None);
    assert!(Client::is_locked(dir.path()).unwrap());
    assert!(matches!(draft_of(keyed(&dir, None, None)).await, Err(OpenError::Locked)));
}
