//! Methods of rooms.

use chat_client::{Command, Role, RoomCommand, RoomName, UserName};
use serde::Deserialize;

use super::{RpcError, params, user_name};
use crate::rpc::request::Request;

/// The command of a request about rooms; none when it is about something else.
pub(super) fn command(request: &Request<'_>) -> Option<Result<Command, RpcError>> {
    let raw = request.params;
    let command = match request.method.as_ref() {
        "rooms" => params::<Rooms>(raw).map(|rooms| RoomCommand::List { joined: rooms.joined }),
        "createRoom" => params::<Create>(raw).and_then(Create::command),
        "deleteRoom" => named(raw).map(RoomCommand::Delete),
        "roomInfo" => named(raw).map(RoomCommand::Info),
        "joinRoom" => named(raw).map(RoomCommand::Join),
        "leaveRoom" => named(raw).map(RoomCommand::Leave),
        "invite" => member(raw).map(|(room, username)| RoomCommand::Invite { room, username }),
        "kick" => member(raw).map(|(room, username)| RoomCommand::Kick { room, username }),
        "setTopic" => params::<SetTopic>(raw)
            .and_then(|set| Ok(RoomCommand::SetTopic { room: room_name(&set.name)?, topic: set.topic })),
        "setRole" => params::<SetRole>(raw).and_then(SetRole::command),
        _ => return None,
    };
    Some(command.map(Command::Room))
}

type Raw<'a> = Option<&'a serde_json::value::RawValue>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rooms {
    joined: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    name: String,
    public: bool,
    topic: Option<String>,
    idempotency_key: Option<String>,
}

impl Create {
    fn command(self) -> Result<RoomCommand, RpcError> {
        Ok(RoomCommand::Create {
            name: room_name(&self.name)?,
            public: self.public,
            topic: self.topic,
            idempotency_key: self.idempotency_key,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    name: String,
    username: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTopic {
    name: String,
    topic: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRole {
    name: String,
    username: String,
    role: RoleWord,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleWord {
    Owner,
    Admin,
    Member,
}

impl SetRole {
    fn command(self) -> Result<RoomCommand, RpcError> {
        let role = match self.role {
            RoleWord::Owner => Role::Owner,
            RoleWord::Admin => Role::Admin,
            RoleWord::Member => Role::Member,
        };
        Ok(RoomCommand::SetRole { room: room_name(&self.name)?, username: user_name(&self.username)?, role })
    }
}

fn named(raw: Raw<'_>) -> Result<RoomName, RpcError> {
    params::<Named>(raw).and_then(|named| room_name(&named.name))
}

fn member(raw: Raw<'_>) -> Result<(RoomName, UserName), RpcError> {
    let Member { name, username } = params(raw)?;
    Ok((room_name(&name)?, user_name(&username)?))
}

/// A room's name, with its `#` or without.
pub(super) fn room_name(text: &str) -> Result<RoomName, RpcError> {
    RoomName::parse(text).map_err(|why| RpcError::invalid_params(format!("No room name: {why}.")))
}
