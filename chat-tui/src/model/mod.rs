//! What the screen shows and what the person is doing, as plain data. Nothing here reads a clock, a
//! disk or a network; all text from elsewhere is [`crate::text::SafeText`].

mod chat;
mod composer;
mod door;
mod effect;
mod form;
mod habit;
mod input;
mod msg;
mod overlay;
mod picture;
mod problem;
mod roster;
mod sheet;
mod shown;
mod timeline;
mod transfer;
mod verify;
mod when;

pub use chat::{Chat, Lookup};
pub use composer::{Composer, Draft, Quote};
pub use door::{CodeStage, CodeWords, Door, Field, Gaps, Mode, RelayCheck};
pub use effect::{
    AccountAsk, Effect, Effects, FileAsk, MessageAsk, NewAccount, Page, Recovery, Request, RoomAsk, SignIn, Timer,
};
pub use form::{Form, FormField, FormKind, Value};
pub use habit::{Habit, Habits, Pin};
pub use input::{Input, Secret};
pub use msg::{
    AccountNews, Arrival, Change, Configured, FileNews, FormDone, HistoryNews, Msg, Person, Pointer, Receipt, RoomNews,
    SignedIn, Started,
};
pub use overlay::{Ask, AskKind, Certificate, Facts, Help, Item, ItemKind, Menu, MenuKind, Overlay, Paste, SearchHit};
pub use picture::{Graphics, PIXELS_WANTED, Pictures, Pixels};
pub use problem::Problem;
pub use roster::{Availability, Preview, Roster, Row, Stranger};
pub use sheet::{DeviceRow, Member, Own, Role, RoomPage, RoomRow, Sheet, SheetKind};
pub use shown::{Hit, Placed, Shown};
pub use timeline::{Anchor, Divider, Entry, FileCard, Mood, MsgId, Place, Reaction, Status, Timeline};
pub use transfer::{Progress, Transfer, bytes, clock};
pub use verify::{Qr, SafetyNumber, Verify};
pub use when::When;

use std::collections::HashMap;

use crate::config::{Config, ImagesFrom};
use crate::keymap::{Action, Keymap, Scope};
use crate::text::SafeText;
use crate::theme::Theme;

/// Name of a person or conversation, safe to show. Protocol names are ASCII already; whatever comes
/// here goes through the sanitiser all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name as the protocol spells it: lower case.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self(SafeText::line(raw.trim()).as_str().to_lowercase())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a room.
    #[must_use]
    pub fn is_room(&self) -> bool {
        self.0.starts_with('#')
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// User name.
    pub name: Name,
    /// What contacts see beside it.
    pub display: Option<SafeText>,
    /// What contacts see of being here.
    pub availability: Availability,
}

/// The connection to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// Being made.
    #[default]
    Connecting,
    /// The relay has let this device in.
    Online,
    /// There is none; it is tried again by itself.
    Offline,
    /// The relay shows a certificate that is not the one that it had.
    Distrusted,
}

/// What the main part of the screen is.
#[derive(Debug)]
pub enum Screen {
    /// Signing in or registering.
    Door(Box<Door>),
    /// The recovery code of a new account.
    Code(Box<CodeWords>),
    /// Chats.
    Main,
}

/// What keys go to on the main screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The message being written.
    #[default]
    Composer,
    /// The messages.
    Messages,
    /// The list of chats.
    List,
}

/// What stands beside the list of chats.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Open {
    /// Nothing yet.
    #[default]
    Nothing,
    /// A chat.
    Chat(Name),
    /// A stranger's request.
    Request(Name),
}

/// A line that tells what just happened, for some seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What happened.
    pub text: SafeText,
    /// Whether it went wrong.
    pub bad: bool,
    /// Since when it is shown.
    pub since_ms: u64,
    /// Number of this toast, so that an older one's timer does not end it.
    pub number: u64,
}

/// A message that is on the screen while the person looks; read when it stays for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dwell {
    /// Where.
    pub chat: Name,
    /// Newest message on the screen.
    pub id: MsgId,
    /// Number of this dwell, so that an older one's timer does not end it.
    pub number: u64,
}

/// One's own typing that somebody was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typing {
    /// Who was told.
    pub to: Name,
    /// When that was.
    pub told_ms: u64,
    /// The last key.
    pub key_ms: u64,
}

/// What a form begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    /// A person without an account registers first.
    pub register: bool,
    /// Name of this device.
    pub device: String,
}

