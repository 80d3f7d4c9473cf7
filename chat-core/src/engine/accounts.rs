//! Routes what concerns the account to its handlers, as `mod.rs` does for the rest.

use bytes::Bytes;
use chat_wire::message::{AccountAnswer, AccountAsk, ClientMessage, LogoutReason, ServerMessage, Verdict};

use super::Engine;
use super::content::{Content, Sync};
use super::context::Work;
use super::error::EngineError;
use super::handle::account::{change, entrance, handover, own, trust, undertake};
use super::handle::{amend, connect, enroll, inbox, prekeys, receipts};
use super::io::{AccountCommand, CommandId, FailureKind, NoticeKind, Reply, Resumption, Trouble};
use super::memory::asks::Ask;
use super::memory::names::TrustQuestion;
use super::memory::sightings::Sightings;
use super::memory::undertaking::{Goal, Stage};

impl Engine {
    pub(super) fn account_command(
        &mut self,
        work: &mut Work<'_>,
        id: CommandId,
        command: AccountCommand,
    ) -> Result<(), EngineError> {
        let state = &mut self.state;
        match command {
            AccountCommand::RemoveDevice(device) => undertake::start(state, work, id, Goal::Remove(device)),
            AccountCommand::ChangePassword(wanted) => undertake::start(state, work, id, Goal::Password(wanted)),
            AccountCommand::Recover(wanted) => undertake::start(state, work, id, Goal::Recover(wanted)),
            AccountCommand::Delete(wanted) => undertake::start(state, work, id, Goal::Delete(wanted)),
            AccountCommand::SafetyNumber(name) => {
                let asked = trust::ask(state, work, id, (name, TrustQuestion::Show))?;
                asked.map_or(Ok(()), |asked| trust::answer(state, work, id, asked))
            }
            AccountCommand::Verify { username, proof } => {
                let asked = trust::ask(state, work, id, (username, TrustQuestion::Compare(proof)))?;
                asked.map_or(Ok(()), |asked| trust::answer(state, work, id, asked))
            }
            AccountCommand::Unverify(name) => trust::unverify(state, work, id, &name),
            AccountCommand::AcceptIdentity(name) => trust::accept_identity(state, work, id, &name),
            AccountCommand::RenameDevice { device, name } => own::rename(state, work, id, (device, name)),
            AccountCommand::EraseWhenRemoved(erase) => own::erase_when_removed(state, work, id, erase),
            AccountCommand::SetApproval(wanted) => undertake::start(state, work, id, Goal::Approval(wanted)),
            AccountCommand::AnswerEntry { device, allow } => entrance::answer(state, work, id, (device, allow)),
            AccountCommand::PasswordStands => undertake::tell_code(state, work, id),
            AccountCommand::AskHistory => handover::ask(state, work, id),
            AccountCommand::CancelHistory => handover::cancel(state, work, id),
            AccountCommand::AnswerHistory { device, allow } => handover::answer(state, work, id, (device, allow)),
            AccountCommand::ShareHistory(share) => handover::set_sharing(state, work, id, share),
            AccountCommand::GiveHistory(piece) => handover::give(state, work, id, piece),
        }
    }

    /// A login by password: this device comes back, or a new one comes.
    pub(super) fn resume(
        &mut self,
        work: &mut Work<'_>,
        id: CommandId,
        resumption: Box<Resumption>,
    ) -> Result<(), EngineError> {
        match enroll::resume(&mut self.state, work, id, &resumption)? {
            enroll::Resumed::Settled => Ok(()),
            enroll::Resumed::Proves(command) => {
                connect::prove(&mut self.state, work, command);
                Ok(())
            }
            enroll::Resumed::Joins => undertake::start(&mut self.state, work, id, Goal::Join(resumption)),
        }
    }

