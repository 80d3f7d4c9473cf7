//! Why a request is not done, before it becomes a message.

use chat_wire::error::{Refusal, RefusalKind};

use crate::rate::Exhausted;
use crate::storage::StorageError;

/// A decision against a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuse {
    /// Refused; the connection goes on.
    Of(RefusalKind),
    /// Refused; the connection closes.
    Closing(RefusalKind),
    /// Too much; come back later.
    Later {
        /// Milliseconds.
        retry_ms: u64,
    },
    /// The storage failed.
    Storage(StorageError),
}

/// Milliseconds after which a client may ask again when the storage failed.
const STORAGE_RETRY_MS: u64 = 5_000;

impl Refuse {
    /// The message, and whether the connection closes after it.
    pub(crate) fn message(self) -> (Refusal, bool) {
        match self {
            Self::Of(kind) => (Refusal::of(kind), false),
            Self::Closing(kind) => (Refusal::of(kind), true),
            Self::Later { retry_ms } => (Refusal { kind: RefusalKind::RateLimited, retry_ms }, false),
            Self::Storage(_) => (Refusal { kind: RefusalKind::Unavailable, retry_ms: STORAGE_RETRY_MS }, false),
        }
    }
}

impl From<RefusalKind> for Refuse {
    fn from(kind: RefusalKind) -> Self {
        Self::Of(kind)
    }
}

impl From<StorageError> for Refuse {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<Exhausted> for Refuse {
    fn from(exhausted: Exhausted) -> Self {
        Self::Later { retry_ms: exhausted.retry_ms }
    }
}
