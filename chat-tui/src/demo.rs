//! `chat-tui demo`: a relay of its own on a free loopback port, a bot named `echo` that accepts
//! everybody, and an empty profile beside it. All of it lies in one temporary directory and goes with
//! it.

use std::path::Path;

use anyhow::{Context, anyhow};
use chat_client::{
    Client, ClientEvent, Command, Config, Conversation, Events, Failure, Message, NoticeKind, Pin, Registration,
    RelayAddress,
};
use chat_server::{EmbedConfig, Embedded};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A relay with a bot, for as long as it lives.
pub struct Demo {
    relay: Embedded,
    address: RelayAddress,
    pin: Pin,
    bot: Client,
    answering: JoinHandle<()>,
    folder: TempDir,
}

impl Demo {
    /// Starts relay and bot.
    ///
    /// # Errors
    /// When no temporary directory or no port is to be had, or the bot can't register.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chat-demo-").tempdir().context("no temporary directory")?;
        let config = EmbedConfig { data_dir: Some(folder.path().join("relay")), ..EmbedConfig::default() };
        let relay = chat_server::embed(config).context("the relay does not start")?;
        let (address, pin) = (relay.addr.to_string().parse()?, Pin(relay.pin.0));
        let (bot, events) = echo(&folder.path().join("echo"), &address, pin).await?;
        let answering = tokio::spawn(answer(bot.clone(), events));
        Ok(Self { relay, address, pin, bot, answering, folder })
    }

    /// An empty profile that knows this relay and its key.
    #[must_use]
    pub fn profile(&self) -> Config {
        profile(&self.folder.path().join("you"), &self.address, self.pin)
    }

    /// Stops bot and relay and removes what they kept.
    pub async fn end(self) {
        self.bot.close().await;
        self.answering.abort();
        self.relay.shutdown().await;
        drop(self.folder);
    }
}

fn profile(data_dir: &Path, address: &RelayAddress, pin: Pin) -> Config {
    Config { relay: Some(address.clone()), pin: Some(pin), ..Config::new(data_dir) }
}

async fn echo(data_dir: &Path, address: &RelayAddress, pin: Pin) -> anyhow::Result<(Client, Events)> {
    let (client, events) = Client::open(profile(data_dir, address, pin)).await?;
    let registration = Registration {
        username: BOT_NAME.to_owned(),
        password: throwaway_password()?.into(),
        display_name: Some("Echo".to_owned()),
        device_name: None,
        invite: None,
    };
    client.register(registration).await.map_err(|failure| anyhow!("the bot does not register: {:?}", failure.kind))?;
    Ok((client, events))
}

/// Nobody logs in as the bot again.
fn throwaway_password() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("E0-{}", data_encoding::HEXLOWER.encode(&bytes)))
}

/// Accepts whoever asks and repeats what they say.
async fn answer(bot: Client, mut events: Events) {
    while let Some(event) = events.next().await {
        let ClientEvent::Notice(notice) = event else { continue };
        let done = match notice.kind {
            NoticeKind::Request(request) => bot.run(Command::AcceptRequest(request.username)).await.map(drop),
            NoticeKind::Message(message) if !message.outgoing => repeat(&bot, message).await,
            _ => Ok(()),
        };
        if let Err(failure) = done {
            tracing::warn!(kind = ?failure.kind, "the bot could not answer");
        }
    }
}

async fn repeat(bot: &Client, message: Message) -> Result<(), Failure> {
    // Rooms are for people.
    let (Conversation::Direct(_), Some(text)) = (&message.conversation, message.text) else { return Ok(()) };
    let to = message.from.to_string();
    bot.run(Command::MarkRead { with: to.clone(), id: message.id }).await?;
    bot.run(Command::Send { to, text, reply_to: Some(message.id), idempotency_key: None, expires_in_ms: None }).await?;
    Ok(())
}

/// The bot's name.
pub const BOT_NAME: &str = "echo";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_registers_in_the_demo_gets_an_encrypted_answer_and_nothing_stays_behind() {
        let demo = Demo::start().await.unwrap();
        let (client, mut events) = Client::open(demo.profile()).await.unwrap();
        let registration = Registration {
            username: "visitor".to_owned(),
            password: throwaway_password().unwrap().into(),
            display_name: None,
            device_name: None,
            invite: None,
        };
        client.register(registration).await.unwrap();
        let hello = Command::Send {
            to: BOT_NAME.to_owned(),
            text: "hi".into(),
            reply_to: None,
            idempotency_key: None,
            expires_in_ms: None,
        };
        client.run(hello).await.unwrap();
        let answer = loop {
            if let ClientEvent::Notice(notice) = events.next().await.unwrap()
                && let NoticeKind::Message(message) = notice.kind
            {
                break message;
            }
        };
        assert_eq!((answer.from.as_str(), answer.text.as_deref()), (BOT_NAME, Some("hi")));
        assert!(answer.reply_to.is_some());

        let folder = demo.folder.path().to_path_buf();
        client.close().await;
        demo.end().await;
        assert!(!folder.exists());
    }
}
