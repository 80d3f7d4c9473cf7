//! The engine's way to the handlers of rooms.

use bytes::Bytes;
use chat_wire::message::ServerMessage;

use super::Engine;
use super::context::Work;
use super::error::EngineError;
use super::handle::{connect, resolve, room};
use super::io::{CommandId, RoomCommand, Trouble};
use super::memory::room_tasks::RoomTask;

impl Engine {
    /// A command; a name that it needs is looked up first.
    pub(super) fn room_command(
        &mut self,
        work: &mut Work<'_>,
        id: CommandId,
        command: RoomCommand,
    ) -> Result<(), EngineError> {
        if let Some((name, want)) = room::command(&mut self.state, work, id, command)? {
            resolve::look_up(&mut self.state, work, name, want);
        }
        Ok(())
    }

    /// The relay answered something about rooms.
    pub(super) fn room_answer(
        &mut self,
        work: &mut Work<'_>,
        task: RoomTask,
        message: ServerMessage,
        body: &Bytes,
    ) -> Result<(), EngineError> {
        let state = &mut self.state;
        match message {
            ServerMessage::Room(answer) => room::answered(state, work, task, answer, body),
            ServerMessage::Done {} => room::done(state, work, task),
            ServerMessage::Refused(refusal) => room::refused(state, work, task, &refusal),
            _ => {
                room::give_up(state, work, task, &super::io::Failure::of(super::io::FailureKind::Internal))?;
                connect::refuse(state, work, Trouble::RelayBroken)
            }
        }
    }
}
