//! Nothing acknowledged is lost, nothing is shown twice, whatever is killed when.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::driver::{Gone, Rpc};
use crate::world::World;

fn texts_of(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// The incoming texts of a whole history, oldest first.
fn received(client: &mut Rpc, with: &str) -> Vec<String> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let mut params = json!({ "with": with, "limit": 500 });
        if let Some(first) = all.first() {
            params["before"] = first["id"].clone();
        }
        let page = client.ok("history", params)["messages"].as_array().unwrap().clone();
        if page.is_empty() {
            let ids: HashSet<&str> = all.iter().map(|m| m["id"].as_str().unwrap()).collect();
            assert_eq!(ids.len(), all.len(), "an id twice in a history");
            all.retain(|message| message["outgoing"] == false);
            return texts_of(&all);
        }
        all.splice(0..0, page);
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

#[test]
fn a_hundred_messages_in_alternation_arrive_once_and_in_order_across_restarts() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    for n in 0..50 {
        alice.send("bob", &format!("a{n}"));
        bob.expect_text(&format!("a{n}"));
        bob.send("alice", &format!("b{n}"));
        alice.expect_text(&format!("b{n}"));
        match n {
            10 => {
                alice.quit().cleanly();
                alice = world.back("alice");
            }
            20 => {
                bob.kill();
                bob = world.back("bob");
            }
            30 => world.relay.restart(),
            40 => {
                alice.signal(Signal::TERM).cleanly();
                bob.hang_up().cleanly();
                world.relay.restart();
                (alice, bob) = (world.back("alice"), world.back("bob"));
            }
            _ => {}
        }
    }
    let sent: Vec<String> = (0..50).map(|n| format!("a{n}")).collect();
    assert_eq!(received(&mut bob, "alice")[1..], sent);
    let sent: Vec<String> = (0..50).map(|n| format!("b{n}")).collect();
    assert_eq!(received(&mut alice, "bob"), sent);
}

#[test]
fn a_burst_of_five_hundred_arrives_once_and_in_order_also_while_the_reader_is_away() {
    let mut world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    bob.quit().cleanly();
    let ids: Vec<u64> = numbered(250).iter().map(|t| alice.post("send", json!({ "to": "bob", "text": t }))).collect();
    for id in ids {
        alice.answer(id).unwrap();
    }
    // The sender goes before all is out, and so does the relay.
    alice.quit().cleanly();
    world.relay.restart();
    let (mut alice, mut bob) = (world.back("alice"), world.back("bob"));
    for text in &numbered(500)[250..] {
        alice.post("send", json!({ "to": "bob", "text": text }));
    }
    let got = texts_of(&bob.at_least("message", 500));
    assert_eq!(got, numbered(500));
    assert_eq!(received(&mut bob, "alice")[1..], numbered(500));
}

#[test]
fn notices_come_again_until_they_are_acknowledged_by_hand() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    bob.quit().cleanly();
    for text in numbered(5) {
        alice.send("bob", &text);
    }
    alice.expect("receipt", |receipt| receipt["status"] == "sent" && receipt["to"] == "bob");

    let manual = world.profile("bob").manual();
    let bob = manual.start();
    let first = bob.at_least("message", 5);
    let seqs: Vec<u64> = first.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    bob.kill();

    // A kill and a clean end alike: all of it again, under the same numbers and ids.
    let mut bob = manual.start();
    let second = bob.at_least("message", 5);
    let marks =
        |all: &[Value]| -> Vec<(Value, Value)> { all.iter().map(|m| (m["seq"].clone(), m["id"].clone())).collect() };
    assert_eq!(marks(&second), marks(&first));
    bob.ok("ack", json!({ "seq": seqs[2] }));
    bob.quit().cleanly();

    let mut bob = manual.start();
    assert_eq!(marks(&bob.at_least("message", 2)), marks(&first[3..]));
    bob.ok("ack", json!({ "seq": seqs[4] }));
    bob.kill();

    let mut bob = manual.start();
    alice.send("bob", "fresh");
    bob.expect_text("fresh");
    assert_eq!(bob.so_far("message").len(), 1);
    assert_eq!(received(&mut bob, "alice")[1..], [numbered(5), vec!["fresh".to_owned()]].concat());
}

