//! The program around the model: the terminal, the event loop, and the client behind the effects. The
//! only part that does I/O.

mod effects;
mod event_loop;
mod graphics;
mod host;
mod input;
mod intake;
mod painter;
pub mod plain;
mod stage;
mod terminal;
mod widths;

use std::time::Duration;

use anyhow::Context as _;
use chat_client::{Client, Events};
use tokio::sync::mpsc;

use crate::model::{Effect, Home, Model, Msg, Name, Request};
use crate::theme::Theme;
use crate::update;
use effects::Hands;
use event_loop::EventLoop;
use input::Heard;
use terminal::Terminal;

/// How the terminal interface starts.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A person without an account is asked to register first, not to sign in.
    pub register: bool,
    /// Names worth a first chat, shown while there is none.
    pub suggested: Vec<String>,
    /// The text of the configuration file, instead of the one in the person's directory.
    pub config: Option<String>,
}

/// How long the first frame waits for the store: it answers within this time unless something is slow, and
/// a frame without it would only flash.
const STORE_WAIT: Duration = Duration::from_millis(40);

/// How long it waits for the terminal: one on the same machine answers in a few milliseconds, and a person
/// waits for one that does not answer at every start.
const TERMINAL_WAIT: Duration = Duration::from_millis(15);

/// Runs the terminal interface until the person quits or the process is asked to end. The terminal is
/// given back as it was, whatever happens.
///
/// # Errors
/// When there is no terminal, or a part of the program failed.
pub async fn run(client: Client, events: Events, options: Options) -> anyhow::Result<()> {
    let host::Settings { config, keymap, look, complaints } = host::settings(options.config.as_deref());
    let mut terminal =
        Terminal::open(config.ui.mouse).context("chat-tui needs a terminal; `chat-tui rpc` works without one")?;
    terminal.obey(config.ui.mouse, host::links(&config))?;
    // Where links are not marked, the question about pictures would be printed as well.
    terminal.ask(host::links(&config))?;

    let mut model = Model::new(config, keymap, Theme::new(look.tone, look.depth));
    model.home = Home { register: options.register, device: host::device_name() };
    model.suggested = options.suggested.iter().map(|n| Name::new(n)).collect();
    let (inbox, messages) = mpsc::unbounded_channel();
    client.set_downloads(host::downloads(&model.config));
    let hands = Hands::new(client, inbox);
    hands.perform(Request::Start);

    let mut run = EventLoop::new(model, terminal, hands, messages, events)?;
    if options.config.is_some() {
        run.configured_for_good();
    }
    run.wait_for_start(STORE_WAIT, TERMINAL_WAIT).await;
    for complaint in complaints {
        run.say(&complaint);
    }
    run.run().await
}

/// What bytes of a terminal mean to the interface, as far as they are whole.
#[must_use]
pub fn hear(bytes: &[u8]) -> Vec<Msg> {
    let heard = input::take_apart(bytes).into_iter();
    heard
        .filter_map(|heard| match heard {
            Heard::Key(key) => Some(Msg::Key(key)),
            Heard::Paste(text) => Some(Msg::Paste(text)),
            Heard::Pointer(pointer) => Some(Msg::Pointer(pointer)),
            Heard::Focus(focused) => Some(Msg::Focus(focused)),
            Heard::Background(_)
            | Heard::TellsKeysApart
            | Heard::Column(_)
            | Heard::ShowsPictures
            | Heard::Identity { .. } => None,
        })
        .collect()
}

/// The effects that an update leaves for the client.
fn requests(effects: Vec<Effect>) -> impl Iterator<Item = Request> {
    effects.into_iter().filter_map(|e| match e {
        Effect::Client(request) => Some(request),
        _ => None,
    })
}

/// Takes a message in outside of the loop.
fn take_in(model: &mut Model, msg: Msg) -> Vec<Effect> {
    update::update(model, intake::now(), msg)
}
