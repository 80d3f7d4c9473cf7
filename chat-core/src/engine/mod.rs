//! The engine: values in, values out (DESIGN §3). It speaks the whole protocol but OPAQUE, knows no
//! socket, clock, disk or chance of its own, and decides everything; the shell around it carries.
//!
//! One call takes one [`Input`] and returns one [`Step`]: a change of the store as a value, and outputs
//! that can be reached only by storing it. So nothing is acknowledged that could be lost, nothing is
//! shown twice, and the engine may be dropped at any moment and opened again from its records.
//!
//! ```text
//! Input ─▶ Engine::handle ─▶ Step ─apply (store)─▶ Released ─▶ outputs (act)
//!              │ route
//!   handle/    ▼   connect · enroll · outbox · inbox · receipts · …   (what an input means)
//!   memory/        people · lists · sessions · queue · streams · …    (what is known)
//! ```
//!
//! # A loop around it
//! ```
//! use chat_core::engine::{Boot, Command, CommandId, Context, Engine, Input, Output, Route};
//! use chat_core::store::{MemoryRecords, WriteBatch};
//! use chat_core::time::Timestamp;
//! use chat_wire::ids::BootId;
//!
//! // The shell's parts: a store, randomness, a clock, a connection.
//! let mut store = MemoryRecords::default();
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let now = || Timestamp::from_ms(1_800_000_000_000);
//! let (mut to_relay, mut answers) = (Vec::new(), Vec::new());
//!
//! let boot = Boot { id: BootId([7; 16]) };
//! let (mut engine, mut step) = Engine::open(now(), boot, &mut Context { records: &store, rng: &mut rng })?;
//!
//! // What comes from outside: a connection with its TLS exporter, frames, commands, the timer.
//! let text = Command::Send { to: "bob".into(), text: "hi".into(), reply_to: None, idempotency_key: None, expires_in_ms: None };
//! let mut inputs = [Input::Connected(Route(1), [9; 32]), Input::Command(CommandId(1), text)].into_iter();
//! loop {
//!     // Apply, then act: outputs are reached only through the write.
//!     let released = step.apply(|batch: &WriteBatch| Ok::<(), std::io::Error>(store.apply(batch)))?;
//!     for output in released {
//!         match output {
//!             Output::Transmit(_route, frame) => to_relay.push(frame),
//!             Output::Reply(_command, reply) => answers.push(reply),
//!             Output::Close(_) | Output::Event(_) | Output::Notice(_) | Output::WakeAt(_) => {}
//!         }
//!     }
//!     let Some(input) = inputs.next() else { break };
//!     step = engine.handle(now(), input, &mut Context { records: &store, rng: &mut rng })?;
//! }
//! assert_eq!(to_relay.len(), 1); // `Hello`
//! assert!(answers[0].is_err()); // nobody is logged in yet
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Absent on purpose: sockets, clocks, files, global randomness, SQL, OPAQUE.

use chat_wire::error::Refusal;
use chat_wire::frame::ServerFrame;
use chat_wire::message::ServerMessage;

mod accounts;
mod content;
mod context;
mod error;
mod handle;
mod io;
mod limits;
mod memory;
mod rooms;
mod step;

pub use context::Context;
pub use error::{Bug, EngineError};
pub use io::*;
pub use limits::THUMBNAIL_BYTES_MAX;
pub use step::{Released, Step};

use content::Content;
use context::Work;
use handle::account::{self, trust};
use handle::{
    amend, chores, connect, enroll, files, heal, inbox, leave, outbox, prekeys, presence, queries, receipts, requests,
    resolve, room, search, timers,
};
use memory::asks::Ask;
use memory::names::{Draft, Want};
use memory::{Entry, Parcel, State};

use crate::secret::burn_stack;
use crate::store::Records;
use crate::time::Timestamp;

