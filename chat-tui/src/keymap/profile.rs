//! Bindings for hands that learnt them elsewhere. A profile only adds to the table's bindings and takes
//! keys from others of the same scope; what the configuration says counts on top.

/// A set of bindings that can be chosen by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The table as it is.
    #[default]
    Default,
    /// Keys of vi.
    Vim,
    /// Keys of Emacs.
    Emacs,
}

impl Profile {
    /// Keys and the rows of the table that they go to.
    pub(super) fn bindings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Default => &[],
            Self::Vim => VIM,
            Self::Emacs => EMACS,
        }
    }
}

/// Writing is the insert mode; Esc leads to the messages, where single letters mean something already.
const VIM: &[(&str, &str)] = &[
    ("ctrl-u", "kill-to-start"),
    ("ctrl-u", "page-up"),
    ("ctrl-d", "page-down"),
    ("ctrl-b", "page-up"),
    ("ctrl-f", "page-down"),
    ("a", "to-composer"),
    (":", "command"),
    (":", "list-command"),
    (":", "request-command"),
    ("ctrl-n", "next-chat"),
    ("ctrl-p", "previous-chat"),
    ("i", "to-composer"),
    ("K", "details"),
    ("ctrl-p", "menu-up"),
];

const EMACS: &[(&str, &str)] = &[
    ("alt-x", "go"),
    ("ctrl-s", "search"),
    ("ctrl-n", "later"),
    ("ctrl-p", "earlier"),
    ("ctrl-k", "kill-to-end"),
    ("alt-f", "word-right"),
    ("alt-b", "word-left"),
    ("ctrl-v", "scroll-down"),
    ("alt-v", "scroll-up"),
    ("ctrl-_", "undo"),
    ("ctrl-g", "to-messages"),
    ("ctrl-n", "down"),
    ("ctrl-p", "up"),
    ("ctrl-v", "page-down"),
    ("alt-v", "page-up"),
    ("alt-<", "oldest"),
    ("alt->", "newest"),
    ("ctrl-g", "to-composer"),
    ("ctrl-g", "menu-back"),
    ("ctrl-g", "help-close"),
    ("ctrl-g", "facts-close"),
    ("ctrl-g", "form-close"),
    ("ctrl-g", "verify-close"),
    ("ctrl-g", "devices-close"),
    ("ctrl-g", "rooms-close"),
    ("ctrl-g", "room-close"),
    ("ctrl-g", "transfers-close"),
    ("ctrl-g", "paste-drop"),
    ("ctrl-g", "no"),
];