#[test]
fn a_clean_end_repeats_nothing() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    for (n, text) in numbered(12).iter().enumerate() {
        alice.send("bob", text);
        bob.expect_text(text);
        let gone = match n % 3 {
            0 => bob.quit(),
            1 => bob.hang_up(),
            _ => bob.signal(Signal::TERM),
        };
        let told = gone.cleanly().notifications.iter().filter(|n| n["method"] == "message").count();
        assert!(told <= 2, "the greeting of the first round and its own message");
        bob = world.back("bob");
    }
    alice.send("bob", "last");
    bob.expect_text("last");
    assert_eq!(bob.so_far("message").len(), 1);
}

#[test]
fn a_slow_reader_loses_nothing() {
    use std::io::{BufRead, BufReader, Write};
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    bob.quit().cleanly();
    // More than a pipe and all buffers hold: whoever does not read must not be forgotten.
    let mut slow = world.profile("bob").command().spawn().unwrap();
    let mut stdin = slow.stdin.take().unwrap();
    stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n").unwrap();
    let padding = "p".repeat(8 * 1024);
    for n in 0..200 {
        alice.send("bob", &format!("n{n} {padding}"));
    }
    let delivered = |receipt: &Value| receipt["status"] == "delivered";
    let last = alice.send("bob", "the last");
    alice.expect("receipt", |receipt| receipt["id"] == last.as_str() && delivered(receipt));
    let mut got = Vec::new();
    for line in BufReader::new(slow.stdout.take().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["method"] == "message" {
            got.push(line["params"]["text"].as_str().unwrap().split(' ').next().unwrap().to_owned());
            if line["params"]["text"] == "the last" {
                break;
            }
        }
    }
    slow.kill().unwrap();
    slow.wait().unwrap();
    assert_eq!(got[..200], numbered(200));
}

/// Under load, one of the three is killed again and again at no particular moment.
#[test]
fn kills_under_load_lose_nothing_acknowledged_and_repeat_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let mut accepted: Vec<String> = Vec::new();
    let mut told: Vec<Gone> = Vec::new();
    for round in 0..6 {
        let texts: Vec<String> = (0..40).map(|n| format!("r{round}n{n}")).collect();
        let posted: Vec<u64> = texts.iter().map(|t| alice.post("send", json!({ "to": "bob", "text": t }))).collect();
        let certain = 10 * (round % 4 + 1);
        for (text, id) in texts.iter().zip(&posted).take(certain) {
            alice.answer(*id).unwrap();
            accepted.push(text.clone());
        }
        match round % 3 {
            0 => {
                alice.kill();
                alice = world.back("alice");
            }
            1 => {
                told.push(bob.kill());
                bob = world.back("bob");
            }
            _ => world.relay.restart(),
        }
    }
    alice.send("bob", "the end");
    bob.expect_text("the end");
    let history = received(&mut bob, "alice");
    let distinct: HashSet<&String> = history.iter().collect();
    assert_eq!(distinct.len(), history.len(), "a text twice");
    let lost: Vec<&String> = accepted.iter().filter(|text| !distinct.contains(text)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let in_order: Vec<&String> = history.iter().filter(|text| accepted.contains(text)).collect();
    assert_eq!(in_order, accepted.iter().collect::<Vec<_>>(), "order");

    told.push(bob.kill());
    assert_told_once(&told);
}

