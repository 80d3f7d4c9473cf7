//! Pairwise sessions with devices: one live, a few replaced ones that can still receive (SPEC 8.4.1).
//!
//! In `Table::Sessions`, under `account 32 ‖ device u32`: the bare key holds the index of the device,
//! and under `… ‖ sid 16` lie the rows of each session.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, PreKeyId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::engine::context::{Work, decode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::limits::{
    CLEANUP_ENTRIES, HEADER_TRIALS_MAX, MANGLED_PER_MINUTE_MAX, MANGLED_WINDOW_MS, REPLACED_SESSION_MS_MAX,
    REPLACED_SESSIONS_MAX, SESSIONS_CACHED_MAX,
};
use crate::identity::Party;
use crate::session::{OpenError, Opened, Psk, Refusal, Session, Sid};
use crate::store::Table;
use crate::time::Timestamp;

/// Bytes of a device's part of a key: account and device.
const DEVICE_KEY_BYTES: usize = 36;
/// Bytes of a session id.
const SID_BYTES: usize = 16;

/// Which sessions a device has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    #[serde(rename = "l", default)]
    live: Option<ByteArray<SID_BYTES>>,
    /// Replaced ones with the time they were replaced, newest first.
    #[serde(rename = "r", default)]
    replaced: Vec<(ByteArray<SID_BYTES>, u64)>,
    /// Highest (incarnation, session number) of an initiation that was taken; never expires.
    #[serde(rename = "m", default)]
    mark: Option<(u32, u32)>,
    /// The live one was built by us on the secret of the one before.
    #[serde(rename = "b", default)]
    built: bool,
    /// The next one is started without such a secret.
    #[serde(rename = "n", default)]
    bare: bool,
    /// Since when the other side has no new key of ours, although it writes.
    #[serde(rename = "u", default)]
    unanswered_since: Option<u64>,
    /// When this device became another incarnation: what was replaced until then leads to nothing new.
    #[serde(rename = "x", default)]
    renewed_ms: u64,
}

/// The sessions of one device.
#[derive(Default)]
struct Device {
    live: Option<Session>,
    replaced: Vec<(Session, u64)>,
    mark: Option<(u32, u32)>,
    built: bool,
    bare: bool,
    unanswered_since: Option<u64>,
    renewed_ms: u64,
    /// Unsound packets in the minute that began then: each may cost thousands of chain steps.
    mangled: (Timestamp, u32),
    /// For throwing out the one that was used longest ago.
    used: u64,
}

/// What opening a packet with the sessions at hand came to.
pub(in crate::engine) enum Trial {
    /// It opened; the session is stored.
    Opened(Unsealed),
    /// Its place in a session is used up: it came before.
    Duplicate,
    /// A session knows its header, but it is not sound.
    Refused,
    /// Its device sent too much of that: it is not tried before this time.
    Deferred(Timestamp),
    /// Another packet was opened at its position.
    Forked,
    /// The other side broke the session's key exchange: the session seals nothing any more.
    Broken,
    /// No session knows it.
    Unknown,
}

/// A content, and how the session that opened it stands.
#[derive(Debug)]
pub(in crate::engine) struct Unsealed {
    pub(in crate::engine) content: Vec<u8>,
    pub(in crate::engine) via: Via,
}

/// How the session that opened a packet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Via {
    /// It is the live one.
    pub(in crate::engine) live: bool,
    /// Messages of the other side since it last had a new key of ours, and since when.
    pub(in crate::engine) unanswered: u32,
    pub(in crate::engine) unanswered_since: Option<Timestamp>,
    /// The packet started the session.
    pub(in crate::engine) started: Option<Started>,
}

/// What a session that another device started came in place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Started {
    /// Of nothing that both sides had.
    First,
    /// Of one on whose secret it is built.
    OnOld,
    /// Of one, without its secret.
    Bare,
    /// Of one with an earlier incarnation of the device, which has lost it.
    Renewed,
}

/// Sessions in memory; all of them lie in the records.
#[derive(Default)]
pub(in crate::engine) struct Sessions {
    devices: BTreeMap<DeviceAddress, Device>,
    clock: u64,
}

