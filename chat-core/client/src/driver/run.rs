//! The loop: what has queued up is done in one transaction, then everything that came of it is let out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_core::engine::{
    AccountCommand, Amendment, Change, Command, CommandId, Event, Failure, FailureKind, Input, NoticeKind, Output,
    Reply, Route, Trouble,
};
use chat_core::time::Timestamp;
use chat_wire::frame::ClientFrame;
use chat_wire::ids::{DeviceId, MessageId};
use chat_wire::message::ClientMessage;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use super::alarm::Alarm;
use super::core::{Core, Fault};
use super::line::{Line, Noted};
use super::mailbox::{Answer, Held, Task};
use super::outlet::Outlet;
use super::{Arrival, Tidings};
use crate::clock;
use crate::config::Pin;
use crate::event::{ClientEvent, OfflineReason};
use crate::link::LinkEvent;
use crate::request::HistoryPart;
use crate::store::Settings;

/// Inputs of each kind in one transaction: bounds how long a reader waits behind a flood.
const MOVES_MAX: usize = 32;

/// Time until notices that were taken are forgotten on disk: several share the sync.
const ACK_PAUSE: Duration = Duration::from_millis(500);

/// Time for the connection to write what waits when the client closes.
const CLOSE_MOMENT: Duration = Duration::from_millis(100);

/// Pause before an engine that could not be opened again is tried once more, doubling up to the maximum.
const REOPEN_PAUSE_MIN: Duration = Duration::from_secs(1);
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(30);

/// One thing to do.
enum Move {
    Task(Task),
    Link(LinkEvent),
    Timer,
}

/// What waits for the transaction.
enum Effect {
    Outputs(Vec<Output>),
    Answer(Held),
}

/// The owner of engine, store and connection.
pub(super) struct Driver {
    core: Core,
    line: Line,
    outlet: Outlet,
    /// Settings as stored.
    saved: Settings,
    pending: BTreeMap<CommandId, Answer<Reply>>,
    commands: u64,
    wake: Option<Timestamp>,
    /// Highest notice that the reader is done with; none when only `ack` says so.
    taken: Option<Arc<AtomicU64>>,
    /// Where transfers are told what they have to know.
    told: mpsc::UnboundedSender<Tidings>,
    acknowledged: u64,
    ack_at: Option<Instant>,
    /// What other own devices are to be given of the history.
    wanted: VecDeque<(DeviceId, Option<i64>)>,
    /// When a lost engine is tried again, and the pause after that.
    reopen: Option<(Instant, Duration)>,
    fault: FailureKind,
    /// Who waits for the end.
    closing: Vec<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn new(
        core: Core,
        line: Line,
        (taken, told): (Option<Arc<AtomicU64>>, mpsc::UnboundedSender<Tidings>),
    ) -> Self {
        let saved = line.settings.clone();
        Self {
            core,
            line,
            outlet: Outlet::new(),
            saved,
            pending: BTreeMap::new(),
            commands: 0,
            wake: None,
            taken,
            told,
            acknowledged: 0,
            ack_at: None,
            wanted: VecDeque::new(),
            reopen: None,
            fault: FailureKind::Io,
            closing: Vec::new(),
        }
    }

    /// Works until it is closed or nobody is left; returns who waits for the end. `opened` is what the
    /// engine said when it was opened.
    pub(super) async fn run(
        mut self,
        mut tasks: mpsc::UnboundedReceiver<Task>,
        opened: Vec<Output>,
    ) -> Vec<oneshot::Sender<()>> {
        let mut alarm = Alarm::new();
        self.release(opened);
        while self.closing.is_empty() {
            let deadline = self.deadline();
            let first = tokio::select! {
                biased;
                first = next(&mut tasks, &mut self.line) => first,
                () = alarm.at(deadline) => Some(Move::Timer),
            };
            let Some(first) = first else { break };
            let moves = self.gather(first, &mut tasks);
            self.turn(moves);
            // The connection shares this thread: its turn, before the next of ours.
            yield_now().await;
        }
        self.acknowledge_at_end();
        self.line.end(CLOSE_MOMENT).await;
        self.closing
    }

