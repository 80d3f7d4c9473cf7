//! The keys, and how each is checked. A variable of the environment is a file of one line.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_relay::limits::{Allowance, BlobLimits, Limits};
use chat_relay::{Lobby, Registration};
use serde::Deserialize;
use toml::Spanned;
use tracing_subscriber::EnvFilter;

use super::{
    BlobPlace, CertificateFiles, Config, ConfigError, Doors, LOG_FILES_KEPT, Log, LogFile, LogFormat, Place, Problem,
    Rotation, VARIABLE_PREFIX, resolve,
};

const MIB: u64 = 1024 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// KiB of one frame: clients cut what they send into less than the least, and take none over the most.
const FRAME_KIB: RangeInclusive<usize> = 1_024..=4_096;

/// Wrong passwords before `RateLimited`, as the contract with clients promises.
const PASSWORD_TRIES_MAX: u32 = 40;

/// Seconds of silence after which a connection may be closed at the earliest: presence looks for 8.
const SILENT_SECONDS_MIN: u32 = 10;

/// Variables that the command line reads.
const OF_THE_COMMAND_LINE: [&str; 3] = ["CHAT_SERVER_CONFIG", "CHAT_SERVER_DATA", "CHAT_SERVER_LISTEN"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Spanned<String>>,
    websocket: Option<Spanned<String>>,
    metrics: Option<Spanned<String>>,
    data: Option<PathBuf>,
    tls: Option<Tls>,
    files: Option<FilesTable>,
    registration: Option<Mode>,
    lobby: Option<bool>,
    #[serde(default)]
    log: LogTable,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilesTable {
    objects: Option<Spanned<String>>,
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
struct LogTable {
    level: Option<Spanned<String>>,
    format: Option<Format>,
    addresses: Option<bool>,
    file: Option<PathBuf>,
    rotation: Option<Turn>,
    keep: Option<Spanned<usize>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Format {
    Text,
    Json,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Turn {
    Hourly,
    Daily,
    Never,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    connections: Option<Spanned<usize>>,
    connections_per_address: Option<Spanned<usize>>,
    strangers_per_address: Option<Spanned<usize>>,
    connects_per_address: Option<Spanned<Rate>>,
    count_loopback: Option<bool>,
    handshake_seconds: Option<Spanned<u32>>,
    login_seconds: Option<Spanned<u32>>,
    silent_seconds: Option<Spanned<u32>>,
    write_seconds: Option<Spanned<u32>>,
    frame_kib: Option<Spanned<usize>>,
    mailbox_entries: Option<Spanned<u32>>,
    mailbox_mib: Option<Spanned<u32>>,
    retention_days: Option<Spanned<u32>>,
    name_reserved_days: Option<Spanned<u32>>,
    room_devices: Option<Spanned<usize>>,
    rooms_per_account: Option<Spanned<usize>>,
    room_entries: Option<Spanned<u32>>,
    room_mib: Option<Spanned<u32>>,
    password_tries_per_name: Option<Spanned<Rate>>,
    password_tries_per_address: Option<Spanned<Rate>>,
    registrations_per_address: Option<Spanned<Rate>>,
    file_mib: Option<Spanned<u32>>,
    files_per_account_mib: Option<Spanned<u32>>,
    file_days: Option<Spanned<u32>>,
    finds: Option<Spanned<Rate>>,
    fetches: Option<Spanned<Rate>>,
    claims: Option<Spanned<Rate>>,
    claims_per_target: Option<Spanned<Rate>>,
    one_time_per_target: Option<Spanned<Rate>>,
    sends: Option<Spanned<Rate>>,
    ephemerals: Option<Spanned<Rate>>,
    changes: Option<Spanned<Rate>>,
    room_creations: Option<Spanned<Rate>>,
    room_commits: Option<Spanned<Rate>>,
    room_looks: Option<Spanned<Rate>>,
    room_messages: Option<Spanned<Rate>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Rate {
    burst: u32,
    per_minute: u32,
}

/// Where values come from, for naming the place of a mistake.
enum Source<'a> {
    File { path: &'a Path, text: &'a str },
    Variable(&'a str),
}

impl Config {
    pub(super) fn apply_text(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let file: File =
            toml::from_str(text).map_err(|source| ConfigError::Syntax { path: path.to_path_buf(), source })?;
        Source::File { path, text }.apply(file, self)
    }

    /// Takes a variable over, if it is one of ours.
    pub(super) fn apply_variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(key) = name.strip_prefix(VARIABLE_PREFIX).filter(|_| !OF_THE_COMMAND_LINE.contains(&name)) else {
            return Ok(());
        };
        let key = key.to_ascii_lowercase().replace("__", ".");
        let wrong = |source| ConfigError::Variable { variable: name.to_owned(), source };
        // A number, a truth value or a rate stands as it is; anything else is text.
        let plain = toml::from_str::<File>(&format!("{key} = {value}"));
        let file = match plain {
            Ok(file) => file,
            Err(error) => {
                // Quoted so that nothing inside means anything.
                match toml::from_str::<File>(&format!("{key} = '''{value}'''")) {
                    Ok(file) => file,
                    // Whoever starts containers names variables after their services: no key, no mistake.
                    Err(text) if text.message().starts_with("unknown field") => {
                        self.unknown_variables.push(name.to_owned());
                        return Ok(());
                    }
                    Err(_) => return Err(wrong(error)),
                }
            }
        };
        Source::Variable(name).apply(file, self)
    }
}

impl Source<'_> {
    fn apply(&self, file: File, config: &mut Config) -> Result<(), ConfigError> {
        if let Some(listen) = &file.listen {
            config.listen = self.address(listen)?;
        }
        if let Some(websocket) = &file.websocket {
            config.websocket = Some(self.address(websocket)?);
        }
        if let Some(metrics) = &file.metrics {
            config.metrics = Some(self.address(metrics)?);
        }
        config.data = file.data.or(config.data.take());
        if let Some(tls) = file.tls {
            let files = config.tls.get_or_insert(CertificateFiles { certificate: PathBuf::new(), key: PathBuf::new() });
            files.certificate = tls.certificate.unwrap_or(std::mem::take(&mut files.certificate));
            files.key = tls.key.unwrap_or(std::mem::take(&mut files.key));
        }
        if let Some(objects) = file.files.as_ref().and_then(|files| files.objects.as_ref()) {
            config.blobs = self.objects(objects)?;
        }
        if let Some(lobby) = file.lobby {
            config.relay.lobby = if lobby { Lobby::Open } else { Lobby::Off };
        }
        match file.registration {
            None => {}
            Some(Mode::Open) => config.relay.registration = Registration::Open,
            Some(Mode::Invite) => config.relay.registration = Registration::Invite,
            Some(Mode::Closed) => config.relay.registration = Registration::Closed,
        }
        self.log(&file.log, &mut config.log)?;
        self.doors(&file.limits, &mut config.doors)?;
        self.blobs(&file.limits, &mut config.relay.blobs)?;
        self.limits(&file.limits, &mut config.relay.limits)
    }

    fn log(&self, table: &LogTable, log: &mut Log) -> Result<(), ConfigError> {
        if let Some(level) = &table.level {
            EnvFilter::try_new(level.get_ref()).map_err(|_| self.error(level.span(), Problem::Filter))?;
            log.level.clone_from(level.get_ref());
        }
        match table.format {
            None => {}
            Some(Format::Text) => log.format = LogFormat::Text,
            Some(Format::Json) => log.format = LogFormat::Json,
        }
        log.addresses = table.addresses.unwrap_or(log.addresses);
        if let Some(directory) = &table.file {
            log.file = Some(LogFile { directory: directory.clone(), rotation: Rotation::Daily, keep: LOG_FILES_KEPT });
        }
        let keep = table.keep.as_ref().map(|keep| self.positive(keep)).transpose()?;
        let Some(file) = &mut log.file else { return Ok(()) };
        file.keep = keep.unwrap_or(file.keep);
        match table.rotation {
            None => {}
            Some(Turn::Hourly) => file.rotation = Rotation::Hourly,
            Some(Turn::Daily) => file.rotation = Rotation::Daily,
            Some(Turn::Never) => file.rotation = Rotation::Never,
        }
        Ok(())
    }

    fn doors(&self, table: &LimitsTable, doors: &mut Doors) -> Result<(), ConfigError> {
        doors.limit_loopback = table.count_loopback.unwrap_or(doors.limit_loopback);
        for (given, limit) in [
            (&table.connections, &mut doors.connections_max),
            (&table.connections_per_address, &mut doors.per_address_max),
            (&table.strangers_per_address, &mut doors.strangers_per_address_max),
        ] {
            if let Some(given) = given {
                *limit = self.positive(given)?;
            }
        }
        if let Some(given) = &table.connects_per_address {
            doors.connects_per_address = self.rate(given)?;
        }
        if let Some(given) = &table.frame_kib {
            if !FRAME_KIB.contains(given.get_ref()) {
                return Err(self.error(given.span(), Problem::FrameSize));
            }
            doors.frame_bytes_max = given.get_ref().saturating_mul(1_024);
        }
        for (given, time) in
            [(&table.handshake_seconds, &mut doors.times.handshake), (&table.write_seconds, &mut doors.times.write)]
        {
            if let Some(given) = given {
                *time = Duration::from_secs(self.positive(given)?.into());
            }
        }
        Ok(())
    }

    fn objects(&self, url: &Spanned<String>) -> Result<BlobPlace, ConfigError> {
        if !cfg!(feature = "object_store") {
            return Err(self.error(url.span(), Problem::ObjectsNotBuilt));
        }
        let bucket = url.get_ref().strip_prefix("s3://").and_then(|rest| rest.split('/').next());
        match bucket {
            Some(bucket) if !bucket.is_empty() => Ok(BlobPlace::Objects(url.get_ref().clone())),
            _ => Err(self.error(url.span(), Problem::Objects)),
        }
    }

    fn blobs(&self, table: &LimitsTable, blobs: &mut BlobLimits) -> Result<(), ConfigError> {
        for (given, limit, unit) in [
            (&table.file_mib, &mut blobs.blob_bytes_max, MIB),
            (&table.files_per_account_mib, &mut blobs.account_bytes_max, MIB),
            (&table.file_days, &mut blobs.retention_ms, DAY_MS),
        ] {
            if let Some(given) = given {
                *limit = u64::from(self.positive(given)?).saturating_mul(unit);
            }
        }
        let said = table.files_per_account_mib.as_ref().or(table.file_mib.as_ref());
        match said {
            Some(said) if blobs.account_bytes_max < blobs.blob_bytes_max => {
                Err(self.error(said.span(), Problem::LessThanOneFile))
            }
            _ => Ok(()),
        }
    }

    fn limits(&self, table: &LimitsTable, limits: &mut Limits) -> Result<(), ConfigError> {
        for (given, limit, unit) in [
            (&table.mailbox_entries, &mut limits.mailbox_entries_max, 1),
            (&table.mailbox_mib, &mut limits.mailbox_bytes_max, MIB),
            (&table.retention_days, &mut limits.retention_ms, DAY_MS),
            (&table.name_reserved_days, &mut limits.name_reserved_ms, DAY_MS),
            (&table.room_entries, &mut limits.room_entries_max, 1),
            (&table.room_mib, &mut limits.room_bytes_max, MIB),
            (&table.login_seconds, &mut limits.login_ms_max, 1_000),
            (&table.silent_seconds, &mut limits.silent_connection_ms_max, 1_000),
        ] {
            if let Some(given) = given {
                *limit = u64::from(self.positive(given)?).saturating_mul(unit);
            }
        }
        for (given, limit) in [
            (&table.room_devices, &mut limits.room_devices_max),
            (&table.rooms_per_account, &mut limits.rooms_per_account_max),
        ] {
            if let Some(given) = given {
                *limit = self.positive(given)?;
            }
        }
        if let Some(silent) = table.silent_seconds.as_ref().filter(|s| *s.get_ref() < SILENT_SECONDS_MIN) {
            return Err(self.error(silent.span(), Problem::SilenceTooShort));
        }
        let tries = table.password_tries_per_name.as_ref();
        if let Some(tries) = tries.filter(|t| t.get_ref().burst > PASSWORD_TRIES_MAX) {
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
            (&table.room_creations, &mut limits.room_creations),
            (&table.room_commits, &mut limits.room_commits),
            (&table.room_looks, &mut limits.room_looks),
            (&table.room_messages, &mut limits.room_messages),
        ];
        for (given, limit) in pairs {
            if let Some(rate) = given {
                *limit = self.rate(rate)?;
            }
        }
        Ok(())
    }

    fn rate(&self, rate: &Spanned<Rate>) -> Result<Allowance, ConfigError> {
        let Rate { burst, per_minute } = *rate.get_ref();
        if burst == 0 || per_minute == 0 {
            return Err(self.error(rate.span(), Problem::Zero));
        }
        Ok(Allowance::per_minute(burst, per_minute))
    }

    fn address(&self, text: &Spanned<String>) -> Result<std::net::SocketAddr, ConfigError> {
        resolve(text.get_ref()).ok_or_else(|| self.error(text.span(), Problem::Listen))
    }

    fn positive<T: Copy + Default + PartialEq>(&self, value: &Spanned<T>) -> Result<T, ConfigError> {
        if *value.get_ref() == T::default() {
            return Err(self.error(value.span(), Problem::Zero));
        }
        Ok(*value.get_ref())
    }

    fn error(&self, span: Range<usize>, problem: Problem) -> ConfigError {
        let place = match self {
            Self::Variable(name) => Place::Variable((*name).to_owned()),
            Self::File { path, text } => {
                let before = text.get(..span.start).unwrap_or(text);
                let line = before.bytes().filter(|b| *b == b'\n').count().saturating_add(1);
                Place::Line { path: path.to_path_buf(), line }
            }
        };
        ConfigError::Value { place, problem }
    }
}
