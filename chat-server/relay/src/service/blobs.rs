//! Blobs (SPEC 13.3): sealed files, written once by who holds the token, read by who knows the id. Their
//! connections call this service directly, beside the relay's thread, so that no message waits for a file;
//! it is shared, and its storage is its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chat_wire::domain::{BLOB_TICKET, labelled_hash};
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, BlobId};
use chat_wire::limits::BLOB_PART_BYTES_MAX;
use chat_wire::message::{BlobAnswer, BlobAsk, BlobPass, BlobToken, ticket_proof};

use crate::blobstore::{BlobHead, BlobState, BlobStore, BlobStoreError};
use crate::identity::RelayIdentity;
use crate::limits::{BLOB_TICKET_MS, BlobLimits};

/// Makes and knows tickets for bulk connections: nothing is stored of them.
#[derive(Clone)]
pub struct Tickets {
    key: [u8; 32],
}

impl Tickets {
    /// The tickets of a relay.
    #[must_use]
    pub fn of(relay: &RelayIdentity) -> Self {
        Self { key: relay.ticket_key() }
    }

    /// A ticket for an account. The nonce is random.
    pub(crate) fn issue(&self, account: AccountId, now_ms: u64, nonce: [u8; 16]) -> BlobAnswer {
        let pass = BlobPass { account, expires_ms: now_ms.saturating_add(BLOB_TICKET_MS), nonce };
        BlobAnswer::Ticket { pass, secret: self.secret(&pass) }
    }

    /// Whose connection this is, if it knows the ticket's secret.
    #[must_use]
    pub fn check(&self, now_ms: u64, pass: &BlobPass, proof: &[u8; 32], exporter: &[u8; 32]) -> Option<AccountId> {
        let known = ticket_proof(&self.secret(pass), exporter) == *proof;
        (known && now_ms < pass.expires_ms).then_some(pass.account)
    }

