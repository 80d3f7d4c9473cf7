//! A change of the account that takes several questions to the relay: the lists, the record, then the
//! change itself. One at a time. Whatever is signed is stored before it is sent, and what was signed
//! once for a sequence number is sent again before anything else is signed for it (SPEC 5.4.4).
//!
//! ```text
//! Lists ──▶ (Entry) ──▶ (Again) ──▶ Record ──▶ (Vault) ──▶ Change ──▶ done
//!   ▲                                                         │ conflict: somebody else's list or record came first
//!   └─────────────────────────────────────────────────────────┘
//! ```

use std::fmt;

use bytes::Bytes;
use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::keyring::Keyring;
use super::me::{self, Me};
use crate::engine::context::{Work, decode};
use crate::engine::error::EngineError;
use crate::engine::io::{ApprovalChange, CommandId, Deletion, PasswordChange, Recovery, Resumption};
use crate::identity::DeviceKeys;
use crate::store::{Records, Table};

const SIGNED_KEY: &[u8] = b"signed";
const UNTOLD_KEY: &[u8] = b"untold-code";

/// One under way.
pub(in crate::engine) struct Undertaking {
    /// Who waits for it; none for what the engine does by itself.
    pub(in crate::engine) command: Option<CommandId>,
    pub(in crate::engine) goal: Goal,
    /// Times that somebody else's change came first.
    pub(in crate::engine) tries: u8,
    /// The chain of lists, for a device that is not enrolled yet.
    pub(in crate::engine) chain: Vec<DeviceList>,
    /// The record as it came, for a device that is not enrolled yet.
    pub(in crate::engine) record: Option<(u64, Bytes)>,
    /// The vault, when it had to be asked for.
    pub(in crate::engine) vault: Option<Bytes>,
    /// A device that joins waits for another one to let it in.
    pub(in crate::engine) waits: bool,
    /// It did.
    pub(in crate::engine) let_in: bool,
    /// What stands once the relay says so.
    pub(in crate::engine) result: Option<Outcome>,
}

/// What is wanted.
pub(in crate::engine) enum Goal {
    /// A new device, by password.
    Join(Box<Resumption>),
    /// A new password, and a new device on a fresh profile, by recovery code.
    Recover(Box<Recovery>),
    Password(Box<PasswordChange>),
    Remove(DeviceId),
    /// The own list is about to expire.
    Renew,
    /// The answer to a new password was lost: it is made up for, or void.
    Settle,
    Delete(Box<Deletion>),
    /// New devices need more than the password, or no longer.
    Approval(Box<ApprovalChange>),
}

/// What a change that was sent makes of this device.
pub(in crate::engine) struct Outcome {
    /// The list that was sent.
    pub(in crate::engine) list: Vec<u8>,
    /// A new identity.
    pub(in crate::engine) me: Option<Me>,
    /// The ring as it is then.
    pub(in crate::engine) keyring: Option<Keyring>,
    /// The next recovery code.
    pub(in crate::engine) recovery_code: Option<zeroize::Zeroizing<String>>,
}

/// What was asked of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Stage {
    Lists,
    /// This device asked to be let in (SPEC 9.13).
    Entry,
    /// What was signed in an earlier run or try.
    Again,
    Record,
    Vault,
    Change,
}

impl fmt::Debug for Undertaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Undertaking({:?})", self.command)
    }
}

impl Undertaking {
    pub(in crate::engine) fn new(command: Option<CommandId>, goal: Goal) -> Self {
        Self {
            command,
            goal,
            tries: 0,
            chain: Vec::new(),
            record: None,
            vault: None,
            waits: false,
            let_in: false,
            result: None,
        }
    }

    /// The account that it is about, for a device that is not enrolled yet.
    pub(in crate::engine) fn joins(&self) -> Option<AccountId> {
        match &self.goal {
            Goal::Join(wanted) => Some(wanted.account),
            Goal::Recover(wanted) => Some(wanted.account),
            _ => None,
        }
    }

