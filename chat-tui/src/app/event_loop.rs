//! The loop: what happens becomes a message, messages change the model, the model becomes a frame.
//! Frames are at most 60 a second, and none is drawn when nothing changed; when nothing happens,
//! nothing wakes.

use std::time::Duration;

use anyhow::Context as _;
use chat_client::Events;
use crossterm::event::EventStream;
use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::effects::Hands;
use super::stage::{Stage, StageEvent};
use super::terminal::Terminal;
use super::{intake, keys, requests, take_in};
use crate::keymap::Key;
use crate::model::{Effect, Model, Msg, Screen, Timer};
use crate::text::SafeText;
use crate::view::LayoutCache;

/// Least time between two frames: 60 a second are as many as a person sees.
const FRAME: Duration = Duration::from_millis(16);

/// Messages taken in before a frame is drawn: a flood must not starve the screen.
const BATCH_MAX: usize = 512;

/// Time for the client to take the last drafts when the program ends.
const LAST_WORDS: Duration = Duration::from_millis(800);

/// Everything that runs.
pub(super) struct EventLoop {
    model: Model,
    terminal: Terminal,
    hands: Hands,
    messages: UnboundedReceiver<Msg>,
    events: Option<Events>,
    input: JoinHandle<()>,
    stage: Stage,
    cache: LayoutCache,
    drawn: Option<Instant>,
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.input.abort();
    }
}

/// Reads the terminal. One task is the only one that ever waits for it: the stream remembers the first
/// waker that asked, so a second one would never be woken.
async fn read_input(hands: Hands) {
    let mut input = EventStream::new();
    while let Some(Ok(event)) = input.next().await {
        keys::message(event).into_iter().for_each(|msg| hands.tell(msg));
    }
    // The terminal is gone.
    hands.tell(Msg::End);
}

/// What happened.
enum Happened {
    Msg(Msg),
    Msgs(Vec<Msg>),
    Stage(StageEvent),
    Panicked,
    ClientGone,
    FrameDue,
}

impl EventLoop {
    pub(super) fn new(
        mut model: Model,
        terminal: Terminal,
        hands: Hands,
        messages: UnboundedReceiver<Msg>,
        events: Events,
    ) -> anyhow::Result<Self> {
        let stage = Stage::listen().context("signals can't be listened to")?;
        model.size = terminal.size();
        let input = tokio::spawn(read_input(hands.clone()));
        let cache = LayoutCache::default();
        let mut run = Self { model, terminal, hands, messages, events: Some(events), input, stage, cache, drawn: None };
        let (columns, rows) = run.model.size;
        run.take(Msg::Resize(columns, rows));
        run.take(Msg::Timer(Timer::Midnight));
        Ok(run)
    }

    /// Keys that were pressed before the loop ran.
    pub(super) fn type_ahead(&mut self, keys: Vec<Key>) {
        self.ahead(keys);
    }

    fn ahead(&mut self, keys: Vec<Key>) {
        for key in keys {
            self.hands.tell(Msg::Key(key));
        }
    }

    /// Takes in what the store holds, so that the first frame shows it.
    pub(super) async fn wait_for_start(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut typed = Vec::new();
        while let Ok(Some(msg)) = tokio::time::timeout_at(until, self.messages.recv()).await {
            let started = matches!(msg, Msg::Started(_));
            match msg {
                Msg::Key(_) => typed.push(msg),
                msg => self.take(msg),
            }
            if started {
                break;
            }
        }
        for msg in typed {
            self.take(msg);
        }
    }

    /// Tells something on the screen.
    pub(super) fn say(&mut self, text: &str) {
        self.take(Msg::Say(SafeText::line(text)));
    }

    /// Runs until the end.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        while !self.model.quitting {
            self.draw_if_due()?;
            match self.next().await {
                Happened::Msg(msg) => self.take(msg),
                Happened::Msgs(all) => all.into_iter().for_each(|msg| self.take(msg)),
                Happened::Stage(event) => self.on_stage(event)?,
                Happened::FrameDue => {}
                Happened::Panicked => anyhow::bail!("an internal error ended the program; what was stored is safe"),
                Happened::ClientGone => self.client_gone(),
            }
            self.take_waiting();
        }
        self.last_words().await;
        Ok(())
    }

    async fn next(&mut self) -> Happened {
        let due = self.frame_due();
        let panicked = std::sync::Arc::clone(&self.terminal.panicked);
        let events = &mut self.events;
        tokio::select! {
            biased;
            () = panicked.notified() => Happened::Panicked,
            event = self.stage.next() => Happened::Stage(event),
            Some(msg) = self.messages.recv() => Happened::Msg(msg),
            event = async { match events { Some(events) => events.next().await, None => std::future::pending().await } } => {
                event.map_or(Happened::ClientGone, |event| Happened::Msgs(intake::message(event)))
            }
            () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => Happened::FrameDue,
        }
    }

    /// Takes in what is there already, so that a burst costs one frame.
    fn take_waiting(&mut self) {
        for _ in 0..BATCH_MAX {
            match self.messages.try_recv() {
                Ok(msg) if !self.model.quitting => self.take(msg),
                _ => return,
            }
        }
    }

    /// When the next frame may be drawn; none when nothing changed.
    fn frame_due(&self) -> Option<Instant> {
        self.model.redraw.then(|| self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME))
    }

    fn draw_if_due(&mut self) -> anyhow::Result<()> {
        if self.frame_due().is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        let size = self.terminal.size();
        if size != self.model.size {
            self.take(Msg::Resize(size.0, size.1));
        }
        self.model.redraw = false;
        let shown = self.terminal.draw(&self.model, &mut self.cache).context("the terminal is gone")?;
        self.drawn = Some(Instant::now());
        self.take(Msg::Shown(shown));
        Ok(())
    }

    /// Takes a message in and carries its effects out.
    fn take(&mut self, msg: Msg) {
        for effect in take_in(&mut self.model, msg) {
            match effect {
                Effect::Client(request) => self.hands.perform(request),
                Effect::After { ms, timer } => self.later(ms, timer),
                // A clipboard or a screen that can't be written is found out by the next frame.
                Effect::Copy(text) => drop(self.terminal.copy(&text)),
                Effect::Redraw => drop(self.terminal.clear()),
                Effect::Suspend => self.terminal.suspend(),
                Effect::Quit => self.model.quitting = true,
            }
        }
    }

    fn later(&self, ms: u64, timer: Timer) {
        let hands = self.hands.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            hands.tell(Msg::Timer(timer));
        });
    }

    fn on_stage(&mut self, event: StageEvent) -> anyhow::Result<()> {
        match event {
            StageEvent::End => self.take(Msg::End),
            StageEvent::Suspend => self.terminal.suspend(),
            StageEvent::Awake => {
                self.terminal.take().context("the terminal is gone")?;
                self.take(Msg::Woken);
            }
        }
        Ok(())
    }

    /// The client ended by itself: its store failed. What is on the screen stays readable.
    fn client_gone(&mut self) {
        self.events = None;
        if !matches!(self.model.screen, Screen::Door(_)) {
            self.say("The store on this device failed; quit and start again.");
        }
    }

    /// The terminal is given back at once; drafts still reach the disk.
    async fn last_words(&mut self) {
        self.terminal.give_back();
        let left: Vec<_> = requests(take_in(&mut self.model, Msg::End)).collect();
        left.into_iter().for_each(|request| self.hands.perform(request));
        let closing = self.hands.close();
        let _ = tokio::time::timeout(LAST_WORDS, closing).await;
    }
}
