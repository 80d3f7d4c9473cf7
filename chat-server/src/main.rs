//! The program `chat-server`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use chat_server::admin::{self, Access, Admin};
use chat_server::logging::{self, LogLevel};
use chat_server::notify::{Manager, News};
use chat_server::{Config, Pulse, Reload, Server};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// A relay for end-to-end encrypted chat: it passes sealed packets and public keys, and can't read.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the relay.
    Serve {
        /// Configuration file (TOML).
        #[arg(long, env = "CHAT_SERVER_CONFIG")]
        config: Option<PathBuf>,
        /// Address to listen on; port 0 picks a free one [default: 127.0.0.1:7667].
        #[arg(long, env = "CHAT_SERVER_LISTEN")]
        listen: Option<String>,
        /// Data directory [default: the XDG data directory].
        #[arg(long, env = "CHAT_SERVER_DATA")]
        data: Option<PathBuf>,
    },
    /// Reads a configuration and says what is wrong with it.
    CheckConfig {
        /// Configuration file (TOML).
        #[arg(long, env = "CHAT_SERVER_CONFIG")]
        config: Option<PathBuf>,
    },
    /// The operator's questions and orders, on the data directory of a running or stopped relay.
    Admin {
        /// Configuration file (TOML).
        #[arg(long, env = "CHAT_SERVER_CONFIG")]
        config: Option<PathBuf>,
        /// Data directory [default: the XDG data directory].
        #[arg(long, env = "CHAT_SERVER_DATA")]
        data: Option<PathBuf>,
        #[command(subcommand)]
        order: Order,
    },
}

#[derive(Subcommand)]
enum Order {
    /// Lists the accounts: name, devices, waiting packets, disabled.
    Users,
    /// Shows figures.
    Stats,
    /// Makes an invite code and prints it.
    Invite {
        /// Accounts that can be made with it.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// Days that it is good for.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// Lists the invites that can still be used: name, uses left, end.
    Invites,
    /// Takes an invite back.
    RevokeInvite {
        /// Its name, as `invites` shows it.
        id: String,
    },
    /// Keeps an account out, and cuts off whoever is logged in.
    Disable {
        /// User name.
        name: String,
    },
    /// Lets a disabled account in again.
    Enable {
        /// User name.
        name: String,
    },
    /// Lists the rooms: name, public or private, members, messages, slow.
    Rooms,
    /// Closes a room; its members are told.
    CloseRoom {
        /// Name of the room.
        name: String,
    },
    /// Lets each account write into a room only so often.
    SlowRoom {
        /// Name of the room.
        name: String,
        /// Seconds between two messages of one account; 0 for as many as it likes.
        seconds: u32,
    },
    /// Copies the database into a new file. The keys stay behind: back up DATA/keys apart from it.
    Backup {
        /// The new file.
        file: PathBuf,
    },
    /// Puts a backup in the place of a stopped relay's database; the old one is kept beside it.
    Restore {
        /// The backup.
        file: PathBuf,
    },
    /// Reads the whole database and says what is wrong with it.
    Check,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain in one line: what was wanted, and why not.
            let _ = writeln!(std::io::stderr(), "chat-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { config, listen, data } => {
            let read = || {
                let mut config = configuration(config.as_deref(), data.clone())?;
                if let Some(listen) = &listen {
                    config.set_listen(listen)?;
                }
                Ok(config)
            };
            serve(read()?, &read)
        }
        Command::CheckConfig { config } => {
            let config = configuration(config.as_deref(), None)?;
            for name in &config.unknown_variables {
                writeln!(std::io::stdout(), "the variable {name} is no setting")?;
            }
            writeln!(std::io::stdout(), "the configuration is usable")?;
            Ok(())
        }
        Command::Admin { config, data, order } => {
            let config = configuration(config.as_deref(), data)?;
            let data = config.data.context("no data directory")?;
            if let Order::Restore { file } = &order {
                return restore(&data, file);
            }
            let admin = Admin::open(&data).with_context(|| format!("data directory {}", data.display()))?;
            administer(&admin, order)
        }
    }
}

fn configuration(file: Option<&Path>, data: Option<PathBuf>) -> anyhow::Result<Config> {
    // What is not text is not ours: our keys and values are.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut config = Config::read(file, variables)?;
    let from_file = config.data.take();
    config.data = match data.or(from_file) {
        Some(path) => Some(path),
        None => Some(default_data()?),
    };
    Ok(config)
}

fn default_data() -> anyhow::Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    let base = etcetera::choose_base_strategy().context("no home directory; name a data directory with --data")?;
    Ok(base.data_dir().join("chat-server"))
}

