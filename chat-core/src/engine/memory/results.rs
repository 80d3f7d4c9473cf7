//! Results of commands with an idempotency key: a repeat returns the first one's.

use chat_wire::domain::plain_hash;
use chat_wire::ids::{MessageId, RoomId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FailureKind, Reply};
use crate::store::Table;

/// Records of rooms under way, so that one that the relay refuses gives its key back: this, then the room.
const MAKING: &[u8] = b"making ";

/// What a command was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Queued {
    #[serde(rename = "i")]
    pub(in crate::engine) id: MessageId,
    #[serde(rename = "t")]
    pub(in crate::engine) timestamp_ms: u64,
    /// What was asked for; earlier versions did not note it.
    #[serde(rename = "w", default)]
    asked: Option<ByteArray<16>>,
}

impl Queued {
    pub(in crate::engine) fn read(value: &[u8]) -> Result<Self, EngineError> {
        decode(Table::Idempotency, value)
    }
}

/// What a key was used for before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Before {
    /// Nothing.
    Unused,
    /// The same.
    Same(Queued),
    /// Something else.
    Other,
}

/// A command that may come more than once.
#[derive(Debug)]
pub(in crate::engine) struct Repeatable {
    place: [u8; 32],
    asked: ByteArray<16>,
}

impl Repeatable {
    /// What is asked for, in parts that are told apart wherever they end.
    pub(in crate::engine) fn new(idempotency_key: &str, asked: &[&[u8]]) -> Self {
        // Keys are free text of any length: their hash has one. With the key in front, nobody who reads the
        // record later can try texts that are gone from the history.
        let mut hashes = vec![plain_hash(&[b"asked", idempotency_key.as_bytes()])];
        hashes.extend(asked.iter().map(|part| plain_hash(&[part])));
        let parts: Vec<&[u8]> = hashes.iter().map(|hash| &hash[..]).collect();
        let asked = plain_hash(&parts).first_chunk::<16>().copied().unwrap_or_default();
        Self { place: plain_hash(&[idempotency_key.as_bytes()]), asked: ByteArray::new(asked) }
    }

    /// What the key was used for.
    pub(in crate::engine) fn before(&self, work: &Work<'_>) -> Result<Before, EngineError> {
        let known: Option<Queued> = work.load(Table::Idempotency, &self.place)?;
        Ok(match known {
            None => Before::Unused,
            Some(queued) if queued.asked.is_none_or(|asked| asked == self.asked) => Before::Same(queued),
            Some(_) => Before::Other,
        })
    }

    /// Answers a message that was queued before, and a key that was used for something else.
    pub(in crate::engine) fn answers(&self, work: &mut Work<'_>, command: CommandId) -> Result<bool, EngineError> {
        match self.before(work)? {
            Before::Unused => return Ok(false),
            Before::Same(Queued { id, timestamp_ms, .. }) => work.reply(command, Reply::Queued { id, timestamp_ms }),
            Before::Other => work.fail(command, FailureKind::InvalidParams),
        }
        Ok(true)
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>, id: MessageId) -> Result<(), EngineError> {
        let queued = Queued { id, timestamp_ms: work.now.as_ms(), asked: Some(self.asked) };
        work.save(Table::Idempotency, &self.place, &queued)
    }

    /// A room is being made; what it is answered with is known from now on, should the program end before.
    pub(in crate::engine) fn save_making(&self, work: &mut Work<'_>, room: &RoomId) -> Result<(), EngineError> {
        work.put(Table::Meta, &making_key(room), self.place.to_vec());
        self.save(work, MessageId(room.0))
    }
}

/// A room stands: its key has done its work.
pub(in crate::engine) fn made(work: &mut Work<'_>, room: &RoomId) {
    work.delete(Table::Meta, &making_key(room));
}

/// A room was refused: whoever asks again with its key makes one.
pub(in crate::engine) fn not_made(work: &mut Work<'_>, room: &RoomId) {
    let key = making_key(room);
    if let Some(place) = work.get(Table::Meta, &key) {
        work.delete(Table::Idempotency, &place);
        work.delete(Table::Meta, &key);
    }
}

fn making_key(room: &RoomId) -> Vec<u8> {
    [MAKING, &room.0].concat()
}
