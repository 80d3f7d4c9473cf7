//! Mail: sends, ephemeral packets, acknowledgements, and what flows to a connected device.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::frame::Frame;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey};
use chat_wire::limits::{PACKET_BYTES_MAX, PACKETS_PER_SEND_MAX};
use chat_wire::message::{ListState, PacketHead, ServerMessage};
use serde_bytes::ByteBuf;

use crate::core::Core;
use crate::limits::{ACCOUNTS_PER_SEND_MAX, EPHEMERAL_BYTES_MAX};
use crate::peer::{Connection, Login};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::{ConnectionId, Output, Rests};
use crate::service::mailboxes::Letter;
use crate::service::sends::{Readers, Receipt, Sent};
use crate::storage::{Entry, Log, Storage, StorageError};
use crate::window::Load;

/// A send as it came.
pub(super) struct Send {
    pub(super) key: RequestKey,
    pub(super) step: u64,
    pub(super) request: u32,
    pub(super) lists: Vec<ListState>,
    pub(super) packets: Vec<PacketHead>,
    pub(super) body: Bytes,
}

pub(super) fn send<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    send: Send,
) -> Result<Reply, Refuse> {
    let login = connection.peer.login().ok_or(RefusalKind::OutOfPlace)?;
    let from = login.device;
    // SPEC 7.3.2: before anything that may have changed meanwhile. A step above all that were accepted
    // is no repeat, which saves the look.
    if send.step <= login.step {
        core.settle();
        if let Some(answered) = core.store.answered(&from, &send.key, send.step)? {
            return Ok(Reply::Answer(ServerMessage::Accepted { now_ms: answered.accepted_ms, step: login.step }));
        }
        // SPEC 7.2.3: no repeat, and not the next step either: another life of the device sent since.
        return Err(RefusalKind::Conflict.into());
    }
    core.gates.sends.take(from, here.now.uptime_ms)?;
    let packets = cut(&send.packets, send.body, PACKET_BYTES_MAX).ok_or(RefusalKind::Malformed)?;
    check_shape(from, &send.lists, &packets)?;
    let stale = stale_lists(core, from, &send.lists, &packets)?;
    if !stale.is_empty() {
        return Ok(Reply::Answer(ServerMessage::StaleDevices { lists: stale }));
    }
    // From here on all of it or nothing (SPEC 7.4.2).
    let packets = with_room(core, from, packets)?;
    let accepted_ms = here.now.wall_ms;
    let mut placed = Vec::with_capacity(packets.len());
    for (to, body) in packets {
        placed.push((to, core.mailboxes.place(&mut core.store, &to, Letter { from, accepted_ms, body })?));
    }
    login.step = login.step.max(send.step);
    let receipt = Receipt { connection: here.connection, request: send.request, accepted_ms, step: login.step };
    let readers = hand_over(core, &placed);
    core.sends.push(Sent::new(receipt, (from, send.key, send.step), placed), readers, here.now.uptime_ms);
    Ok(Reply::Later)
}

/// Has entries at hand for readers that are connected; whether all of them are.
fn hand_over<S>(core: &mut Core<S>, placed: &[(DeviceAddress, Entry)]) -> Readers {
    let mut readers = Readers::Connected;
    for (to, entry) in placed {
        match core.logins.get(to) {
            Some(connection) => core.round.fresh.push((*connection, entry.clone())),
            None => readers = Readers::Away,
        }
    }
    readers
}

/// Cuts a body into its packets; none when lengths and body do not agree (SPEC 7.4.3).
fn cut(heads: &[PacketHead], mut body: Bytes, bytes_max: usize) -> Option<Vec<(DeviceAddress, Bytes)>> {
    let mut packets = Vec::with_capacity(heads.len().min(PACKETS_PER_SEND_MAX));
    for head in heads {
        let len = usize::try_from(head.len).ok().filter(|len| *len <= bytes_max && *len <= body.len())?;
        packets.push((head.to, body.split_to(len)));
    }
    body.is_empty().then_some(packets)
}

/// Not for the own device, and of at most two accounts. One device may get several packets: they
/// keep their order.
fn check_shape(from: DeviceAddress, lists: &[ListState], packets: &[(DeviceAddress, Bytes)]) -> Result<(), Refuse> {
    if packets.iter().any(|(to, _)| *to == from) {
        return Err(RefusalKind::Malformed.into());
    }
    if packets.len() <= 1 && lists.len() <= ACCOUNTS_PER_SEND_MAX {
        return Ok(());
    }
    let accounts: BTreeSet<&AccountId> = packets.iter().map(|(to, _)| &to.account).collect();
    let too_many = packets.len() > PACKETS_PER_SEND_MAX
        || accounts.len() > ACCOUNTS_PER_SEND_MAX
        || lists.len() > ACCOUNTS_PER_SEND_MAX;
    if too_many { Err(RefusalKind::TooLarge.into()) } else { Ok(()) }
}

