//! Nobody learns from the relay's answer to KE1 whether a name exists (DESIGN §4): the answers have one size, and the
//! times of both are printed (`cargo test --release -p chat-server --test it guessing -- --nocapture`).

use std::time::{Duration, Instant};

use chat_relay::Config;
use chat_relay::limits::{Allowance, Limits};
use chat_server::{EmbedConfig, embed};
use chat_wire::ids::UserName;
use chat_wire::message::{ClientMessage, ServerMessage};
use serde_bytes::ByteBuf;

use crate::client::{Client, Place};
use crate::kit::{self, Person};

/// Tries of each kind.
const TRIES: u32 = 50;

async fn thinks(client: &mut Client, name: &UserName) -> (Duration, usize) {
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let (_, ke1) = chat_login::client::LoginStart::new(kit::PASSWORD, &mut rng).unwrap();
    let message = ClientMessage::Ke1 { name: name.clone(), ke1: ByteBuf::from(ke1.to_vec()) };
    let asked = Instant::now();
    let answer = client.ask(message).await;
    let took = asked.elapsed();
    let ServerMessage::Ke2 { ke2, .. } = answer else { panic!("{answer:?}") };
    (took, ke2.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_and_an_unknown_name_are_answered_alike() {
    let tries = Allowance::per_minute(10 * TRIES, TRIES);
    let limits = Limits { password_tries_per_name: tries, password_tries_per_address: tries, ..Limits::default() };
    let relay = Config { limits, ..Config::default() };
    let running = embed(EmbedConfig { relay, ..EmbedConfig::default() }).unwrap();
    let place = Place { addr: running.addr, pin: running.pin.0 };
    let person = Person::new("somebody", Client::relay_id(place).await);
    Client::register(place, &person).await;
    let unknown = UserName::parse("nobody99").unwrap();
    let mut client = Client::connect(place).await;
    client.hello().await;
    let (_, known_bytes) = thinks(&mut client, &person.name).await;
    let (_, unknown_bytes) = thinks(&mut client, &unknown).await;
    assert_eq!(known_bytes, unknown_bytes, "the size tells whether the name exists");
    let (mut known_took, mut unknown_took) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        // In turn, so that whatever else the machine does falls on both.
        known_took.push(thinks(&mut client, &person.name).await.0);
        unknown_took.push(thinks(&mut client, &unknown).await.0);
    }
    let (known, unknown) = (median(&mut known_took), median(&mut unknown_took));
    println!(
        "KE1 to KE2: known {known:?}, unknown {unknown:?}, ratio {:.3}",
        known.as_secs_f64() / unknown.as_secs_f64()
    );
    running.shutdown().await;
}

fn median(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}
