//! What an update wants done outside: by the client, the terminal or a timer. Values only; the app
//! carries them out and answers with messages.

use super::input::Secret;
use super::sheet::Role;
use super::{Availability, MsgId, Name};
use crate::text::SafeText;

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
    /// Those of this time, in milliseconds since the Unix epoch.
    At(u64),
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

/// An account whose password is forgotten.
#[derive(Debug, PartialEq)]
pub struct Recovery {
    /// User name.
    pub name: Name,
    /// The recovery code.
    pub code: Secret,
    /// The password from now on.
    pub password: Secret,
    /// Name of this device.
    pub device: Option<String>,
}

/// About one's own account and what is trusted.
#[derive(Debug, PartialEq)]
pub enum AccountAsk {
    /// All devices.
    Devices,
    /// Another name for a device.
    RenameDevice { id: u32, name: String },
    /// Takes a device off the account.
    RemoveDevice(u32),
    /// Another password.
    ChangePassword { old: Secret, new: Secret },
    /// Ends the account.
    DeleteAccount { password: Secret },
    /// The safety number with somebody.
    SafetyNumber(Name),
    /// It was compared: `theirs` is what the other one's device shows.
    Confirm { name: Name, theirs: String },
    /// What was compared does not match after all.
    Unverify(Name),
    /// Whether this device's data goes when another device removes it.
    EraseWhenRemoved(bool),
    /// The changed identity is taken as it is.
    AcceptIdentity(Name),
    /// Whether a new device needs more than the password.
    SetApproval { on: bool, password: Secret },
    /// Asks one's other devices for the history.
    AskHistory,
    /// Lets a device in that waits, or does not.
    AnswerEntry { device: u32, allow: bool },
    /// Whether new devices need more than the password, and what was not told.
    Own,
    /// Gives the history to another own device, or does not.
    AnswerHistory { device: u32, allow: bool },
    /// Writes the history to a file under a passphrase.
    Export { path: String, passphrase: Secret },
    /// Takes the history of a file over.
    Import { path: String, passphrase: Secret },
    /// Logs out and erases this device's data.
    Forget,
}

/// About rooms.
#[derive(Debug, PartialEq)]
pub enum RoomAsk {
    /// Those of the relay.
    List,
    /// One with its members.
    Info(Name),
    /// A new one.
    Create { name: Name, public: bool, topic: Option<String> },
    /// Goes in.
    Join(Name),
    /// Goes out.
    Leave(Name),
    /// Ends it for everybody.
    Delete(Name),
    /// Somebody in.
    Invite { room: Name, who: Name },
    /// Somebody out.
    Kick { room: Name, who: Name },
    /// What somebody may do.
    SetRole { room: Name, who: Name, role: Role },
    /// What it is about.
    SetTopic { room: Name, topic: String },
}

/// About a message that is there.
#[derive(Debug, PartialEq)]
pub enum MessageAsk {
    /// Another text for an own one.
    Edit { id: MsgId, text: String },
    /// Takes one back, for everybody or on one's own devices.
    Delete { id: MsgId, for_everyone: bool },
    /// What one thinks of it; empty takes it back.
    React { id: MsgId, sign: String },
}

/// About files.
#[derive(Debug, PartialEq)]
pub enum FileAsk {
    /// All transfers.
    List,
    /// Sends one.
    Send { to: Name, path: String, caption: Option<String> },
    /// Saves one, where files are saved or at a place, and opens it when that is wanted.
    Save { id: MsgId, path: Option<String>, open: bool },
    /// Opens a saved file, a folder or an address with the program that the system has for it.
    Open(String),
    /// The pixels of a message's picture, from the file where it lies, else from what came with the message.
    Picture { id: MsgId, path: Option<String>, ground: u8 },
    /// Sends a text as a file.
    SendText { to: Name, text: String },
    /// Stops one for a while.
    Pause(MsgId),
    /// Goes on.
    Resume(MsgId),
    /// Gives one up.
    Cancel(MsgId),
    /// Whether a pasted text is the path of a file.
    Probe(SafeText),
    /// What a path that is being typed may become.
    Complete { typed: String, number: u64 },
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
    /// Keeps what was set for single chats.
    Keep(String),
    /// Tells how program, terminal and connection are.
    Diagnose,
    /// Sends a text; `serial` is the entry that shows it.
    Send {
        /// The entry.
        serial: u64,
        /// Where to.
        to: Name,
        /// What.
        text: String,
        /// What it answers.
        reply_to: Option<MsgId>,
        /// After how long it vanishes everywhere.
        vanishes_ms: Option<u64>,
    },
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
    /// Sets a new password by the recovery code.
    Recover(Box<Recovery>),
    /// About one's own account.
    Account(AccountAsk),
    /// About rooms.
    Room(RoomAsk),
    /// About files.
    File(FileAsk),
    /// About a message.
    Message(MessageAsk),
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
    /// A file that came is to have its name by now.
    Transfers,
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
    /// Tells through the terminal that something came.
    Notify(SafeText),
    /// Reads the configuration again; when it was asked for, also when the file did not change.
    Reload { asked: bool },
    /// Wheel and click come to the program, or stay the terminal's.
    Mouse(bool),
    /// Draws the whole screen again.
    Redraw,
    /// Gives the terminal back and sleeps until woken.
    Suspend,
    /// Ends the program.
    Quit,
}