/// One device of one account, or a profile that is about to become one.
pub struct Engine {
    state: State,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Opens the engine from its records.
    ///
    /// # Errors
    /// [`EngineError::Store`] when a record is damaged.
    pub fn open(now: Timestamp, boot: Boot, cx: &mut Context<'_>) -> Result<(Self, Step), EngineError> {
        let mut engine = Self { state: State::load(boot.id, cx.records)? };
        let mut work = Work::new(now, cx);
        receipts::overdue(&mut engine.state, &work)?;
        engine.state.expire_messages(&mut work)?;
        timers::arm(&mut engine.state, &mut work);
        Ok((engine, work.finish()))
    }

    /// Takes one input. What comes back must be applied before the next input.
    ///
    /// # Errors
    /// [`EngineError`] when records are damaged or a rule of ours was broken: drop the engine. Nothing
    /// that the relay or a peer sends leads here.
    pub fn handle(&mut self, now: Timestamp, input: Input, cx: &mut Context<'_>) -> Result<Step, EngineError> {
        let mut work = Work::new(now, cx);
        timers::keep_time(&mut self.state, now);
        self.route(&mut work, input)?;
        self.open_parcels(&mut work)?;
        presence::type_late(&mut self.state, &mut work)?;
        self.state.note_shared(&mut work)?;
        self.state.exchange_record(&mut work)?;
        self.renew(&mut work)?;
        outbox::pump(&mut self.state, &mut work)?;
        self.say_farewell(&mut work);
        heal::errands::pump(&mut self.state, &mut work)?;
        room::pump(&mut self.state, &mut work)?;
        timers::arm(&mut self.state, &mut work);
        let step = work.finish();
        burn_stack();
        Ok(step)
    }

    /// Answers a question from what is known.
    ///
    /// ```
    /// # use chat_core::engine::{Answer, Boot, Context, Engine, Query};
    /// # use chat_core::{store::MemoryRecords, time::Timestamp};
    /// # let (store, now) = (MemoryRecords::default(), Timestamp::from_ms(0));
    /// # let mut rng = chat_fixtures::seeded::Seeded::new(1);
    /// # let boot = Boot { id: chat_wire::ids::BootId([7; 16]) };
    /// let (engine, step) = Engine::open(now, boot, &mut Context { records: &store, rng: &mut rng })?;
    /// # drop(step);
    /// let answer = engine.query(now, &Query::Contacts, &store);
    /// assert!(matches!(answer, Answer::Contacts(contacts) if contacts.is_empty()));
    /// # Ok::<(), chat_core::engine::EngineError>(())
    /// ```
    #[must_use]
    pub fn query(&self, _now: Timestamp, query: &Query, records: &dyn Records) -> Answer {
        queries::answer(&self.state, records, query)
    }

    fn route(&mut self, work: &mut Work<'_>, input: Input) -> Result<(), EngineError> {
        let state = &mut self.state;
        match input {
            Input::Command(id, command) => self.command(work, id, command),
            Input::Connected(route, exporter) => connect::connected(state, work, route, exporter),
            Input::Lost(route) => connect::lost(state, work, route),
            Input::Frame(route, frame) if state.link.as_ref().is_some_and(|link| link.route == route) => {
                timers::heard(state, work.now);
                self.frame(work, frame)
            }
            // A connection that was given up may still have something in its pipe.
            Input::Frame(..) => Ok(()),
            Input::Wake => self.wake(work),
        }
    }

