//! Who is out of a room though its leaf still stands: by its own signed word, or by that of its account. The
//! entry of the log says so to who reads it; a commit that takes such leaves away carries the same words, so that
//! whoever came in between judges as the others do.

use chat_wire::device_list::DeviceList;
use chat_wire::domain::{SIG_DELETION, SIG_LEAVE, SIG_ROOM_BACK};
use chat_wire::ids::{AccountId, RoomId};
use chat_wire::message::{Departure, ListState, deletion_bytes};
use serde_bytes::{ByteArray, ByteBuf};

use super::statement::signer;
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::limits::ROOM_PROOFS_MAX;
use crate::engine::memory::State;
use crate::engine::memory::rooms::{Owner, Proof};
use crate::group::Leaf;

/// An account leaves: `1 ‖ leave`.
pub(super) const LEFT: u8 = 1;
/// Devices of an account are no more: `2 ‖ departure`.
pub(super) const DEPARTED: u8 = 2;
/// A device asks to be put back: `3 ‖ request without its first byte`.
pub(super) const BACK: u8 = 3;

/// What a proof proves.
pub(super) enum Proven {
    Nothing,
    /// All leaves of this account may go, by anybody's hand.
    Account(AccountId),
    /// The device of this leaf may be put back.
    Leaf(Leaf),
    /// The newest list of this account says which of its devices are left.
    Listed(AccountId),
    /// Lists first.
    Waits(ListState),
}

/// A kind and what is signed.
pub(super) fn proof(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], body].concat()
}

/// What a proof says of the leaves that stand now.
pub(super) fn examine(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    proof: &[u8],
) -> Result<Proven, EngineError> {
    let Some((kind, body)) = proof.split_first() else { return Ok(Proven::Nothing) };
    let leaves = match state.rooms.group(work, &room)? {
        Some(group) => group.leaves().unwrap_or_default(),
        None => return Ok(Proven::Nothing),
    };
    let label = match *kind {
        DEPARTED => return departure(state, work, &leaves, body),
        LEFT => SIG_LEAVE,
        BACK => SIG_ROOM_BACK,
        _ => return Ok(Proven::Nothing),
    };
    let Some(leaf) = signer(&leaves, label, &room, body).cloned() else { return Ok(Proven::Nothing) };
    Ok(match state.owner_of(work, &leaf)? {
        Owner::Unknown(wanted) => Proven::Waits(wanted),
        Owner::Forged => Proven::Nothing,
        Owner::Certified(_) if *kind == BACK => Proven::Leaf(leaf),
        Owner::Certified(_) => Proven::Account(leaf.owner().account),
    })
}

/// Lists count only as the next ones of a chain that is known, a deletion only under the account's key.
fn departure(state: &mut State, work: &mut Work<'_>, leaves: &[Leaf], body: &[u8]) -> Result<Proven, EngineError> {
    let Ok(Departure { lists, deletion }) = Departure::decode(body) else { return Ok(Proven::Nothing) };
    let last = lists.last().and_then(|bytes| DeviceList::decode(bytes).ok());
    let Some(last) = last else { return Ok(Proven::Nothing) };
    let account = last.body().account_id;
    if !leaves.iter().any(|leaf| leaf.owner().account == account) {
        return Ok(Proven::Nothing);
    }
    let lists: Vec<ByteBuf> = lists.iter().map(|bytes| ByteBuf::from(bytes.to_vec())).collect();
    state.take_room_lists(work, &lists)?;
    let known = state.list_of(work, &account)?.map(|known| known.list);
    let seq = known.as_ref().map_or(0, |known| known.body().seq);
    let Some(known) = known.filter(|known| known.body().seq >= last.body().seq) else {
        return Ok(Proven::Waits(ListState { account, seq }));
    };
    let Some(deletion) = deletion else { return Ok(Proven::Listed(account)) };
    let relay = state.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?.relay;
    let signed = deletion_bytes(&relay, &account, &known.hash());
    let own_word = known.body().account_key.verifies(SIG_DELETION, &[&signed], &deletion);
    Ok(if own_word { Proven::Account(account) } else { Proven::Nothing })
}

/// Keeps a proof for the commit that needs it.
pub(super) fn keep(
    state: &mut State,
    work: &mut Work<'_>,
    room: RoomId,
    (account, bytes): (AccountId, Vec<u8>),
) -> Result<(), EngineError> {
    state.rooms.change(work, &room, |record| {
        record.proofs.push(Proof { account, bytes: ByteBuf::from(bytes) });
        let over = record.proofs.len().saturating_sub(ROOM_PROOFS_MAX);
        record.proofs.drain(..over);
    })
}

/// Whether a proof is still of use with these leaves.
pub(super) fn is_of_use(proof: &Proof, leaves: &[Leaf]) -> bool {
    let Some((kind, body)) = proof.bytes.split_first() else { return false };
    let signed_by = |leaf: &Leaf| body.first_chunk::<32>() == Some(&leaf.key.0);
    leaves.iter().any(|leaf| if *kind == DEPARTED { leaf.owner().account == proof.account } else { signed_by(leaf) })
}

/// What shows everybody why these leaves go.
pub(super) fn evidence(state: &State, room: &RoomId, going: &[Leaf]) -> Vec<Vec<u8>> {
    let proofs = state.rooms.get(room).map(|room| &room.record.proofs[..]).unwrap_or_default();
    proofs.iter().filter(|proof| is_of_use(proof, going)).map(|proof| proof.bytes.to_vec()).collect()
}

/// What the evidence beside a commit proves.
#[derive(Default)]
pub(super) struct Departed {
    accounts: Vec<AccountId>,
    leaves: Vec<ByteArray<32>>,
    pub(super) waits: Vec<ListState>,
}

impl Departed {
    /// Of the record, and of what a commit brings.
    pub(super) fn read(
        state: &mut State,
        work: &mut Work<'_>,
        room: RoomId,
        evidence: &[Vec<u8>],
    ) -> Result<Self, EngineError> {
        let mut departed = Self::default();
        if let Some(known) = state.rooms.get(&room) {
            departed.accounts.clone_from(&known.record.leaving);
            departed.leaves.clone_from(&known.record.asked);
        }
        for proof in evidence.iter().take(ROOM_PROOFS_MAX) {
            match examine(state, work, room, proof)? {
                Proven::Account(account) => departed.accounts.push(account),
                Proven::Leaf(leaf) => departed.leaves.push(ByteArray::new(leaf.key.0)),
                Proven::Waits(wanted) => departed.waits.push(wanted),
                Proven::Listed(_) | Proven::Nothing => {}
            }
        }
        Ok(departed)
    }

    /// Whether a leaf may go; one that is put back in the same commit by its own request.
    pub(super) fn may_go(&self, leaf: &Leaf, comes_back: bool) -> bool {
        let asked = comes_back && self.leaves.contains(&ByteArray::new(leaf.key.0));
        asked || self.accounts.contains(&leaf.owner().account)
    }
}
