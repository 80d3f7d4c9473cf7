//! The program `chat-server`.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use chat_server::admin::{Access, Admin};
use chat_server::{Config, Server};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    /// Copies the database into a new file. The keys stay behind: back up DATA/keys apart from it.
    Backup {
        /// The new file.
        file: PathBuf,
    },
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
            let mut config = configuration(config.as_deref(), data)?;
            if let Some(listen) = listen {
                config.set_listen(&listen)?;
            }
            serve(config)
        }
        Command::Admin { config, data, order } => {
            let config = configuration(config.as_deref(), data)?;
            let data = config.data.context("no data directory")?;
            let admin = Admin::open(&data).with_context(|| format!("data directory {}", data.display()))?;
            administer(&admin, order)
        }
    }
}

fn configuration(file: Option<&Path>, data: Option<PathBuf>) -> anyhow::Result<Config> {
    let mut config = file.map_or_else(|| Ok(Config::default()), Config::read)?;
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

fn serve(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).context("`log` is no filter")?;
    let color = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color).init();
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is promised, so that a signal in between still ends the relay cleanly.
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let server = Server::start(config)?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "ready relay={} pin={}", server.address(), server.pin())?;
        stdout.flush()?;
        tracing::info!("accepting connections");
        server
            .run_until(async {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                }
                tracing::info!("stopping");
            })
            .await?;
        tracing::info!("stopped");
        Ok(())
    })
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
            writeln!(out, "waiting packets\t{}", stats.waiting)?;
            writeln!(out, "waiting bytes\t{}", stats.waiting_bytes)?;
            writeln!(out, "one-time prekeys\t{}", stats.one_time_pairs)?;
            writeln!(out, "database bytes\t{}", stats.database_bytes)?;
        }
        Order::Invite { uses, days } => writeln!(out, "{}", admin.invite(uses, days)?)?,
        Order::Disable { name } => admin.set_access(&name, Access::Disabled)?,
        Order::Enable { name } => admin.set_access(&name, Access::Enabled)?,
        Order::Backup { file } => admin.backup(&file)?,
    }
    Ok(())
}
