//! What an update wants done outside: by the client, the terminal or a timer. Values only; the app
//! carries them out and answers with messages.

use super::input::Secret;
use super::{Availability, MsgId, Name};

/// Which messages of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest.
    Newest,
    /// Those before this one.
    Before(MsgId),
    /// Those after this one.
    After(MsgId),
    /// Those around this one.
    Around(MsgId),
}

/// A new account.
#[derive(Debug, PartialEq)]
pub struct NewAccount {
    /// User name.
    pub name: Name,
    /// Password.
    pub password: Secret,
    /// Display name.
    pub display: Option<String>,
    /// Name of this device.
    pub device: Option<String>,
    /// Invite code.
    pub invite: Option<String>,
}

/// An existing account.
#[derive(Debug, PartialEq)]
pub struct SignIn {
    /// User name.
    pub name: Name,
    /// Password.
    pub password: Secret,
    /// Name of this device.
    pub device: Option<String>,
}

/// Something for the client.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Who is signed in, all chats, contacts and requests.
    Start,
    /// Messages of a chat.
    Load { chat: Name, page: Page },
    /// The draft of a chat.
    LoadDraft(Name),
    /// Keeps the draft of a chat.
    SaveDraft { chat: Name, text: String },
    /// Sends a text; `serial` is the entry that shows it.
    Send { serial: u64, to: Name, text: String, reply_to: Option<MsgId> },
    /// Everything up to this message was read.
    MarkRead { chat: Name, id: MsgId },
    /// One types, or no longer does.
    Typing { to: Name, active: bool },
    /// Looks for people.
    Find { query: String, number: u64 },
    /// Looks whether somebody of exactly this name exists.
    LookUp(Name),
    /// Looks for messages.
    Search { words: String, within: Option<Name>, number: u64 },
    /// Accepts a stranger.
    Accept(Name),
    /// Declines a stranger.
    Decline(Name),
    /// Blocks somebody.
    Block(Name),
    /// Takes a block back.
    Unblock(Name),
    /// Sets what contacts see.
    SetPresence(Availability),
    /// Sets the display name.
    SetDisplay(String),
    /// Logs out.
    LogOut,
    /// Tells what a password lacks.
    CheckPassword { password: Secret, name: Name, number: u64 },
    /// Asks the relay who it is.
    CheckRelay { server: String },
    /// Trusts a relay's certificate from now on.
    TrustRelay { pin: [u8; 32] },
    /// Registers.
    Register(Box<NewAccount>),
    /// Signs in.
    SignIn(Box<SignIn>),
}

/// What comes back after a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timer {
    /// The toast has been there long enough.
    Toast(u64),
    /// The messages on the screen have been there long enough to be read.
    Dwell(u64),
    /// What is written should be on disk.
    Draft(Name),
    /// One no longer types.
    TypingStops(Name),
    /// The other one no longer types.
    TypingEnds(Name, u64),
    /// The date changes.
    Midnight,
}

/// Effects that one update leaves.
pub type Effects = Vec<Effect>;

/// Something to be done outside.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// By the client.
    Client(Request),
    /// Comes back as a message after this long.
    After { ms: u64, timer: Timer },
    /// Puts a text on the clipboard through the terminal.
    Copy(String),
    /// Draws the whole screen again.
    Redraw,
    /// Gives the terminal back and sleeps until woken.
    Suspend,
    /// Ends the program.
    Quit,
}
