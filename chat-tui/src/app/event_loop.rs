//! The loop: what happens becomes a message, messages change the model, the model becomes a frame.
//! Frames are at most 60 a second, and none is drawn when nothing changed; when nothing happens,
//! nothing wakes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use chat_client::Events;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep_until};

use super::effects::Hands;
use super::input::Heard;
use super::stage::{Stage, StageEvent};
use super::terminal::Terminal;
use super::{host, input, intake, requests, take_in};
use crate::model::{Configured, Effect, Model, Msg, Screen, Timer};
use crate::text::SafeText;
use crate::theme::{Theme, Tone};
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
    input: UnboundedReceiver<Option<Heard>>,
    stage: Stage,
    cache: LayoutCache,
    drawn: Option<Instant>,
    /// The configuration comes from the person's file, which was last written then; held while it is looked at.
    reads_file: bool,
    written: Arc<Mutex<Option<SystemTime>>>,
    /// The ground that the terminal answered.
    tone: Option<Tone>,
    /// Columns that it answered behind the samples.
    columns: Vec<u16>,
    /// Protocols for pictures that it answered to know.
    able: host::Able,
}

/// What happened.
enum Happened {
    Heard(Option<Heard>),
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
        let (tell, input) = mpsc::unbounded_channel();
        input::listen(move |heard| tell.send(heard).is_ok()).context("the terminal can't be read")?;
        model.size = terminal.size();
        let cache = LayoutCache::default();
        let mut run = Self {
            model,
            terminal,
            hands,
            messages,
            events: Some(events),
            input,
            stage,
            cache,
            drawn: None,
            reads_file: true,
            written: Arc::new(Mutex::new(host::written())),
            tone: None,
            columns: Vec::new(),
            able: host::Able::default(),
        };
        let (columns, rows) = run.model.size;
        run.take(Msg::Resize(columns, rows));
        run.take(Msg::Timer(Timer::Midnight));
        run.choose_graphics();
        Ok(run)
    }

    /// Takes in what the store holds and what the terminal answers, so that the first frame is right.
    /// What was typed meanwhile comes after it.
    pub(super) async fn wait_for_start(&mut self, store: Duration, terminal: Duration) {
        let now = Instant::now();
        let (stored_by, answered_by) = (now + store, now + terminal);
        let mut typed = Vec::new();
        let (mut started, mut answered) = (false, false);
        while !(started && answered) {
            tokio::select! {
                () = sleep_until(if started { answered_by } else { stored_by }) => break,
                Some(msg) = self.messages.recv() => {
                    started |= matches!(msg, Msg::Started(_));
                    self.take(msg);
                }
                Some(heard) = self.input.recv() => {
                    answered |= matches!(heard, Some(Heard::Identity { .. }));
                    match heard {
                        Some(
                            Heard::Background(_)
                            | Heard::TellsKeysApart
                            | Heard::Column(_)
                            | Heard::ShowsPictures
                            | Heard::Identity { .. },
                        ) => self.on_heard(heard),
                        other => typed.push(other),
                    }
                }
            }
        }
        typed.into_iter().for_each(|heard| self.on_heard(heard));
    }

    /// The configuration was given and lies in no file.
    pub(super) fn configured_for_good(&mut self) {
        self.reads_file = false;
    }

    /// Tells something on the screen.
    pub(super) fn say(&mut self, text: &str) {
        self.take(Msg::Say(SafeText::line(text)));
    }

    /// Runs until the end.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        while !self.model.quitting {
            self.draw_if_due();
            match self.next().await {
                Happened::Heard(heard) => self.on_heard(heard),
                Happened::Msgs(all) => all.into_iter().for_each(|msg| self.take(msg)),
                Happened::Stage(event) => self.on_stage(event),
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
        let panicked = Arc::clone(&self.terminal.panicked);
        let events = &mut self.events;
        tokio::select! {
            biased;
            () = panicked.notified() => Happened::Panicked,
            event = self.stage.next() => Happened::Stage(event),
            Some(heard) = self.input.recv() => Happened::Heard(heard),
            Some(msg) = self.messages.recv() => Happened::Msgs(vec![msg]),
            event = async { match events { Some(events) => events.next().await, None => std::future::pending().await } } => {
                event.map_or(Happened::ClientGone, |event| Happened::Msgs(intake::message(event)))
            }
            () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => Happened::FrameDue,
        }
    }

    /// Takes in what is there already, so that a burst costs one frame.
    fn take_waiting(&mut self) {
        for _ in 0..BATCH_MAX {
            if self.model.quitting {
                return;
            }
            if let Ok(heard) = self.input.try_recv() {
                self.on_heard(heard);
            } else if let Ok(msg) = self.messages.try_recv() {
                self.take(msg);
            } else {
                return;
            }
        }
    }

    /// When the next frame may be drawn; none when nothing changed.
    fn frame_due(&self) -> Option<Instant> {
        self.model.redraw.then(|| self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME))
    }

    fn draw_if_due(&mut self) {
        if self.frame_due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        let size = self.terminal.size();
        if size != self.model.size {
            self.take(Msg::Resize(size.0, size.1));
        }
        self.model.redraw = false;
        match self.terminal.draw(&self.model, &mut self.cache) {
            Ok(shown) => self.take(Msg::Shown(shown)),
            // The terminal is gone: nobody is there to be told.
            Err(_) => self.take(Msg::End),
        }
        self.drawn = Some(Instant::now());
    }

    /// Takes a message in and carries its effects out.
    fn take(&mut self, msg: Msg) {
        let configured = matches!(msg, Msg::Configured(_));
        for effect in take_in(&mut self.model, msg) {
            match effect {
                Effect::Client(request) => self.hands.perform(request),
                Effect::After { ms, timer } => self.later(ms, timer),
                // A clipboard or a screen that can't be written is found out by the next frame.
                Effect::Copy(text) => drop(self.terminal.copy(&text)),
                Effect::Notify(text) => self.notify(&text),
                Effect::Reload { asked } => self.reload(asked),
                // A terminal that is gone is found out by the next frame.
                Effect::Mouse(ours) => drop(self.terminal.obey(ours, host::links(&self.model.config))),
                Effect::Redraw => drop(self.terminal.clear()),
                Effect::Suspend => self.terminal.suspend(),
                Effect::Quit => self.model.quitting = true,
            }
        }
        if configured {
            self.choose_graphics();
            let config = &self.model.config;
            // A terminal that is gone is found out by the next frame.
            let _ = self.terminal.obey(config.ui.mouse && !self.model.bare, host::links(config));
            self.hands.set_downloads(host::downloads(config));
        }
    }

    /// Pictures are drawn as well as the terminal can, or as was chosen.
    fn choose_graphics(&mut self) {
        let wanted = host::graphics(&self.model.config, self.model.theme.depth(), self.able);
        if self.model.graphics != wanted {
            self.model.graphics = wanted;
            self.model.redraw = true;
        }
    }

    fn notify(&mut self, text: &SafeText) {
        let note = host::notes(self.model.config.notify.via).then_some(text);
        // A terminal that is gone is found out by the next frame.
        let _ = self.terminal.notify(note);
    }

    /// Reads the configuration again when it was written since, or when that is asked for. A home directory
    /// that does not answer holds up no key, and is asked once at a time.
    fn reload(&self, asked: bool) {
        if !self.reads_file {
            return;
        }
        let Ok(mut before) = Arc::clone(&self.written).try_lock_owned() else { return };
        let (hands, tone) = (self.hands.clone(), self.tone);
        drop(tokio::task::spawn_blocking(move || {
            let written = host::written();
            if !asked && written == *before {
                return;
            }
            *before = written;
            let host::Settings { config, keymap, look, complaints } = host::settings(None);
            let theme = Theme::new(host::tone(&config, tone).unwrap_or(look.tone), look.depth);
            hands.tell(Msg::Configured(Box::new(Configured { config, keymap, theme, complaints })));
        }));
    }

    fn later(&self, ms: u64, timer: Timer) {
        let hands = self.hands.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            hands.tell(Msg::Timer(timer));
        });
    }

    fn on_heard(&mut self, heard: Option<Heard>) {
        match heard {
            Some(Heard::Key(key)) => self.take(Msg::Key(key)),
            Some(Heard::Paste(text)) => self.take(Msg::Paste(text)),
            Some(Heard::Pointer(pointer)) => self.take(Msg::Pointer(pointer)),
            Some(Heard::Focus(focused)) => self.take(Msg::Focus(focused)),
            Some(Heard::TellsKeysApart) => self.terminal.tell_keys_apart(),
            Some(Heard::Column(column)) => self.columns.push(column),
            Some(Heard::Background(tone)) => {
                self.tone = Some(tone);
                let tone = host::tone(&self.model.config, Some(tone)).unwrap_or(tone);
                self.model.theme = Theme::new(tone, self.model.theme.depth());
                self.model.redraw = true;
            }
            // The last of its answers.
            Some(Heard::Identity { sixels }) => {
                self.able.sixels = sixels && self.terminal.cell_pixels().is_some();
                self.choose_graphics();
                self.terminal.measured(&std::mem::take(&mut self.columns));
            }
            Some(Heard::ShowsPictures) => self.able.kitty = true,
            // The terminal is gone.
            None => self.take(Msg::End),
        }
    }

    fn on_stage(&mut self, event: StageEvent) {
        match event {
            StageEvent::End => self.take(Msg::End),
            StageEvent::Suspend => self.terminal.suspend(),
            // The next frame looks how big it is.
            StageEvent::Resized => self.model.redraw = true,
            // A terminal that hangs up wakes its programs too: then it is gone, and that is an end like any other.
            StageEvent::Awake => {
                let back = self.terminal.take().is_ok();
                self.take(if back { Msg::Woken } else { Msg::End });
            }
        }
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
