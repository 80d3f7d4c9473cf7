//! Messages between two people: live, offline, across restarts and lost connections.

use chat_client::{Ack, ConnectionState, MessageStatus};

use crate::world::{Person, Relay, friends};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_register_and_talk_both_ways_in_order() {
    let relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    for number in 0..10 {
        alice.send("bob", &format!("to bob {number}")).await;
        assert_eq!(bob.text().await, format!("to bob {number}"));
        bob.send("alice", &format!("to alice {number}")).await;
        assert_eq!(alice.text().await, format!("to alice {number}"));
    }
    let sent: Vec<_> = (0..100).map(|number| format!("burst {number}")).collect();
    for text in &sent {
        alice.send("bob", text).await;
    }
    for text in &sent {
        assert_eq!(bob.text().await, *text);
    }
    assert_eq!(bob.history("alice").await[21..], sent);
    assert_eq!(bob.history("alice").await, alice.history("bob").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_to_somebody_away_waits_and_so_does_what_was_sent_without_the_relay() {
    let mut relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    bob.done_reading();
    bob.client.close().await;
    let away = alice.send("bob", "while bob is away").await;
    alice.receipt(away, MessageStatus::Sent).await;
    relay.stop().await;
    alice.connection(ConnectionState::Offline).await;
    let queued = alice.send("bob", "while the relay is away").await;
    assert_eq!(alice.history("bob").await.last().unwrap(), "while the relay is away");
    let alice = alice.reopened(&relay, Ack::Automatic).await;
    relay.start_again();
    let (mut alice, mut bob) = (alice, Person::in_dir(&relay, bob.dir, Ack::Automatic).await);
    assert_eq!(bob.text().await, "while bob is away");
    assert_eq!(bob.text().await, "while the relay is away");
    alice.receipt(queued, MessageStatus::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_everything_repeats_nothing_and_loses_nothing() {
    let mut relay = Relay::start();
    let (alice, mut bob) = friends(&relay).await;
    alice.send("bob", "one").await;
    assert_eq!(bob.text().await, "one");
    let alice = alice.reopened(&relay, Ack::Automatic).await;
    bob.done_reading();
    bob.client.close().await;
    relay.stop().await;
    relay.start_again();
    alice.send("bob", "two").await;
    let mut bob = Person::in_dir(&relay, bob.dir, Ack::Automatic).await;
    assert_eq!(bob.text().await, "two");
    assert_eq!(bob.history("alice").await, ["hello", "one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_going_down_in_a_burst_costs_nothing() {
    let mut relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    let mut last = None;
    for number in 0..60 {
        if number % 20 == 10 {
            relay.stop().await;
        }
        if number % 20 == 15 {
            relay.start_again();
        }
        last = Some(alice.send("bob", &format!("{number}")).await);
    }
    for number in 0..60 {
        assert_eq!(bob.text().await, format!("{number}"));
    }
    alice.receipt(last.unwrap(), MessageStatus::Delivered).await;
    assert_eq!(bob.history("alice").await.len(), 61);
}