    /// Every part has one length: no other pass has the same bytes.
    fn secret(&self, pass: &BlobPass) -> [u8; 32] {
        let expires = pass.expires_ms.to_be_bytes();
        labelled_hash(BLOB_TICKET, &[&self.key, &pass.account.0, &expires, &pass.nonce])
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

/// Locks over blobs: two connections of one upload take turns.
const LOCKS: usize = 64;

/// The service over a storage.
#[derive(Debug)]
pub struct Blobs<S> {
    store: S,
    limits: BlobLimits,
    /// Bytes that each account may have filled: whole sizes, from the first byte on.
    used: Mutex<BTreeMap<AccountId, u64>>,
    locks: Vec<Mutex<()>>,
}

impl<S: BlobStore> Blobs<S> {
    /// Opens the service, and counts what is there.
    ///
    /// # Errors
    /// [`BlobStoreError`].
    pub fn open(store: S, limits: BlobLimits) -> Result<Self, BlobStoreError> {
        let mut used: BTreeMap<AccountId, u64> = BTreeMap::new();
        store.each(&mut |_, state| {
            let sum = used.entry(state.head.account).or_default();
            *sum = sum.saturating_add(state.head.bytes);
        })?;
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        Ok(Self { store, limits, used: Mutex::new(used), locks })
    }

    /// Does what a bulk connection of an account asks. May wait for the disk.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn handle(
        &self,
        now_ms: u64,
        account: AccountId,
        ask: BlobAsk,
        body: &Bytes,
    ) -> Result<(BlobAnswer, Bytes), RefusalKind> {
        let answer = match ask {
            BlobAsk::Ticket {} | BlobAsk::Enter { .. } => return Err(RefusalKind::OutOfPlace),
            BlobAsk::Get { blob, at, count } => return self.get(now_ms, &blob, at, count),
            BlobAsk::Create { blob, bytes, token } => {
                let head = BlobHead { account, bytes, token_hash: token.hash(), created_ms: now_ms };
                self.create(&blob, &head)?
            }
            BlobAsk::Put { blob, at, token } => self.put(&blob, (at, body), &token)?,
            BlobAsk::Finish { blob, token } => self.finish(&blob, &token)?,
            BlobAsk::Delete { blob, token } => self.delete(&blob, &token)?,
        };
        Ok((answer, Bytes::new()))
    }

    /// Removes what has expired; called now and then, from a thread that may wait for the disk.
    ///
    /// # Errors
    /// [`BlobStoreError`]; what was removed is.
    pub fn sweep(&self, now_ms: u64) -> Result<(), BlobStoreError> {
        let mut expired = Vec::new();
        self.store.each(&mut |blob, state| {
            if self.expires_ms(&state.head) <= now_ms {
                expired.push((blob, state.head));
            }
        })?;
        for (blob, head) in expired {
            let _turn = self.lock(&blob);
            self.remove(&blob, &head)?;
        }
        Ok(())
    }

    fn create(&self, blob: &BlobId, head: &BlobHead) -> Result<BlobAnswer, RefusalKind> {
        let _turn = self.lock(blob);
        if let Some(state) = self.store.state(blob)? {
            // A repeat by the same uploader, or somebody who saw the id and wants to write under it.
            let same = state.head.token_hash == head.token_hash && state.head.bytes == head.bytes;
            return if same { Ok(held(&state)) } else { Err(RefusalKind::Conflict) };
        }
        if head.bytes > self.limits.blob_bytes_max {
            return Err(RefusalKind::TooLarge);
        }
        self.reserve(head)?;
        if let Err(error) = self.store.create(blob, head) {
            self.release(head);
            return Err(error.into());
        }
        Ok(BlobAnswer::Held { bytes: 0, finished: false })
    }

    fn put(&self, blob: &BlobId, (at, body): (u64, &Bytes), token: &BlobToken) -> Result<BlobAnswer, RefusalKind> {
        let _turn = self.lock(blob);
        let state = self.owned(blob, token)?;
        let end = at.saturating_add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        if body.len() > BLOB_PART_BYTES_MAX || end > state.head.bytes {
            return Err(RefusalKind::TooLarge);
        }
        if state.finished || end <= state.held {
            return Ok(held(&state));
        }
        // A part before this one was not written: the client asks how far it got.
        let known = state.held.checked_sub(at).ok_or(RefusalKind::Conflict)?;
        let news = usize::try_from(known).ok().and_then(|known| body.get(known..)).ok_or(RefusalKind::Conflict)?;
        self.store.append(blob, state.held, news)?;
        Ok(BlobAnswer::Held { bytes: end, finished: false })
    }

    fn finish(&self, blob: &BlobId, token: &BlobToken) -> Result<BlobAnswer, RefusalKind> {
        let _turn = self.lock(blob);
        let state = self.owned(blob, token)?;
        if state.held < state.head.bytes {
            return Err(RefusalKind::Conflict);
        }
        if !state.finished {
            self.store.finish(blob)?;
        }
        Ok(BlobAnswer::Finished { expires_ms: self.expires_ms(&state.head) })
    }

    fn get(&self, now_ms: u64, blob: &BlobId, at: u64, count: u32) -> Result<(BlobAnswer, Bytes), RefusalKind> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > BLOB_PART_BYTES_MAX {
            return Err(RefusalKind::TooLarge);
        }
        let state = self.store.state(blob)?.ok_or(RefusalKind::UnknownBlob)?;
        if !state.finished || self.expires_ms(&state.head) <= now_ms {
            return Err(RefusalKind::UnknownBlob);
        }
        let left = usize::try_from(state.head.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let part = self.store.read(blob, at, count.min(left))?;
        Ok((BlobAnswer::Part { bytes: state.head.bytes }, part))
    }

    fn delete(&self, blob: &BlobId, token: &BlobToken) -> Result<BlobAnswer, RefusalKind> {
        let _turn = self.lock(blob);
        match self.owned(blob, token) {
            Ok(state) => self.remove(blob, &state.head)?,
            Err(RefusalKind::UnknownBlob) => {}
            Err(kind) => return Err(kind),
        }
        Ok(BlobAnswer::Deleted {})
    }

    /// The blob, if the token is its.
    fn owned(&self, blob: &BlobId, token: &BlobToken) -> Result<BlobState, RefusalKind> {
        let state = self.store.state(blob)?.ok_or(RefusalKind::UnknownBlob)?;
        if state.head.token_hash == token.hash() { Ok(state) } else { Err(RefusalKind::Forbidden) }
    }

    fn remove(&self, blob: &BlobId, head: &BlobHead) -> Result<(), BlobStoreError> {
        self.store.remove(blob)?;
        self.release(head);
        Ok(())
    }

    fn expires_ms(&self, head: &BlobHead) -> u64 {
        head.created_ms.saturating_add(self.limits.retention_ms)
    }

    /// Counts a blob against its account's quota.
    fn reserve(&self, head: &BlobHead) -> Result<(), RefusalKind> {
        let mut used = lock(&self.used);
        let sum = used.entry(head.account).or_default();
        let after = sum.saturating_add(head.bytes);
        if after > self.limits.account_bytes_max {
            return Err(RefusalKind::QuotaFull);
        }
        *sum = after;
        Ok(())
    }

    fn release(&self, head: &BlobHead) {
        let mut used = lock(&self.used);
        if let Some(sum) = used.get_mut(&head.account) {
            *sum = sum.saturating_sub(head.bytes);
            if *sum == 0 {
                used.remove(&head.account);
            }
        }
    }

    fn lock(&self, blob: &BlobId) -> Option<MutexGuard<'_, ()>> {
        let [first, ..] = blob.0;
        self.locks.get(usize::from(first) % LOCKS).map(lock)
    }
}

fn held(state: &BlobState) -> BlobAnswer {
    BlobAnswer::Held { bytes: state.held, finished: state.finished }
}

/// What a panic left is whole: every change under these locks is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<BlobStoreError> for RefusalKind {
    fn from(error: BlobStoreError) -> Self {
        match error {
            BlobStoreError::Missing => Self::UnknownBlob,
            BlobStoreError::Damaged | BlobStoreError::Io { .. } => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests;
