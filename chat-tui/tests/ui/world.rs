//! A relay in this process, people who are programs, and the real terminal interface.

use std::path::PathBuf;

use chat_client::picture::Decoder;
use chat_client::{Client, ClientEvent, Command, Config, Events, FilesConfig, NoticeKind, Pin, Registration, UserName};
use chat_server::{EmbedConfig, Embedded};
use portable_pty::CommandBuilder;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A password that the policy likes.
pub const PASSWORD: &str = "Nine7Lanterns";

/// A relay and a folder for everybody's data.
pub struct World {
    pub runtime: Runtime,
    pub folder: TempDir,
    relay: Option<Embedded>,
}

/// Somebody who is a program.
pub struct Person {
    pub client: Client,
    pub events: Events,
}

impl World {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = TempDir::new().unwrap();
        // Files that come by themselves stay in this world.
        std::fs::create_dir(folder.path().join("config")).unwrap();
        let downloads = format!("XDG_DOWNLOAD_DIR=\"{}\"\n", folder.path().join("downloads").display());
        std::fs::write(folder.path().join("config/user-dirs.dirs"), downloads).unwrap();
        let config = EmbedConfig { data_dir: Some(folder.path().join("relay")), ..EmbedConfig::default() };
        let relay = runtime.block_on(async { chat_server::embed(config).unwrap() });
        Self { runtime, folder, relay: Some(relay) }
    }

    fn relay(&self) -> &Embedded {
        self.relay.as_ref().unwrap()
    }

    /// Stops the relay and starts it again, on its data and at its address.
    pub fn restart_relay(&mut self, meanwhile: impl FnOnce()) {
        let relay = self.relay.take().unwrap();
        let config = EmbedConfig {
            data_dir: Some(self.folder.path().join("relay")),
            listen: Some(relay.addr),
            ..EmbedConfig::default()
        };
        self.runtime.block_on(relay.shutdown());
        meanwhile();
        self.relay = Some(self.runtime.block_on(async { chat_server::embed(config).unwrap() }));
    }

    pub fn address(&self) -> String {
        self.relay().addr.to_string()
    }

    pub fn pin(&self) -> [u8; 32] {
        self.relay().pin.0
    }

    fn profile(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The terminal interface on a profile, its configuration empty.
    pub fn program(&self, profile: &str) -> CommandBuilder {
        self.program_at(profile, &self.address())
    }

    /// The same with a relay of another address.
    pub fn program_at(&self, profile: &str, relay: &str) -> CommandBuilder {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_chat-tui"));
        command.args(["--relay", relay, "--data"]);
        command.arg(self.profile(profile));
        command.env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command.cwd(self.folder.path());
        command
    }

    /// Registers somebody.
    pub fn person(&self, name: &str) -> Person {
        let config = Config {
            relay: Some(self.address().parse().unwrap()),
            pin: Some(Pin(self.pin())),
            files: FilesConfig {
                decoder: Some(Decoder::new(env!("CARGO_BIN_EXE_chat-tui").into(), vec!["picture".into()])),
                ..FilesConfig::default()
            },
            ..Config::new(self.profile(name))
        };
        self.runtime.block_on(async {
            let (client, events) = Client::open(config).await.unwrap();
            let registration = Registration {
                username: name.to_owned(),
                password: PASSWORD.to_owned().into(),
                display_name: None,
                device_name: None,
                invite: None,
            };
            client.register(registration).await.unwrap();
            Person { client, events }
        })
    }

    pub fn says(&self, person: &Person, to: &str, text: &str) {
        let send = Command::Send {
            to: to.into(),
            text: text.into(),
            reply_to: None,
            idempotency_key: None,
            expires_in_ms: None,
        };
        self.runtime.block_on(person.client.run(send)).unwrap();
    }

    pub fn accepts(&self, person: &Person, whom: &str) {
        self.runtime.block_on(person.client.run(Command::AcceptRequest(UserName::parse(whom).unwrap()))).unwrap();
    }

    /// Waits until somebody has got a text, and reads it.
    pub fn gets(&self, person: &mut Person, text: &str) {
        self.runtime.block_on(async {
            loop {
                if let Some(ClientEvent::Notice(notice)) = person.events.next().await
                    && let NoticeKind::Message(message) = notice.kind
                    && message.text.as_deref() == Some(text)
                {
                    let room = Some(&message.to).filter(|to| to.starts_with('#')).cloned();
                    let with = room.unwrap_or_else(|| message.from.to_string());
                    let read = Command::MarkRead { with, id: message.id };
                    person.client.run(read).await.unwrap();
                    return;
                }
            }
        });
    }

    /// Waits until somebody is asked by a stranger.
    pub fn is_asked(&self, person: &mut Person) {
        self.runtime.block_on(async {
            loop {
                if let Some(ClientEvent::Notice(notice)) = person.events.next().await
                    && let NoticeKind::Request(_) = notice.kind
                {
                    return;
                }
            }
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let relay = self.relay.take().unwrap();
        self.runtime.block_on(relay.shutdown());
    }
}
