//! The one table of everything a person can do: bindings, hints, help, completion and slash commands
//! all come from here, so that they never tell different stories.

/// Where keys mean something: the innermost scope is asked first, then [`Scope::Global`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// Writing a message.
    Composer,
    /// Walking through messages.
    Messages,
    /// Walking through the list of chats.
    List,
    /// A stranger's request is open.
    Request,
    /// Signing in or registering.
    Door,
    /// The recovery code is shown or asked for.
    Code,
    /// The relay's certificate is shown for confirmation.
    Certificate,
    /// A list with a search line: go to, search, presence.
    Menu,
    /// The help page.
    Help,
    /// A question with yes and no.
    Ask,
    /// A big paste waits for a decision.
    Paste,
    /// The open chat's identity changed after it was compared.
    Changed,
    /// One's own devices.
    Devices,
    /// Rooms of the relay.
    Rooms,
    /// A room and its members.
    Room,
    /// Files on their way.
    Transfers,
    /// A small form.
    Form,
    /// A safety number.
    Verify,
    /// What is known of something.
    Facts,
}

impl Scope {
    /// Heading on the help page and name of the table in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "everywhere",
            Self::Composer => "writing",
            Self::Messages => "messages",
            Self::List => "chats",
            Self::Request => "request",
            Self::Door => "signing in",
            Self::Code => "recovery code",
            Self::Certificate => "certificate",
            Self::Menu => "lists",
            Self::Help => "help",
            Self::Ask => "question",
            Self::Paste => "big paste",
            Self::Changed => "changed identity",
            Self::Devices => "devices",
            Self::Rooms => "rooms",
            Self::Room => "room",
            Self::Transfers => "files",
            Self::Form => "forms",
            Self::Verify => "safety number",
            Self::Facts => "details",
        }
    }

    /// Every scope, in the order of the help page.
    pub const ALL: [Self; 20] = [
        Self::Global,
        Self::Composer,
        Self::Messages,
        Self::List,
        Self::Request,
        Self::Changed,
        Self::Verify,
        Self::Rooms,
        Self::Room,
        Self::Transfers,
        Self::Devices,
        Self::Facts,
        Self::Menu,
        Self::Form,
        Self::Paste,
        Self::Ask,
        Self::Help,
        Self::Door,
        Self::Code,
        Self::Certificate,
    ];
}

/// Everything a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table below tells what each does")]
pub enum Action {
    Switcher,
    SearchAll,
    SearchHere,
    Help,
    NextUnread,
    PreviousUnread,
    PreviousChat,
    NextChat,
    ChatNumber,
    FirstUnread,
    ToggleList,
    Presence,
    Redraw,
    Suspend,
    Interrupt,
    Quit,
    Dm,
    Requests,
    Accept,
    Decline,
    Block,
    Unblock,
    MarkRead,
    DisplayName,
    LogOut,
    Send,
    Newline,
    ToMessages,
    Complete,
    Earlier,
    Later,
    LineStart,
    LineEnd,
    WordLeft,
    WordRight,
    DeleteWord,
    KillToStart,
    KillToEnd,
    Undo,
    ScrollUp,
    ScrollDown,
    HelpIfEmpty,
    Up,
    Down,
    PageUp,
    PageDown,
    Oldest,
    Newest,
    Reply,
    Copy,
    Expand,
    ToComposer,
    ToList,
    Open,
    NextField,
    PreviousField,
    Submit,
    Reveal,
    SwitchMode,
    CheckRelay,
    ClearField,
    Yes,
    No,
    Back,
    EditPaste,
    Command,
    Verify,
    TheyMatch,
    TheyDiffer,
    TypeTheirs,
    AcceptIdentity,
    Settings,
    Devices,
    RenameDevice,
    RemoveDevice,
    ChangePassword,
    DeleteAccount,
    Recover,
    Forget,
    Rooms,
    RoomInfo,
    Join,
    CreateRoom,
    Leave,
    DeleteRoom,
    Invite,
    Kick,
    SetRole,
    Topic,
    Transfers,
    SendFile,
    Save,
    Pause,
    Resume,
    Cancel,
    OpenFile,
    NextChoice,
    WhenRemoved,
    Timer,
    React,
    EditMessage,
    DeleteMessage,
    Reload,
    Forward,
    Details,
    CopyWithAuthor,
    Choose,
    PinMessage,
    Pins,
    Mute,
    Unmute,
    Archive,
    PinChat,
    MarkUnread,
    Bare,
    Theme,
    Doctor,
    GoToDate,
    EditLast,
    OpenFolder,
    PasteAsFile,
    Export,
    Import,
    Approval,
    /// Decides about a device that waits.
    LetIn,
    AskHistory,
}