    /// What has queued up behind the first.
    fn gather(&mut self, first: Move, tasks: &mut mpsc::UnboundedReceiver<Task>) -> Vec<Move> {
        let mut moves = vec![first];
        let waiting = std::iter::from_fn(|| tasks.try_recv().ok());
        moves.extend(waiting.take(MOVES_MAX).map(Move::Task));
        let waiting = std::iter::from_fn(|| self.line.try_next());
        moves.extend(waiting.take(MOVES_MAX).map(Move::Link));
        moves
    }

    /// One transaction.
    fn turn(&mut self, moves: Vec<Move>) {
        let mut effects = Vec::new();
        let mut done = self.core.store.begin().map_err(Fault::from);
        for this in moves {
            let step = self.step(this, &mut effects);
            done = done.and(step);
        }
        let stored = done.and_then(|()| self.save()).and_then(|()| Ok(self.core.store.commit()?));
        match stored {
            Ok(()) => self.let_out(effects),
            Err(fault) => self.undo(effects, fault),
        }
        self.settle();
    }

    fn step(&mut self, this: Move, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match this {
            Move::Task(task) => self.task(task, effects),
            Move::Link(event) => {
                let noted = self.line.note(event);
                self.noted(noted, effects)
            }
            Move::Timer => self.timer(effects),
        }
    }

    fn task(&mut self, task: Task, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match task {
            Task::Command(command, answer) => return self.command(command, answer, effects),
            Task::Amend(id, change, answer) => return self.amend((id, change), answer, effects),
            Task::Query(query, answer) => {
                let result = self.core.query(query).map_err(|fault| Failure::of(self.kind(fault)));
                effects.push(held(answer, result));
            }
            Task::Work(work) => effects.push(Effect::Answer(work(&self.core.store))),
            Task::Pull(reader) => self.outlet.pull(reader),
            Task::Relay(relay, answer) => {
                let enrolled = self.core.status().enrolled;
                self.line.move_to(relay, enrolled);
                effects.push(held(answer, Ok(())));
            }
            Task::Trust(pin, answer) => effects.push(held(answer, self.trust(pin))),
            Task::Announce(event) => self.outlet.push(event),
            Task::Close(done) => self.closing.push(done),
        }
        Ok(())
    }

    fn command(&mut self, command: Command, answer: Answer<Reply>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if !self.core.has_engine() {
            effects.push(held(answer, Err(Failure::of(self.fault))));
            return Ok(());
        }
        if let Err(failure) = self.answered(&command) {
            effects.push(held(answer, Err(failure)));
            return Ok(());
        }
        self.commands = self.commands.saturating_add(1);
        let number = CommandId(self.commands);
        self.pending.insert(number, answer);
        self.handle(Input::Command(number, command), effects)
    }

