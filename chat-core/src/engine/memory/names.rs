//! Names that are being looked up, and the commands that wait for them, in their order.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, BlobId, MessageId, RoomName, UserName};

use super::results::Repeatable;
use crate::engine::content::{Content, File, Text};
use crate::engine::io::{CommandId, FailureKind, SafetyProof};
use crate::engine::limits::{EXPIRY_MS_MAX, TEXT_BYTES_MAX, WAITING_COMMANDS_MAX};
use crate::file::FileKey;

/// A command that needs to know whom a name means.
#[derive(Debug)]
pub(in crate::engine) enum Want {
    Send(CommandId, Draft),
    Reserve(CommandId, BlobId, FileKey),
    Block(CommandId),
    /// Into a room.
    Invite(CommandId, RoomName),
    Trust(CommandId, TrustQuestion),
}

/// What is asked about somebody's safety number.
#[derive(Debug)]
pub(in crate::engine) enum TrustQuestion {
    Show,
    Compare(SafetyProof),
}

impl Want {
    pub(in crate::engine) fn command(&self) -> CommandId {
        match self {
            Self::Send(command, _)
            | Self::Reserve(command, ..)
            | Self::Block(command)
            | Self::Invite(command, _)
            | Self::Trust(command, _) => *command,
        }
    }
}

/// A text, or a file, to be sent.
#[derive(Debug)]
pub(in crate::engine) struct Draft {
    pub(in crate::engine) text: String,
    pub(in crate::engine) reply_to: Option<MessageId>,
    pub(in crate::engine) idempotency_key: Option<String>,
    pub(in crate::engine) expires_in_ms: Option<u64>,
    /// The file; the text stands beside it.
    pub(in crate::engine) file: Option<Box<File>>,
}

impl Draft {
    /// Why it can't be sent to anybody, if it can't.
    pub(in crate::engine) fn refusal(&self) -> Option<FailureKind> {
        if self.text.len() > TEXT_BYTES_MAX {
            return Some(FailureKind::TooLarge);
        }
        let lives = self.expires_in_ms.is_none_or(|ms| (1..=EXPIRY_MS_MAX).contains(&ms));
        (!lives).then_some(FailureKind::InvalidParams)
    }

    /// Its key and what it asks for; none without a key.
    pub(in crate::engine) fn repeatable(&self, conversation: &[u8]) -> Option<Repeatable> {
        let kind: &[u8] = if self.file.is_some() { b"file" } else { b"text" };
        let reply_to = self.reply_to.as_ref().map_or(&[][..], |id| &id.0);
        let expiry = self.expires_in_ms.map_or([0; 8], u64::to_be_bytes);
        let asked: [&[u8]; 5] = [kind, conversation, self.text.as_bytes(), reply_to, &expiry];
        self.idempotency_key.as_deref().map(|key| Repeatable::new(key, &asked))
    }

    /// What is sealed.
    pub(in crate::engine) fn into_content(self) -> Content {
        match self.file {
            Some(file) => Content::File(file),
            None => Content::Text(Text { text: self.text, reply_to: self.reply_to, expires_in_ms: self.expires_in_ms }),
        }
    }
}

/// Names under way.
#[derive(Debug, Default)]
pub(in crate::engine) struct Names {
    waiting: BTreeMap<UserName, Vec<Want>>,
    /// Accounts whose lists are fetched for a name.
    fetching: BTreeMap<AccountId, UserName>,
}

impl Names {
    /// Lets a command wait. `Some(true)`: the name is not being looked up yet; `None`: too many wait.
    pub(in crate::engine) fn wait(&mut self, name: &UserName, want: Want) -> Option<bool> {
        if self.waiting.values().map(Vec::len).sum::<usize>() >= WAITING_COMMANDS_MAX {
            return None;
        }
        let waiting = self.waiting.entry(name.clone()).or_default();
        waiting.push(want);
        Some(waiting.len() == 1)
    }

    /// The lists of this account decide about that name.
    pub(in crate::engine) fn fetch(&mut self, account: AccountId, name: UserName) {
        self.fetching.insert(account, name);
    }

    /// The name that an account's lists were fetched for.
    pub(in crate::engine) fn fetched(&mut self, account: &AccountId) -> Option<UserName> {
        self.fetching.remove(account)
    }

    /// Takes the commands of a name.
    pub(in crate::engine) fn take(&mut self, name: &UserName) -> Vec<Want> {
        self.waiting.remove(name).unwrap_or_default()
    }

    /// Takes all: the connection is gone.
    pub(in crate::engine) fn take_all(&mut self) -> Vec<Want> {
        self.fetching.clear();
        std::mem::take(&mut self.waiting).into_values().flatten().collect()
    }
}