fn serve(config: Config, again: &dyn Fn() -> anyhow::Result<Config>) -> anyhow::Result<()> {
    let level = logging::begin(&config.log)?;
    for name in &config.unknown_variables {
        tracing::warn!(name, "a variable that begins like a setting is none");
    }
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is promised, so that a signal in between still ends the relay cleanly.
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut hung_up = signal(SignalKind::hangup())?;
        let server = Server::start(config)?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "ready relay={} pin={}", server.address(), server.pin())?;
        stdout.flush()?;
        let manager = Manager::of_this_process().context("the service manager's socket")?;
        let tell = |news| manager.iter().for_each(|manager| manager.tell(news));
        tell(News::Ready);
        if let Some(address) = server.websocket_address() {
            tracing::info!(%address, "accepting WebSockets");
        }
        if let Some(address) = server.metrics_address() {
            tracing::info!(%address, "showing metrics and health");
        }
        tracing::info!("accepting connections");
        let (reload, pulse) = (server.reload(), server.pulse());
        let alive = manager.as_ref().and_then(Manager::alive_interval);
        let stop = async {
            loop {
                tokio::select! {
                    _ = terminated.recv() => break,
                    _ = interrupted.recv() => break,
                    _ = hung_up.recv() => {
                        tell(News::Reloading);
                        match reread(again, &reload, &level).await {
                            Ok(()) => tracing::info!("certificates and limits were read again"),
                            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
                        }
                        tell(News::Ready);
                    }
                    () = beat(alive, &pulse) => tell(News::Alive),
                }
            }
            tell(News::Stopping);
            tracing::info!("stopping");
        };
        server.run_until(stop).await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Ends when a sign of life is due and there is one: the relay has taken an event and ended its round.
async fn beat(interval: Option<std::time::Duration>, pulse: &Pulse) {
    let Some(interval) = interval else { return std::future::pending().await };
    tokio::time::sleep(interval).await;
    if !pulse.beats().await {
        // The manager's patience decides.
        std::future::pending().await
    }
}

/// Takes over what can change while the relay runs.
async fn reread(again: &dyn Fn() -> anyhow::Result<Config>, reload: &Reload, level: &LogLevel) -> anyhow::Result<()> {
    let config = again()?;
    reload.apply(&config).await?;
    level.set(&config.log.level)?;
    Ok(())
}

/// Takes as many descriptors as the system lets us have: each connection needs one, and the usual
/// 1,024 would end long before the limit on connections.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it fails the relay serves as many as it may.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn administer(admin: &Admin, order: Order) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match order {
        Order::Users => {
            for user in admin.users()? {
                let mark = if user.disabled { "\tdisabled" } else { "" };
                writeln!(out, "{}\t{} devices\t{} waiting{mark}", user.name, user.devices, user.waiting)?;
            }
        }
        Order::Stats => {
            let stats = admin.stats()?;
            writeln!(out, "accounts\t{}", stats.accounts)?;
            writeln!(out, "disabled\t{}", stats.disabled)?;
            writeln!(out, "devices\t{}", stats.devices)?;
            writeln!(out, "rooms\t{}", stats.rooms)?;
            writeln!(out, "waiting packets\t{}", stats.waiting)?;
            writeln!(out, "waiting bytes\t{}", stats.waiting_bytes)?;
            writeln!(out, "one-time prekeys\t{}", stats.one_time_pairs)?;
            writeln!(out, "database bytes\t{}", stats.database_bytes)?;
        }
        Order::Invite { uses, days } => writeln!(out, "{}", admin.invite(uses, days)?)?,
        Order::Disable { name } => admin.set_access(&name, Access::Disabled)?,
        Order::Enable { name } => admin.set_access(&name, Access::Enabled)?,
        Order::Rooms => {
            for room in admin.rooms()? {
                let access = if room.public { "public" } else { "private" };
                let slow =
                    if room.slow_seconds > 0 { format!("\tslow {} s", room.slow_seconds) } else { String::new() };
                let (members, entries) = (room.members, room.entries);
                writeln!(out, "{}\t{access}\t{members} members\t{entries} entries{slow}", room.name)?;
            }
        }
        Order::CloseRoom { name } => admin.close_room(&name)?,
        Order::SlowRoom { name, seconds } => admin.slow_room(&name, seconds)?,
        Order::Backup { file } => admin.backup(&file)?,
        Order::Invites => {
            for invite in admin.invites()? {
                let days = invite.expires_ms.saturating_sub(now_ms()) / DAY_MS;
                writeln!(out, "{}\t{} uses left\t{days} days", invite.id, invite.uses_left)?;
            }
        }
        Order::RevokeInvite { id } => admin.revoke_invite(&id)?,
        Order::Check => return check(admin),
        // Carried out without opening what it replaces.
        Order::Restore { .. } => {}
    }
    Ok(())
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn check(admin: &Admin) -> anyhow::Result<()> {
    let findings = admin.check()?;
    let mut out = std::io::stdout().lock();
    for problem in &findings.problems {
        writeln!(out, "{problem}")?;
    }
    anyhow::ensure!(findings.problems.is_empty(), "{} problems", findings.problems.len());
    writeln!(out, "the database is whole; unclean ends so far: {}", findings.crashes)?;
    Ok(())
}

fn restore(data: &Path, file: &Path) -> anyhow::Result<()> {
    let kept = admin::restore(data, file).with_context(|| format!("data directory {}", data.display()))?;
    if let Some(kept) = kept {
        writeln!(std::io::stdout(), "the database before is kept as {}", kept.display())?;
    }
    Ok(())
}