    /// What a message answers lies in its conversation, which only the history knows.
    fn answered(&self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Send { to, reply_to: Some(id), .. } if self.core.status().logged_in => {
                let with = to.to_ascii_lowercase();
                let found = self.core.store.history(&with, HistoryPart::Before(*id), 0);
                found.map(drop).map_err(|error| Failure::of(error.kind()))
            }
            _ => Ok(()),
        }
    }

    /// The history knows where a message lies, the engine what may become of it.
    fn amend(
        &mut self,
        (id, change): (MessageId, Change),
        answer: Answer<Reply>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        if !self.core.status().logged_in {
            effects.push(held(answer, Err(Failure::of(FailureKind::NotLoggedIn))));
            return Ok(());
        }
        match self.core.store.conversation_of(&id) {
            Ok(conversation) => self.command(Command::Amend(Amendment { conversation, id, change }), answer, effects),
            Err(error) => {
                effects.push(held(answer, Err(Failure::of(error.kind()))));
                Ok(())
            }
        }
    }

    fn trust(&mut self, pin: Pin) -> Result<(), Failure> {
        if self.line.trust(pin) { Ok(()) } else { Err(Failure::of(FailureKind::CertificateChanged)) }
    }

    fn timer(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if self.wake.is_some_and(|wake| wake <= clock::now()) {
            self.wake = None;
            self.handle(Input::Wake, effects)?;
        }
        self.give(effects)
    }

    /// Gives another own device one piece of the history; others wait for their turn.
    fn give(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some((device, before)) = self.wanted.pop_front().filter(|_| self.core.has_engine()) else { return Ok(()) };
        let piece = self.core.store.piece(device, before)?;
        self.commands = self.commands.saturating_add(1);
        let command = Command::Account(AccountCommand::GiveHistory(piece));
        self.handle(Input::Command(CommandId(self.commands), command), effects)
    }

    fn noted(&mut self, noted: Noted, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if let Some(event) = noted.event {
            self.outlet.push(event);
        }
        match noted.input {
            // Nobody is there to talk to the relay.
            Some(_) if !self.core.has_engine() => self.line.close_all(),
            Some(input) => self.handle(input, effects)?,
            None => {}
        }
        Ok(())
    }

    fn handle(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        effects.push(Effect::Outputs(self.core.handle(input)?));
        Ok(())
    }

    /// Stores what belongs to no step: settings, and that notices were taken.
    fn save(&mut self) -> Result<(), Fault> {
        if self.line.settings != self.saved {
            self.core.store.set_settings(&self.line.settings)?;
        }
        if self.ack_at.is_some_and(|at| at <= Instant::now()) {
            self.ack_at = None;
            let taken = self.taken();
            if taken > self.acknowledged {
                self.core.store.acknowledge(taken)?;
                self.acknowledged = taken;
            }
        }
        Ok(())
    }

    /// What was done is durable: everybody may know.
    fn let_out(&mut self, effects: Vec<Effect>) {
        self.saved.clone_from(&self.line.settings);
        if self.core.take_erased() {
            self.acknowledged = 0;
            self.outlet.restart();
            // A client that closes has stopped its transfers already.
            let _ = self.told.send(Tidings::Erased);
            if let Err(error) = self.core.store.compact() {
                tracing::warn!(%error, "the space of what was erased was not returned");
            }
        }
        let mut outputs = Vec::new();
        for effect in effects {
            match effect {
                Effect::Outputs(some) => outputs.extend(some),
                Effect::Answer(answer) => answer(Ok(())),
            }
        }
        self.release(outputs);
    }

    /// Nothing of it happened: the engine starts again from what is stored.
    fn undo(&mut self, effects: Vec<Effect>, fault: Fault) {
        tracing::warn!(%fault, "a step was not stored");
        self.core.store.roll_back();
        self.core.take_erased();
        let failure = Failure::of(self.kind(fault));
        self.fault = failure.kind;
        for effect in effects {
            if let Effect::Answer(answer) = effect {
                answer(Err(failure.clone()));
            }
        }
        for (_, answer) in std::mem::take(&mut self.pending) {
            // Nobody waits any more: then nobody misses the answer.
            let _ = answer.send(Err(failure.clone()));
        }
        self.line.close_all();
        self.wake = None;
        // Said again by the engine that opens.
        self.wanted.clear();
        // Perhaps it was among what did not happen: done once more, it changes nothing.
        self.acknowledged = 0;
        self.open_again(REOPEN_PAUSE_MIN);
    }

    fn open_again(&mut self, pause: Duration) {
        match self.core.open() {
            Ok(outputs) => {
                self.reopen = None;
                self.release(outputs);
            }
            Err(fault) => {
                tracing::warn!(%fault, "the engine could not be opened again");
                self.fault = fault.kind();
                let after = (pause * 2).min(REOPEN_PAUSE_MAX);
                self.reopen = Instant::now().checked_add(pause).map(|at| (at, after));
            }
        }
    }

    /// What every turn ends with.
    fn settle(&mut self) {
        if let Some((at, pause)) = self.reopen
            && at <= Instant::now()
        {
            self.open_again(pause);
        }
        if self.taken() > self.acknowledged && self.ack_at.is_none() {
            self.ack_at = Instant::now().checked_add(ACK_PAUSE);
        }
        if let Err(error) = self.outlet.serve(&self.core.store) {
            tracing::warn!(%error, "notices could not be read");
        }
    }

    /// Acts upon outputs whose steps are durable.
    fn release(&mut self, outputs: Vec<Output>) {
        let mut ack: Option<(Route, ClientFrame)> = None;
        let mut login_changed = false;
        for output in outputs {
            match output {
                // Acknowledgements are cumulative: the last one says it all.
                Output::Transmit(route, frame) if matches!(frame.message, ClientMessage::Ack { .. }) => {
                    if let Some((other, earlier)) = ack.replace((route, frame))
                        && other != route
                    {
                        self.line.transmit(other, earlier);
                    }
                }
                Output::Transmit(route, frame) => self.line.transmit(route, frame),
                Output::Close(route) => {
                    if let Some((route, frame)) = ack.take() {
                        self.line.transmit(route, frame);
                    }
                    self.line.close(route);
                }
                Output::Reply(number, result) => {
                    login_changed |= result.is_ok();
                    if let Some(answer) = self.pending.remove(&number) {
                        // Nobody waits any more: then nobody misses the answer.
                        let _ = answer.send(result);
                    }
                }
                Output::Event(event) => self.event(event),
                Output::Notice(notice) => {
                    login_changed |= matches!(notice.kind, NoticeKind::LoggedOut { .. });
                    if let Some(arrival) = Arrival::of(&notice) {
                        // Nobody fetches any more when the client closes; the next run looks at the notices.
                        let _ = self.told.send(Tidings::File(arrival));
                    }
                    self.outlet.push_notice(notice);
                }
                Output::WakeAt(at) => self.wake = Some(at),
            }
        }
        if let Some((route, frame)) = ack {
            self.line.transmit(route, frame);
        }
        if login_changed {
            self.line.want(self.core.status().logged_in);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Greeted { route, relay, challenge } => {
                if let Some(event) = self.line.greeted(route, (relay, challenge)).event {
                    self.outlet.push(event);
                }
            }
            Event::Trouble(trouble) => {
                tracing::info!(?trouble, "the engine dealt with something");
                match trouble {
                    Trouble::RelayKeyChanged => self.line.refuse(OfflineReason::CertificateChanged),
                    Trouble::RelayBroken => self.line.refuse(OfflineReason::Protocol),
                    _ => {}
                }
            }
            Event::HistoryWanted { device, before } => self.wanted.push_back((device, before)),
            event => self.outlet.push(ClientEvent::Event(event)),
        }
    }

    /// When something is due without anybody asking.
    fn deadline(&self) -> Option<Instant> {
        let wake = self.wake.and_then(|wake| {
            let delay = Duration::from_millis(wake.ms_since(clock::now()));
            Instant::now().checked_add(delay)
        });
        let piece = (!self.wanted.is_empty()).then(Instant::now);
        [wake, piece, self.ack_at, self.reopen.map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// The last notices that were taken: an orderly end repeats none.
    fn acknowledge_at_end(&mut self) {
        let taken = self.taken();
        if taken > self.acknowledged
            && let Err(error) = self.core.store.acknowledge(taken)
        {
            tracing::warn!(%error, "taken notices will be told again");
        }
    }

    /// Highest notice that the reader is done with; never one that it was not given, whatever it read
    /// before the profile was erased.
    fn taken(&self) -> u64 {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.load(Ordering::Acquire));
        taken.min(self.outlet.delivered())
    }

    /// What a fault is called: without an engine, what took it.
    fn kind(&self, fault: Fault) -> FailureKind {
        match fault {
            Fault::NoEngine => self.fault,
            fault => fault.kind(),
        }
    }
}

/// An answer that waits for the transaction.
fn held<T: Send + 'static>(answer: Answer<T>, result: Result<T, Failure>) -> Effect {
    Effect::Answer(Box::new(move |stored| {
        // Nobody waits any more: then nobody misses the answer.
        let _ = answer.send(stored.and(result));
    }))
}

/// The next thing to do; none when every handle is gone. Tasks come first: somebody waits for them.
async fn next(tasks: &mut mpsc::UnboundedReceiver<Task>, line: &mut Line) -> Option<Move> {
    tokio::select! {
        biased;
        task = tasks.recv() => task.map(Move::Task),
        Some(event) = line.next() => Some(Move::Link(event)),
    }
}
