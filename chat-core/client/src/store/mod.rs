//! The encrypted store of one profile.

use chat_core::engine::{FailureKind, Message};

use crate::request::{ConversationSummary, HistoryPart, MessagePage};

/// Why the store did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The file system or the database refused.
    #[error("the store can't be read or written")]
    Io,
    /// What was given is no name.
    #[error("no user name")]
    Name,
}

impl StoreError {
    pub(crate) fn kind(self) -> FailureKind {
        FailureKind::Io
    }
}

/// The store.
pub(crate) struct Store;

impl Store {
    pub(crate) fn history(&self, _with: &str, _part: HistoryPart, _limit: u32) -> Result<MessagePage, StoreError> {
        Err(StoreError::Io)
    }
    pub(crate) fn search(&self, _query: &str, _with: Option<&str>, _limit: u32) -> Result<Vec<Message>, StoreError> {
        Err(StoreError::Io)
    }
    pub(crate) fn conversations(&self) -> Result<Vec<ConversationSummary>, StoreError> {
        Err(StoreError::Io)
    }
    pub(crate) fn draft(&self, _with: &str) -> Result<Option<String>, StoreError> {
        Err(StoreError::Io)
    }
    pub(crate) fn set_draft(&self, _with: &str, _text: &str) -> Result<(), StoreError> {
        Err(StoreError::Io)
    }
    pub(crate) fn acknowledge(&self, _seq: u64) -> Result<(), StoreError> {
        Err(StoreError::Io)
    }
}