    fn command(&mut self, work: &mut Work<'_>, id: CommandId, command: Command) -> Result<(), EngineError> {
        let state = &mut self.state;
        match command {
            Command::Enroll(enrollment) => enroll::enroll(state, work, id, *enrollment),
            Command::Resume(resumption) => self.resume(work, id, resumption),
            Command::Account(command) => self.account_command(work, id, command),
            Command::Logout { forget: false } => {
                if leave::log_out(state, work, id)? {
                    connect::close(state, work)?;
                }
                Ok(())
            }
            // Off the account already: nobody need be asked.
            Command::Logout { forget: true } if state.profile.dismissed || state.former.is_some() => {
                self.forgotten(work, id)
            }
            Command::Logout { forget: true } => leave::forget(state, work, id),
            Command::SetProfile { display_name } => presence::set_profile(state, work, id, display_name),
            Command::SetPresence { status } => presence::set_status(state, work, id, status),
            Command::Search { query, limit } => {
                search::search(state, work, id, (&query, limit));
                Ok(())
            }
            Command::AcceptRequest(name) => requests::accept(state, work, id, &name),
            Command::DeclineRequest(name) => requests::decline(state, work, id, &name),
            Command::Block(name) => {
                if requests::block(state, work, id, &name)?.is_none() {
                    resolve::look_up(state, work, name, Want::Block(id));
                }
                Ok(())
            }
            Command::Unblock(name) => requests::unblock(state, work, id, &name),
            Command::Room(command) => self.room_command(work, id, command),
            Command::Send { to, text, reply_to, idempotency_key, expires_in_ms } if to.starts_with('#') => {
                room::send(state, work, id, &to, Draft { text, reply_to, idempotency_key, expires_in_ms, file: None })
            }
            Command::Typing { to, active } if to.starts_with('#') => room::type_to(state, work, id, (&to, active)),
            Command::MarkRead { with, id: message } if with.starts_with('#') => {
                room::mark_read(state, work, id, (&with, message));
                Ok(())
            }
            Command::Send { to, text, reply_to, idempotency_key, expires_in_ms } => {
                outbox::send(state, work, id, &to, Draft { text, reply_to, idempotency_key, expires_in_ms, file: None })
            }
            Command::File(command) => self.file(work, id, command),
            Command::Amend(amendment) => amend::amend(state, work, id, amendment),
            Command::Typing { to, active } => presence::type_to(state, work, id, (&to, active)),
            Command::MarkRead { with, id: message } => receipts::mark_read(state, work, id, (&with, message)),
        }
    }

    fn file(&mut self, work: &mut Work<'_>, id: CommandId, command: FileCommand) -> Result<(), EngineError> {
        let state = &mut self.state;
        match command {
            FileCommand::Reserve { to, blob, key } if to.starts_with('#') => {
                room::reserve(state, work, id, &to, (&blob, &key))
            }
            FileCommand::Reserve { to, blob, key } => {
                match outbox::addressee(state, work, &to, Want::Reserve(id, blob, key)) {
                    Some((account, Want::Reserve(id, blob, key))) => {
                        files::reserve(state, work, id, &account, (&blob, &key))
                    }
                    _ => Ok(()),
                }
            }
            FileCommand::Offer(offer) => match files::draft(*offer) {
                Some((to, draft)) if to.starts_with('#') => room::send(state, work, id, &to, draft),
                Some((to, draft)) => outbox::send(state, work, id, &to, draft),
                None => {
                    work.fail(id, FailureKind::InvalidParams);
                    Ok(())
                }
            },
        }
    }

    fn frame(&mut self, work: &mut Work<'_>, frame: ServerFrame) -> Result<(), EngineError> {
        if frame.request == 0 {
            return self.push(work, frame);
        }
        match self.state.asks.close(frame.request) {
            Some(Ask::Room(task)) => self.room_answer(work, task, frame.message, &frame.body),
            Some(ask) if accounts::concerns(&ask) => self.account_answer(work, ask, (frame.message, frame.body)),
            Some(ask) => self.answer(work, ask, frame.message),
            // The answer to something that was given up.
            None => Ok(()),
        }
    }

    fn push(&mut self, work: &mut Work<'_>, frame: ServerFrame) -> Result<(), EngineError> {
        let state = &mut self.state;
        match frame.message {
            ServerMessage::Deliver { seq, from, sent_ms } => {
                let parcel = Parcel { seq: Some(seq), from, sent_ms, packet: frame.body };
                self.receive(work, parcel)
            }
            ServerMessage::DeliverEphemeral { from } => {
                let parcel = Parcel { seq: None, from, sent_ms: work.now.as_ms(), packet: frame.body };
                self.receive(work, parcel)
            }
            ServerMessage::Drained {} => {
                prekeys::drained(state, work)?;
                chores::clean_up(state, work)
            }
            ServerMessage::Presence { account, online, status, at_ms } => {
                presence::changed(state, work, account, (online.then_some(status), at_ms))
            }
            ServerMessage::PreKeysLow { left } if state.is_online() => prekeys::upkeep(state, work, Some(left), None),
            ServerMessage::LoggedOut { reason, list } => {
                self.dismissed(work, reason, list.as_ref().map(|l| l.as_slice()))
            }
            ServerMessage::Account(told) => self.account_push(work, &told),
            ServerMessage::RoomPush(push) if state.is_online() => room::pushed(state, work, push, &frame.body),
            // A push of a later version.
            _ => Ok(()),
        }
    }

