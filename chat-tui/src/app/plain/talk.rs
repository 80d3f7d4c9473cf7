//! What a typed line does: a command of the table, or a text into the open chat.

use chat_client::{
    Answer, Client, Command, HistoryPage, HistoryPart, MessageSearch, Query, Reply, RoomCommand, RoomName, RoomReply,
    UserName,
};

use super::lines::say;
use super::spoken;
use crate::app::intake;
use crate::keymap::{self, Action, TABLE};
use crate::model::{Name, Problem};
use crate::text::{SafeText, nearest};

/// Messages that are told when a chat is opened, and hits of a search.
const TOLD: u32 = 10;

/// Commands that work here, with what they do told by the table.
const KNOWN: [Action; 14] = [
    Action::Dm,
    Action::Requests,
    Action::Accept,
    Action::Decline,
    Action::Block,
    Action::Unblock,
    Action::SearchAll,
    Action::Switcher,
    Action::Rooms,
    Action::Join,
    Action::Leave,
    Action::Invite,
    Action::Help,
    Action::Quit,
];

/// Where the person is.
pub(super) struct Talk {
    pub(super) client: Client,
    /// The chat that a text goes to.
    pub(super) open: Option<Name>,
}

/// What is left to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

impl Talk {
    /// Does what a line says.
    pub(super) async fn line(&mut self, line: &str) -> Next {
        let text = line.trim_end();
        if text.is_empty() {
            return Next::Go;
        }
        let Some(command) = text.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            self.send(text.strip_prefix('/').unwrap_or(text)).await;
            return Next::Go;
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let found = keymap::slash(&format!("/{}", name.to_lowercase())).filter(|spec| KNOWN.contains(&spec.action));
        match found {
            Some(spec) if spec.action == Action::Quit => return Next::Quit,
            Some(spec) => self.act(spec.action, rest.trim()).await,
            None => unknown(name),
        }
        Next::Go
    }

    async fn act(&mut self, action: Action, rest: &str) {
        let bare = rest.trim_start_matches('@');
        match (action, rest) {
            (Action::Help, _) => help(),
            (Action::Switcher, "") => self.chats().await,
            (Action::Requests, _) => self.requests().await,
            (Action::Rooms, _) => self.rooms().await,
            (Action::SearchAll, words) if !words.is_empty() => self.search(words).await,
            (Action::Dm | Action::Switcher, _) if !rest.is_empty() => self.open(Name::new(bare)).await,
            (Action::Join, _) => self.join(rest).await,
            (Action::Leave, _) => self.in_room(RoomCommand::Leave, "You left.").await,
            (Action::Invite, _) => match UserName::parse(bare) {
                Ok(username) => self.in_room(|room| RoomCommand::Invite { room, username }, "Invited.").await,
                Err(_) => say(&Problem::BadName.sentence()),
            },
            (Action::Accept | Action::Decline | Action::Block | Action::Unblock, _) => match UserName::parse(bare) {
                Ok(name) => self.about(action, name).await,
                Err(_) => say(&Problem::BadName.sentence()),
            },
            _ => say("That needs a word behind it; /help tells which."),
        }
    }

    async fn run(&self, command: Command) -> Option<Reply> {
        match self.client.run(command).await {
            Ok(reply) => Some(reply),
            Err(failure) => {
                say(&intake::problem(&failure).sentence());
                None
            }
        }
    }

    async fn send(&self, text: &str) {
        let Some(to) = &self.open else { return say("Open a chat first: /dm NAME, or /goto for a list.") };
        let send = Command::Send {
            to: to.to_string(),
            text: text.to_owned(),
            reply_to: None,
            expires_in_ms: None,
            idempotency_key: None,
        };
        let _ = self.run(send).await;
    }

