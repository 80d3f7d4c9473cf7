//! What the operator decides: a TOML file, then the environment, then the command line. A mistake names
//! its line, or its variable.
//!
//! Every key may be left out; rates are tokens at once, then so many a minute. A key is also read from the
//! environment: `CHAT_SERVER_` and its name in capitals, two underscores for a dot, so that
//! `CHAT_SERVER_LIMITS__MAILBOX_MIB=128` wins over the file.
//!
//! ```toml
//! listen = "127.0.0.1:7667"
//! # websocket = "127.0.0.1:7668"        # the same frames in a WebSocket; off unless set
//! # metrics = "127.0.0.1:7669"          # /metrics, /livez, /readyz without TLS; off unless set
//! # data = "/var/lib/chat-server"
//! registration = "open"                 # or "invite", "closed"
//! lobby = true                          # false: no room of everybody, and nobody new enters one that stands
//!
//! # [tls]                               # without it a self-signed certificate is made and kept
//! # certificate = "/etc/chat-server/fullchain.pem"
//! # key = "/etc/chat-server/key.pem"
//!
//! # [files]                             # without it they lie in the data directory
//! # objects = "s3://bucket/prefix"      # endpoint and keys: AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, …
//!
//! [log]
//! level = "info"                        # or a filter such as "warn,chat_server=debug"
//! format = "text"                       # or "json"
//! addresses = false                     # whether lines may name addresses of clients
//! # file = "/var/log/chat-server"       # a directory; without it lines go to standard error
//! rotation = "daily"                    # or "hourly", "never"
//! keep = 14                             # files that are kept
//!
//! [limits]
//! connections = 10000
//! connections_per_address = 1024
//! strangers_per_address = 64            # connections that have not logged in
//! connects_per_address = { burst = 512, per_minute = 1200 } # new connections
//! count_loopback = false                # whether limits by address count this machine
//! handshake_seconds = 8
//! login_seconds = 21
//! silent_seconds = 30                   # ten heartbeats missed
//! frame_kib = 4096                      # one frame of a client; 1024 to 4096
//! write_seconds = 20                    # a client that takes nothing for so long is cut
//! mailbox_entries = 10000
//! mailbox_mib = 64
//! retention_days = 30
//! name_reserved_days = 30               # how long nobody takes a deleted account's name
//! room_devices = 1000
//! rooms_per_account = 200
//! room_entries = 100000                 # over it the oldest go
//! room_mib = 256
//! file_mib = 2176                       # sealed, so a little more than the file
//! files_per_account_mib = 10240
//! file_days = 30
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
//! room_creations = { burst = 50, per_minute = 2 }
//! room_commits = { burst = 300, per_minute = 60 }
//! room_looks = { burst = 600, per_minute = 240 }
//! room_messages = { burst = 600, per_minute = 240 } # of one account in one room
//! ```

mod file;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_relay::limits::Allowance;
use chat_wire::limits::FRAME_BYTES_MAX;

/// Where the relay listens when nothing else is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7667";

/// What variables of the environment begin with.
const VARIABLE_PREFIX: &str = "CHAT_SERVER_";

/// Connections at once. Each takes about 20 KiB and a descriptor.
const CONNECTIONS_MAX: usize = 10_000;

/// Connections of one address: a household or an office behind one.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_024;

/// Connections of one address that have not logged in.
const STRANGERS_PER_ADDRESS_MAX: usize = 64;

/// Log files that are kept.
const LOG_FILES_KEPT: usize = 14;

/// A TLS handshake takes milliseconds; who needs longer holds a place for nothing.
/// With the core's time for the login it stays under the 30 s that are promised for both.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(8);

/// Without progress in writing for this long the peer does not read, or is gone.
const WRITE_TIME_MAX: Duration = Duration::from_secs(20);

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Address to listen on for WebSockets.
    pub websocket: Option<SocketAddr>,
    /// Address for metrics and health.
    pub metrics: Option<SocketAddr>,
    /// Data directory; none for a temporary one.
    pub data: Option<PathBuf>,
    /// Certificate; none for a self-signed one, made once.
    pub tls: Option<CertificateFiles>,
    /// Where blobs lie.
    pub blobs: BlobPlace,
    /// Registration and limits of the core.
    pub relay: chat_relay::Config,
    /// Limits on connections.
    pub doors: Doors,
    /// What is logged, and where.
    pub log: Log,
    /// Variables of the environment that begin like ours and are no key.
    pub unknown_variables: Vec<String>,
    /// Speaks without TLS, so that logins are bound to no channel. No file and no variable sets it: it
    /// is for measurements on this machine.
    pub danger_plain: bool,
}