    fn receive(&mut self, work: &mut Work<'_>, parcel: Parcel) -> Result<(), EngineError> {
        if !self.state.is_logged_in() {
            return Ok(());
        }
        if inbox::receive(&mut self.state, parcel) {
            return Ok(());
        }
        connect::refuse(&mut self.state, work, Trouble::RelayBroken)
    }

    fn answer(&mut self, work: &mut Work<'_>, ask: Ask, message: ServerMessage) -> Result<(), EngineError> {
        if let ServerMessage::Refused(refusal) = &message {
            return self.refused(work, ask, refusal);
        }
        let state = &mut self.state;
        match (ask, message) {
            (Ask::Hello, ServerMessage::Ready { version, relay_key, challenge, signature, .. }) => {
                connect::greeted(state, work, &connect::Greeting { version, relay_key, challenge, signature })
            }
            (Ask::Register(command), ServerMessage::LoggedIn { pairs_left, .. }) => {
                enroll::registered(state, work)?;
                prekeys::upkeep(state, work, Some(pairs_left), Some(command))
            }
            (Ask::Proof(command), ServerMessage::LoggedIn { device, boot, step, pairs_left, list_seq, .. }) => {
                let entry = Entry { device, boot, step, pairs_left, list_seq };
                if connect::entered(state, work, entry, command)? { self.online(work) } else { Ok(()) }
            }
            (Ask::Boot, ServerMessage::Done {}) => self.online(work),
            (Ask::PreKeys { rotated, command }, ServerMessage::PreKeysStored { pairs_left }) => {
                prekeys::stored(state, work, (pairs_left, rotated), command)
            }
            (Ask::ClaimName(name), ServerMessage::Claimed { list, bundles }) => {
                let resolved = resolve::name_claimed(state, work, &name, (&list, &bundles))?;
                self.resolved(work, resolved)
            }
            (Ask::FindName(name), ServerMessage::Found { users }) => {
                resolve::name_found(state, work, &name, &users);
                Ok(())
            }
            (Ask::Lists(wanted), ServerMessage::Lists { lists }) => {
                let resolved = resolve::lists_came(state, work, wanted, &lists)?;
                self.resolved(work, resolved)
            }
            (Ask::Claim { lane, of }, ServerMessage::Claimed { list, bundles }) => {
                resolve::claimed(state, work, (lane, of), (&list, &bundles))
            }
            (Ask::Send { flight, .. }, ServerMessage::Accepted { .. }) => outbox::accepted(state, work, flight),
            (Ask::Send { flight, .. }, ServerMessage::StaleDevices { lists }) => {
                outbox::stale(state, work, flight, &lists)
            }
            (Ask::Entry(entry), ServerMessage::Done {}) => account::entrance::answered(work, &entry),
            (Ask::Errand(number), ServerMessage::Accepted { .. }) => heal::errands::accepted(state, work, number),
            (Ask::Renew, ServerMessage::Done {}) => {
                if heal::renew::stored(state, work)? {
                    self.renewed(work)
                } else {
                    Ok(())
                }
            }
            (Ask::Search(command), ServerMessage::Found { users }) => search::found(state, work, command, users),
            (Ask::Presence(command), ServerMessage::Done {}) => {
                command.into_iter().for_each(|command| work.reply(command, Reply::Done));
                Ok(())
            }
            (Ask::Logout(command), ServerMessage::Done {}) => {
                work.reply(command, Reply::Done);
                connect::close(state, work)
            }
            (Ask::Forget(command), ServerMessage::Done {}) => self.forgotten(work, command),
            (Ask::Contacts, ServerMessage::Done {}) | (Ask::Heartbeat, ServerMessage::Heartbeat {}) => Ok(()),
            // An answer that does not belong to its question.
            (ask, _) => {
                self.give_up(work, ask);
                connect::refuse(&mut self.state, work, Trouble::RelayBroken)
            }
        }
    }

