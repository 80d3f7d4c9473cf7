//! Between rows and values: fixed layouts of prekeys and senders, numbers, errors.

use bytes::Bytes;
use chat_relay::storage::StorageError;
use chat_wire::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId};
use chat_wire::keys::{DhKey, KemKey, Signature};
use rusqlite::ErrorCode;

/// What SQLite's refusal means to the relay.
pub(super) fn trouble(error: rusqlite::Error) -> StorageError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::Busy,
        Some(ErrorCode::ConstraintViolation) => StorageError::Conflict,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageError::Damaged,
        // A row that does not convert was not written by us.
        None => StorageError::Damaged,
        _ => StorageError::Io,
    }
}

/// SQLite's integers end at 2^63 − 1; nothing here gets there but a client's own step.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn narrow(value: i64) -> Result<u32, StorageError> {
    u32::try_from(value).map_err(|_| StorageError::Damaged)
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StorageError> {
    bytes.try_into().map_err(|_| StorageError::Damaged)
}

fn read<T>(bytes: &[u8], parse: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>) -> Result<T, StorageError> {
    let mut reader = Reader::new(bytes);
    let value = parse(&mut reader).map_err(|_| StorageError::Damaged)?;
    reader.end().map_err(|_| StorageError::Damaged)?;
    Ok(value)
}

pub(super) fn sender_to_bytes(sender: &DeviceAddress) -> Vec<u8> {
    [&sender.account.0[..], &sender.device.0.to_be_bytes()].concat()
}

pub(super) fn sender_from_bytes(bytes: &[u8]) -> Result<DeviceAddress, StorageError> {
    read(bytes, |r| Ok(DeviceAddress { account: AccountId(r.array()?), device: DeviceId(r.u32()?) }))
}

pub(super) fn signed_to_bytes(key: &SignedPreKey) -> Vec<u8> {
    let mut out = Writer::with_capacity(104);
    out.put(&key.public.0).u64(key.created_ms).put(&key.signature.0);
    out.finish()
}

pub(super) fn signed_from_bytes(bytes: &[u8]) -> Result<SignedPreKey, StorageError> {
    read(bytes, |r| {
        Ok(SignedPreKey { public: DhKey(r.array()?), created_ms: r.u64()?, signature: Signature(r.array()?) })
    })
}

pub(super) fn last_resort_to_bytes(key: &LastResortKey) -> Vec<u8> {
    let mut out = Writer::with_capacity(1_640);
    out.put(&key.kem.0).u64(key.created_ms).put(&key.signature.0);
    out.finish()
}

pub(super) fn last_resort_from_bytes(bytes: &[u8]) -> Result<LastResortKey, StorageError> {
    read(bytes, |r| {
        Ok(LastResortKey { kem: KemKey(r.array()?), created_ms: r.u64()?, signature: Signature(r.array()?) })
    })
}

pub(super) fn pair_to_bytes(pair: &OneTimePair) -> Vec<u8> {
    let mut out = Writer::with_capacity(1_664);
    out.put(&pair.dh.0).put(&pair.kem.0).put(&pair.signature.0);
    out.finish()
}

pub(super) fn pair_from_bytes(bytes: &[u8]) -> Result<OneTimePair, StorageError> {
    read(bytes, |r| {
        Ok(OneTimePair { dh: DhKey(r.array()?), kem: KemKey(r.array()?), signature: Signature(r.array()?) })
    })
}

pub(super) fn bytes(row: Vec<u8>) -> Bytes {
    Bytes::from(row)
}

/// A write that must hit its row, or somebody else was there first.
pub(super) fn one_row(changed: usize) -> Result<(), StorageError> {
    if changed == 1 { Ok(()) } else { Err(StorageError::Conflict) }
}
