//! Files: parameters of their methods.

use std::path::PathBuf;

use chat_client::{FileToFetch, FileToSend, MessageId};
use serde::Deserialize;

use super::{Call, conversation, message_id, nothing, params};
use crate::rpc::error::RpcError;
use crate::rpc::request::Request;

/// What is asked about files.
#[derive(Debug)]
pub(crate) enum FileCall {
    /// Sends one.
    Send(FileToSend),
    /// Fetches one.
    Fetch(FileToFetch),
    /// All transfers.
    Transfers,
    /// Stops one until it is resumed.
    Pause(MessageId),
    /// Goes on with one.
    Resume(MessageId),
    /// Gives one up.
    Cancel(MessageId),
    /// The small picture beside a file.
    Thumbnail(MessageId),
}

/// The call of a method about files; none for other methods.
pub(super) fn parse(request: &Request<'_>) -> Option<Result<Call, RpcError>> {
    let raw = request.params;
    let id = || params::<Transfer>(raw).and_then(|transfer| message_id(&transfer.id));
    let call = match request.method.as_ref() {
        "sendFile" => params::<SendFile>(raw).and_then(SendFile::call),
        "download" => params::<Download>(raw).and_then(Download::call),
        "transfers" => return Some(nothing(raw, Call::File(FileCall::Transfers))),
        "pauseTransfer" => id().map(FileCall::Pause),
        "resumeTransfer" => id().map(FileCall::Resume),
        "cancelTransfer" => id().map(FileCall::Cancel),
        "thumbnail" => id().map(FileCall::Thumbnail),
        _ => return None,
    };
    Some(call.map(Call::File))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SendFile {
    to: String,
    path: PathBuf,
    caption: Option<String>,
    idempotency_key: Option<String>,
}

impl SendFile {
    fn call(self) -> Result<FileCall, RpcError> {
        let Self { to, path, caption, idempotency_key } = self;
        Ok(FileCall::Send(FileToSend { to: conversation(to)?, path, caption, idempotency_key }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Download {
    id: String,
    path: Option<PathBuf>,
}

impl Download {
    fn call(self) -> Result<FileCall, RpcError> {
        Ok(FileCall::Fetch(FileToFetch { id: message_id(&self.id)?, path: self.path }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    id: String,
}
