//! Nothing that runs in the process logs a name, a text or a password, whatever the level.

use std::io::Write;
use std::sync::{Arc, Mutex};

use chat_client::Command;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{ParseName, Person, Relay, registration};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_at_the_finest_level_hold_no_name_no_text_and_no_password() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let mut relay = Relay::start();
    let (alice, mut bob) = (Person::new(&relay).await, Person::registered(&relay, "canary-bob").await);
    alice.client.register(registration("canary-alice", "CanaryPassword-7-tundra")).await.unwrap();
    alice.send("canary-bob", "CanaryText one").await;
    assert_eq!(bob.request().await, "canary-alice");
    bob.client.run(Command::AcceptRequest("canary-alice".parse_name())).await.unwrap();
    assert_eq!(bob.text().await, "CanaryText one");
    let _ = alice.register("canary-other").await;
    relay.stop().await;
    alice.send("canary-bob", "CanaryText two").await;
    alice.client.close().await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("Connected"), "nothing was logged: {logged}");
    let shown: Vec<_> = logged.lines().filter(|line| line.to_lowercase().contains("canary")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