/// The current lists of accounts whose devices the packets do not fit (SPEC 7.4.1). An account that the send names
/// a list of must get a packet for each device that can be reached; packets for single devices (a
/// resend, a probe) name no list, and need only be for devices that exist.
fn stale_lists<S: Storage>(
    core: &mut Core<S>,
    from: DeviceAddress,
    lists: &[ListState],
    packets: &[(DeviceAddress, Bytes)],
) -> Result<Vec<ByteBuf>, Refuse> {
    let mut accounts: Vec<AccountId> = lists.iter().map(|l| l.account).collect();
    accounts.extend(packets.iter().map(|(to, _)| to.account));
    accounts.sort_unstable();
    accounts.dedup();
    let mut stale = Vec::new();
    for account in accounts {
        let roster = core.rosters.get(&mut core.store, &account)?;
        let Some(roster) = roster else { return Err(core.absent(&account)?.into()) };
        if roster.disabled {
            return Err(RefusalKind::UnknownUser.into());
        }
        let sent_to = |id| packets.iter().any(|(to, _)| to.account == account && to.device == id);
        let outdated = lists.iter().any(|l| l.account == account && l.seq < roster.list_seq);
        let named = lists.iter().any(|l| l.account == account);
        let missing = named
            && roster
                .devices
                .iter()
                .any(|d| d.reachable && DeviceAddress { account, device: d.id } != from && !sent_to(d.id));
        let unknown = packets.iter().any(|(to, _)| to.account == account && roster.device(to.device).is_none());
        if outdated || missing || unknown {
            let list = core.store.current_list(&account)?.ok_or(RefusalKind::Unavailable)?;
            stale.push(ByteBuf::from(list.to_vec()));
        }
    }
    Ok(stale)
}

/// Leaves out the packets for full mailboxes. Refused only when some account would get nothing: a
/// device that somebody has not opened for weeks must not keep mail from the person's others.
fn with_room<S: Storage>(
    core: &mut Core<S>,
    from: DeviceAddress,
    packets: Vec<(DeviceAddress, Bytes)>,
) -> Result<Vec<(DeviceAddress, Bytes)>, Refuse> {
    if let [(to, body)] = &packets[..] {
        let mut load = Load::default();
        load.add(body.len());
        return match core.mailboxes.has_room(&mut core.store, to, load, &core.config.limits)? {
            true => Ok(packets),
            false if to.account == from.account => Ok(Vec::new()),
            false => Err(RefusalKind::MailboxFull.into()),
        };
    }
    let mut wanted: BTreeMap<DeviceAddress, Load> = BTreeMap::new();
    for (to, body) in &packets {
        wanted.entry(*to).or_default().add(body.len());
    }
    let mut full = BTreeSet::new();
    for (to, load) in &wanted {
        if !core.mailboxes.has_room(&mut core.store, to, *load, &core.config.limits)? {
            full.insert(*to);
        }
    }
    let reached = |account: AccountId| wanted.keys().any(|to| to.account == account && !full.contains(to));
    if full.iter().any(|to| to.account != from.account && !reached(to.account)) {
        return Err(RefusalKind::MailboxFull.into());
    }
    Ok(packets.into_iter().filter(|(to, _)| !full.contains(to)).collect())
}

/// Passes packets to devices that are connected, between people who have each other as contacts, or
/// to own devices. Never stored, never answered (SPEC 7.4.4): a stranger learns nothing and disturbs nobody.
pub(super) fn ephemeral<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    from: DeviceAddress,
    (heads, body): (&[PacketHead], Bytes),
) -> Reply {
    if heads.len() > PACKETS_PER_SEND_MAX || core.gates.ephemerals.take(from, here.now.uptime_ms).is_err() {
        return Reply::Silence;
    }
    for (to, packet) in cut(heads, body, EPHEMERAL_BYTES_MAX).unwrap_or_default() {
        let may = to.account == from.account || core.presence.are_mutual(&from.account, &to.account);
        if let Some(connection) = core.logins.get(&to).filter(|_| may && to != from) {
            let message = ServerMessage::DeliverEphemeral { from: Some(from) };
            core.round.stage(Rests::OnMemory, Output::Send(*connection, Frame::with_body(0, message, packet)));
        }
    }
    Reply::Silence
}

pub(super) fn acknowledge<S: Storage>(core: &mut Core<S>, here: Here, connection: &mut Connection, seq: u64) -> Reply {
    if let Some(login) = connection.peer.login() {
        let (up_to, released) = login.window.acknowledge(seq);
        if released.entries > 0 {
            core.mailboxes.acknowledge(login.device, up_to, released);
            if !login.window.is_caught_up() {
                core.round.to_pump.insert(here.connection);
            }
            let receipts = core.sends.acknowledge(&login.device, up_to);
            core.accept(receipts);
        }
    }
    Reply::Silence
}

/// Sends what was just appended to a reader that had everything before; another reads it from the log. What a
/// power cut could still take back is not acknowledged to its sender before the device has it (SPEC 1.3).
pub(crate) fn hand<S>(core: &mut Core<S>, (connection, login): (ConnectionId, &mut Login), entry: Entry) {
    if login.announced && login.window.is_caught_up() && login.window.portion().is_some() {
        core.round.stage_now(deliver(connection, login, entry));
    } else {
        login.window.set_caught_up(false);
        core.round.to_pump.insert(connection);
    }
}

/// Fills a connection's window from the log.
pub(crate) fn pump<S: Storage>(
    core: &mut Core<S>,
    (connection, login): (ConnectionId, &mut Login),
) -> Result<(), StorageError> {
    if !login.announced {
        return Ok(());
    }
    while !login.window.is_caught_up() {
        let Some(portion) = login.window.portion() else { break };
        core.settle();
        let entries = core.store.log_entries(&Log::Mailbox(login.device), login.window.delivered(), portion)?;
        login.window.set_caught_up(entries.is_empty());
        for entry in entries {
            core.round.stage_now(deliver(connection, login, entry));
        }
    }
    if login.window.drained_now() {
        core.round.stage_now(Output::Send(connection, Frame::new(0, ServerMessage::Drained {})));
    }
    Ok(())
}

fn deliver(connection: ConnectionId, login: &mut Login, entry: Entry) -> Output {
    login.window.sent(&entry);
    let message = ServerMessage::Deliver { seq: entry.seq, from: Some(entry.from), sent_ms: entry.accepted_ms };
    Output::Send(connection, Frame::with_body(0, message, entry.body))
}
