//! What belongs to the own account: lists, vault, record, boot id, prekeys.

use bytes::Bytes;
use chat_wire::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, BootId, DeviceAddress};
use chat_wire::keys::VerifyKey;
use chat_wire::limits::LISTS_PER_ANSWER_MAX;
use chat_wire::message::ServerMessage;
use serde_bytes::ByteBuf;

use super::steps::{put_list, still_stands};
use crate::core::Core;
use crate::peer::Connection;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::service::devices::{self, NextList, Standing};
use crate::service::prekeys::{self, Upload};
use crate::service::records::{self, NextRecord};
use crate::storage::{Batch, Storage, Write};

pub(super) fn put_device_list<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    account: AccountId,
    (list, vault): (ByteBuf, Option<ByteBuf>),
) -> Result<Reply, Refuse> {
    core.gates.changes.take(account, here.now.uptime_ms)?;
    let relay = core.secrets.identity.id();
    let standing = Standing::read(&mut core.store, &account)?;
    let check = move || {
        let next = devices::next_list(&relay, &standing, &list, vault.as_deref().map(|v| &v[..]))?;
        Ok::<_, Refuse>((standing, next))
    };
    core.later(
        move |_| check(),
        move |checked, core, here, _| {
            let (standing, next) = checked?;
            still_stands(core, &account, &standing)?;
            if let NextList::Next(next) = next {
                put_list(core, here, *next, Batch::new())?;
            }
            Ok(Reply::done())
        },
    )
}

pub(super) fn fetch_lists<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    asking: AccountId,
    (of, after_seq): (AccountId, u64),
) -> Result<Reply, Refuse> {
    if of != asking {
        if core.presence.are_mutual(&asking, &of) {
            core.gates.fetches.take(asking, here.now.uptime_ms)?;
        } else {
            core.gates.claims.take(asking, here.now.uptime_ms)?;
            core.gates.claims_by_target.take((asking, of), here.now.uptime_ms)?;
        }
        core.live_account(&of)?;
    }
    let lists = core.store.lists(&of, after_seq, LISTS_PER_ANSWER_MAX)?;
    let lists = lists.into_iter().map(|l| ByteBuf::from(l.to_vec())).collect();
    Ok(Reply::Answer(ServerMessage::Lists { lists }))
}

pub(super) fn get_record<S: Storage>(core: &mut Core<S>, account: AccountId) -> Result<Reply, Refuse> {
    let record = core.store.record(&account)?;
    Ok(Reply::WithBody(ServerMessage::Record { version: record.version }, record.body))
}

/// A record by compare-and-set.
pub(super) struct RecordOffer {
    pub(super) expected: u64,
    pub(super) version: u64,
    pub(super) body: Bytes,
}

pub(super) fn put_record<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    account: AccountId,
    offer: RecordOffer,
) -> Result<Reply, Refuse> {
    core.gates.changes.take(account, here.now.uptime_ms)?;
    let stored = core.store.record(&account)?;
    if let NextRecord::Next(record) = records::next_record(&stored, offer.expected, offer.version, offer.body)? {
        core.apply(&vec![Write::PutRecord(account, record)])?;
    }
    Ok(Reply::done())
}

pub(super) fn get_vault<S: Storage>(core: &mut Core<S>, account: AccountId) -> Result<Reply, Refuse> {
    let vault = core.store.vault(&account)?.ok_or(RefusalKind::Unavailable)?;
    Ok(Reply::Answer(ServerMessage::Vault { vault: ByteBuf::from(vault.to_vec()) }))
}

pub(super) fn put_boot<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    (expected, new): (Option<BootId>, BootId),
) -> Result<Reply, Refuse> {
    core.gates.changes.take(device.account, here.now.uptime_ms)?;
    let stored = core.store.incarnation(&device)?.boot;
    if stored == Some(new) {
        // A repeat whose answer got lost.
        return Ok(Reply::done());
    }
    // SPEC 7.2.2: a stale or cloned store.
    if stored != expected {
        return Err(RefusalKind::Conflict.into());
    }
    core.apply(&vec![Write::PutBoot(device, new)])?;
    Ok(Reply::done())
}

pub(super) fn put_prekeys<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    (signed, last_resort, pairs): (Option<SignedPreKey>, Option<Box<LastResortKey>>, Vec<OneTimePair>),
) -> Result<Reply, Refuse> {
    let login = connection.peer.login().ok_or(RefusalKind::OutOfPlace)?;
    let device = login.device;
    core.gates.changes.take(device.account, here.now.uptime_ms)?;
    let key = signing_key(core, &device)?;
    let upload = Upload { signed, last_resort: last_resort.map(|key| *key), pairs };
    prekeys::fits(core.store.pairs_left(&device)?, &upload)?;
    core.later(
        move |_| prekeys::publish(&device, &key, upload),
        move |batch, core, _, _| {
            // What a key signed that is no longer the device's is of no use to anybody.
            if signing_key(core, &device)? != key {
                return Err(RefusalKind::Forbidden.into());
            }
            core.apply(&batch?)?;
            core.rosters.forget(&device.account);
            Ok(Reply::Answer(ServerMessage::PreKeysStored { pairs_left: core.store.pairs_left(&device)? }))
        },
    )
}

fn signing_key<S: Storage>(core: &mut Core<S>, device: &DeviceAddress) -> Result<VerifyKey, Refuse> {
    let roster = core.rosters.get(&mut core.store, &device.account)?.ok_or(RefusalKind::NotEnrolled)?;
    Ok(roster.device(device.device).ok_or(RefusalKind::NotEnrolled)?.sig_key)
}
