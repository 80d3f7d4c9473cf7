//! What is kept of files that were sent and received: their keys stand nowhere else.

use chat_wire::ids::MessageId;
use serde::{Deserialize, Serialize};

use super::State;
use crate::engine::content::File;
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::{Conversation, SharedFile};
use crate::store::{Records, Table};

/// A file of the history, by its message's id.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct KeptFile {
    #[serde(rename = "c")]
    pub(in crate::engine) conversation: Conversation,
    #[serde(rename = "o")]
    pub(in crate::engine) outgoing: bool,
    #[serde(rename = "f")]
    pub(in crate::engine) file: File,
}

impl State {
    /// Keeps what leads to a file; the first one under an id stays.
    pub(in crate::engine) fn keep_file(
        &self,
        work: &mut Work<'_>,
        id: &MessageId,
        kept: &KeptFile,
    ) -> Result<(), EngineError> {
        if work.get(Table::Files, &id.0).is_some() {
            return Ok(());
        }
        work.save(Table::Files, &id.0, kept)
    }

    /// A message is gone: what leads to its file goes with it.
    pub(in crate::engine) fn forget_file(
        &self,
        work: &mut Work<'_>,
        (conversation, id): (&Conversation, &MessageId),
    ) -> Result<(), EngineError> {
        let kept: Option<KeptFile> = work.load(Table::Files, &id.0)?;
        if kept.is_some_and(|kept| kept.conversation == *conversation) {
            work.delete(Table::Files, &id.0);
        }
        Ok(())
    }

    /// A file of the history by its message.
    pub(in crate::engine) fn shared_file(&self, records: &dyn Records, id: &MessageId) -> Option<SharedFile> {
        let kept: KeptFile = decode(Table::Files, &records.get(Table::Files, &id.0)?).ok()?;
        let with = match &kept.conversation {
            Conversation::Direct(account) => self.name_of(account)?.to_string(),
            Conversation::Room(room) => self.rooms.get(room)?.record.name.to_string(),
        };
        Some(SharedFile { id: *id, with, outgoing: kept.outgoing, pointer: kept.file.pointer() })
    }
}
