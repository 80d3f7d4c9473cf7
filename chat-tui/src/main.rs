//! The program: reads the command line, makes the process safe for secrets, and runs what was asked.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chat_client::zeroize::Zeroizing;
use chat_client::{Ack, Client, Config, Downloads, Estimate, Events, FilesConfig, Kept, StoreKey, Trust};
use chat_tui::args::{AckMode, Args, Command, ESTIMATE, Profile, Rpc};
use chat_tui::{app, failure, passphrase, picture, rpc};
use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    keep_secrets_inside();
    let done = match args.command {
        Some(Command::Rpc(options)) => headless(options),
        Some(Command::Picture { words }) => Ok(chat_picture::serve(&words)),
        #[cfg(feature = "demo")]
        Some(Command::Demo) => demo(),
        Some(Command::Estimate) => estimate(),
        None => interface(args.profile),
    };
    done.unwrap_or_else(|error| {
        // A stderr that is gone is no reason to fail in another way.
        let _ = writeln!(io::stderr(), "chat-tui: {error:#}");
        ExitCode::FAILURE
    })
}

/// Neither a crash nor its message tells what was in memory.
fn keep_secrets_inside() {
    std::panic::set_hook(Box::new(|panic| {
        // The place only: a payload may quote a text.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(io::stderr(), "chat-tui: internal error at {place}");
    }));
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        // Lowering one's own limit is always allowed; where it is not, nothing else would help.
        let _ = setrlimit(Resource::Core, none);
    }
}

/// The word lists behind an estimate are gone with the process that made it.
fn by_child() -> Estimate {
    std::env::current_exe()
        .map(|program| Estimate::Child { program, arguments: vec![ESTIMATE.into()] })
        .unwrap_or_default()
}

fn estimate() -> anyhow::Result<ExitCode> {
    chat_client::answer_estimate(io::stdin().lock(), io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

fn headless(options: Rpc) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).init();
    let config = Config {
        relay: options.relay,
        pin: options.pin,
        ack: match options.ack {
            AckMode::Auto => Ack::Automatic,
            AckMode::Manual => Ack::Manual,
        },
        store_key: StoreKey { kept: options.store_key.map(Kept::from), passphrase: passphrase::given() },
        estimate: by_child(),
        files: FilesConfig {
            decoder: picture::decoder(),
            downloads: downloads(options.auto_download, options.auto_download_day),
        },
        ..Config::new(options.data)
    };
    let password = std::env::var(PASSWORD_VARIABLE).ok().map(Zeroizing::new);
    // One thread: requests, answers and events are a trickle; the client has threads of its own.
    on(Builder::new_current_thread().enable_all().build()?, async {
        rpc::run(rpc::Options { config, password }).await.context("the process can't be set up")
    })
}

/// What comes by itself.
fn downloads(auto_bytes_max: u64, a_day: Option<u64>) -> Downloads {
    let usual = Downloads::default();
    Downloads { auto_bytes_max, auto_day_bytes_max: a_day.unwrap_or(usual.auto_day_bytes_max), ..usual }
}

fn interface(profile: Profile) -> anyhow::Result<ExitCode> {
    let data_dir = profile.data.map_or_else(usual_data_dir, Ok)?;
    let kept = profile.store_key.map(Kept::from);
    let store_key = StoreKey { kept, passphrase: passphrase::wanted(&data_dir, kept)? };
    let config = Config {
        relay: profile.relay,
        pin: profile.pin,
        trust: Trust::Ask,
        store_key,
        estimate: by_child(),
        ..Config::new(data_dir)
    };
    let plain = profile.plain;
    // One thread: drawing is all there is to do; the client has one of its own.
    on(Builder::new_current_thread().enable_all().build()?, async {
        if plain { lines(config).await } else { screen(config, app::Options::default()).await }
    })
}

#[cfg(feature = "demo")]
fn demo() -> anyhow::Result<ExitCode> {
    on(Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?, async {
        let demo = tokio::select! {
            demo = chat_tui::demo::Demo::start() => demo?,
            // Given up halfway, it leaves nothing behind either.
            () = chat_tui::signals::ended()? => return Ok(ExitCode::SUCCESS),
        };
        let mut options = app::Options::default();
        options.suggested.push(chat_tui::demo::BOT_NAME.to_owned());
        options.register = true;
        let done = screen(Config { estimate: by_child(), ..demo.profile() }, options).await;
        demo.end().await;
        done
    })
}

async fn screen(config: Config, options: app::Options) -> anyhow::Result<ExitCode> {
    let (client, events) = open(config).await?;
    app::run(client, events, options).await?;
    Ok(ExitCode::SUCCESS)
}

async fn lines(config: Config) -> anyhow::Result<ExitCode> {
    let (client, events) = open(config).await?;
    app::plain::run(client, events).await?;
    Ok(ExitCode::SUCCESS)
}

async fn open(mut config: Config) -> anyhow::Result<(Client, Events)> {
    config.files.decoder = picture::decoder();
    Client::open(config).await.map_err(|error| anyhow::anyhow!("{} ({error})", failure::sentence(error.kind())))
}

/// Runs to the end and leaves behind what still waits for stdin or a slow reader.
fn on(runtime: Runtime, work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEFT_BEHIND_AFTER);
    done
}

fn usual_data_dir() -> anyhow::Result<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().context("there is no home directory; name one with --data")?;
    Ok(base.data_dir().join("chat-tui"))
}

/// What is logged, as `tracing` filter directives; `warn` without it.
const LOG_VARIABLE: &str = "CHAT_LOG";

/// Stands in for a password where none is typed.
const PASSWORD_VARIABLE: &str = "CHAT_PASSWORD";

/// Threads for drawing, and for relay and bot beside it.
#[cfg(feature = "demo")]
const WORKERS: usize = 2;

/// Time for tasks that end by themselves; a thread that waits for stdin never does.
const LEFT_BEHIND_AFTER: Duration = Duration::from_millis(100);