impl Sessions {
    /// Tries a packet with every session of a device, the live one first. The first whose header key
    /// fits decides.
    pub(in crate::engine) fn open(
        &mut self,
        work: &mut Work<'_>,
        from: &DeviceAddress,
        packet: &[u8],
    ) -> Result<Trial, EngineError> {
        let now = work.now;
        let device = self.device(work, from)?;
        if now.ms_since(device.mangled.0) >= MANGLED_WINDOW_MS {
            device.mangled = (now, 0);
        }
        if device.mangled.1 >= MANGLED_PER_MINUTE_MAX {
            return Ok(Trial::Deferred(device.mangled.0.plus_ms(MANGLED_WINDOW_MS)));
        }
        let replaced = device.replaced.iter_mut().filter(|(_, at_ms)| !is_over(*at_ms, now));
        let mut trials = HEADER_TRIALS_MAX;
        let live = device.live.iter_mut().map(|session| (session, true));
        for (session, live) in live.chain(replaced.map(|(session, _)| (session, false))) {
            let Some(left) = trials.checked_sub(session.header_keys()) else { break };
            trials = left;
            match session.open(packet, now) {
                Ok(Opened { content, session: mut after }) => {
                    store_changes(work, from, &mut after);
                    let unanswered = after.unanswered();
                    *session = after;
                    let unanswered_since = if live { self.note_turn(work, from, unanswered)? } else { None };
                    let via = Via { live, unanswered, unanswered_since, started: None };
                    return Ok(Trial::Opened(Unsealed { content, via }));
                }
                // Whatever does not open ends nothing (SPEC 8.4.3).
                Err(OpenError::NotThisSession | OpenError::Malformed) => {}
                Err(OpenError::Duplicate) => return Ok(Trial::Duplicate),
                Err(OpenError::Refused(Refusal::Braid)) => return self.give_up(work, from),
                Err(OpenError::Refused(Refusal::Forked | Refusal::Contradiction)) => return Ok(Trial::Forked),
                Err(OpenError::Refused(_)) => {
                    device.mangled.1 = device.mangled.1.saturating_add(1);
                    return Ok(Trial::Refused);
                }
            }
        }
        Ok(Trial::Unknown)
    }

    /// Keeps the time since which the other side waits for a new key of ours.
    fn note_turn(
        &mut self,
        work: &mut Work<'_>,
        from: &DeviceAddress,
        unanswered: u32,
    ) -> Result<Option<Timestamp>, EngineError> {
        let now_ms = work.now.as_ms();
        let device = self.device(work, from)?;
        let since = (unanswered > 0).then(|| device.unanswered_since.filter(|_| unanswered > 1).unwrap_or(now_ms));
        if device.unanswered_since != since {
            device.unanswered_since = since;
            self.save_index(work, from)?;
        }
        Ok(since.map(Timestamp::from_ms))
    }

    /// Whether there is a session to seal with.
    pub(in crate::engine) fn has_live(&mut self, work: &Work<'_>, with: &DeviceAddress) -> Result<bool, EngineError> {
        Ok(self.device(work, with)?.live.as_ref().is_some_and(Session::can_seal))
    }

    /// Whether a session is the live one.
    pub(in crate::engine) fn is_live(
        &mut self,
        work: &Work<'_>,
        with: &DeviceAddress,
        sid: &Sid,
    ) -> Result<bool, EngineError> {
        Ok(self.device(work, with)?.live.as_ref().is_some_and(|session| session.sid() == sid))
    }

    /// Whether the live session is one of ours that the other side has never answered in.
    pub(in crate::engine) fn is_unheard(&mut self, work: &Work<'_>, with: &DeviceAddress) -> Result<bool, EngineError> {
        let live = self.device(work, with)?.live.as_ref();
        Ok(live.is_some_and(|session| session.initiated_by_us() && !session.acknowledged()))
    }

    /// Whether a new session can be built on the secret of an old one: both had it, and the last attempt
    /// to do so was answered.
    pub(in crate::engine) fn can_build_on(
        &mut self,
        work: &Work<'_>,
        with: &DeviceAddress,
    ) -> Result<bool, EngineError> {
        let now = work.now;
        let device = self.device(work, with)?;
        let failed = device.built && device.live.as_ref().is_some_and(|session| !session.acknowledged());
        Ok(!failed && device.common(now).is_some())
    }

    /// The secret that the next session with a device is built on, if there is one that it should have.
    pub(in crate::engine) fn psk_to_build_on(
        &mut self,
        work: &Work<'_>,
        to: &Party,
    ) -> Result<Option<Psk>, EngineError> {
        let now = work.now;
        let device = self.device(work, &to.address())?;
        // A new incarnation says by itself that it lost its sessions.
        let same = device.common(now).filter(|session| is_with(session, to) && !device.bare);
        Ok(same.map(Session::psk))
    }

