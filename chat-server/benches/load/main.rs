//! Load on a relay in a process of its own, beside a control that does almost nothing, on loopback only:
//!
//! ```sh
//! cargo bench -p chat-server --bench load                      # all phases, about two minutes
//! cargo bench -p chat-server --bench load -- online store      # some of them
//! cargo bench -p chat-server --bench load -- --test            # only whether it runs
//! ```
//!
//! Processor time of the server for each message is what holds on a busy machine; rates are for
//! comparing with the control in the same run. The control passes frames and, in `store`, appends them to
//! one file that it syncs before it answers: no accounts, no index, no memory of requests.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a measurement, built on the helpers of the tests"
)]

#[path = "../../tests/it/client.rs"]
mod client;
#[path = "../../relay/tests/it/kit.rs"]
mod kit;

mod control;
mod crowds;
mod floods;
mod machine;
mod phases;
mod server;
mod user;

use phases::Size;
use server::{Kind, Server};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The servers are this same program, so that their processor time can be told apart.
    match arguments.first().map(String::as_str) {
        Some("serve-control") => return control::serve(&arguments[1]).await,
        Some("serve-plain") => return server::serve_plain(&arguments[1]).await,
        Some("flood") => return floods::flood_until_told(&arguments[1..]).await,
        _ => {}
    }
    let smoke = arguments.iter().any(|a| a == "--test");
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let wants = |phase: &str| wanted.is_empty() || wanted.iter().any(|w| *w == phase);
    let size = if smoke { Size::SMOKE } else { Size::FULL.within(machine::descriptors()) };
    machine::print();
    println!(
        "\n{:<34}{:>12}{:>12}{:>14}{:>12}{:>12}",
        "job, 512 B", "server", "µs CPU each", "each second", "p50 ms", "p99 ms"
    );
    for kind in [Kind::Control, Kind::Plain, Kind::Tls] {
        if wants("online") {
            phases::online(&Server::start(kind), size).await;
        }
    }
    for kind in [Kind::Control, Kind::Plain, Kind::Tls] {
        if wants("store") {
            phases::store(&Server::start(kind), size).await;
        }
    }
    for kind in [Kind::Control, Kind::Plain, Kind::Tls] {
        if wants("idle") {
            phases::idle(&Server::start(kind), size).await;
        }
    }
    for kind in [Kind::Control, Kind::Plain, Kind::Tls] {
        if wants("broadcast") {
            crowds::broadcast(&Server::start(kind), size).await;
        }
    }
    if wants("slow-reader") {
        crowds::slow_reader(&Server::start(Kind::Tls), size).await;
    }
    if wants("backlog") {
        phases::backlog(&Server::start(Kind::Plain), size).await;
    }
    if wants("floods") {
        floods::floods(&Server::start(Kind::Guarded), size).await;
    }
    if wants("storm") {
        crowds::storm(&Server::start(Kind::Tls), size).await;
    }
    for kind in [Kind::Plain, Kind::Tls] {
        if wants("heartbeat") {
            phases::heartbeats(&Server::start(kind), size).await;
        }
    }
    if wants("login") {
        phases::login(&Server::start(Kind::Tls), size).await;
    }
}