    /// An answer that a change of the account, or the account record, waits for.
    pub(super) fn account_answer(
        &mut self,
        work: &mut Work<'_>,
        ask: Ask,
        (message, body): (ServerMessage, Bytes),
    ) -> Result<(), EngineError> {
        let state = &mut self.state;
        match (ask, message) {
            (Ask::GetRecord, ServerMessage::Record { version }) => own::record_came(state, work, (version, &body)),
            (Ask::PutRecord(written), ServerMessage::Done {}) => own::record_written(state, work, &written),
            (Ask::GetRecord, ServerMessage::Refused(refusal)) => {
                own::record_refused(state, false, &refusal);
                Ok(())
            }
            (Ask::PutRecord(_), ServerMessage::Refused(refusal)) => {
                own::record_refused(state, true, &refusal);
                Ok(())
            }
            (Ask::Undertake(stage), ServerMessage::Refused(refusal)) => {
                undertake::refused(state, work, stage, &refusal)
            }
            (Ask::Undertake(Stage::Lists), ServerMessage::Lists { lists }) => {
                let next = undertake::lists_came(state, work, &lists)?;
                self.next(work, next)
            }
            (Ask::Undertake(Stage::Entry), ServerMessage::Account(AccountAnswer::Waits { verdict })) => {
                self.entry_decided(work, verdict)
            }
            (Ask::Undertake(Stage::Again), ServerMessage::Done {}) => undertake::sent_again(state, work),
            (Ask::Undertake(Stage::Record), ServerMessage::Record { version }) => {
                let next = undertake::record_came(state, work, (version, body))?;
                self.next(work, next)
            }
            (Ask::Undertake(Stage::Vault), ServerMessage::Vault { vault }) => {
                let next = undertake::vault_came(state, vault);
                self.next(work, next)
            }
            (Ask::Undertake(Stage::Change), ServerMessage::Done {}) => self.changed(work),
            (Ask::Undertake(Stage::Change), ServerMessage::LoggedIn { pairs_left, .. }) => {
                let command = change::adopt(state, work)?;
                prekeys::upkeep(state, work, Some(pairs_left), command)
            }
            _ => {
                undertake::fail(state, work, FailureKind::Integrity);
                connect::refuse(state, work, Trouble::RelayBroken)
            }
        }
    }

    fn next(&mut self, work: &mut Work<'_>, next: undertake::Next) -> Result<(), EngineError> {
        match next {
            undertake::Next::Wait => return Ok(()),
            undertake::Next::AskIn => return entrance::ask_in(&mut self.state, work),
            undertake::Next::Prove(command) => {
                connect::prove(&mut self.state, work, command);
                return Ok(());
            }
            undertake::Next::Change => {}
        }
        match change::make(&mut self.state, work)? {
            change::Made::Sent => {}
            change::Made::Settled => self.state.undertaking = None,
            change::Made::Failed(kind) => undertake::fail(&mut self.state, work, kind),
            change::Made::Stands => {
                // An earlier try got through: this device lets itself in.
                self.state.newcomer = change::adopt_listed(&mut self.state, work)?;
                connect::prove(&mut self.state, work, None);
            }
        }
        Ok(())
    }

    /// The relay pushes something about the account.
    pub(super) fn account_push(&mut self, work: &mut Work<'_>, told: &AccountAnswer) -> Result<(), EngineError> {
        match told {
            AccountAnswer::Waits { verdict } => self.entry_decided(work, *verdict),
            AccountAnswer::Wants { device, key, .. } => entrance::wanted(&mut self.state, work, (*device, *key)),
            AccountAnswer::Settled { device } => entrance::settled(work, *device),
            // A push of a later version.
            _ => Ok(()),
        }
    }

    fn entry_decided(&mut self, work: &mut Work<'_>, verdict: Verdict) -> Result<(), EngineError> {
        match entrance::decided(&mut self.state, work, verdict) {
            entrance::Wish::Waits => {}
            entrance::Wish::Granted => undertake::let_in(&mut self.state, work),
            entrance::Wish::Refused => undertake::fail(&mut self.state, work, FailureKind::NotLetIn),
        }
        Ok(())
    }

