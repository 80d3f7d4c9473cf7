//! Files: their messages. Bytes are the shell's.

use chat_wire::ids::{AccountId, BlobId};

use crate::engine::content::{File, Identified, file_commitment};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, FileOffer, Reply};
use crate::engine::memory::State;
use crate::engine::memory::names::Draft;
use crate::file::FileKey;

/// Names the message of a file that is about to be uploaded to a known account.
pub(in crate::engine) fn reserve(
    state: &State,
    work: &mut Work<'_>,
    command: CommandId,
    account: &AccountId,
    (blob, key): (&BlobId, &FileKey),
) -> Result<(), EngineError> {
    if let Some(kind) = state.keeps_from_writing(account) {
        work.fail(command, kind);
        return Ok(());
    }
    let (id, nonce) = Identified::reserve(&state.own_address()?, &file_commitment(blob, key), work);
    work.reply(command, Reply::FileReserved { id, nonce });
    Ok(())
}

/// Makes the message of a file that the relay holds. A crash between message and answer lets the shell
/// offer it again: the nonce is its idempotency key.
pub(in crate::engine) fn draft(offer: FileOffer) -> Option<(String, Draft)> {
    let idempotency_key = Some(format!("\0file {:?}", offer.nonce.0));
    let file = File::offered(offer.nonce, offer.pointer, offer.caption);
    let text = file.caption.clone().unwrap_or_default();
    let draft = Draft { text, reply_to: None, idempotency_key, expires_in_ms: None, file: Some(Box::new(file)) };
    draft.file.as_ref().is_some_and(|file| file.is_sound()).then_some((offer.to, draft))
}
