//! Other people: finding them, claiming their bundles, presence.

use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, UserName};
use chat_wire::limits::{CONTACTS_MAX, DEVICES_MAX, ONE_TIME_PAIRS_LOW};
use chat_wire::message::{FoundUser, PresenceStatus, ServerMessage};
use serde_bytes::ByteBuf;

use crate::core::Core;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::Rests;
use crate::service::directory;
use crate::service::prekeys::{self, Stock};
use crate::storage::{Batch, Storage};

pub(super) fn find<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    asking: AccountId,
    (query, limit): (&str, u16),
) -> Result<Reply, Refuse> {
    core.gates.finds.take(asking, here.now.uptime_ms)?;
    let found = directory::find(&mut core.store, query, limit)?;
    let users = found.into_iter().map(|(name, account)| {
        let online = core.presence.sees_online(&asking, &account);
        FoundUser { name, account, online }
    });
    Ok(Reply::Answer(ServerMessage::Found { users: users.collect() }))
}

/// Whose bundles are wanted.
pub(super) struct Wanted {
    pub(super) account: Option<AccountId>,
    pub(super) name: Option<UserName>,
    pub(super) devices: Vec<DeviceId>,
}

pub(super) fn claim<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    asking: DeviceAddress,
    wanted: Wanted,
) -> Result<Reply, Refuse> {
    let now = here.now.uptime_ms;
    if wanted.devices.len() > DEVICES_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    core.gates.claims.take(asking.account, now)?;
    let account = match (wanted.account, wanted.name) {
        (Some(account), None) => account,
        (None, Some(name)) => {
            core.gates.finds.take(asking.account, now)?;
            core.store.account_named(&name)?.ok_or(RefusalKind::UnknownUser)?.id
        }
        _ => return Err(RefusalKind::Malformed.into()),
    };
    core.gates.claims_by_target.take((asking.account, account), now)?;
    core.live_account(&account)?;
    let list = core.store.current_list(&account)?.ok_or(RefusalKind::Unavailable)?;
    let roster = core.rosters.get(&mut core.store, &account)?.ok_or(RefusalKind::UnknownUser)?;
    let stock = match core.gates.one_time.take(account, now) {
        Ok(()) => Stock::OneTime,
        Err(_) => Stock::LastResortOnly,
    };
    let asked_for = |id: &DeviceId| wanted.devices.is_empty() || wanted.devices.contains(id);
    let mut batch = Batch::new();
    let mut bundles = Vec::new();
    for device in roster.devices.iter().filter(|d| d.reachable && asked_for(&d.id)) {
        let owner = DeviceAddress { account, device: device.id };
        if owner != asking {
            bundles.extend(prekeys::bundle(&mut core.store, owner, stock, &mut batch)?);
        }
    }
    core.apply(&batch)?;
    for bundle in bundles.iter().filter(|b| b.one_time.is_some()) {
        warn_when_low(core, &bundle.owner)?;
    }
    Ok(Reply::Answer(ServerMessage::Claimed { list: ByteBuf::from(list.to_vec()), bundles }))
}

/// Tells a connected device once when its stock falls below the mark, and when it is used up.
fn warn_when_low<S: Storage>(core: &mut Core<S>, owner: &DeviceAddress) -> Result<(), Refuse> {
    let Some(connection) = core.logins.get(owner).copied() else { return Ok(()) };
    let left = core.store.pairs_left(owner)?;
    let mark = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1);
    if mark == ONE_TIME_PAIRS_LOW || left == 0 {
        core.round.push(Rests::OnStorage, connection, ServerMessage::PreKeysLow { left });
    }
    Ok(())
}

pub(super) fn set_presence<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    device: DeviceAddress,
    status: PresenceStatus,
) -> Result<Reply, Refuse> {
    core.gates.changes.take(device.account, here.now.uptime_ms)?;
    let news = core.presence.show(&device, status, here.now.wall_ms);
    core.spread(news);
    Ok(Reply::done())
}

pub(super) fn set_contacts<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    account: AccountId,
    accounts: Vec<AccountId>,
) -> Result<Reply, Refuse> {
    if accounts.len() > CONTACTS_MAX {
        return Err(RefusalKind::TooLarge.into());
    }
    core.gates.changes.take(account, here.now.uptime_ms)?;
    let contacts = accounts.into_iter().collect();
    let news = core.presence.set_contacts(&account, here.connection, contacts, here.now.wall_ms);
    core.spread(news);
    Ok(Reply::done())
}