    fn changed(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        match change::done(&mut self.state, work)? {
            change::Finished::Nothing => {}
            change::Finished::Proves => connect::prove(&mut self.state, work, None),
            change::Finished::Deleted(command) => self.deleted(work, command)?,
        }
        Ok(())
    }

    /// The account is no more: nothing of it stays here.
    fn deleted(&mut self, work: &mut Work<'_>, command: Option<CommandId>) -> Result<(), EngineError> {
        self.state.forget(work);
        work.notice(NoticeKind::LoggedOut { reason: "deleted".to_owned() })?;
        if let Some(command) = command {
            work.reply(command, Reply::Done);
        }
        connect::close(&mut self.state, work)
    }

    /// The last words are out: the account ends.
    pub(super) fn say_farewell(&mut self, work: &mut Work<'_>) {
        if let Some(signature) = self.state.farewell.take() {
            let delete = ClientMessage::Account(AccountAsk::Delete { signature });
            self.state.ask(work, Ask::Undertake(Stage::Change), delete);
        }
    }

    /// What an own other device says.
    pub(super) fn own_content(
        &mut self,
        work: &mut Work<'_>,
        received: &inbox::Received,
        sync: Sync,
    ) -> Result<(), EngineError> {
        let state = &mut self.state;
        let own_account = state.own_address()?.account;
        if sync.with == own_account {
            match sync.message.verified_body(&received.author).map(|body| body.content()) {
                Some(Content::OwnState(told)) => return own::state_told(state, work, &told),
                Some(Content::OwnRead(read)) => return receipts::read_elsewhere(state, work, &read),
                _ => {}
            }
        } else if let Some(name) = &sync.name {
            // An own device has met it, and verified its list.
            state.people.meet(work, sync.with, name)?;
        }
        match inbox::synced(state, work, received, sync)? {
            Some(elsewhere) => amend::heard(state, work, elsewhere.doer, (elsewhere.with, elsewhere.content)),
            None => Ok(()),
        }
    }

    /// What an own other device says to this one alone.
    pub(super) fn own_word(
        &mut self,
        work: &mut Work<'_>,
        received: &inbox::Received,
        content: Content,
    ) -> Result<(), EngineError> {
        let (state, from) = (&mut self.state, received.author.device);
        Sightings::note(work, from, received.body.time_ms)?;
        match content {
            Content::Sync(sync) => self.own_content(work, received, sync),
            Content::HistoryAsk(wanted) => handover::asked(state, work, (from, wanted)),
            Content::HistoryPart(part) => handover::came(state, work, (from, *part)),
            Content::HistoryRefusal(refusal) => handover::refused(work, (from, &refusal)),
            _ => Ok(()),
        }
    }

    /// The relay ended the login. A device that was removed may erase itself, on signed evidence only.
    pub(super) fn dismissed(
        &mut self,
        work: &mut Work<'_>,
        reason: LogoutReason,
        list: Option<&[u8]>,
    ) -> Result<(), EngineError> {
        let deleting = self.state.undertaking.take_if(|under_way| matches!(under_way.goal, Goal::Delete(_)));
        match (self.state.asks.take_forget(), deleting) {
            (Some(command), _) => self.forgotten(work, command),
            (None, Some(under_way)) if reason == LogoutReason::Deleted => self.deleted(work, under_way.command),
            (None, _) => {
                let erase = reason == LogoutReason::Removed && own::is_proven(&mut self.state, work, list)?;
                connect::logged_out(&mut self.state, work, reason)?;
                if erase { own::erase(&mut self.state, work) } else { Ok(()) }
            }
        }
    }
}

/// Whatever the relay says to a change or the record belongs here.
pub(super) fn concerns(ask: &Ask) -> bool {
    matches!(ask, Ask::GetRecord | Ask::PutRecord(_) | Ask::Undertake(_))
}
