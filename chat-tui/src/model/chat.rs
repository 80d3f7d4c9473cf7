//! One chat: its messages, what is being written, who types.

use super::{Composer, MsgId, Name, RoomPage, Timeline};

/// Whether the person behind a name that was typed is known to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lookup {
    /// A chat or contact: yes.
    #[default]
    Known,
    /// The relay was asked.
    Asked,
    /// The relay knows nobody of this name.
    Nobody,
    /// The relay could not be asked; it will be when a message goes out.
    Later,
}

/// One chat.
#[derive(Debug, Clone, Default)]
pub struct Chat {
    /// Its messages.
    pub timeline: Timeline,
    /// The message being written.
    pub composer: Composer,
    /// The other one types, and the number of the timer that ends it.
    pub typing: Option<u64>,
    /// Who types, in a room.
    pub typist: Option<Name>,
    /// The room behind it, with its members, once it was asked for.
    pub room: Option<RoomPage>,
    /// Whether there is anybody.
    pub lookup: Lookup,
    /// The last message that was told to be read.
    pub marked: Option<MsgId>,
    /// A message to show as soon as the page around it is here.
    pub jump: Option<MsgId>,
    /// When it was last open, to forget the oldest.
    pub opened_ms: u64,
}