    /// Ends the live session: the next one is started by us.
    pub(in crate::engine) fn retire(
        &mut self,
        work: &mut Work<'_>,
        with: &DeviceAddress,
        bare: bool,
    ) -> Result<(), EngineError> {
        let now_ms = work.now.as_ms();
        let device = self.device(work, with)?;
        device.bare = bare;
        if let Some(live) = device.live.take() {
            device.replaced.insert(0, (live, now_ms));
        }
        self.settle(work, with)
    }

    /// An authenticated peer broke the protocol: its live session is over (SPEC 8.5.3).
    fn give_up(&mut self, work: &mut Work<'_>, from: &DeviceAddress) -> Result<Trial, EngineError> {
        let now_ms = work.now.as_ms();
        let device = self.device(work, from)?;
        if let Some(live) = device.live.take() {
            device.replaced.insert(0, (live, now_ms));
        }
        self.settle(work, from)?;
        Ok(Trial::Broken)
    }

    /// Devices that have sessions, for packets that don't say whose they are.
    pub(in crate::engine) fn devices(work: &Work<'_>, limit: usize) -> Vec<DeviceAddress> {
        let entries = work.scan(Table::Sessions, &[], None, usize::MAX);
        entries.iter().filter_map(|(key, _)| read_device_key(key)).take(limit).collect()
    }

    /// Whether something can be sealed for a device as its list names it now.
    pub(in crate::engine) fn can_seal(&mut self, work: &mut Work<'_>, to: &Party) -> Result<bool, EngineError> {
        let live = self.device(work, &to.address())?.live.as_ref();
        Ok(live.is_some_and(|session| session.can_seal() && is_with(session, to)))
    }

    /// The live session with a device, to seal with; [`Sessions::stored`] must follow.
    pub(in crate::engine) fn live(
        &mut self,
        work: &mut Work<'_>,
        to: &DeviceAddress,
    ) -> Result<&mut Session, EngineError> {
        self.device(work, to)?.live.as_mut().ok_or(EngineError::Broken(Bug::NoSession))
    }

    /// Stores what sealing changed.
    pub(in crate::engine) fn stored(&mut self, work: &mut Work<'_>, to: &DeviceAddress) -> Result<(), EngineError> {
        if let Some(session) = self.device(work, to)?.live.as_mut() {
            store_changes(work, to, session);
        }
        Ok(())
    }

    /// Takes a session that we started: it is the live one from now on.
    pub(in crate::engine) fn start(
        &mut self,
        work: &mut Work<'_>,
        to: &DeviceAddress,
        (session, built): (Session, bool),
    ) -> Result<(), EngineError> {
        let now = work.now;
        let device = self.device(work, to)?;
        (device.built, device.bare) = (built, false);
        if let Some(before) = device.live.replace(session) {
            device.replaced.insert(0, (before, now.as_ms()));
        }
        self.settle(work, to)
    }

    /// Whether an initiation with this number was not taken before.
    pub(in crate::engine) fn is_new(
        &mut self,
        work: &mut Work<'_>,
        from: &DeviceAddress,
        number: (u32, u32),
    ) -> Result<bool, EngineError> {
        Ok(self.device(work, from)?.mark.is_none_or(|mark| number > mark))
    }

    /// Secrets of sessions that an initiation may build on, newest first.
    pub(in crate::engine) fn psks(
        &mut self,
        work: &Work<'_>,
        from: &DeviceAddress,
    ) -> Result<Vec<(Sid, Psk)>, EngineError> {
        let device = self.device(work, from)?;
        let replaced = device.replaced.iter().map(|(session, _)| session);
        Ok(device.live.iter().chain(replaced).map(|session| (*session.sid(), session.psk())).collect())
    }

    /// Takes a session that the other device started. When both started one at once the smaller sid
    /// wins on both sides (SPEC 8.4.2); the loser can still receive. One that is built on our live one
    /// replaces it: whoever made it has that one (SPEC 8.4.5).
    pub(in crate::engine) fn adopt(
        &mut self,
        work: &mut Work<'_>,
        from: &DeviceAddress,
        (session, built_on): (Session, Option<Sid>),
        number: (u32, u32),
    ) -> Result<Started, EngineError> {
        let now = work.now;
        let now_ms = now.as_ms();
        let device = self.device(work, from)?;
        device.mark = Some(number);
        let started = match built_on {
            Some(_) => Started::OnOld,
            None if device.common(now).is_some_and(|common| is_with(common, session.peer())) => Started::Bare,
            None if device.common(now).is_some() => Started::Renewed,
            None => Started::First,
        };
        let ours_stays = device.live.as_ref().is_some_and(|ours| {
            let race = ours.initiated_by_us() && !ours.acknowledged() && built_on != Some(*ours.sid());
            race && ours.wins_over(&session)
        });
        if ours_stays {
            let mut session = session;
            store_changes(work, from, &mut session);
            self.device(work, from)?.replaced.insert(0, (session, now_ms));
        } else {
            (device.built, device.bare) = (false, false);
            if let Some(before) = device.live.replace(session) {
                device.replaced.insert(0, (before, now_ms));
            }
        }
        self.settle(work, from)?;
        Ok(started)
    }

