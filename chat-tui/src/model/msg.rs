//! What can happen: keys, the terminal, timers, and what the client says. Everything that changes the
//! model comes in as one of these.

use std::sync::Arc;

use super::input::Secret;
use super::overlay::SearchHit;
use super::picture::Pixels;
use super::sheet::{DeviceRow, Own, RoomPage, RoomRow};
use super::transfer::Transfer;
use super::verify::SafetyNumber;
use super::{Entry, Gaps, Link, Me, MsgId, Name, Page, Problem, RelayCheck, Row, Shown, Status, Stranger, Timer, When};
use crate::config::Config;
use crate::keymap::{Key, Keymap};
use crate::text::SafeText;
use crate::theme::Theme;

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    /// A click on a cell.
    Click { column: u16, row: u16 },
    /// The wheel, lines down.
    Wheel { column: u16, row: u16, lines: i16 },
}

/// An incoming message, or an own one from another device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// In which chat.
    pub chat: Name,
    /// The message; its serial number is given by the update.
    pub entry: Entry,
}

/// An own message got further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Which.
    pub id: MsgId,
    /// How far.
    pub status: Status,
}

/// A person found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: Name,
    /// Here, as far as that is told.
    pub online: bool,
}

/// Signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub me: Me,
    /// The recovery code of a new account.
    pub code: Option<Secret>,
}

/// The configuration as it counts from now on.
#[derive(Debug)]
pub struct Configured {
    /// What it says.
    pub config: Config,
    /// Bindings.
    pub keymap: Keymap,
    /// Styles.
    pub theme: Theme,
    /// What is wrong with it.
    pub complaints: Vec<String>,
}

/// What somebody's identity did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The safety number is another one.
    Key,
    /// A device was added; the safety number is the same.
    Device,
    /// The name leads to another account.
    Account,
    /// The relay contradicted itself about it.
    Alarm,
    /// A copy of one of its devices speaks.
    Copied,
}

/// How far a history is that another own device gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryNews {
    /// The others were asked.
    Asked,
    /// So many of so many messages are here.
    Coming(u64, u64),
    /// All of it is here.
    Done(u64),
    /// Nobody gives it.
    Refused,
}

/// About one's own account and what is trusted.
#[derive(Debug)]
pub enum AccountNews {
    /// All devices.
    Devices(Result<Vec<DeviceRow>, Problem>),
    /// A safety number.
    Number { name: Name, number: Result<SafetyNumber, Problem> },
    /// What a new device needs, and whether a new password's recovery code was told to nobody.
    Own(Own),
    /// This device waits to be let in, and shows this code.
    Awaits(SafeText),
    /// Another one waits to be let in.
    DeviceWaits { id: u32, code: SafeText },
    /// Something to be told in passing.
    Told(SafeText),
    /// Nothing is left to decide about one that waited.
    EntrySettled(u32),
    /// Another own device asks for the history.
    DeviceAsks { id: u32, name: SafeText },
    /// How far the history is that another own device gives.
    History(HistoryNews),
    /// A comparison, done.
    Verified { name: Name, result: Result<bool, Problem> },
}

/// About rooms.
#[derive(Debug)]
pub enum RoomNews {
    /// Those of the relay.
    List(Result<Vec<RoomRow>, Problem>),
    /// One with its members.
    Page { name: Name, page: Result<Box<RoomPage>, Problem> },
    /// One is in a room now, and goes to it.
    Entered(Name),
    /// One is no longer in a room.
    Gone {
        /// Which.
        room: Name,
        /// For everybody.
        ended: bool,
    },
    /// Something happened in a room.
    Event {
        /// Where.
        room: Name,
        /// To whom.
        who: Option<Name>,
        /// By whom.
        by: Option<Name>,
        /// It is an invitation.
        invited: bool,
        /// What, in words.
        text: SafeText,
        /// When.
        when: When,
    },
}

