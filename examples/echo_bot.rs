//! A bot on `chat_client::Client`: it accepts everybody and repeats what they say.
//!
//! Run by itself it starts a relay, the bot, and a person who says hello:
//!
//! ```sh
//! cargo run -p chat-examples --example echo_bot
//! ```

use anyhow::{Context, anyhow};
use chat_client::{Client, ClientEvent, Command, Config, Conversation, Events, Failure, NoticeKind, Pin, Registration};

/// The lesson: read events, answer with commands. Everything that must not be missed is a notice; it
/// waits on disk until this loop asks for the one after it, so a crash in between repeats it and loses
/// nothing. The idempotency key makes such a repeat send no second answer.
async fn echo(bot: Client, mut events: Events) -> Result<(), Failure> {
    while let Some(event) = events.next().await {
        let ClientEvent::Notice(notice) = event else { continue };
        match notice.kind {
            NoticeKind::Request(request) => {
                bot.run(Command::AcceptRequest(request.username)).await?;
            }
            NoticeKind::Message(message) => {
                let (Conversation::Direct(_), Some(text), false) =
                    (message.conversation, message.text, message.outgoing)
                else {
                    continue;
                };
                let answer = Command::Send {
                    to: message.from.to_string(),
                    text,
                    reply_to: Some(message.id),
                    idempotency_key: Some(format!("echo {}", notice.seq)),
                    expires_in_ms: None,
                };
                bot.run(answer).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let relay = chat_server::embed(chat_server::EmbedConfig::default())?;
    let config = |name: &str| -> anyhow::Result<Config> {
        let (address, pin) = (relay.addr.to_string().parse()?, Pin(relay.pin.0));
        Ok(Config { relay: Some(address), pin: Some(pin), ..Config::new(folder.path().join(name)) })
    };
    let (bot, events) = account(config("echo")?, "echo").await?;
    let answering = tokio::spawn(echo(bot.clone(), events));

    let (alice, mut events) = account(config("alice")?, "alice").await?;
    let hello = Command::Send {
        to: "echo".into(),
        text: "Hello!".into(),
        reply_to: None,
        idempotency_key: None,
        expires_in_ms: None,
    };
    alice.run(hello).await.map_err(told)?;
    let answer = loop {
        let event = events.next().await.context("the profile closed by itself")?;
        if let ClientEvent::Notice(notice) = event
            && let NoticeKind::Message(message) = notice.kind
        {
            break message;
        }
    };
    println!("{}: {}", answer.from, answer.text.unwrap_or_default());

    alice.close().await;
    bot.close().await;
    answering.await?.map_err(told)?;
    relay.shutdown().await;
    Ok(())
}

/// Opens a profile and registers it. The keys that others need to write to it are published when this
/// returns; nobody ever exchanges any by hand.
async fn account(config: Config, name: &str) -> anyhow::Result<(Client, Events)> {
    let (client, events) = Client::open(config).await?;
    let registration = Registration {
        username: name.to_owned(),
        password: "An-Example-0f-Length".to_owned().into(),
        display_name: None,
        device_name: None,
        invite: None,
    };
    let account = client.register(registration).await.map_err(told)?;
    println!("{} registered; recovery code {}", account.username, account.recovery_code);
    Ok((client, events))
}

fn told(failure: Failure) -> anyhow::Error {
    anyhow!("{:?}", failure.kind)
}
