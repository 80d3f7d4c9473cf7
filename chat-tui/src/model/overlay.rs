//! What lies on top of the screen and takes the keys first.

use super::form::Form;
use super::input::Input;
use super::sheet::Sheet;
use super::verify::Verify;
use super::{MsgId, Name, When};
use crate::keymap::{Action, Key};
use crate::text::SafeText;
use crate::theme::Role;

/// Something on top.
#[derive(Debug)]
pub enum Overlay {
    /// The help page.
    Help(Help),
    /// A list with a search line.
    Menu(Menu),
    /// A question.
    Ask(Ask),
    /// A big paste that waits for a decision.
    Paste(Paste),
    /// The relay's certificate.
    Certificate(Certificate),
    /// A page of rows.
    Sheet(Sheet),
    /// A small form.
    Form(Box<Form>),
    /// A safety number.
    Verify(Box<Verify>),
    /// What is known of something.
    Facts(Facts),
}

/// What is known of something, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of what.
    pub title: SafeText,
    /// What it is called, and how it stands; a line without a name goes on with the one above.
    pub rows: Vec<(&'static str, SafeText)>,
    /// First line shown.
    pub scroll: usize,
}

/// The help page.
#[derive(Debug, Default)]
pub struct Help {
    /// What is looked for.
    pub query: Input,
    /// First line shown.
    pub scroll: usize,
    /// The key that opened it instead of being written: pressed again, it is.
    pub by: Option<Key>,
}

/// Which list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuKind {
    /// Chats, people and actions.
    Switcher,
    /// Messages that hold the words, of all chats or one.
    Search {
        /// The one chat.
        within: Option<Name>,
    },
    /// What contacts see of being here.
    Presence,
    /// What can be set.
    Settings,
    /// What one thinks of a message.
    React(MsgId),
    /// For whom a message is taken back.
    Delete(MsgId),
    /// What becomes of this device's data when another device removes it.
    Removed,
    /// Where messages are sent on to.
    Forward(Vec<u64>),
    /// Messages to come back to.
    Pins,
    /// Addresses in a message.
    Links(Vec<String>),
}

/// What a row of a menu does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// Opens a chat.
    Chat(Name),
    /// Opens a chat with somebody found.
    Person(Name),
    /// Asks the relay for a name.
    Find(String),
    /// Does an action.
    Act(Action),
    /// Jumps to a message.
    Jump(Name, MsgId),
    /// Sets what contacts see.
    Presence(super::Availability),
    /// Sets whether this device's data goes when another device removes it.
    EraseWhenRemoved(bool),
    /// Says what one thinks of a message; empty takes it back.
    React(String),
    /// Sends the messages on to a chat.
    Forward(Name),
    /// Opens an address.
    Link(String),
    /// Takes a message back, for everybody or here.
    Delete {
        /// For everybody.
        for_everyone: bool,
    },
}

/// A row of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it does.
    pub kind: ItemKind,
    /// A sign before it, and what it means.
    pub sign: (&'static str, Role),
    /// What it says.
    pub label: SafeText,
    /// What stands dimmed behind it.
    pub detail: SafeText,
    /// What stands at the right edge: a key, a time, a count.
    pub right: String,
    /// Graphemes of the label that matched, by index.
    pub matched: Vec<u32>,
}

/// A list with a search line.
#[derive(Debug)]
pub struct Menu {
    /// Which.
    pub kind: MenuKind,
    /// What is looked for.
    pub query: Input,
    /// The rows.
    pub items: Vec<Item>,
    /// The marked row.
    pub cursor: usize,
    /// Number of the search under way or last answered; older answers are dropped.
    pub number: u64,
    /// An answer is awaited.
    pub waiting: bool,
    /// The name that the relay is asked for: when just this one exists, its chat opens.
    pub sought: Option<String>,
    /// Keys pressed since: they are meant for what the answer opens.
    pub held: Vec<Key>,
    /// People that the relay found for this query.
    pub found: Vec<(Name, bool)>,
    /// What to say when there are no rows.
    pub note: Option<SafeText>,
}

impl Menu {
    /// An empty menu.
    #[must_use]
    pub fn new(kind: MenuKind, query: &str) -> Self {
        Self {
            kind,
            query: Input::with(query),
            items: Vec::new(),
            cursor: 0,
            number: 0,
            waiting: false,
            sought: None,
            held: Vec::new(),
            found: Vec::new(),
            note: None,
        }
    }

    /// The marked row.
    #[must_use]
    pub fn marked(&self) -> Option<&Item> {
        self.items.get(self.cursor)
    }

    /// Moves the mark; stays inside.
    pub fn step(&mut self, steps: isize) {
        self.cursor = self.cursor.saturating_add_signed(steps).min(self.items.len().saturating_sub(1));
    }
}

/// What a yes does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskKind {
    /// Blocks somebody.
    Block(Name),
    /// Logs out.
    LogOut,
    /// Logs out and erases this device's data.
    Forget,
    /// Leaves although the recovery code is not confirmed.
    LeaveCode,
    /// Takes a device off the account.
    RemoveDevice(u32),
    /// Takes a changed identity as it is.
    AcceptIdentity(Name),
    /// Leaves a room.
    LeaveRoom(Name),
    /// Ends a room.
    DeleteRoom(Name),
    /// Puts somebody out of a room.
    Kick(Name, Name),
    /// Gives the history to another own device.
    GiveHistory(u32),
    /// Lets a device in that waits.
    LetIn(u32),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What a yes does.
    pub kind: AskKind,
    /// The question.
    pub question: SafeText,
    /// What else to know.
    pub detail: &'static str,
}

/// A big paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paste {
    /// What was pasted, cleaned.
    pub text: SafeText,
    /// Number of its lines.
    pub lines: usize,
}

/// The relay's certificate at first use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The relay's address.
    pub relay: SafeText,
    /// Fingerprint of its key.
    pub pin: [u8; 32],
}

/// A search hit as the client found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// In which chat.
    pub chat: Name,
    /// Which message.
    pub id: MsgId,
    /// Who wrote it.
    pub author: Name,
    /// What it says.
    pub text: SafeText,
    /// When.
    pub when: When,
}