    /// Seals with none of the sessions any more: the store was found to be an old copy. They can still
    /// receive.
    pub(in crate::engine) fn retire_all(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let now_ms = work.now.as_ms();
        for address in Self::devices(work, usize::MAX) {
            let device = self.device(work, &address)?;
            if let Some(live) = device.live.take() {
                device.replaced.insert(0, (live, now_ms));
            }
            device.renewed_ms = now_ms;
            self.settle(work, &address)?;
        }
        Ok(())
    }

    /// Drops keys and replaced sessions that are over their age, of a few devices at a time: they stay an
    /// attacker's target as long as they are there.
    pub(in crate::engine) fn expire(
        &mut self,
        work: &mut Work<'_>,
        cursor: &mut Option<Vec<u8>>,
    ) -> Result<(), EngineError> {
        let now = work.now;
        let rows = work.scan(Table::Sessions, &[], cursor.as_deref(), CLEANUP_ENTRIES);
        *cursor = rows.last().filter(|_| rows.len() == CLEANUP_ENTRIES).map(|(key, _)| key.clone());
        for address in rows.iter().filter_map(|(key, _)| read_device_key(key)) {
            let device = self.device(work, &address)?;
            let replaced = device.replaced.iter_mut().map(|(session, _)| session);
            for session in device.live.iter_mut().chain(replaced) {
                session.expire(now);
                store_changes(work, &address, session);
            }
            if device.replaced.iter().any(|(_, at_ms)| is_over(*at_ms, now)) {
                self.settle(work, &address)?;
            }
        }
        Ok(())
    }

    /// Writes index and new rows of a device, and drops replaced sessions over the limits.
    fn settle(&mut self, work: &mut Work<'_>, address: &DeviceAddress) -> Result<(), EngineError> {
        let now = work.now;
        let device = self.device(work, address)?;
        if let Some(live) = &mut device.live {
            store_changes(work, address, live);
        }
        let mut kept = 0_usize;
        device.replaced.retain(|(session, at_ms)| {
            let stays = kept < REPLACED_SESSIONS_MAX && !is_over(*at_ms, now);
            if stays {
                kept = kept.saturating_add(1);
            } else {
                for row in session.row_keys() {
                    work.delete(Table::Sessions, &row_key(address, session, &row));
                }
            }
            stays
        });
        self.save_index(work, address)
    }

    fn save_index(&mut self, work: &mut Work<'_>, address: &DeviceAddress) -> Result<(), EngineError> {
        let device = self.device(work, address)?;
        let sid = |session: &Session| ByteArray::new(*session.sid().as_bytes());
        let index = Index {
            live: device.live.as_ref().map(sid),
            replaced: device.replaced.iter().map(|(session, at_ms)| (sid(session), *at_ms)).collect(),
            mark: device.mark,
            built: device.built,
            bare: device.bare,
            unanswered_since: device.unanswered_since,
            renewed_ms: device.renewed_ms,
        };
        work.save(Table::Sessions, &device_key(address), &index)
    }

    /// The sessions of a device, from memory or from the records.
    fn device(&mut self, work: &Work<'_>, address: &DeviceAddress) -> Result<&mut Device, EngineError> {
        self.clock = self.clock.saturating_add(1);
        if !self.devices.contains_key(address) {
            if self.devices.len() >= SESSIONS_CACHED_MAX {
                self.evict();
            }
            self.devices.insert(*address, load(work, address)?);
        }
        let device = self.devices.get_mut(address).ok_or(EngineError::Broken(Bug::NoSession))?;
        device.used = self.clock;
        Ok(device)
    }

    fn evict(&mut self) {
        let oldest = self.devices.iter().min_by_key(|(_, device)| device.used).map(|(address, _)| *address);
        if let Some(address) = oldest {
            self.devices.remove(&address);
        }
    }
}