/// Everything.
#[derive(Debug)]
pub struct Model {
    /// The time of the last message.
    pub now: When,
    /// Columns and rows.
    pub size: (u16, u16),
    /// Whether the terminal has the focus; true until it tells otherwise.
    pub focused: bool,
    /// Something visible changed since the last frame.
    pub redraw: bool,
    /// The program is ending.
    pub quitting: bool,
    /// What new devices need, and what was not told.
    pub own: Own,
    /// What the main part of the screen is.
    pub screen: Screen,
    /// Who is signed in.
    pub me: Option<Me>,
    /// The connection.
    pub link: Link,
    /// The relay's address.
    pub relay: SafeText,
    /// The list of chats.
    pub roster: Roster,
    /// Chats that were opened in this run.
    pub chats: HashMap<Name, Chat>,
    /// What stands beside the list.
    pub open: Open,
    /// What keys go to.
    pub focus: Focus,
    /// Whether the list is wanted beside the chat, or instead of it on a narrow screen.
    pub list_shown: bool,
    /// Only the messages are on the screen, so that the terminal's own selection copies nothing else.
    pub bare: bool,
    /// What lies on top, the topmost last.
    pub overlays: Vec<Overlay>,
    /// What just happened.
    pub toast: Option<Toast>,
    /// What is being read.
    pub dwell: Option<Dwell>,
    /// What the last frame showed.
    pub shown: Shown,
    /// Ctrl-C was pressed with nothing to clear; the next one quits.
    pub interrupted: bool,
    /// One's own typing that others were told of.
    pub typing: Option<Typing>,
    /// What is written while no chat is open: commands only.
    pub scratch: Composer,
    /// Receipts that came before the message's id was known here.
    pub early: HashMap<MsgId, Status>,
    /// What a form begins with.
    pub home: Home,
    /// Names worth a first chat, for an empty list.
    pub suggested: Vec<Name>,
    /// How the terminal can show pictures.
    pub graphics: Graphics,
    /// Pictures that were looked at lately.
    pub pictures: Pictures,
    /// Files on their way or just there, the latest first.
    pub transfers: Vec<Transfer>,
    /// The configuration.
    pub config: Config,
    /// Bindings in force.
    pub keymap: Keymap,
    /// Styles in force.
    pub theme: Theme,
    /// When the terminal last told that something came.
    pub notified_ms: u64,
    /// Last number given to an entry, a toast, a search.
    pub last_number: u64,
}

/// Fewest columns that show list and chat side by side.
pub const TWO_PANES_COLUMNS: u16 = 60;

/// Fewest columns that show the members of a room beside it.
pub const THREE_PANES_COLUMNS: u16 = 100;

/// Fewest columns and rows that show more than a notice.
pub const USABLE: (u16, u16) = (20, 5);

impl Model {
    /// A model before anything is known.
    #[must_use]
    pub fn new(config: Config, keymap: Keymap, theme: Theme) -> Self {
        Self {
            now: When::default(),
            size: (80, 24),
            focused: true,
            redraw: true,
            quitting: false,
            own: Own::default(),
            screen: Screen::Main,
            me: None,
            link: Link::default(),
            relay: SafeText::default(),
            roster: Roster::default(),
            chats: HashMap::new(),
            open: Open::Nothing,
            focus: Focus::default(),
            list_shown: true,
            bare: false,
            overlays: Vec::new(),
            toast: None,
            dwell: None,
            shown: Shown::default(),
            interrupted: false,
            typing: None,
            scratch: Composer::default(),
            early: HashMap::new(),
            home: Home::default(),
            suggested: Vec::new(),
            graphics: Graphics::default(),
            pictures: Pictures::default(),
            transfers: Vec::new(),
            config,
            keymap,
            theme,
            notified_ms: 0,
            last_number: 0,
        }
    }