    fn refused(&mut self, work: &mut Work<'_>, ask: Ask, refusal: &Refusal) -> Result<(), EngineError> {
        let state = &mut self.state;
        match ask {
            Ask::Register(command) => {
                enroll::refused(state, work, command, refusal);
                Ok(())
            }
            Ask::Proof(command) => connect::not_let_in(state, work, command, refusal),
            Ask::Hello | Ask::Boot => connect::close(state, work),
            Ask::ClaimName(name) | Ask::FindName(name) => {
                resolve::name_refused(state, work, &name, refusal);
                Ok(())
            }
            Ask::Lists(wanted) => {
                let resolved = resolve::lists_refused(state, work, wanted, refusal)?;
                self.resolved(work, resolved)
            }
            Ask::Claim { lane, .. } => {
                resolve::claim_refused(state, work, lane, refusal);
                Ok(())
            }
            Ask::Send { flight, .. } => outbox::refused(state, work, flight, refusal),
            Ask::Entry(entry) => account::entrance::refused(work, &entry, refusal),
            Ask::Errand(number) => heal::errands::refused(state, work, number, refusal),
            Ask::Renew => heal::renew::refused(state, work, refusal),
            Ask::Search(command) | Ask::Presence(Some(command)) | Ask::Forget(command) => {
                work.fail_with(command, Failure::from(refusal));
                Ok(())
            }
            Ask::Logout(command) => {
                work.reply(command, Reply::Done);
                connect::close(state, work)
            }
            Ask::PreKeys { command: Some(command), .. } => {
                state.enrolled(work, command);
                Ok(())
            }
            // The record and changes of the account have their own way.
            Ask::Room(_) => Ok(()),
            Ask::GetRecord | Ask::PutRecord(_) | Ask::Undertake(_) => Ok(()),
            Ask::PreKeys { .. } | Ask::Contacts | Ask::Presence(None) | Ask::Heartbeat => Ok(()),
        }
    }

    /// The boot id stands: everything flows.
    fn online(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        connect::online(&mut self.state, work)?;
        account::handover::go_on(&mut self.state, work)?;
        account::undertake::settle(&mut self.state, work)?;
        if self.state.renewal.is_some() {
            return Ok(());
        }
        let pairs_left = self.state.link.as_ref().and_then(|link| link.entry).map(|entry| entry.pairs_left);
        let registrant = self
            .state
            .enrolling
            .as_mut()
            .and_then(|enrolling| enrolling.command.take())
            .or_else(|| self.state.newcomer.take());
        prekeys::upkeep(&mut self.state, work, pairs_left, registrant)
    }

    /// A store that was an old copy becomes the next incarnation before anything is sealed.
    fn renew(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        if heal::renew::pump(&mut self.state, work)? { self.renewed(work) } else { Ok(()) }
    }

    /// The next incarnation: the relay has no keys of it yet, and its rooms are where the copy was.
    fn renewed(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        room::doubt_all(&mut self.state, work)?;
        self.publish(work)
    }

    /// The relay has no keys of this incarnation yet.
    fn publish(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        prekeys::upkeep(&mut self.state, work, Some(0), None)
    }

    /// Commands that waited for a name go on.
    fn resolved(&mut self, work: &mut Work<'_>, resolved: Option<resolve::Resolved>) -> Result<(), EngineError> {
        let Some(resolve::Resolved { account, wants }) = resolved else { return Ok(()) };
        for want in wants {
            match want {
                Want::Send(command, draft) => outbox::write(&mut self.state, work, command, account, draft)?,
                Want::Reserve(command, blob, key) => {
                    files::reserve(&self.state, work, command, &account, (&blob, &key))?;
                }
                Want::Invite(command, room) => room::invite(&mut self.state, work, command, (&room, account))?,
                Want::Block(command) => requests::block_account(&mut self.state, work, command, account)?,
                Want::Trust(command, question) => {
                    trust::answer(&mut self.state, work, command, (account, question))?;
                }
            }
        }
        Ok(())
    }

