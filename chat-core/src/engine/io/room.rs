//! Rooms at the engine's boundary.

use chat_wire::ids::{RoomName, UserName};

pub use crate::store::{RoomEventKind, RoomNotice};

/// What a person or program wants of rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomCommand {
    /// Makes a room. Answered by [`RoomReply::Created`] when the relay holds it.
    Create {
        /// Its name.
        name: RoomName,
        /// Listed, and joined by whoever likes.
        public: bool,
        /// What it is about.
        topic: Option<String>,
        /// A repeat with the same key returns the first result.
        idempotency_key: Option<String>,
    },
    /// Deletes a room; its owner only.
    Delete(RoomName),
    /// Lists rooms. Answered by [`RoomReply::Rooms`]; the joined ones without the relay.
    List {
        /// Only those that this account is in, or, with `false`, only the others.
        joined: Option<bool>,
    },
    /// Asks about one room. Answered by [`RoomReply::Info`].
    Info(RoomName),
    /// Joins a public room, or takes an invitation up.
    Join(RoomName),
    /// Leaves.
    Leave(RoomName),
    /// Adds somebody.
    Invite {
        /// Where.
        room: RoomName,
        /// Whom.
        username: UserName,
    },
    /// Removes somebody; owner and admins only.
    Kick {
        /// Where.
        room: RoomName,
        /// Whom.
        username: UserName,
    },
    /// Changes the topic; owner and admins only. An empty one takes it away.
    SetTopic {
        /// Where.
        room: RoomName,
        /// The new one.
        topic: String,
    },
    /// Changes what somebody may do; the owner only. A new owner takes the place of the old one.
    SetRole {
        /// Where.
        room: RoomName,
        /// Whose.
        username: UserName,
        /// The new one.
        role: Role,
    },
}

/// Answers to [`RoomCommand`]s that say more than done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomReply {
    /// The room stands.
    Created(RoomName),
    /// Rooms by name.
    Rooms(Vec<RoomSummary>),
    /// One room.
    Info(RoomInfo),
}

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Owner,
    /// Removes members and changes the topic.
    Admin,
    /// Reads, writes, invites.
    Member,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// Name.
    pub name: RoomName,
    /// Listed.
    pub public: bool,
    /// People in it.
    pub members: u32,
    /// What it is about; of rooms that are not joined as the relay says it. Sanitise before showing.
    pub topic: Option<String>,
    /// This account is in it.
    pub joined: bool,
}

/// A room and everybody in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInfo {
    /// Name.
    pub name: RoomName,
    /// Listed.
    pub public: bool,
    /// What it is about. Sanitise before showing.
    pub topic: Option<String>,
    /// Whose it is; none for the lobby, and for a room that is not joined.
    pub owner: Option<UserName>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// MLS epoch.
    pub epoch: u64,
    /// Everybody in it, by name; empty for a room that is not joined.
    pub members: Vec<RoomMember>,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMember {
    /// From the verified list.
    pub username: UserName,
    /// What it may do.
    pub role: Role,
    /// Online, as far as we may know.
    pub online: bool,
}
