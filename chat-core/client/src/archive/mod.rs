//! The history in a file under a passphrase (SPEC 14): written beside its place and named when it is whole, read
//! twice, so that nothing of a file that is damaged anywhere gets into the store.
//!
//! ```text
//! export   store ──pages──▶ writer ──sealed pieces──▶ .chat-….part ──link──▶ the name that was asked for
//! import   file ──every piece checked and counted──▶ once more, into one transaction
//! ```

mod read;
mod write;

use std::path::PathBuf;

use chat_core::archive::HistoryOwner;
use chat_core::engine::{Answer, Failure, FailureKind, Query};
use chat_core::identity::passphrase::PassphraseKey;
use chat_core::identity::password::assess_passphrase;
use chat_login::{Profile, SALT_BYTES, stretch};
use tokio::task::spawn_blocking;

use crate::clock;
use crate::config::Passphrase;
use crate::driver::{Answer as Answering, Mailbox, Task};
use read::{Checked, Reading};
use write::Writing;

/// Messages that the store gives at once: a few milliseconds of its thread.
const PAGE_MESSAGES: u32 = 500;

/// Writes the history to a new file; tells how many messages it holds.
pub(crate) async fn export(mailbox: Mailbox, path: PathBuf, passphrase: Passphrase) -> Result<u64, Failure> {
    let owner = owner(&mailbox).await?;
    if passphrase.normalised().is_empty() {
        return Err(Failure { unmet: vec!["length"], ..Failure::of(FailureKind::WeakPassword) });
    }
    let mut writing = blocking(move || Writing::begin(&path, &owner, &passphrase)).await?;
    // What comes while this goes on is not part of it, so that it ends.
    let ends = mailbox.work(|store| store.ends()).await?;
    let (mut after, until) = ends.map_or((0, 0), |(lowest, highest)| (lowest.saturating_sub(1), highest));
    loop {
        let stretch = mailbox.work(move |store| store.stretch((after, until), PAGE_MESSAGES)).await?;
        let Some(end) = stretch.end else { break };
        after = end;
        writing = blocking(move || writing.write(&stretch.messages)).await?;
    }
    blocking(move || writing.finish()).await
}

/// What a passphrase lacks for a file that leaves this device.
pub(crate) async fn assess(mailbox: Mailbox, passphrase: Passphrase) -> Result<Vec<&'static str>, Failure> {
    let own = owner(&mailbox).await?.name.to_string();
    blocking(move || Ok(assess_passphrase(&passphrase.normalised(), &[&own]))).await
}

/// Takes the history of a file over; tells how many messages were new.
pub(crate) async fn import(mailbox: Mailbox, path: PathBuf, passphrase: Passphrase) -> Result<u64, Failure> {
    let own = owner(&mailbox).await?.name;
    let Checked { owner, messages, reading } =
        blocking(move || Reading::begin(&path, &passphrase).and_then(Reading::check)).await?;
    if owner.name != own {
        // SPEC 14.2.2: somebody else's words would stand here as one's own.
        return Err(Failure::of(FailureKind::Forbidden));
    }
    mailbox.ask(move |answer| into_store(messages, reading, answer)).await
}

/// All of it in one transaction: a file that changed since it was checked leaves nothing behind.
fn into_store(messages: u64, mut reading: Reading, answer: Answering<u64>) -> Task {
    Task::Work(Box::new(move |store| {
        let imported = store.import(messages, || reading.next());
        let result = imported.map_err(|error| Failure::of(error.kind())).and_then(|imported| imported);
        Box::new(move |stored| {
            // Nobody waits any more: then nobody misses the answer.
            let _ = answer.send(stored.and(result));
        })
    }))
}

async fn owner(mailbox: &Mailbox) -> Result<HistoryOwner, Failure> {
    let Answer::Status(status) = mailbox.ask(|answer| Task::Query(Query::Status, answer)).await? else {
        return Err(Failure::of(FailureKind::Internal));
    };
    let (true, Some(account), Some(name)) = (status.enrolled, status.account, status.username) else {
        return Err(Failure::of(FailureKind::NotLoggedIn));
    };
    Ok(HistoryOwner { account, name, at_ms: clock::now().as_ms() })
}

/// The key that a passphrase and a salt make under a profile of the table.
fn stretched(profile: Profile, passphrase: &Passphrase, salt: &[u8; SALT_BYTES]) -> Result<PassphraseKey, Failure> {
    let text = passphrase.normalised();
    let stretched = stretch(profile, text.as_bytes(), salt).map_err(|error| {
        Failure::of(match error {
            chat_login::StretchError::Length => FailureKind::BadCredentials,
            _ => FailureKind::Internal,
        })
    })?;
    Ok(PassphraseKey::stretched(&stretched))
}

/// Files and Argon2id are not for a thread that others wait for.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|_| Failure::of(FailureKind::Internal))?
}

/// What the file system says, as a person is told.
fn told(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    Failure::of(match error.kind() {
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::PermissionDenied => FailureKind::Forbidden,
        ErrorKind::AlreadyExists => FailureKind::FileExists,
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::InvalidInput => FailureKind::InvalidParams,
        ErrorKind::UnexpectedEof => FailureKind::Integrity,
        _ => FailureKind::Io,
    })
}