/// What was told again after a kill has the number and the id that it had: one number for one thing, and
/// one number only for one message.
fn assert_told_once(told: &[Gone]) {
    let (mut ids, mut seqs) = (HashMap::new(), HashMap::new());
    for notification in told.iter().flat_map(|gone| &gone.notifications) {
        let params = &notification["params"];
        if let (Some(seq), Some(id)) = (params["seq"].as_u64(), params["id"].as_str()) {
            assert_eq!(ids.entry(seq).or_insert_with(|| id.to_owned()), id, "seq {seq} for two things");
            assert_eq!(*seqs.entry(id.to_owned()).or_insert(seq), seq, "{id} under two numbers");
        }
    }
}

/// Both write, and whoever the seed names is killed, sometimes while the one before still starts.
#[test]
fn kills_at_random_of_all_three_lose_nothing_acknowledged_and_repeat_nothing() {
    let seed = std::env::var("CHAT_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("CHAT_TEST_SEED={seed}");
    let mut chance = Chance(seed);
    let mut world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut pair = [Talker::new("alice", "bob", alice), Talker::new("bob", "alice", bob)];
    for _ in 0..15 {
        for talker in &mut pair {
            talker.say(20);
        }
        // Not to wait for something: to hit different moments.
        std::thread::sleep(Duration::from_millis(chance.below(60)));
        match chance.below(4) {
            0 => world.relay.restart(),
            1 => pair[0].fall(&world),
            2 => pair[1].fall(&world),
            _ => {
                pair[0].fall(&world);
                pair[1].fall(&world);
                world.relay.restart();
            }
        }
    }
    for talker in &mut pair {
        talker.client.online();
        let last = talker.client.send(talker.with, "the end");
        talker.client.expect("receipt", |receipt| receipt["id"] == last.as_str() && receipt["status"] == "delivered");
    }
    let [mut alice, mut bob] = pair;
    alice.assert_reached(&received(&mut bob.client, "alice"));
    bob.assert_reached(&received(&mut alice.client, "bob"));
    for mut talker in [alice, bob] {
        talker.told.push(talker.client.kill());
        assert_told_once(&talker.told);
    }
}

/// One side of a conversation under fire.
struct Talker {
    name: &'static str,
    with: &'static str,
    client: Rpc,
    said: usize,
    /// Requests of this run, by the number said.
    asked: Vec<(usize, u64)>,
    accepted: Vec<usize>,
    told: Vec<Gone>,
}

impl Talker {
    fn new(name: &'static str, with: &'static str, client: Rpc) -> Self {
        Self { name, with, client, said: 0, asked: Vec::new(), accepted: Vec::new(), told: Vec::new() }
    }

    fn say(&mut self, count: usize) {
        for _ in 0..count {
            let id = self.client.post("send", json!({ "to": self.with, "text": format!("n{}", self.said) }));
            self.asked.push((self.said, id));
            self.said += 1;
        }
    }

    /// Is killed and starts again.
    fn fall(&mut self, world: &World) {
        self.client.give(Signal::KILL);
        self.client.wait_for_end();
        let gone = std::mem::replace(&mut self.client, world.profile(self.name).start()).gone();
        self.take(&gone);
        self.told.push(gone);
    }

    fn take(&mut self, gone: &Gone) {
        self.accepted.extend(self.asked.drain(..).filter(|(_, id)| gone.done(*id)).map(|(said, _)| said));
    }

    /// Everything accepted is there, nothing twice, all in order.
    fn assert_reached(&mut self, history: &[String]) {
        for (said, id) in std::mem::take(&mut self.asked) {
            self.client.answer(id).unwrap();
            self.accepted.push(said);
        }
        let numbers: Vec<usize> = history.iter().filter_map(|text| text.strip_prefix('n')?.parse().ok()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{} out of order or twice: {numbers:?}", self.name);
        let lost: Vec<_> = self.accepted.iter().filter(|said| !numbers.contains(said)).collect();
        assert!(lost.is_empty(), "{} lost {lost:?}", self.name);
        assert!(self.accepted.len() > 20, "the test tests something");
    }
}

/// A few bits of chance from a seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