/// A slash command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slash {
    /// With the slash.
    pub name: &'static str,
    /// What follows it, for people; square brackets mean that it can be left out.
    pub args: &'static str,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// What it does.
    pub action: Action,
    /// Where its keys count.
    pub scope: Scope,
    /// Name in the configuration.
    pub id: &'static str,
    /// Default keys, the one to show first.
    pub keys: &'static [&'static str],
    /// Word for the hint row; empty when it is not shown there.
    pub hint: &'static str,
    /// Sentence for the help page.
    pub help: &'static str,
    /// The slash command that does the same.
    pub slash: Option<Slash>,
}

const fn row(action: Action, scope: Scope, id: &'static str, keys: &'static [&'static str]) -> Spec {
    Spec { action, scope, id, keys, hint: "", help: "", slash: None }
}

impl Spec {
    const fn tells(mut self, hint: &'static str, help: &'static str) -> Self {
        self.hint = hint;
        self.help = help;
        self
    }

    const fn or(mut self, name: &'static str, args: &'static str) -> Self {
        self.slash = Some(Slash { name, args });
        self
    }
}

use Action as A;
use Scope as S;

/// The table. Inside a scope the order is the order of the hints.
#[rustfmt::skip]
pub const TABLE: &[Spec] = &[
    row(A::Switcher, S::Global, "go", &["ctrl-k", "ctrl-p"]).tells("go to", "go to a chat, a person or an action").or("/goto", "[TEXT]"),
    row(A::SearchAll, S::Global, "search", &["ctrl-f"]).tells("find", "search all messages").or("/search", "[TEXT]"),
    row(A::SearchHere, S::Global, "search-here", &["alt-f"]).tells("", "search this chat"),
    row(A::SendFile, S::Global, "file", &["ctrl-u"]).tells("file", "send a file").or("/file", "[PATH]"),
    row(A::NextUnread, S::Global, "next-unread", &["alt-a", "alt-shift-down"]).tells("unread", "next chat with unread messages"),
    row(A::PreviousUnread, S::Global, "previous-unread", &["alt-shift-up"]).tells("", "previous chat with unread messages"),
    row(A::ToggleList, S::Global, "toggle-list", &["ctrl-b"]).tells("chats", "show or hide the list of chats"),
    row(A::PreviousChat, S::Global, "previous-chat", &["alt-up"]).tells("", "previous chat"),
    row(A::NextChat, S::Global, "next-chat", &["alt-down"]).tells("", "next chat"),
    row(A::ChatNumber, S::Global, "chat", &["alt-1", "alt-2", "alt-3", "alt-4", "alt-5", "alt-6", "alt-7", "alt-8", "alt-9"]).tells("", "chat 1 to 9 of the list"),
    row(A::FirstUnread, S::Global, "first-unread", &["alt-u"]).tells("", "first unread message of this chat"),
    row(A::Help, S::Global, "help", &["f1"]).tells("help", "all keys and commands").or("/help", ""),
    row(A::Presence, S::Global, "presence", &["f6"]).tells("", "choose what contacts see").or("/presence", "[STATUS]"),
    row(A::Redraw, S::Global, "redraw", &["ctrl-l"]).tells("", "draw the whole screen again"),
    row(A::Suspend, S::Global, "suspend", &["ctrl-z"]).tells("", "put the program to sleep; fg wakes it"),
    row(A::Interrupt, S::Global, "interrupt", &["ctrl-c"]).tells("", "clear what is written; twice: quit"),
    row(A::Quit, S::Global, "quit", &["ctrl-q"]).tells("quit", "quit; drafts and unsent messages are kept").or("/quit", ""),
    row(A::Dm, S::Global, "dm", &[]).tells("", "start a chat with somebody").or("/dm", "NAME"),
    row(A::Requests, S::Global, "requests", &["f7"]).tells("", "look at requests from strangers").or("/requests", ""),
    row(A::Accept, S::Global, "accept", &[]).tells("", "accept a request").or("/accept", "[NAME]"),
    row(A::Decline, S::Global, "decline", &[]).tells("", "decline a request, silently").or("/decline", "[NAME]"),
    row(A::Block, S::Global, "block", &[]).tells("", "block somebody, silently").or("/block", "[NAME]"),
    row(A::Unblock, S::Global, "unblock", &[]).tells("", "take a block back").or("/unblock", "[NAME]"),
    row(A::MarkRead, S::Global, "read", &[]).tells("", "mark this chat as read").or("/read", ""),
    row(A::MarkUnread, S::Global, "unread", &[]).tells("", "mark this chat to be looked at again").or("/unread", ""),
    row(A::Mute, S::Global, "mute", &[]).tells("", "let this chat ring for nothing, for a while or for good").or("/mute", "[8h, 1d, 1w]"),
    row(A::Unmute, S::Global, "unmute", &[]).tells("", "let this chat ring again").or("/unmute", ""),
    row(A::PinChat, S::Global, "pin-chat", &[]).tells("", "keep this chat above the others, or no longer").or("/pin", ""),
    row(A::Archive, S::Global, "archive", &[]).tells("", "put this chat away until something comes").or("/archive", ""),
    row(A::Pins, S::Global, "pins", &["alt-p"]).tells("", "messages that you pinned in this chat").or("/pins", ""),
    row(A::GoToDate, S::Global, "date", &[]).tells("", "go to a day of this chat").or("/date", "2026-11-20, yesterday or 7d"),
    row(A::Timer, S::Global, "timer", &[]).tells("", "let what you write here vanish after a time").or("/timer", "30m, 1d, 2w or off"),
    row(A::DisplayName, S::Global, "name", &[]).tells("", "set the name that contacts see beside your user name").or("/name", "TEXT"),
    row(A::Verify, S::Global, "verify", &["f3"]).tells("", "compare the safety number with somebody").or("/verify", "[NAME]"),
    row(A::AcceptIdentity, S::Global, "trust", &[]).tells("", "go on with somebody whose safety number changed").or("/trust", "[NAME]"),
    row(A::Rooms, S::Global, "rooms", &["f8"]).tells("", "look for rooms").or("/rooms", ""),
    row(A::RoomInfo, S::Global, "info", &["f2"]).tells("", "who is in this room, and what it is about").or("/info", ""),
    row(A::Join, S::Global, "join", &[]).tells("", "go into a room").or("/join", "#ROOM"),
    row(A::CreateRoom, S::Global, "create", &[]).tells("", "make a room").or("/create", "[#ROOM]"),
    row(A::Invite, S::Global, "invite", &[]).tells("", "invite somebody into this room").or("/invite", "[NAME]"),
    row(A::Kick, S::Global, "kick", &[]).tells("", "put somebody out of this room").or("/kick", "NAME"),
    row(A::SetRole, S::Global, "role", &[]).tells("", "make somebody owner, admin or member of this room").or("/role", "NAME ROLE"),
    row(A::Topic, S::Global, "topic", &[]).tells("", "set what this room is about").or("/topic", "[TEXT]"),
    row(A::Leave, S::Global, "leave", &[]).tells("", "leave this room").or("/leave", ""),
    row(A::DeleteRoom, S::Global, "delete-room", &[]).tells("", "end this room for everybody").or("/deleteroom", ""),
    row(A::Transfers, S::Global, "transfers", &["f4"]).tells("", "files on their way").or("/transfers", ""),
    row(A::Settings, S::Global, "settings", &["f5"]).tells("", "settings, devices, password").or("/settings", ""),
    row(A::Devices, S::Global, "devices", &[]).tells("", "your devices").or("/devices", ""),
    row(A::WhenRemoved, S::Global, "when-removed", &[]).tells("", "what becomes of the data here when another device removes this one").or("/whenremoved", ""),
    row(A::ChangePassword, S::Global, "password", &[]).tells("", "change your password").or("/password", ""),
    row(A::Bare, S::Global, "bare", &["alt-c"]).tells("", "only the messages, so that the terminal copies nothing else").or("/bare", ""),
    row(A::Theme, S::Global, "theme", &[]).tells("", "colours for a light or a dark ground, for this run").or("/theme", "dark, light or auto"),
    row(A::Doctor, S::Global, "doctor", &[]).tells("", "how program, terminal and connection are").or("/doctor", ""),
    row(A::Approval, S::Global, "approval", &[]).tells("", "whether a new device needs more than the password").or("/approval", ""),
    row(A::AskHistory, S::Global, "ask-history", &[]).tells("", "ask your other devices for the history").or("/askhistory", ""),
    row(A::Export, S::Global, "export", &[]).tells("", "write the history to a file under a passphrase").or("/export", "[PATH]"),
    row(A::Import, S::Global, "import", &[]).tells("", "take over the history of a file").or("/import", "[PATH]"),
    row(A::Reload, S::Global, "reload", &[]).tells("", "read the configuration again").or("/reload", ""),
    row(A::LogOut, S::Global, "logout", &[]).tells("", "log out; the history stays on this device").or("/logout", ""),
    row(A::Forget, S::Global, "forget", &[]).tells("", "log out, erase this device's data and take it off the account").or("/forget", ""),
    row(A::DeleteAccount, S::Global, "delete-account", &[]).tells("", "end your account").or("/deleteaccount", ""),

    row(A::Send, S::Composer, "send", &["enter"]).tells("send", "send the message"),
    row(A::ToMessages, S::Composer, "to-messages", &["esc"]).tells("messages", "walk through the messages; drops a reply first"),
    row(A::Newline, S::Composer, "newline", &["alt-enter", "shift-enter", "ctrl-j"]).tells("", "start a new line"),
    row(A::Complete, S::Composer, "complete", &["tab"]).tells("", "complete a /command, a name or a :sign:"),
    row(A::EditLast, S::Composer, "edit-last", &["up"]).tells("", "line above; with nothing written, change your last message"),
    row(A::Earlier, S::Composer, "earlier", &["ctrl-up"]).tells("", "what was written before"),
    row(A::Later, S::Composer, "later", &["down", "ctrl-down"]).tells("", "line below; what was written after"),
    row(A::ScrollUp, S::Composer, "scroll-up", &["pageup"]).tells("", "older messages"),
    row(A::ScrollDown, S::Composer, "scroll-down", &["pagedown"]).tells("", "newer messages"),
    row(A::LineStart, S::Composer, "line-start", &["ctrl-a", "home"]).tells("", "start of the line"),
    row(A::LineEnd, S::Composer, "line-end", &["ctrl-e", "end"]).tells("", "end of the line"),
    row(A::WordLeft, S::Composer, "word-left", &["ctrl-left", "alt-b"]).tells("", "one word to the left"),
    row(A::WordRight, S::Composer, "word-right", &["ctrl-right"]).tells("", "one word to the right"),
    row(A::DeleteWord, S::Composer, "delete-word", &["ctrl-w", "alt-backspace"]).tells("", "delete the word before the cursor"),
    row(A::KillToStart, S::Composer, "kill-to-start", &["alt-k"]).tells("", "delete to the start of the line"),
    row(A::KillToEnd, S::Composer, "kill-to-end", &["alt-end"]).tells("", "delete to the end of the line"),
    row(A::Undo, S::Composer, "undo", &["alt-z"]).tells("", "undo"),
    row(A::HelpIfEmpty, S::Composer, "help-if-empty", &["?"]).tells("", "all keys, while nothing is written; twice it is written"),

    row(A::Up, S::Messages, "up", &["up", "k"]).tells("", "older message"),
    row(A::Down, S::Messages, "down", &["down", "j"]).tells("", "newer message"),
    row(A::Reply, S::Messages, "reply", &["r"]).tells("reply", "answer this message").or("/reply", ""),
    row(A::Expand, S::Messages, "open", &["enter", "o"]).tells("open", "open its file or address; show a long one whole; send a failed one again").or("/open", ""),
    row(A::Save, S::Messages, "save", &["s"]).tells("save", "save the file of this message").or("/save", "[PATH]"),
    row(A::React, S::Messages, "react", &["e"]).tells("react", "say what you think of it").or("/react", "[SIGN]"),
    row(A::EditMessage, S::Messages, "edit", &["E"]).tells("edit", "change the text of your message").or("/edit", ""),
    row(A::DeleteMessage, S::Messages, "delete", &["d"]).tells("delete", "take the message back").or("/delete", ""),
    row(A::Copy, S::Messages, "copy", &["y"]).tells("copy", "copy the text to the clipboard").or("/copy", ""),
    row(A::Forward, S::Messages, "forward", &["f"]).tells("forward", "send it on to another chat").or("/forward", ""),
    row(A::CopyWithAuthor, S::Messages, "copy-with-author", &["Y"]).tells("", "copy it with who wrote it and when"),
    row(A::PinMessage, S::Messages, "pin", &["p"]).tells("", "keep it to come back to, or no longer"),
    row(A::Choose, S::Messages, "choose", &["space"]).tells("", "choose several, for copying, sending on or deleting"),
    row(A::Details, S::Messages, "details", &["i"]).tells("", "all that is known of it"),
    row(A::ToComposer, S::Messages, "to-composer", &["esc"]).tells("write", "back to writing"),
    row(A::ToList, S::Messages, "to-list", &["left", "h"]).tells("chats", "to the list of chats"),
    row(A::PageUp, S::Messages, "page-up", &["pageup"]).tells("", "one screen up"),
    row(A::PageDown, S::Messages, "page-down", &["pagedown"]).tells("", "one screen down"),
    row(A::Oldest, S::Messages, "oldest", &["home", "g"]).tells("", "oldest message that is loaded"),
    row(A::Newest, S::Messages, "newest", &["end", "G"]).tells("newest", "newest message"),
    row(A::Command, S::Messages, "command", &["/"]).tells("", "write a /command"),
    row(A::Help, S::Messages, "help-here", &["?"]).tells("", "all keys and commands"),

    row(A::Up, S::List, "list-up", &["up", "k"]).tells("", "chat above"),
    row(A::Down, S::List, "list-down", &["down", "j"]).tells("", "chat below"),
    row(A::Open, S::List, "list-open", &["enter", "right", "l"]).tells("open", "open the chat"),
    row(A::Mute, S::List, "list-mute", &["m"]).tells("mute", "let it ring for nothing, or ring again"),
    row(A::PinChat, S::List, "list-pin", &["P"]).tells("", "keep it above the others, or no longer"),
    row(A::Archive, S::List, "list-archive", &["a"]).tells("", "put it away until something comes"),
    row(A::MarkUnread, S::List, "list-unread", &["u"]).tells("", "mark it to be looked at again"),
    row(A::Command, S::List, "list-command", &["/"]).tells("", "write a /command"),
    row(A::ToComposer, S::List, "list-back", &["esc"]).tells("back", "back to writing"),
    row(A::Help, S::List, "list-help", &["?"]).tells("", "all keys and commands"),

    row(A::Accept, S::Request, "request-accept", &["a"]).tells("accept", "accept: their messages arrive, they see that you got them"),
    row(A::Decline, S::Request, "request-decline", &["d"]).tells("decline", "decline: they are not told"),
    row(A::Block, S::Request, "request-block", &["b"]).tells("block", "block: nothing of theirs arrives any more, they are not told"),
    row(A::ToList, S::Request, "request-back", &["esc", "left"]).tells("back", "decide later"),
    row(A::Command, S::Request, "request-command", &["/"]).tells("", "write a /command"),
    row(A::Help, S::Request, "request-help", &["?"]).tells("", "all keys and commands"),

    row(A::Verify, S::Changed, "changed-compare", &["c"]).tells("compare", "compare the safety number, in person or by a call"),
    row(A::AcceptIdentity, S::Changed, "changed-accept", &["a"]).tells("go on without", "go on with the new identity, not compared"),
    row(A::Block, S::Changed, "changed-block", &["b"]).tells("block", "block: nothing of theirs arrives any more"),
    row(A::ToMessages, S::Changed, "changed-messages", &["esc", "up"]).tells("messages", "walk through the messages"),
    row(A::ScrollUp, S::Changed, "changed-scroll-up", &["pageup"]).tells("", "older messages"),
    row(A::ScrollDown, S::Changed, "changed-scroll-down", &["pagedown"]).tells("", "newer messages"),
    row(A::Help, S::Changed, "changed-help", &["?"]).tells("", "all keys and commands"),

    row(A::TheyMatch, S::Verify, "they-match", &["m"]).tells("they match", "the numbers match: nobody is in between"),
    row(A::TheyDiffer, S::Verify, "they-differ", &["n"]).tells("they differ", "the numbers differ: tells what to do"),
    row(A::TypeTheirs, S::Verify, "type-theirs", &["s"]).tells("type theirs", "type or paste what their screen shows; the program compares"),
    row(A::Back, S::Verify, "verify-close", &["esc", "ctrl-c"]).tells("close", "close"),

    row(A::Open, S::Rooms, "room-open", &["enter"]).tells("open", "open the room; one that is public is joined"),
    row(A::CreateRoom, S::Rooms, "room-create", &["c"]).tells("create", "make a room"),
    row(A::RoomInfo, S::Rooms, "room-look", &["i"]).tells("info", "who is in it"),
    row(A::Up, S::Rooms, "rooms-up", &["up", "k"]).tells("", "row above"),
    row(A::Down, S::Rooms, "rooms-down", &["down", "j"]).tells("", "row below"),
    row(A::PageUp, S::Rooms, "rooms-page-up", &["pageup"]).tells("", "one page up"),
    row(A::PageDown, S::Rooms, "rooms-page-down", &["pagedown"]).tells("", "one page down"),
    row(A::Back, S::Rooms, "rooms-close", &["esc", "ctrl-c"]).tells("close", "close"),

    row(A::Invite, S::Room, "room-invite", &["a"]).tells("invite", "invite somebody"),
    row(A::Kick, S::Room, "room-kick", &["x"]).tells("remove", "put the marked member out"),
    row(A::SetRole, S::Room, "room-role", &["p"]).tells("role", "the next role for the marked member"),
    row(A::Topic, S::Room, "room-topic", &["t"]).tells("topic", "set what the room is about"),
    row(A::Leave, S::Room, "room-leave", &["L"]).tells("leave", "leave the room"),
    row(A::DeleteRoom, S::Room, "room-delete", &["D"]).tells("", "end the room for everybody"),
    row(A::Open, S::Room, "room-write", &["enter"]).tells("", "write to the marked member alone"),
    row(A::Verify, S::Room, "room-verify", &["v"]).tells("", "compare the safety number with the marked member"),
    row(A::Up, S::Room, "room-up", &["up", "k"]).tells("", "row above"),
    row(A::Down, S::Room, "room-down", &["down", "j"]).tells("", "row below"),
    row(A::PageUp, S::Room, "room-page-up", &["pageup"]).tells("", "one page up"),
    row(A::PageDown, S::Room, "room-page-down", &["pagedown"]).tells("", "one page down"),
    row(A::Back, S::Room, "room-close", &["esc", "ctrl-c"]).tells("close", "close"),

    row(A::Pause, S::Transfers, "pause", &["p"]).tells("pause", "stop it for a while"),
    row(A::Resume, S::Transfers, "resume", &["r"]).tells("resume", "go on with it"),
    row(A::Cancel, S::Transfers, "cancel", &["x"]).tells("cancel", "give it up"),
    row(A::OpenFile, S::Transfers, "open-file", &["enter", "o"]).tells("open", "open a file that is saved"),
    row(A::OpenFolder, S::Transfers, "open-folder", &["f"]).tells("folder", "open the folder that it lies in"),
    row(A::Up, S::Transfers, "transfers-up", &["up", "k"]).tells("", "row above"),
    row(A::Down, S::Transfers, "transfers-down", &["down", "j"]).tells("", "row below"),
    row(A::PageUp, S::Transfers, "transfers-page-up", &["pageup"]).tells("", "one page up"),
    row(A::PageDown, S::Transfers, "transfers-page-down", &["pagedown"]).tells("", "one page down"),
    row(A::Back, S::Transfers, "transfers-close", &["esc", "ctrl-c"]).tells("close", "close"),

    row(A::LetIn, S::Devices, "device-let-in", &["enter", "l"]).tells("", "let the marked device in that waits, or not"),
    row(A::RenameDevice, S::Devices, "device-rename", &["n"]).tells("rename", "give the marked device another name"),
    row(A::RemoveDevice, S::Devices, "device-remove", &["x"]).tells("remove", "take the marked device off the account"),
    row(A::Up, S::Devices, "devices-up", &["up", "k"]).tells("", "row above"),
    row(A::Down, S::Devices, "devices-down", &["down", "j"]).tells("", "row below"),
    row(A::Back, S::Devices, "devices-close", &["esc", "ctrl-c"]).tells("close", "close"),

    row(A::Submit, S::Form, "form-submit", &["enter"]).tells("go on", "next field; on the last one, go on"),
    row(A::NextField, S::Form, "form-next", &["down"]).tells("", "next field"),
    row(A::PreviousField, S::Form, "form-previous", &["backtab", "up"]).tells("", "previous field"),
    row(A::Complete, S::Form, "form-complete", &["tab"]).tells("", "complete a path; else the next field"),
    row(A::NextChoice, S::Form, "form-choice", &["alt-right"]).tells("", "the next choice; so do Space and the arrows"),
    row(A::Reveal, S::Form, "form-reveal", &["ctrl-r"]).tells("", "show or hide what is secret"),
    row(A::ClearField, S::Form, "form-clear", &["ctrl-u"]).tells("", "clear this field"),
    row(A::Back, S::Form, "form-close", &["esc", "ctrl-c"]).tells("cancel", "cancel"),

    row(A::Back, S::Facts, "facts-close", &["esc", "enter", "ctrl-c"]).tells("close", "close"),
    row(A::Up, S::Facts, "facts-up", &["up", "k"]).tells("", "line above"),
    row(A::Down, S::Facts, "facts-down", &["down", "j"]).tells("", "line below"),

    row(A::Open, S::Menu, "menu-open", &["enter"]).tells("open", "take the marked row"),
    row(A::Up, S::Menu, "menu-up", &["up", "ctrl-p"]).tells("", "row above"),
    row(A::Down, S::Menu, "menu-down", &["down", "ctrl-n", "tab"]).tells("", "row below"),
    row(A::PageUp, S::Menu, "menu-page-up", &["pageup"]).tells("", "one page up"),
    row(A::PageDown, S::Menu, "menu-page-down", &["pagedown"]).tells("", "one page down"),
    row(A::ClearField, S::Menu, "menu-clear", &["ctrl-u"]).tells("", "clear the search line"),
    row(A::Back, S::Menu, "menu-back", &["esc", "ctrl-c"]).tells("close", "close"),

    row(A::Send, S::Paste, "paste-send", &["s"]).tells("send as it is", "send the paste as one message"),
    row(A::EditPaste, S::Paste, "paste-edit", &["e", "enter"]).tells("edit first", "put it where you write"),
    row(A::PasteAsFile, S::Paste, "paste-file", &["f"]).tells("as a file", "send it as a file"),
    row(A::Back, S::Paste, "paste-drop", &["esc", "ctrl-c"]).tells("drop", "forget it"),

    row(A::Yes, S::Ask, "yes", &["y"]).tells("yes", "yes"),
    row(A::No, S::Ask, "no", &["n", "esc", "ctrl-c"]).tells("no", "no"),

    row(A::Back, S::Help, "help-close", &["esc", "ctrl-c"]).tells("close", "close"),
    row(A::Up, S::Help, "help-up", &["up"]).tells("", "line above"),
    row(A::Down, S::Help, "help-down", &["down"]).tells("scroll", "line below"),
    row(A::PageUp, S::Help, "help-page-up", &["pageup"]).tells("", "one page up"),
    row(A::PageDown, S::Help, "help-page-down", &["pagedown"]).tells("", "one page down"),
    row(A::ClearField, S::Help, "help-clear", &["ctrl-u"]).tells("", "clear the search line"),

    row(A::Submit, S::Door, "submit", &["enter"]).tells("go on", "next field; on the last one, go on"),
    row(A::NextField, S::Door, "next-field", &["tab", "down"]).tells("next field", "next field"),
    row(A::PreviousField, S::Door, "previous-field", &["backtab", "up"]).tells("", "previous field"),
    row(A::Reveal, S::Door, "reveal", &["ctrl-r"]).tells("show password", "show or hide the password"),
    row(A::Recover, S::Door, "recover", &["f3"]).tells("", "set a new password with the recovery code"),
    row(A::SwitchMode, S::Door, "switch-mode", &["f2"]).tells("", "change between signing in and registering"),
    row(A::CheckRelay, S::Door, "check-relay", &["f5"]).tells("", "try to reach the relay again"),
    row(A::ClearField, S::Door, "clear-field", &["ctrl-u"]).tells("", "clear this field"),

    row(A::Submit, S::Code, "code-next", &["enter"]).tells("go on", "go on"),
    row(A::Back, S::Code, "code-back", &["esc"]).tells("show it again", "show the code again"),

    row(A::Yes, S::Certificate, "certificate-yes", &["y"]).tells("same, trust it", "trust this relay from now on"),
    row(A::No, S::Certificate, "certificate-no", &["n", "esc"]).tells("not now", "do not go on"),
];
