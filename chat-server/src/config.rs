//! What the operator decides: a TOML file, then the command line. A mistake names its line.
//!
//! Every key may be left out; rates are tokens at once, then so many a minute:
//!
//! ```toml
//! listen = "127.0.0.1:7667"
//! data = "/var/lib/chat-server"
//! log = "info"
//! registration = "open"                 # or "invite", "closed"
//!
//! [tls]                                 # without it a self-signed certificate is made and kept
//! certificate = "/etc/chat/fullchain.pem"
//! key = "/etc/chat/key.pem"
//!
//! [limits]
//! connections = 10000
//! strangers_per_address = 64            # connections that have not logged in
//! count_loopback = false                # whether limits by address count this machine
//! mailbox_entries = 10000
//! mailbox_mib = 64
//! retention_days = 30
//! password_tries_per_name = { burst = 20, per_minute = 1 }
//! password_tries_per_address = { burst = 40, per_minute = 10 }
//! registrations_per_address = { burst = 20, per_minute = 2 }
//! finds = { burst = 60, per_minute = 20 }
//! fetches = { burst = 2000, per_minute = 600 }
//! claims = { burst = 500, per_minute = 60 }
//! claims_per_target = { burst = 20, per_minute = 2 }
//! one_time_per_target = { burst = 100, per_minute = 2 }
//! sends = { burst = 5000, per_minute = 3000 }
//! ephemerals = { burst = 60, per_minute = 120 }
//! changes = { burst = 200, per_minute = 120 }
//! ```

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use chat_relay::Registration;
use chat_relay::limits::{Allowance, Limits};
use serde::Deserialize;
use toml::Spanned;

/// Where the relay listens when nothing else is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7667";

/// Connections at once. Each takes about 30 KiB and a descriptor.
const CONNECTIONS_MAX: usize = 10_000;

/// Connections of one address that have not logged in.
const STRANGERS_PER_ADDRESS_MAX: usize = 64;

/// Wrong passwords before `RateLimited`, as the contract with clients promises.
const PASSWORD_TRIES_MAX: u32 = 40;

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Data directory; none for a temporary one.
    pub data: Option<PathBuf>,
    /// Certificate; none for a self-signed one, made once.
    pub tls: Option<CertificateFiles>,
    /// Registration and limits of the core.
    pub relay: chat_relay::Config,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one address that have not logged in.
    pub strangers_per_address_max: usize,
    /// Whether limits by address count this machine as well.
    pub limit_loopback: bool,
    /// What is logged, in the syntax of `tracing`'s filters.
    pub log: String,
}

/// Where a configured certificate lies, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the relay's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: can't be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a key or type that is not known. The text names line and column.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: toml::de::Error,
    },
    /// A value is outside its range.
    #[error("{path}, line {line}: {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// The address to listen on is none.
    #[error("{0} is no address to listen on")]
    Listen(String),
}

/// What can be wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Zero makes no sense here.
    #[error("must be at least 1")]
    Zero,
    /// Clients rely on fewer.
    #[error("at most {PASSWORD_TRIES_MAX} password tries are promised to users")]
    TooManyTries,
    /// Neither address nor name with a port.
    #[error("is no address to listen on")]
    Listen,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7667)),
            data: None,
            tls: None,
            relay: chat_relay::Config::default(),
            connections_max: CONNECTIONS_MAX,
            strangers_per_address_max: STRANGERS_PER_ADDRESS_MAX,
            limit_loopback: false,
            log: "info".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Spanned<String>>,
    data: Option<PathBuf>,
    log: Option<String>,
    tls: Option<Tls>,
    registration: Option<Mode>,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Open,
    Invite,
    Closed,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    connections: Option<Spanned<usize>>,
    strangers_per_address: Option<Spanned<usize>>,
    count_loopback: bool,
    mailbox_entries: Option<Spanned<u32>>,
    mailbox_mib: Option<Spanned<u32>>,
    retention_days: Option<Spanned<u32>>,
    password_tries_per_name: Option<Spanned<Rate>>,
    password_tries_per_address: Option<Spanned<Rate>>,
    registrations_per_address: Option<Spanned<Rate>>,
    finds: Option<Spanned<Rate>>,
    fetches: Option<Spanned<Rate>>,
    claims: Option<Spanned<Rate>>,
    claims_per_target: Option<Spanned<Rate>>,
    one_time_per_target: Option<Spanned<Rate>>,
    sends: Option<Spanned<Rate>>,
    ephemerals: Option<Spanned<Rate>>,
    changes: Option<Spanned<Rate>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Rate {
    burst: u32,
    per_minute: u32,
}

/// A file's text, for turning places into lines.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Config {
    /// Reads a file over the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and, where there is one, the line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file: File =
            toml::from_str(text).map_err(|source| ConfigError::Syntax { path: path.to_path_buf(), source })?;
        let source = Source { path, text };
        let mut config = Self::default();
        if let Some(listen) = file.listen {
            let resolved = resolve(listen.get_ref());
            config.listen = resolved.ok_or_else(|| source.error(listen.span(), Problem::Listen))?;
        }
        config.data = file.data;
        config.tls = file.tls.map(|t| CertificateFiles { certificate: t.certificate, key: t.key });
        config.log = file.log.unwrap_or(config.log);
        config.relay.registration = match file.registration {
            None | Some(Mode::Open) => Registration::Open,
            Some(Mode::Invite) => Registration::Invite,
            Some(Mode::Closed) => Registration::Closed,
        };
        source.apply(&file.limits, &mut config)?;
        Ok(config)
    }

    /// Sets the address to listen on, as given on the command line.
    ///
    /// # Errors
    /// [`ConfigError::Listen`] when the text is neither an address nor a name with a port.
    pub fn set_listen(&mut self, text: &str) -> Result<(), ConfigError> {
        self.listen = resolve(text).ok_or_else(|| ConfigError::Listen(text.to_owned()))?;
        Ok(())
    }
}