    /// Opens a chat and tells its last messages.
    async fn open(&mut self, name: Name) {
        let page = HistoryPage { with: name.to_string(), part: HistoryPart::Newest, limit: TOLD };
        match self.client.history(page).await {
            Ok(page) => {
                say(&format!("Chat with {name}. What you type goes there."));
                let newest = page.messages.iter().rev().find(|m| !m.outgoing).map(|m| m.id);
                page.messages.into_iter().for_each(|message| say(&spoken(message)));
                if let Some(id) = newest {
                    // Told is read; a relay that can't be reached learns it later.
                    let _ = self.client.run(Command::MarkRead { with: name.to_string(), id }).await;
                }
                self.open = Some(name);
            }
            Err(failure) => say(&intake::problem(&failure).sentence()),
        }
    }

    async fn chats(&self) {
        let chats = self.client.conversations().await.unwrap_or_default();
        if chats.is_empty() {
            say("No chats yet. /dm NAME begins one.");
        }
        for chat in chats {
            let unread = if chat.unread > 0 { format!(", {} new", chat.unread) } else { String::new() };
            say(&format!("{}{unread}", Name::new(&chat.name)));
        }
    }

    async fn requests(&self) {
        match self.client.query(Query::Requests).await {
            Ok(Answer::Requests(requests)) if !requests.is_empty() => {
                for request in requests.iter().map(intake::stranger) {
                    say(&format!("{} wants to talk to you: {}", request.name, request.preview.one_line()));
                }
                say("/accept NAME, /decline NAME or /block NAME.");
            }
            _ => say("No requests."),
        }
    }

    async fn rooms(&self) {
        let listed = self.run(Command::Room(RoomCommand::List { joined: None })).await;
        let Some(Reply::Room(RoomReply::Rooms(rooms))) = listed else { return };
        for room in rooms.into_iter().map(intake::rooms::row) {
            let topic = room.topic.map(|t| format!(": {t}")).unwrap_or_default();
            let joined = if room.joined { ", you are in it" } else { "" };
            say(&format!("{}, {} members{joined}{topic}", room.name, room.members));
        }
    }

    async fn join(&mut self, name: &str) {
        let Ok(room) = RoomName::parse(name) else { return say(&Problem::BadName.sentence()) };
        let name = Name::new(&room.to_string());
        if self.run(Command::Room(RoomCommand::Join(room))).await.is_some() {
            self.open(name).await;
        }
    }

    async fn in_room(&self, command: impl FnOnce(RoomName) -> RoomCommand, done: &str) {
        let room =
            self.open.as_ref().filter(|name| name.is_room()).and_then(|name| RoomName::parse(name.as_str()).ok());
        let Some(room) = room else { return say("Open a room first: /join #ROOM.") };
        if self.run(Command::Room(command(room))).await.is_some() {
            say(done);
        }
    }

    async fn about(&mut self, action: Action, name: UserName) {
        let who = Name::new(name.as_str());
        let (command, done) = match action {
            Action::Accept => (Command::AcceptRequest(name), "accepted"),
            Action::Decline => (Command::DeclineRequest(name), "declined; they are not told"),
            Action::Block => (Command::Block(name), "blocked; they are not told"),
            _ => (Command::Unblock(name), "no longer blocked"),
        };
        if self.run(command).await.is_some() {
            say(&format!("{who}: {done}."));
        }
    }

    async fn search(&self, words: &str) {
        let search = MessageSearch { query: words.to_owned(), with: None, limit: TOLD };
        let found = self.client.search_messages(search).await.unwrap_or_default();
        if found.is_empty() {
            say("No message has these words.");
        }
        found.into_iter().for_each(|message| say(&spoken(message)));
    }
}

fn unknown(name: &str) {
    let known = TABLE.iter().filter(|s| KNOWN.contains(&s.action)).filter_map(|s| s.slash.map(|s| s.name));
    let typed = SafeText::line(&format!("/{name}"));
    let meant =
        nearest(typed.as_str(), known).map_or_else(|| "/help tells all.".into(), |m| format!("Did you mean {m}?"));
    say(&format!("There is no {typed} here. {meant}"));
}

fn help() {
    for (spec, slash) in TABLE.iter().filter(|s| KNOWN.contains(&s.action)).filter_map(|s| Some((s, s.slash?))) {
        say(format!("{} {}", slash.name, slash.args).trim_end());
        say(&format!("  {}", spec.help));
    }
    say("Any other line is sent to the open chat; a line that begins with // is sent with one slash.");
}