    fn forgotten(&mut self, work: &mut Work<'_>, command: CommandId) -> Result<(), EngineError> {
        leave::forgotten(&mut self.state, work, command);
        connect::close(&mut self.state, work)
    }

    /// Whoever waits for an answer that makes no sense gets none.
    fn give_up(&mut self, work: &mut Work<'_>, ask: Ask) {
        timers::timed_out(&mut self.state, work, ask);
    }

    fn wake(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        self.state.expire_messages(work)?;
        account::undertake::forget_told(&mut self.state, work);
        let due = timers::wake(&mut self.state, work);
        let mut broken = due.relay_silent;
        for ask in due.late {
            broken |= timers::timed_out(&mut self.state, work, ask);
        }
        if broken {
            return connect::close(&mut self.state, work);
        }
        if due.chores {
            prekeys::upkeep(&mut self.state, work, None, None)?;
            chores::clean_up(&mut self.state, work)?;
            room::tidy(&mut self.state, work)?;
            account::undertake::renew_list(&mut self.state, work)?;
        }
        heal::errands::retry(&mut self.state, work)?;
        outbox::retry(&mut self.state, work)
    }

    /// Opens what lies in the mailbox and acknowledges it with this very step.
    fn open_parcels(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        loop {
            while room::welcome_is_next(&self.state) {
                room::take_welcome(&mut self.state, work)?;
            }
            match inbox::next(&mut self.state, work)? {
                Some(inbox::Next::Content(received)) => self.content(work, *received)?,
                Some(inbox::Next::Dropped(from, trouble)) => heal::failed(&mut self.state, work, (from, trouble))?,
                None if room::welcome_is_next(&self.state) => {}
                None => break,
            }
        }
        inbox::acknowledge(&mut self.state, work);
        Ok(())
    }

    fn content(&mut self, work: &mut Work<'_>, received: inbox::Received) -> Result<(), EngineError> {
        let state = &mut self.state;
        if let Some(inbox::NameTaken(name)) = inbox::meet(state, work, &received)? {
            return search::alarm(state, work, &name);
        }
        let from = received.author.account;
        let content = received.body.content();
        if heal::heard(state, work, &received, &content)? {
            return Ok(());
        }
        if state.me.as_ref().is_some_and(|me| me.account() == from) {
            return self.own_word(work, &received, content);
        }
        inbox::note_place(state, work, &received)?;
        if !received.ephemeral {
            heal::fill(state, work, received.author, heal::Asking::OfGaps)?;
        }
        let is_typing = matches!(content, Content::Typing(_));
        let blocked = state.people.get(&from).is_none_or(|person| person.blocked);
        // Typing comes beside the mailbox, and nothing else does.
        if is_typing != received.ephemeral {
            return Ok(());
        }
        match content {
            // Kept for the day the block is taken back.
            Content::Accepted => requests::accepted(state, work, from),
            _ if blocked => Ok(()),
            Content::Text(_) | Content::File(_) | Content::Unknown => inbox::message(state, work, received, content),
            Content::Receipt(receipt) => receipts::apply(state, work, from, &receipt),
            Content::Typing(typing) => {
                presence::typed(state, work, from, &typing);
                Ok(())
            }
            Content::Profile(profile) => presence::learned(state, work, from, profile),
            // Only own devices say these, and not here.
            Content::OwnState(_)
            | Content::OwnRead(_)
            | Content::HistoryAsk(_)
            | Content::HistoryPart(_)
            | Content::HistoryRefusal(_) => Ok(()),
            Content::Gone => requests::gone(state, work, from),
            Content::Edit(_) | Content::Deletion(_) | Content::Reaction(_) => {
                amend::heard(state, work, received.doer(), (from, content))?;
                state.schedule_receipt(work, from);
                Ok(())
            }
            Content::Hiding(_)
            | Content::Empty
            | Content::Sync(_)
            | Content::Probe(_)
            | Content::Echo(_)
            | Content::Resend(_) => Ok(()),
        }
    }
}
