//! The loop around engine and store.

mod mailbox;

pub use mailbox::Asked;
pub(crate) use mailbox::{Mailbox, Task};

use crate::auth::Door;
use crate::config::Config;
use crate::error::OpenError;

/// A driver at work.
pub(crate) struct Running {
    pub(crate) mailbox: Mailbox,
    pub(crate) door: Door,
}

pub(crate) async fn start(config: Config) -> Result<Running, OpenError> {
    Err(OpenError::Io(std::io::Error::new(std::io::ErrorKind::Unsupported, config.data_dir.display().to_string())))
}