    /// A number that was not given before in this run.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The scope that keys are looked up in.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match (self.overlays.last(), &self.screen) {
            (Some(Overlay::Help(_)), _) => Scope::Help,
            (Some(Overlay::Facts(_)), _) => Scope::Facts,
            (Some(Overlay::Menu(_)), _) => Scope::Menu,
            (Some(Overlay::Ask(_)), _) => Scope::Ask,
            (Some(Overlay::Paste(_)), _) => Scope::Paste,
            (Some(Overlay::Certificate(_)), _) => Scope::Certificate,
            (Some(Overlay::Form(_)), _) => Scope::Form,
            (Some(Overlay::Verify(_)), _) => Scope::Verify,
            (Some(Overlay::Sheet(sheet)), _) => match sheet.kind {
                SheetKind::Devices(_) => Scope::Devices,
                SheetKind::Rooms(_) => Scope::Rooms,
                SheetKind::Room(_) => Scope::Room,
                SheetKind::Transfers => Scope::Transfers,
            },
            (None, Screen::Door(_)) => Scope::Door,
            (None, Screen::Code(_)) => Scope::Code,
            (None, Screen::Main) => match (self.focus, &self.open) {
                // What is not seen takes no keys.
                _ if self.narrow() && self.list_shown => Scope::List,
                (Focus::List, _) if self.list_shown => Scope::List,
                (_, Open::Request(_)) => Scope::Request,
                (Focus::Messages, Open::Chat(_)) => Scope::Messages,
                _ if self.stopped_by_change() => Scope::Changed,
                _ => Scope::Composer,
            },
        }
    }

    /// Whether nothing is sent to the open chat until its changed identity was looked into.
    #[must_use]
    pub fn stopped_by_change(&self) -> bool {
        self.open_name().and_then(|name| self.roster.row(name)).is_some_and(|row| row.stopped)
    }

    /// Whether an action makes sense for what is marked, so that it is worth a hint.
    #[must_use]
    pub fn offers(&self, scope: Scope, action: Action) -> bool {
        match scope {
            Scope::Messages => {
                let Some(chat) = self.open_chat() else { return true };
                let Some(entry) = chat.timeline.selected_entry() else { return true };
                chat.timeline.chosen.is_empty() && entry.offers(action, self.shown.folded.contains(&entry.serial))
                    || matches!(
                        action,
                        Action::Copy | Action::Forward | Action::ToComposer | Action::Newest | Action::Help
                    )
            }
            Scope::Transfers => self.marked_transfer().is_none_or(|file| file.offers(action)),
            _ => true,
        }
    }

    /// The marked file of the page of transfers.
    fn marked_transfer(&self) -> Option<&Transfer> {
        match self.overlays.last() {
            Some(Overlay::Sheet(sheet)) => self.transfers.get(sheet.cursor),
            _ => None,
        }
    }

    /// Whether list and chat do not fit side by side.
    #[must_use]
    pub fn narrow(&self) -> bool {
        self.size.0 < TWO_PANES_COLUMNS
    }

    /// The open chat's name.
    #[must_use]
    pub fn open_name(&self) -> Option<&Name> {
        match &self.open {
            Open::Chat(name) => Some(name),
            _ => None,
        }
    }

    /// The open chat.
    #[must_use]
    pub fn open_chat(&self) -> Option<&Chat> {
        self.open_name().and_then(|name| self.chats.get(name))
    }

    /// The open chat, to change it.
    pub fn open_chat_mut(&mut self) -> Option<&mut Chat> {
        match &self.open {
            Open::Chat(name) => self.chats.get_mut(name),
            _ => None,
        }
    }

    /// What is being written, in the open chat or outside of any.
    #[must_use]
    pub fn composer(&self) -> &Composer {
        self.open_chat().map_or(&self.scratch, |chat| &chat.composer)
    }

    /// What is being written, to change it.
    pub fn composer_mut(&mut self) -> &mut Composer {
        match &self.open {
            Open::Chat(name) => self.chats.get_mut(name).map_or(&mut self.scratch, |chat| &mut chat.composer),
            _ => &mut self.scratch,
        }
    }

    /// Whether the picture of a message may be decoded and shown: never that of a stranger, unless that was
    /// chosen.
    #[must_use]
    pub fn shows_picture(&self, entry: &Entry) -> bool {
        let picture = entry.file.as_ref().is_some_and(FileCard::is_picture) && !entry.deleted;
        let contact = || self.roster.row(&entry.author).is_some_and(|r| r.known && !r.blocked && !r.changed);
        picture
            && self.graphics != Graphics::Off
            && match self.config.privacy.images_from {
                ImagesFrom::Nobody => false,
                ImagesFrom::Everybody => true,
                ImagesFrom::Contacts => entry.own || contact(),
            }
    }

    /// Whether this is the person signed in.
    #[must_use]
    pub fn is_me(&self, name: &Name) -> bool {
        self.me.as_ref().is_some_and(|me| me.name == *name)
    }
}
