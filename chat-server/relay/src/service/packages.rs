//! Key packages: each is handed out once, ever; afterwards the last resort serves. What is in them is MLS's,
//! and their owners' to prove.

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::ids::DeviceAddress;
use chat_wire::limits::{KEY_PACKAGE_BYTES_MAX, KEY_PACKAGES_PER_UPLOAD_MAX, KEY_PACKAGES_STORED_MAX};
use chat_wire::message::{KeyPackageUpload, OfferedKeyPackage};
use serde_bytes::ByteBuf;

use crate::refuse::Refuse;
use crate::storage::{Batch, RoomWrite, Storage, StorageError, StoredKeyPackage, Write};

/// Whether a claim may use up a one-time key package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    /// Yes.
    OneTime,
    /// Too many were claimed of this account lately.
    LastResortOnly,
}

fn stored(upload: KeyPackageUpload, now_ms: u64) -> Result<StoredKeyPackage, Refuse> {
    let KeyPackageUpload { id, expires_ms, package } = upload;
    if package.len() > KEY_PACKAGE_BYTES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    if package.is_empty() || expires_ms <= now_ms {
        return Err(RefusalKind::Malformed.into());
    }
    Ok(StoredKeyPackage { id, expires_ms, bytes: Bytes::from(package.into_vec()) })
}

/// Checks an upload: sizes, counts, and that nothing in it has ended already.
pub(crate) fn publish(
    owner: DeviceAddress,
    left: u32,
    (packages, last_resort): (Vec<KeyPackageUpload>, Option<KeyPackageUpload>),
    now_ms: u64,
) -> Result<Batch, Refuse> {
    let after = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(packages.len());
    if packages.len() > KEY_PACKAGES_PER_UPLOAD_MAX || after > KEY_PACKAGES_STORED_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    let mut batch = Batch::with_capacity(packages.len().saturating_add(1));
    for upload in packages {
        batch.push(Write::Room(RoomWrite::AddKeyPackage(owner, stored(upload, now_ms)?)));
    }
    if let Some(upload) = last_resort {
        batch.push(Write::Room(RoomWrite::PutLastKeyPackage(owner, stored(upload, now_ms)?)));
    }
    Ok(batch)
}

/// One key package of a device, or none when it has published nothing; notes the spent one in `batch`.
pub(crate) fn offer<S: Storage>(
    store: &mut S,
    owner: DeviceAddress,
    (supply, now_ms): (Supply, u64),
    batch: &mut Batch,
) -> Result<Option<OfferedKeyPackage>, StorageError> {
    let one_time = match supply {
        Supply::OneTime => store.key_package(&owner, now_ms)?,
        Supply::LastResortOnly => None,
    };
    if let Some(package) = &one_time {
        batch.push(Write::Room(RoomWrite::SpendKeyPackage(owner, package.id)));
    }
    let package = match one_time {
        Some(package) => Some(package),
        None => store.last_key_package(&owner)?.filter(|package| package.expires_ms > now_ms),
    };
    Ok(package.map(|package| OfferedKeyPackage { owner, package: ByteBuf::from(package.bytes.to_vec()) }))
}
