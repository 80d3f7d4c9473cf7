//! Rooms as JSON.

use chat_client::{Role, RoomEventKind, RoomInfo, RoomMember, RoomNotice, RoomSummary};
use serde::Serialize;

/// A room in a list.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct RoomShape {
    name: String,
    public: bool,
    members: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    joined: bool,
}

impl From<RoomSummary> for RoomShape {
    fn from(of: RoomSummary) -> Self {
        let RoomSummary { name, public, members, topic, joined } = of;
        Self { name: name.to_string(), public, members, topic, joined }
    }
}

/// A room and everybody in it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomInfoShape {
    name: String,
    public: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// None of the lobby.
    owner: String,
    created_at: u64,
    epoch: u64,
    members: Vec<MemberShape>,
}

impl From<RoomInfo> for RoomInfoShape {
    fn from(of: RoomInfo) -> Self {
        Self {
            name: of.name.to_string(),
            public: of.public,
            topic: of.topic,
            // The lobby is nobody's, and of a room from outside the relay tells none.
            owner: of.owner.map(|owner| owner.to_string()).unwrap_or_default(),
            created_at: of.created_ms,
            epoch: of.epoch,
            members: of.members.into_iter().map(MemberShape::from).collect(),
        }
    }
}

/// Somebody in a room.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct MemberShape {
    username: String,
    role: &'static str,
    online: bool,
}

impl From<RoomMember> for MemberShape {
    fn from(of: RoomMember) -> Self {
        let role = match of.role {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Member => "member",
        };
        Self { username: of.username.to_string(), role, online: of.online }
    }
}

/// What happened in a room.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct RoomEventShape {
    room: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl From<RoomNotice> for RoomEventShape {
    fn from(of: RoomNotice) -> Self {
        let kind = match of.kind {
            RoomEventKind::Created => "created",
            RoomEventKind::Deleted => "deleted",
            RoomEventKind::Invited => "invited",
            RoomEventKind::Joined => "joined",
            RoomEventKind::Left => "left",
            RoomEventKind::Kicked => "kicked",
            RoomEventKind::Role => "role",
            RoomEventKind::Topic => "topic",
            RoomEventKind::Resynced => "resynced",
            _ => "changed",
        };
        let text = |name: Option<chat_client::UserName>| name.map(|name| name.to_string());
        Self { room: of.room.to_string(), kind, username: text(of.username), by: text(of.by) }
    }
}
