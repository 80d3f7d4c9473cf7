//! The interface without a screen, for screen readers, dumb terminals and pipes: lines are said and stay,
//! nothing moves, nothing is drawn over; the terminal itself edits what is typed.

mod door;
mod lines;
mod talk;

use anyhow::Context as _;
use chat_client::{
    Answer, Client, ClientEvent, ConnectionState, Event, Events, Message, MessageStatus, NoticeKind, Query,
};

use super::intake;
use crate::model::{Change, Msg, Name, RoomNews};
use crate::signals;
use crate::text::SafeText;
use crate::update::identity_words;
use lines::{Lines, say};
use talk::{Next, Talk};

/// Runs the interface until the person quits, stdin ends or the process is asked to end.
///
/// # Errors
/// When stdin can't be read or signals can't be listened to.
pub async fn run(client: Client, mut events: Events) -> anyhow::Result<()> {
    let mut lines = Lines::open().context("stdin can't be read")?;
    let ended = signals::ended().context("signals can't be listened to")?;
    let closing = client.clone();
    let work = async {
        let Some(me) = come_in(&client, &mut lines).await else { return };
        say(&format!("Signed in as {me}. /help tells what there is."));
        let mut talk = Talk { client, open: None };
        loop {
            tokio::select! {
                line = lines.next() => match line {
                    Some(line) => if talk.line(&line).await == Next::Quit { return },
                    None => return,
                },
                event = events.next() => match event {
                    Some(event) => tell(&mut talk, event).await,
                    None => return say("The store on this device failed; start again."),
                },
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = ended => {}
    }
    closing.close().await;
    Ok(())
}

/// Signs in or registers, unless the profile is signed in.
async fn come_in(client: &Client, lines: &mut Lines) -> Option<Name> {
    loop {
        let Ok(Answer::Status(status)) = client.query(Query::Status).await else { return None };
        let name = status.username.filter(|_| status.enrolled).map(|n| Name::new(n.as_str()));
        match name {
            Some(name) if status.logged_in => return Some(name),
            name => door::enter(client, lines, name.as_ref()).await?,
        }
    }
}

/// A message as it is said.
fn spoken(message: Message) -> String {
    let outgoing = message.outgoing;
    let to = Name::new(&message.to);
    let entry = intake::entry(message);
    let who = match (outgoing, to.is_room()) {
        (true, _) => format!("you to {to}"),
        (false, true) => format!("{} in {to}", entry.author),
        (false, false) => entry.author.to_string(),
    };
    let file = entry.file.map(|f| format!("file {}, {}. ", f.name, crate::model::bytes(f.size))).unwrap_or_default();
    let edited = if entry.edited { " (edited)" } else { "" };
    format!("{} {who}: {file}{}{edited}", entry.when.clock(), entry.text)
}

async fn tell(talk: &mut Talk, event: ClientEvent) {
    match event {
        ClientEvent::Notice(notice) => match notice.kind {
            NoticeKind::Message(message) => {
                let (id, to_room) = (message.id, message.to.starts_with('#'));
                let chat = if message.outgoing || to_room { message.to.clone() } else { message.from.to_string() };
                let incoming = !message.outgoing;
                say(&spoken(message));
                if incoming && talk.open.as_ref().is_some_and(|open| *open == Name::new(&chat)) {
                    let read = chat_client::Command::MarkRead { with: chat, id };
                    // Told is read; a relay that can't be reached learns it later.
                    let _ = talk.client.run(read).await;
                }
            }
            NoticeKind::MessageUpdated(message) => say(&format!("changed: {}", spoken(message))),
            other => intake::message(ClientEvent::Notice(chat_client::Notice { seq: notice.seq, kind: other }))
                .into_iter()
                .for_each(tell_news),
        },
        ClientEvent::Event(Event::Receipt { to, status: MessageStatus::Failed, .. }) => {
            say(&format!("A message to {} could not be sent.", SafeText::line(&to)));
        }
        ClientEvent::Connection(connection) if connection.state == ConnectionState::Offline => {
            say("Offline; what you write goes out by itself later.");
        }
        ClientEvent::Event(Event::Online(true)) => say("Online."),
        _ => {}
    }
}

fn tell_news(news: Msg) {
    match news {
        Msg::Asked(stranger) => {
            say(&format!("{} wants to talk to you: {}", stranger.name, stranger.preview.one_line()));
            say(&format!("/accept {0}, /decline {0} or /block {0}.", stranger.name));
        }
        Msg::IdentityChanged { name, change } => {
            let loud = if change == Change::Device { "" } else { "Warning: " };
            say(&format!("{loud}{}", identity_words(&name, change)));
        }
        Msg::Room(RoomNews::Event { room, text, .. }) => say(&format!("{room}: {text}")),
        Msg::LoggedOut { reason } => say(reason.as_str()),
        _ => {}
    }
}
