//! The history in a file: parameters of its methods.

use std::path::PathBuf;

use chat_client::Passphrase;
use serde::{Deserialize, Deserializer};

use super::{Call, params};
use crate::rpc::error::RpcError;
use crate::rpc::request::Request;

/// What is asked about a history in a file.
#[derive(Debug)]
pub(crate) enum ArchiveCall {
    /// Writes it to a new file.
    Export(PathBuf, Passphrase),
    /// Takes it over.
    Import(PathBuf, Passphrase),
}

/// The call of a method about archives; none for other methods.
pub(super) fn parse(request: &Request<'_>) -> Option<Result<Call, RpcError>> {
    let make: fn(PathBuf, Passphrase) -> ArchiveCall = match request.method.as_ref() {
        "exportHistory" => ArchiveCall::Export,
        "importHistory" => ArchiveCall::Import,
        _ => return None,
    };
    let archive = params::<Archive>(request.params);
    Some(archive.map(|Archive { path, passphrase: Phrase(passphrase) }| Call::Archive(make(path, passphrase))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    path: PathBuf,
    passphrase: Phrase,
}

/// Wiped when dropped.
struct Phrase(Passphrase);

impl<'de> Deserialize<'de> for Phrase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}
