//! Log lines: time stamp, level, what happened. Never a name, a content or a key, and addresses only
//! when the operator asks for them.

use std::io::IsTerminal as _;

use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation as Turn};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use crate::config::{Log, LogFormat, Rotation};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter is none.
    #[error("the log's level is no filter")]
    Filter(#[from] ParseError),
    /// The directory can't be used.
    #[error("the directory of log files can't be used")]
    File(#[from] InitError),
    /// Somebody logs already.
    #[error("logging has begun already")]
    Begun(#[from] TryInitError),
}

/// Changes the filter while lines are written.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Takes another filter over.
    ///
    /// # Errors
    /// [`LogError::Filter`].
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        let filter = EnvFilter::try_new(level)?;
        // Fails only when nothing is logged any more.
        let _ = self.0.reload(filter);
        Ok(())
    }
}

/// Begins to log, for the whole process.
///
/// # Errors
/// [`LogError`].
pub fn begin(log: &Log) -> Result<LogLevel, LogError> {
    match &log.file {
        None => begin_on(log, std::io::stderr, std::io::stderr().is_terminal()),
        Some(file) => {
            let turn = match file.rotation {
                Rotation::Hourly => Turn::HOURLY,
                Rotation::Daily => Turn::DAILY,
                Rotation::Never => Turn::NEVER,
            };
            let appender = RollingFileAppender::builder()
                .rotation(turn)
                .filename_prefix("chat-server")
                .filename_suffix("log")
                .max_log_files(file.keep)
                .build(&file.directory)?;
            begin_on(log, appender, false)
        }
    }
}

fn begin_on<W>(log: &Log, writer: W, color: bool) -> Result<LogLevel, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&log.level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(color);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LogLevel(handle))
}
