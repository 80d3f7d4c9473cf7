//! Rooms, as the model knows them.

use chat_client::{self as client, RoomEventKind, RoomInfo, RoomNotice, RoomSummary};

use super::when;
use crate::model::{Member, Msg, Name, Role, RoomNews, RoomPage, RoomRow, When};
use crate::text::SafeText;

/// A room in a list.
pub(in crate::app) fn row(room: RoomSummary) -> RoomRow {
    RoomRow {
        name: Name::new(&room.name.to_string()),
        public: room.public,
        members: room.members.into(),
        topic: topic(room.topic.as_deref()),
        joined: room.joined,
    }
}

/// A room and everybody in it, who may do most first.
pub(in crate::app) fn page(room: RoomInfo) -> RoomPage {
    let mut members: Vec<Member> = room
        .members
        .into_iter()
        .map(|m| Member { name: Name::new(m.username.as_str()), role: known_role(m.role), online: m.online })
        .collect();
    members.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.name.cmp(&b.name)));
    RoomPage {
        name: Name::new(&room.name.to_string()),
        public: room.public,
        topic: topic(room.topic.as_deref()),
        owner: room.owner.map(|o| Name::new(o.as_str())),
        created: Some(when(room.created_ms)),
        epoch: room.epoch,
        members,
    }
}

fn topic(text: Option<&str>) -> Option<SafeText> {
    text.map(SafeText::line).filter(|t| !t.is_empty())
}

fn known_role(role: client::Role) -> Role {
    match role {
        client::Role::Owner => Role::Owner,
        client::Role::Admin => Role::Admin,
        client::Role::Member => Role::Member,
    }
}

/// A role, for the client.
pub(in crate::app) fn role(role: Role) -> client::Role {
    match role {
        Role::Owner => client::Role::Owner,
        Role::Admin => client::Role::Admin,
        Role::Member => client::Role::Member,
    }
}

/// What happened in a room, in words.
pub(in crate::app) fn event(notice: &RoomNotice, at: When) -> Msg {
    let room = Name::new(&notice.room.to_string());
    let who = notice.username.as_ref().map(|u| Name::new(u.as_str()));
    let by = notice.by.as_ref().map(|u| Name::new(u.as_str()));
    let text = SafeText::line(&words(notice.kind, who.as_ref(), by.as_ref()));
    let invited = notice.kind == RoomEventKind::Invited;
    Msg::Room(RoomNews::Event { room, who, by, invited, text, when: at })
}

fn words(kind: RoomEventKind, who: Option<&Name>, by: Option<&Name>) -> String {
    let whom = who.map_or_else(|| "somebody".to_owned(), ToString::to_string);
    let other = by.filter(|by| Some(*by) != who);
    let with = |deed: &str| other.map_or_else(String::new, |by| format!("{deed} by {by}"));
    match kind {
        RoomEventKind::Created => {
            format!("the room was made{}", by.or(who).map_or_else(String::new, |b| format!(" by {b}")))
        }
        RoomEventKind::Deleted => format!("the room was ended{}", with("")),
        RoomEventKind::Invited => format!("{whom} was invited{}", with("")),
        RoomEventKind::Joined => format!("{whom} joined{}", with(", let in")),
        RoomEventKind::Left => format!("{whom} left"),
        RoomEventKind::Kicked => format!("{whom} was put out{}", with("")),
        RoomEventKind::Role => format!("{whom} has another role{}", with(", set")),
        RoomEventKind::Topic => {
            format!("the topic was changed{}", by.or(who).map_or_else(String::new, |b| format!(" by {b}")))
        }
        RoomEventKind::Resynced => "this device was out of step and has joined afresh".to_owned(),
        _ => "something happened in this room".to_owned(),
    }
}