impl Device {
    /// The newest session that the other side is known to have. Those of an earlier incarnation of this device
    /// another life of it has too: they prove nothing, and the other side may have dropped them.
    fn common(&self, now: Timestamp) -> Option<&Session> {
        let counts = |at_ms: u64| !is_over(at_ms, now) && at_ms > self.renewed_ms;
        let replaced = self.replaced.iter().filter(|(_, at_ms)| counts(*at_ms)).map(|(session, _)| session);
        self.live.iter().chain(replaced).find(|session| session.acknowledged())
    }
}

/// Whether a session is with a device as its list names it: with other keys or another incarnation what
/// it leads to is no longer there.
fn is_with(session: &Session, party: &Party) -> bool {
    let peer = session.peer();
    (peer.sig_key(), peer.dh_key(), peer.incarnation()) == (party.sig_key(), party.dh_key(), party.incarnation())
}

/// Key suffix and value.
type Row = (Vec<u8>, Vec<u8>);

/// Reads all rows of a device: the index comes first, its key being the shortest.
fn load(work: &Work<'_>, address: &DeviceAddress) -> Result<Device, EngineError> {
    let damaged = EngineError::Store { table: Table::Sessions };
    let mut rows = work.scan(Table::Sessions, &device_key(address), None, usize::MAX).into_iter().peekable();
    let Some((_, index)) = rows.next_if(|(key, _)| key.len() == DEVICE_KEY_BYTES) else {
        return Ok(Device::default());
    };
    let index: Index = decode(Table::Sessions, &index)?;
    let mut by_sid: BTreeMap<[u8; SID_BYTES], Vec<Row>> = BTreeMap::new();
    for (key, value) in rows {
        let suffix = key.get(DEVICE_KEY_BYTES..).ok_or(damaged)?;
        let (sid, row) = suffix.split_first_chunk::<SID_BYTES>().ok_or(damaged)?;
        by_sid.entry(*sid).or_default().push((row.to_vec(), value));
    }
    let mut read = |sid: &ByteArray<SID_BYTES>| {
        let rows = by_sid.remove(&**sid).ok_or(damaged)?;
        Session::from_rows(rows).map_err(|_| damaged)
    };
    let live = index.live.as_ref().map(&mut read).transpose()?;
    let replaced = index.replaced.iter().map(|(sid, at_ms)| Ok((read(sid)?, *at_ms))).collect::<Result<_, _>>()?;
    let Index { mark, built, bare, unanswered_since, renewed_ms, .. } = index;
    Ok(Device { live, replaced, mark, built, bare, unanswered_since, renewed_ms, ..Device::default() })
}

/// Whether a session that was replaced then can no longer receive.
fn is_over(replaced_at_ms: u64, now: Timestamp) -> bool {
    now.ms_since(Timestamp::from_ms(replaced_at_ms)) >= REPLACED_SESSION_MS_MAX
}

fn store_changes(work: &mut Work<'_>, address: &DeviceAddress, session: &mut Session) {
    for change in session.take_changes() {
        let key = row_key(address, session, &change.key);
        match change.value {
            Some(value) => work.put(Table::Sessions, &key, value.to_vec()),
            None => work.delete(Table::Sessions, &key),
        }
    }
}

fn device_key(address: &DeviceAddress) -> Vec<u8> {
    [&address.account.0[..], &address.device.0.to_be_bytes()].concat()
}

fn row_key(address: &DeviceAddress, session: &Session, row: &[u8]) -> Vec<u8> {
    [&device_key(address)[..], session.sid().as_bytes(), row].concat()
}

/// The device of an index key; none for rows of sessions.
fn read_device_key(key: &[u8]) -> Option<DeviceAddress> {
    let (account, device) = key.split_first_chunk::<32>()?;
    let device = DeviceId(u32::from_be_bytes(device.try_into().ok()?));
    Some(DeviceAddress { account: AccountId(*account), device })
}

/// Replay marks of last-resort prekeys: `prekey id ‖ 0 ‖ initiation id`.
pub(in crate::engine) fn replay_key(prekey: &PreKeyId, initiation: &[u8]) -> Vec<u8> {
    [&prekey.0[..], &[0], initiation].concat()
}

/// Count of an account's first messages on a last-resort prekey: `prekey id ‖ 1 ‖ account`.
pub(in crate::engine) fn replay_count_key(prekey: &PreKeyId, account: &AccountId) -> Vec<u8> {
    [&prekey.0[..], &[1], &account.0].concat()
}