impl Source<'_> {
    fn apply(&self, table: &LimitsTable, config: &mut Config) -> Result<(), ConfigError> {
        config.limit_loopback = table.count_loopback;
        if let Some(connections) = &table.connections {
            config.connections_max = self.positive(connections)?;
        }
        if let Some(strangers) = &table.strangers_per_address {
            config.strangers_per_address_max = self.positive(strangers)?;
        }
        let limits = &mut config.relay.limits;
        if let Some(entries) = &table.mailbox_entries {
            limits.mailbox_entries_max = u64::from(self.positive(entries)?);
        }
        if let Some(mib) = &table.mailbox_mib {
            limits.mailbox_bytes_max = u64::from(self.positive(mib)?) * 1024 * 1024;
        }
        if let Some(days) = &table.retention_days {
            limits.retention_ms = u64::from(self.positive(days)?) * 24 * 60 * 60 * 1_000;
        }
        if let Some(tries) = &table.password_tries_per_name
            && tries.get_ref().burst > PASSWORD_TRIES_MAX
        {
            return Err(self.error(tries.span(), Problem::TooManyTries));
        }
        self.rates(table, limits)
    }

    fn rates(&self, table: &LimitsTable, limits: &mut Limits) -> Result<(), ConfigError> {
        let pairs = [
            (&table.password_tries_per_name, &mut limits.password_tries_per_name),
            (&table.password_tries_per_address, &mut limits.password_tries_per_address),
            (&table.registrations_per_address, &mut limits.registrations_per_address),
            (&table.finds, &mut limits.finds),
            (&table.fetches, &mut limits.fetches),
            (&table.claims, &mut limits.claims),
            (&table.claims_per_target, &mut limits.claims_per_target),
            (&table.one_time_per_target, &mut limits.one_time_per_target),
            (&table.sends, &mut limits.sends),
            (&table.ephemerals, &mut limits.ephemerals),
            (&table.changes, &mut limits.changes),
        ];
        for (given, limit) in pairs {
            let Some(rate) = given else { continue };
            let Rate { burst, per_minute } = *rate.get_ref();
            if burst == 0 || per_minute == 0 {
                return Err(self.error(rate.span(), Problem::Zero));
            }
            *limit = Allowance::per_minute(burst, per_minute);
        }
        Ok(())
    }

    fn positive<T: Copy + Default + PartialEq>(&self, value: &Spanned<T>) -> Result<T, ConfigError> {
        if *value.get_ref() == T::default() {
            return Err(self.error(value.span(), Problem::Zero));
        }
        Ok(*value.get_ref())
    }

    fn error(&self, span: Range<usize>, problem: Problem) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        ConfigError::Value { path: self.path.to_path_buf(), line, problem }
    }
}

fn resolve(text: &str) -> Option<SocketAddr> {
    text.to_socket_addrs().ok()?.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("relay.toml"), text)
    }

    #[test]
    fn an_empty_file_is_the_defaults_and_a_full_one_sets_what_it_says() {
        let config = parse("").unwrap();
        assert_eq!(config.listen.to_string(), DEFAULT_LISTEN);
        assert_eq!(config.relay.limits, Limits::default());
        let config = parse(
            "listen = \"[::1]:9\"\ndata = \"/srv/chat\"\nregistration = \"invite\"\n\
             [tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n\
             [limits]\nmailbox_mib = 2\nfinds = { burst = 5, per_minute = 6 }\n",
        )
        .unwrap();
        assert_eq!(config.listen.to_string(), "[::1]:9");
        assert_eq!(config.relay.registration, Registration::Invite);
        assert_eq!(config.tls.unwrap().key, Path::new("b.pem"));
        assert_eq!(config.relay.limits.mailbox_bytes_max, 2 * 1024 * 1024);
        assert_eq!(config.relay.limits.finds, Allowance { burst: 5, refill_ms: 10_000 });
    }

    #[test]
    fn the_example_above_says_the_defaults() {
        let page = include_str!("config.rs");
        let lines = page.lines().skip_while(|l| *l != "//! ```toml").skip(1).take_while(|l| *l != "//! ```");
        let example: Vec<&str> = lines.map(|l| l.trim_start_matches("//!").trim_start()).collect();
        let (config, default) = (parse(&example.join("\n")).unwrap(), Config::default());
        assert_eq!(config.relay.limits, default.relay.limits);
        assert_eq!((config.listen, config.log), (default.listen, default.log));
        assert_eq!(config.connections_max, default.connections_max);
        assert_eq!(config.strangers_per_address_max, default.strangers_per_address_max);
        assert_eq!(config.limit_loopback, default.limit_loopback);
    }

    #[test]
    fn every_mistake_names_its_line() {
        for (text, line) in [
            ("log = \"info\"\nlisten = \"nowhere\"", 2),
            ("\n\n[limits]\nmailbox_entries = 0", 4),
            ("[limits]\nfinds = { burst = 0, per_minute = 1 }", 2),
            ("[limits]\npassword_tries_per_name = { burst = 41, per_minute = 1 }", 2),
            ("lisen = \"127.0.0.1:1\"", 1),
            ("[limits]\n\nconnections = \"many\"", 3),
            ("listen = ", 1),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}")), "{text:?}: {error}");
            assert!(error.contains("relay.toml"), "{error}");
        }
    }
}