    /// The identity that this device is to have, with the list that an earlier try signed for it, if it did: the keys of
    /// that try, or new ones with an id that no device of the account ever had (SPEC 3.5).
    pub(in crate::engine) fn identity(&self, work: &mut Work<'_>) -> Result<Option<(Me, Vec<u8>)>, EngineError> {
        let Some(before) = self.chain.last() else { return Ok(None) };
        let account = before.body().account_id;
        let used =
            |id: DeviceId| self.chain.iter().any(|list| list.body().devices.iter().any(|listed| listed.id == id));
        if let Some(pending) = me::load_joining(work)?
            && pending.0.account() == account
            && !used(pending.0.address().device)
        {
            return Ok(Some(pending));
        }
        let device = loop {
            let id = DeviceId(u32::from_be_bytes(work.random()));
            if id.0 != 0 && !used(id) {
                break id;
            }
        };
        let keys = DeviceKeys::generate(DeviceAddress { account, device }, work.rng);
        let name = before.body().name.clone();
        Ok(Some((Me { name, relay: before.body().relay_id, keys }, Vec::new())))
    }

    /// The identity of an earlier try, when the account's newest list has it: only the answer was lost.
    pub(in crate::engine) fn standing(&self, work: &Work<'_>) -> Result<Option<Me>, EngineError> {
        let Some(before) = self.chain.last() else { return Ok(None) };
        let pending = me::load_joining(work)?.map(|(me, _)| me);
        Ok(pending.filter(|me| {
            let listed = before.body().device(me.address().device);
            me.account() == before.body().account_id && listed.is_some_and(|l| l.sig_key == me.keys.sig_key())
        }))
    }
}

/// What was signed for a sequence number of the own list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::engine) struct Signed {
    #[serde(rename = "q")]
    pub(in crate::engine) seq: u64,
    #[serde(rename = "l")]
    pub(in crate::engine) list: ByteBuf,
    /// The message that carries it, and its body: sent again as they are.
    #[serde(rename = "m")]
    pub(in crate::engine) message: chat_wire::message::ClientMessage,
    #[serde(rename = "b")]
    pub(in crate::engine) body: ByteBuf,
}

impl Signed {
    pub(in crate::engine) fn load(work: &Work<'_>) -> Result<Option<Self>, EngineError> {
        work.load(Table::Meta, SIGNED_KEY)
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, SIGNED_KEY, self)
    }
}

/// The recovery code of a new password that nobody was told yet: kept until then, over lost answers and restarts, as
/// it can't be made a second time (SPEC 9.8.4).
#[derive(Serialize, Deserialize)]
pub(in crate::engine) struct UntoldCode {
    /// The list that the password came with.
    #[serde(rename = "l")]
    pub(in crate::engine) list: ByteBuf,
    #[serde(rename = "c")]
    code: String,
}

impl UntoldCode {
    pub(in crate::engine) fn new(list: &[u8], code: &str) -> Self {
        Self { list: ByteBuf::from(list.to_vec()), code: code.to_owned() }
    }

    pub(in crate::engine) fn load(records: &dyn Records) -> Result<Option<Self>, EngineError> {
        records.get(Table::Meta, UNTOLD_KEY).map(|bytes| decode(Table::Meta, &bytes)).transpose()
    }

    pub(in crate::engine) fn load_now(work: &Work<'_>) -> Result<Option<Self>, EngineError> {
        work.load(Table::Meta, UNTOLD_KEY)
    }

    pub(in crate::engine) fn save(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        work.save(Table::Meta, UNTOLD_KEY, self)
    }

    /// It is told, or opens nothing.
    pub(in crate::engine) fn forget(work: &mut Work<'_>) {
        work.delete(Table::Meta, UNTOLD_KEY);
    }

    /// The code itself, to be told.
    pub(in crate::engine) fn into_code(mut self) -> String {
        std::mem::take(&mut self.code)
    }
}

impl Drop for UntoldCode {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.code);
    }
}

impl fmt::Debug for UntoldCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UntoldCode")
    }
}
