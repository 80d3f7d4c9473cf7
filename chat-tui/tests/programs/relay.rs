//! The relay as a process of its own, so that tests kill it like the real one: `relay DATA LISTEN`.
//! Prints the `ready` line and logs everything there is to log.
#![allow(clippy::unwrap_used, reason = "a program for tests")]

fn main() {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap();
    let listen = arguments.next().unwrap().parse().unwrap();
    let config = chat_server::EmbedConfig {
        data_dir: Some(data.into()),
        listen: Some(listen),
        ..chat_server::EmbedConfig::default()
    };
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let relay = chat_server::embed(config).unwrap();
        println!("ready relay={} pin={}", relay.addr, relay.pin);
        std::future::pending::<()>().await;
    });
}