/// About files.
#[derive(Debug)]
pub enum FileNews {
    /// All transfers.
    List(Vec<Transfer>),
    /// One got further.
    Progress { id: MsgId, outgoing: bool, done: u64, total: u64 },
    /// One was sent: its message lies in the store.
    Sent(Name),
    /// One was saved.
    Saved { id: MsgId, path: SafeText },
    /// One was not sent or saved.
    Failed { id: Option<MsgId>, what: SafeText, problem: Problem },
    /// The pixels of a picture, or that there are none.
    Picture { id: MsgId, pixels: Option<Arc<Pixels>> },
    /// Whether a pasted text is the path of a file.
    Probed { text: SafeText, is_file: bool },
    /// What a path may become: all that it begins, and their common beginning.
    Paths { number: u64, common: String, choices: Vec<SafeText> },
}

/// How a form ended well.
#[derive(Debug, Default)]
pub struct FormDone {
    /// What to tell.
    pub says: SafeText,
    /// A recovery code that counts from now on.
    pub code: Option<Secret>,
}

/// What the store holds at the start.
#[derive(Debug, Default)]
pub struct Started {
    /// Who is signed in; none when nobody is.
    pub me: Option<Me>,
    /// The relay's address, when one is chosen.
    pub relay: Option<SafeText>,
    /// The relay has let this device in.
    pub online: bool,
    /// Whose profile this is, signed in or not.
    pub enrolled: Option<Name>,
    /// All chats and contacts.
    pub rows: Vec<Row>,
    /// Strangers who ask.
    pub strangers: Vec<Stranger>,
    /// What was set for single chats, as the profile keeps it; none when it was not asked for.
    pub habits: Option<String>,
}

/// What can happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum Msg {
    /// A key.
    Key(Key),
    /// A paste, raw.
    Paste(String),
    /// The mouse.
    Pointer(Pointer),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// A frame was drawn.
    Shown(Shown),
    /// A timer.
    Timer(Timer),
    /// Awake again after a suspend.
    Woken,
    /// The program shall end.
    End,
    /// The configuration was read.
    Configured(Box<Configured>),
    /// Something went wrong outside that the person should know.
    Say(SafeText),

    /// The connection changed.
    Link(Link),
    /// The relay's address is known or changed.
    RelayNamed(SafeText),
    /// What the store holds.
    Started(Box<Started>),
    /// A page of messages.
    Loaded { chat: Name, page: Page, entries: Vec<Entry>, more_before: bool, more_after: bool },
    /// A page could not be loaded.
    NotLoaded { chat: Name, problem: Problem },
    /// The draft of a chat.
    Draft { chat: Name, text: SafeText },
    /// A message came.
    Arrived(Box<Arrival>),
    /// A message changed.
    Updated(Box<Arrival>),
    /// A text is durably queued.
    Queued { serial: u64, chat: Name, id: MsgId, when: When },
    /// A text was not queued.
    NotQueued { serial: u64, chat: Name, problem: Problem },
    /// An own message got further.
    Receipt { chat: Name, receipt: Receipt },
    /// Somebody types or no longer does.
    Typing { chat: Name, who: Name, active: bool },
    /// Somebody came or went.
    Presence { name: Name, availability: super::Availability },
    /// A stranger wrote.
    Asked(Stranger),
    /// Somebody's identity changed.
    IdentityChanged { name: Name, change: Change },
    /// This device was logged out.
    LoggedOut { reason: SafeText },
    /// People found.
    Found { number: u64, people: Result<Vec<Person>, Problem> },
    /// Whether somebody of this name exists.
    LookedUp { name: Name, exists: Result<bool, Problem> },
    /// Messages found.
    Hits { number: u64, hits: Result<Vec<SearchHit>, Problem> },
    /// What a password lacks.
    Gaps { number: u64, gaps: Gaps },
    /// Who the relay is.
    Relay { server: String, check: RelayCheck },
    /// Signed in, or not.
    SignedIn(Box<Result<SignedIn, Problem>>),
    /// A deed on a person or setting is done, or not; the words tell which.
    Done { what: SafeText, result: Result<(), Problem> },
    /// What the form on top was for is done, or not.
    Form(Box<Result<FormDone, Problem>>),
    /// About one's own account.
    Account(AccountNews),
    /// About rooms.
    Room(RoomNews),
    /// About files.
    File(FileNews),
    /// The history holds more than what is loaded.
    HistoryChanged,
    /// What is known of something that was asked about.
    Facts(super::Facts),
}
