//! The terminal interface with a fault in it, `fault task` or `fault loop`: tests watch what a panic leaves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a program for tests")]

use std::time::Duration;

fn main() {
    let place = std::env::args().nth(1).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let folder = tempfile::TempDir::new().unwrap();
        let (client, events) = chat_client::Client::open(chat_client::Config::new(folder.path())).await.unwrap();
        let fault = async {
            tokio::time::sleep(Duration::from_millis(800)).await;
            panic!("a fault");
        };
        let run = chat_tui::app::run(client, events, chat_tui::app::Options::default());
        if place == "task" {
            tokio::spawn(fault);
            run.await
        } else {
            tokio::select! { ended = run => ended, () = fault => Ok(()) }
        }
    });
    assert!(ended.is_ok(), "the loop ended with the fault");
}
