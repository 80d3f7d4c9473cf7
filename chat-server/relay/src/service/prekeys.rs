//! Prekeys: each one-time pair is handed out at most once, ever (SPEC 6.3.1); afterwards the last
//! resort serves.

use chat_wire::bundle::{LastResortKey, OneTimePair, PreKeyBundle, SignedPreKey};
use chat_wire::error::RefusalKind;
use chat_wire::ids::DeviceAddress;
use chat_wire::keys::VerifyKey;
use chat_wire::limits::{ONE_TIME_PAIRS_PER_UPLOAD_MAX, ONE_TIME_PAIRS_STORED_MAX};

use crate::refuse::Refuse;
use crate::storage::{Batch, StandingKeys, Storage, StorageError, Write};

/// What a device publishes.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) signed: Option<SignedPreKey>,
    pub(crate) last_resort: Option<LastResortKey>,
    pub(crate) pairs: Vec<OneTimePair>,
}

/// Refuses an upload that is over the caps.
pub(crate) fn fits(pairs_left: u32, upload: &Upload) -> Result<(), Refuse> {
    let after = usize::try_from(pairs_left).unwrap_or(usize::MAX).saturating_add(upload.pairs.len());
    let too_many = upload.pairs.len() > ONE_TIME_PAIRS_PER_UPLOAD_MAX || after > ONE_TIME_PAIRS_STORED_MAX;
    if too_many { Err(RefusalKind::TooLarge.into()) } else { Ok(()) }
}

/// Checks an upload's signatures by the device's key (SPEC 6.2.1); what it writes.
pub(crate) fn publish(owner: &DeviceAddress, key: &VerifyKey, upload: Upload) -> Result<Batch, Refuse> {
    let signed_ok = upload.signed.as_ref().is_none_or(|s| s.verifies(owner, key));
    let last_ok = upload.last_resort.as_ref().is_none_or(|l| l.verifies(owner, key));
    if !signed_ok || !last_ok || !upload.pairs.iter().all(|p| p.verifies(owner, key)) {
        return Err(RefusalKind::Forbidden.into());
    }
    let mut batch: Batch = Vec::with_capacity(upload.pairs.len().saturating_add(1));
    if upload.signed.is_some() || upload.last_resort.is_some() {
        let keys = StandingKeys { signed: upload.signed, last_resort: upload.last_resort };
        batch.push(Write::PutStandingKeys(*owner, Box::new(keys)));
    }
    batch.extend(upload.pairs.into_iter().map(|pair| Write::AddPair(*owner, Box::new(pair))));
    Ok(batch)
}

/// Whether a claim may use up a one-time pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stock {
    /// Yes.
    OneTime,
    /// Too many were claimed of this account lately.
    LastResortOnly,
}

/// The bundle of one device, or none when it has published nothing; notes the spent pair in `batch`.
pub(crate) fn bundle<S: Storage>(
    store: &mut S,
    owner: DeviceAddress,
    stock: Stock,
    batch: &mut Batch,
) -> Result<Option<PreKeyBundle>, StorageError> {
    let standing = store.standing_keys(&owner)?;
    let Some(signed) = standing.signed else { return Ok(None) };
    let one_time = match stock {
        Stock::OneTime => store.oldest_pair(&owner)?,
        Stock::LastResortOnly => None,
    };
    if let Some(pair) = one_time {
        batch.push(Write::SpendPair(owner, pair.dh_id()));
        return Ok(Some(PreKeyBundle { owner, signed, one_time: Some(pair), last_resort: None }));
    }
    let bundle = |last_resort| PreKeyBundle { owner, signed, one_time: None, last_resort: Some(last_resort) };
    Ok(standing.last_resort.map(bundle))
}
