//! Devices that know the password of an account where that is not enough: they wait for an enrolled one to
//! decide (SPEC 9.13). Kept in memory only: after a restart they ask again.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, DeviceId};
use chat_wire::keys::VerifyKey;
use chat_wire::message::{AccountAnswer, ServerMessage, Verdict};

use crate::limits::{SEEKER_MS_MAX, SEEKERS_MAX, SEEKERS_PER_ACCOUNT_MAX};
use crate::rate::Exhausted;
use crate::round::ConnectionId;

/// Who waits, by account.
#[derive(Debug, Default)]
pub(crate) struct Entrance {
    by_account: BTreeMap<AccountId, Vec<Seeker>>,
    count: usize,
}

/// A device that waits, or was decided about.
#[derive(Debug)]
struct Seeker {
    device: DeviceId,
    key: VerifyKey,
    /// When it asked first.
    asked_ms: u64,
    wall_ms: u64,
    /// Where it waits now.
    connection: ConnectionId,
    verdict: Verdict,
}

/// A device that asks, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) device: DeviceId,
    pub(crate) key: VerifyKey,
    pub(crate) connection: ConnectionId,
}

/// What became of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) verdict: Verdict,
    /// Nobody was told of it yet.
    pub(crate) is_new: bool,
}

impl Entrance {
    /// A device asks, perhaps again, from another connection.
    pub(crate) fn ask(
        &mut self,
        account: AccountId,
        asking: Asking,
        (uptime_ms, wall_ms): (u64, u64),
    ) -> Result<Asked, Exhausted> {
        self.expire(&account, uptime_ms);
        let seekers = self.by_account.entry(account).or_default();
        let known = seekers.iter_mut().find(|s| (s.device, s.key) == (asking.device, asking.key));
        if let Some(seeker) = known {
            seeker.connection = asking.connection;
            return Ok(Asked { verdict: seeker.verdict, is_new: false });
        }
        let oldest_ms = seekers.first().map_or(uptime_ms, |seeker| seeker.asked_ms);
        if seekers.len() >= SEEKERS_PER_ACCOUNT_MAX || self.count >= SEEKERS_MAX {
            let retry_ms = oldest_ms.saturating_add(SEEKER_MS_MAX).saturating_sub(uptime_ms);
            return Err(Exhausted { retry_ms });
        }
        let Asking { device, key, connection } = asking;
        seekers.push(Seeker { device, key, asked_ms: uptime_ms, wall_ms, connection, verdict: Verdict::Open });
        self.count = self.count.saturating_add(1);
        Ok(Asked { verdict: Verdict::Open, is_new: true })
    }

    /// An enrolled device decides: where the other one waits; none when nobody waits under this key.
    pub(crate) fn decide(
        &mut self,
        account: &AccountId,
        (device, key): (DeviceId, VerifyKey),
        verdict: Verdict,
    ) -> Option<ConnectionId> {
        let seekers = self.by_account.get_mut(account)?;
        let seeker = seekers.iter_mut().find(|s| (s.device, s.key) == (device, key))?;
        seeker.verdict = verdict;
        Some(seeker.connection)
    }

    /// Whether somebody was let in.
    pub(crate) fn is_allowed(&self, account: &AccountId, wanted: impl Fn(DeviceId, &VerifyKey) -> bool) -> bool {
        let seekers = self.by_account.get(account);
        seekers.into_iter().flatten().any(|s| s.verdict == Verdict::Allowed && wanted(s.device, &s.key))
    }

    /// Whether the connection is one on which somebody was let in.
    pub(crate) fn is_open_to(&self, account: &AccountId, connection: ConnectionId) -> bool {
        let seekers = self.by_account.get(account);
        seekers.into_iter().flatten().any(|s| s.verdict == Verdict::Allowed && s.connection == connection)
    }

    /// What an enrolled device has to decide.
    pub(crate) fn open(&self, account: &AccountId) -> Vec<ServerMessage> {
        let seekers = self.by_account.get(account).into_iter().flatten();
        let open = seekers.filter(|seeker| seeker.verdict == Verdict::Open);
        let wants = |s: &Seeker| AccountAnswer::Wants { device: s.device, key: s.key, at_ms: s.wall_ms };
        open.map(|seeker| ServerMessage::Account(wants(seeker))).collect()
    }

    /// It is enrolled, or nobody need decide any more.
    pub(crate) fn forget(&mut self, account: &AccountId, device: DeviceId) {
        self.retain(account, |seeker| seeker.device != device);
    }

    /// Forgets all who have waited too long.
    pub(crate) fn prune(&mut self, uptime_ms: u64) {
        let accounts: Vec<AccountId> = self.by_account.keys().copied().collect();
        accounts.iter().for_each(|account| self.expire(account, uptime_ms));
    }

    fn expire(&mut self, account: &AccountId, uptime_ms: u64) {
        self.retain(account, |seeker| uptime_ms.saturating_sub(seeker.asked_ms) < SEEKER_MS_MAX);
    }

    fn retain(&mut self, account: &AccountId, keep: impl Fn(&Seeker) -> bool) {
        let Some(seekers) = self.by_account.get_mut(account) else { return };
        let before = seekers.len();
        seekers.retain(|seeker| keep(seeker));
        self.count = self.count.saturating_sub(before.saturating_sub(seekers.len()));
        if seekers.is_empty() {
            self.by_account.remove(account);
        }
    }
}
