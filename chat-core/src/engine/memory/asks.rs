//! Requests under way: what was asked under which number, and until when an answer makes sense.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, DeviceId, UserName};
use chat_wire::keys::VerifyKey;

use super::room_tasks::RoomTask;
use super::undertaking::Stage;
use crate::engine::io::CommandId;
use crate::time::Timestamp;

/// First request number that belongs to the shell.
const SHELL_REQUESTS: u32 = 0x8000_0000;

/// A record under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Written {
    pub(in crate::engine) version: u64,
    pub(in crate::engine) hash: [u8; 32],
}

/// What was asked, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Ask {
    Hello,
    Register(CommandId),
    Proof(Option<CommandId>),
    Boot,
    Contacts,
    Presence(Option<CommandId>),
    /// Whether medium-term or last-resort keys were part of it; the command waits for keys to be there.
    PreKeys {
        rotated: bool,
        command: Option<CommandId>,
    },
    /// Bundles of a name that commands wait for.
    ClaimName(UserName),
    /// Bundles for a lane of the outbox: whose devices.
    Claim {
        lane: AccountId,
        of: AccountId,
    },
    /// Lists of an account.
    Lists(ListsAfter),
    /// Whom a name leads to, for commands that need no session.
    FindName(UserName),
    Search(CommandId),
    /// A sealed send, by its key in the in-flight table.
    Send {
        lane: AccountId,
        flight: u64,
    },
    /// The account record, and one that is being written.
    GetRecord,
    PutRecord(Written),
    /// A step of a change of the account.
    Undertake(Stage),
    /// What was decided about a device that waits.
    Entry(Entry),
    /// Sealed errands to one device, by their number.
    Errand(u64),
    /// A list with a new incarnation of this device.
    Renew,
    /// Something about rooms.
    Room(RoomTask),
    Heartbeat,
    Logout(CommandId),
    /// A list that takes this device off the account.
    Forget(CommandId),
}

/// What was decided about a device that waits to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Entry {
    /// None when it is said again by itself.
    pub(in crate::engine) command: Option<CommandId>,
    pub(in crate::engine) device: DeviceId,
    pub(in crate::engine) key: VerifyKey,
    pub(in crate::engine) allow: bool,
}

/// Lists of an account after a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct ListsAfter {
    pub(in crate::engine) account: AccountId,
    pub(in crate::engine) seq: u64,
}

impl ListsAfter {
    /// Whether these lists hold those as well.
    pub(in crate::engine) fn covers(&self, wanted: &Self) -> bool {
        self.account == wanted.account && self.seq <= wanted.seq
    }
}

/// Open requests by number.
#[derive(Debug, Default)]
pub(in crate::engine) struct Asks {
    last: u32,
    open: BTreeMap<u32, (Ask, Timestamp)>,
}

impl Asks {
    /// Gives the next number to a request.
    pub(in crate::engine) fn open(&mut self, ask: Ask, deadline: Timestamp) -> u32 {
        // 1 to 2^31 − 1, round and round: 0 marks pushes, the upper half is the shell's.
        self.last = self.last.checked_add(1).filter(|n| *n < SHELL_REQUESTS).unwrap_or(1);
        self.open.insert(self.last, (ask, deadline));
        self.last
    }

    /// Takes the request that an answer belongs to; none for answers nobody waits for.
    pub(in crate::engine) fn close(&mut self, number: u32) -> Option<Ask> {
        self.open.remove(&number).map(|(ask, _)| ask)
    }

    /// Takes everything: the connection is gone.
    pub(in crate::engine) fn close_all(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.open).into_values().map(|(ask, _)| ask).collect()
    }

    /// Gives up what was sealed: its answers mean nothing any more.
    pub(in crate::engine) fn forget_sends(&mut self) {
        self.open.retain(|_, (ask, _)| !matches!(ask, Ask::Send { .. } | Ask::Errand(_)));
    }

    /// Takes the command that waits for this device to be removed.
    pub(in crate::engine) fn take_forget(&mut self) -> Option<CommandId> {
        let forget = |ask: &Ask| if let Ask::Forget(command) = ask { Some(*command) } else { None };
        let (number, command) = self.open.iter().find_map(|(n, (ask, _))| forget(ask).map(|command| (*n, command)))?;
        self.open.remove(&number);
        Some(command)
    }

    /// Takes what waits too long.
    pub(in crate::engine) fn close_overdue(&mut self, now: Timestamp) -> Vec<Ask> {
        let late: Vec<u32> = self.open.iter().filter(|(_, (_, by))| *by <= now).map(|(n, _)| *n).collect();
        late.iter().filter_map(|n| self.close(*n)).collect()
    }

    pub(in crate::engine) fn next_deadline(&self) -> Option<Timestamp> {
        self.open.values().map(|(_, by)| *by).min()
    }

    pub(in crate::engine) fn any(&self, wanted: impl Fn(&Ask) -> bool) -> bool {
        self.open.values().any(|(ask, _)| wanted(ask))
    }
}
