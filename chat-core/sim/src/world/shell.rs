//! What the shell around an engine does: OPAQUE, for registrations and for devices that join by password.

use bytes::Bytes;
use chat_core::engine::{Command, Enrollment, Resumption, Route};
use chat_wire::frame::{Frame, ServerFrame};
use chat_wire::ids::{AccountId, UserName};
use chat_wire::message::{ClientMessage, ServerMessage};
use serde_bytes::ByteBuf;

use super::{World, exporter};
use crate::login;
use crate::plan::name;

/// Request number of the shell's own question.
pub(super) const SHELL_REQUEST: u32 = 0x8000_0001;

impl World<'_> {
    /// The relay has proven its key to a program that has no account yet: it registers, or logs in.
    pub(super) fn greeted(&mut self, who: usize, number: u64) {
        let now = self.network.now_ms;
        let Some(actor) = self.actors.get_mut(who) else { return };
        let Ok(name) = UserName::parse(&name(actor.person)) else { return };
        let message = if !actor.joins {
            if actor.commands > 0 {
                return;
            }
            ClientMessage::Register1 { name, request: ByteBuf::from(self.login.request()), invite: None }
        } else {
            if actor.removed || actor.logged_in(now).is_some() {
                return;
            }
            let Some((start, ke1)) = login::start(&mut actor.rng) else { return };
            actor.login = Some(start);
            ClientMessage::Ke1 { name, ke1: ByteBuf::from(ke1) }
        };
        self.transmit(who, number, Frame::new(SHELL_REQUEST, message));
    }

    /// The relay answers the shell.
    pub(super) fn shell_hears(&mut self, who: usize, number: u64, frame: ServerFrame) {
        match frame.message {
            ServerMessage::Register1Reply { .. } => self.enroll(who, number),
            ServerMessage::Ke2 { ke2, kp } => {
                let Some(actor) = self.actors.get_mut(who) else { return };
                let Some(start) = actor.login.take() else { return };
                let finished = login::finish(start, actor.person, (&ke2, kp, &exporter(number)), &mut actor.rng);
                let Some((ke3, key)) = finished else {
                    return self.violation("login", "the right password was refused".to_owned());
                };
                actor.key = Some(key);
                let message = ClientMessage::Ke3 { ke3: ByteBuf::from(ke3) };
                self.transmit(who, number, Frame::new(SHELL_REQUEST, message));
            }
            ServerMessage::PasswordOk { account, list, vault } => {
                self.resume(who, number, (account, list.into_vec(), vault.into_vec()));
            }
            _ => {}
        }
    }

    fn enroll(&mut self, who: usize, number: u64) {
        let Some(person) = self.actors.get(who).map(|actor| actor.person) else { return };
        let (Ok(username), Some((record, export_key))) = (UserName::parse(&name(person)), self.login.record(person))
        else {
            return;
        };
        let enrollment = Enrollment {
            route: Route(number),
            username,
            display_name: None,
            device_name: None,
            invite: None,
            record,
            export_key,
            kp: 1,
        };
        self.command(who, Command::Enroll(Box::new(enrollment)));
    }

    fn resume(&mut self, who: usize, number: u64, (account, list, vault): (AccountId, Vec<u8>, Vec<u8>)) {
        let Some(actor) = self.actors.get_mut(who) else { return };
        let (Ok(username), Some(export_key)) = (UserName::parse(&name(actor.person)), actor.key.take()) else { return };
        let resumption = Resumption {
            route: Route(number),
            username,
            device_name: None,
            export_key,
            kp: 1,
            account,
            list: Bytes::from(list),
            vault: Bytes::from(vault),
            finishes_registration: false,
        };
        self.command(who, Command::Resume(Box::new(resumption)));
    }
}