/// Where blobs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobPlace {
    /// In a folder of the data directory.
    Folder,
    /// In an object store, `s3://BUCKET/PREFIX`; takes the feature `object_store`.
    Objects(String),
}

/// Limits on connections, before the core sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one address.
    pub per_address_max: usize,
    /// Connections of one address that have not logged in.
    pub strangers_per_address_max: usize,
    /// New connections of one address: each costs a handshake.
    pub connects_per_address: Allowance,
    /// Whether limits by address count this machine as well.
    pub limit_loopback: bool,
    /// Bytes of one frame of a client that is logged in.
    pub frame_bytes_max: usize,
    /// Times that a connection has.
    pub times: Times,
}

/// Times that a connection has below the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// Without progress in writing.
    pub write: Duration,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// In the syntax of `tracing`'s filters.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Whether lines may name addresses of clients.
    pub addresses: bool,
    /// Where lines go; none for standard error.
    pub file: Option<LogFile>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Log files that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where they lie.
    pub directory: PathBuf,
    /// When the next begins.
    pub rotation: Rotation,
    /// How many are kept.
    pub keep: usize,
}

/// When a log file is followed by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Each hour.
    Hourly,
    /// Each day.
    Daily,
    /// Not at all.
    Never,
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
    /// A variable's value has the wrong type.
    #[error("the variable {variable}: {}", source.message())]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong.
        source: toml::de::Error,
    },
    /// A value is outside its range.
    #[error("{place}: {problem}")]
    Value {
        /// The file and line, or the variable.
        place: Place,
        /// What is wrong.
        problem: Problem,
    },
    /// The address to listen on is none.
    #[error("{0} is no address to listen on")]
    Listen(String),
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Place {
    /// In a file.
    #[error("{path}, line {line}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// In the environment.
    #[error("the variable {0}")]
    Variable(String),
}

/// What can be wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Zero makes no sense here.
    #[error("must be at least 1")]
    Zero,
    /// Clients rely on fewer.
    #[error("at most 40 password tries are promised to users")]
    TooManyTries,
    /// Neither address nor name with a port.
    #[error("is no address to listen on")]
    Listen,
    /// Not in the syntax of filters.
    #[error("is no filter for log lines")]
    Filter,
    /// Clients make frames of 1 MiB, and none over 4 MiB.
    #[error("must be from 1024 to 4096")]
    FrameSize,
    /// Not of the form of a place in an object store.
    #[error("is no place in an object store, s3://BUCKET/PREFIX")]
    Objects,
    /// This program can't reach object stores.
    #[error("takes a chat-server that was built with the feature object_store")]
    ObjectsNotBuilt,
    /// Not one file of the largest size would fit.
    #[error("must be at least file_mib, or no file of that size is ever taken")]
    LessThanOneFile,
    /// Presence relies on less.
    #[error("at least 10, since silence counts from 8 seconds on")]
    SilenceTooShort,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7667)),
            websocket: None,
            metrics: None,
            data: None,
            tls: None,
            blobs: BlobPlace::Folder,
            relay: chat_relay::Config::default(),
            doors: Doors::default(),
            log: Log { level: "info".to_owned(), format: LogFormat::Text, addresses: false, file: None },
            unknown_variables: Vec::new(),
            danger_plain: false,
        }
    }
}

impl Default for Doors {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
            strangers_per_address_max: STRANGERS_PER_ADDRESS_MAX,
            connects_per_address: Allowance::per_minute(512, 1_200),
            limit_loopback: false,
            frame_bytes_max: FRAME_BYTES_MAX,
            times: Times { handshake: HANDSHAKE_TIME_MAX, write: WRITE_TIME_MAX },
        }
    }
}

impl Config {
    /// Reads a file over the defaults, and the environment over both.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line, or the variable.
    pub fn read(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = path {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
            config.apply_text(path, &text)?;
        }
        let mut variables: Vec<(String, String)> = environment.into_iter().collect();
        variables.sort_unstable();
        for (name, value) in variables {
            config.apply_variable(&name, &value)?;
        }
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

fn resolve(text: &str) -> Option<SocketAddr> {
    text.to_socket_addrs().ok()?.next()
}
