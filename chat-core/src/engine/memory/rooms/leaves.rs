//! Whose a leaf is (SPEC 12.3.1): only what a verified list and its device say counts.

use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, RoomId, UserName};
use chat_wire::limits::LISTS_WANTED_MAX;
use chat_wire::message::{ListState, RoomAsk};
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::RoomTask;
use crate::group::{Leaf, LeafClaim, LeafCredential, LeafKey};

/// What a leaf's credential turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Owner {
    /// It is that person's, by the name of its list.
    Certified(UserName),
    /// Lists of the account after this one are needed.
    Unknown(ListState),
    /// It claims somebody else.
    Forged,
}

impl State {
    /// A fresh leaf key for this device, and its credential.
    pub(in crate::engine) fn new_leaf(
        &mut self,
        work: &mut Work<'_>,
    ) -> Result<(LeafKey, LeafCredential), EngineError> {
        let account = self.own_address()?.account;
        let own_list = self.lists.newest(work, &account)?.ok_or(EngineError::Broken(Bug::OwnKeys))?.list;
        let me = self.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let key = LeafKey::generate(work.rng);
        let claim = LeafClaim { relay: &me.relay, list: &own_list };
        let credential = LeafCredential::certify(&me.keys, claim, &key.public());
        Ok((key, credential))
    }

    /// Whose a leaf is.
    pub(in crate::engine) fn owner_of(&mut self, work: &Work<'_>, leaf: &Leaf) -> Result<Owner, EngineError> {
        let relay = self.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?.relay;
        let (account, seq) = (leaf.owner().account, leaf.credential.list_seq);
        let newest = self.lists.newest(work, &account)?.map(|known| known.list);
        let Some(newest) = newest.filter(|list| list.body().seq >= seq) else {
            let known = self.lists.newest(work, &account)?.map_or(0, |known| known.list.body().seq);
            return Ok(Owner::Unknown(ListState { account, seq: known }));
        };
        let certifies = |list: &DeviceList| leaf.credential.is_certified(LeafClaim { relay: &relay, list }, &leaf.key);
        let named = self.lists.version(work, &account, seq)?;
        if !named.is_some_and(|list| certifies(&list)) && !certifies(&newest) {
            return Ok(Owner::Forged);
        }
        let name = newest.body().name.clone();
        // A name that we know as somebody else's is not shown as this one's.
        let pinned = self.people.account_of(&name);
        let own = self.me.as_ref().filter(|me| me.name == name).map(|me| me.account());
        if pinned.or(own).is_some_and(|known| known != account) {
            return Ok(Owner::Forged);
        }
        Ok(Owner::Certified(name))
    }

    /// The name of an account, as far as its verified list is here.
    pub(in crate::engine) fn listed_name(
        &mut self,
        work: &Work<'_>,
        account: &AccountId,
    ) -> Result<Option<UserName>, EngineError> {
        Ok(self.lists.newest(work, account)?.map(|known| known.list.body().name.clone()))
    }

    /// Asks for the lists of people in a room whose names are not known here yet.
    pub(in crate::engine) fn fetch_roster(&mut self, work: &mut Work<'_>, room: RoomId) -> Result<(), EngineError> {
        let Some(group) = self.rooms.group(work, &room)? else { return Ok(()) };
        let leaves = group.leaves().map_err(|_| EngineError::Store { table: crate::store::Table::Groups })?;
        let mut wanted: Vec<ListState> = Vec::new();
        for leaf in leaves {
            if let Owner::Unknown(state) = self.owner_of(work, &leaf)? {
                let asked =
                    self.rooms.get(&room).is_some_and(|room| room.live.asked.contains(&(state.account, state.seq)));
                if !asked && !wanted.contains(&state) {
                    wanted.push(state);
                }
            }
        }
        for wanted in wanted.chunks(LISTS_WANTED_MAX) {
            self.fetch_room_lists(work, room, wanted.to_vec());
        }
        Ok(())
    }

    /// Asks for lists that entries of a room need.
    pub(in crate::engine) fn fetch_room_lists(
        &mut self,
        work: &mut Work<'_>,
        room: RoomId,
        mut wanted: Vec<ListState>,
    ) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.live.waits = true;
            room.live.asked.extend(wanted.iter().map(|state| (state.account, state.seq)));
        }
        for state in &mut wanted {
            state.seq = self.lists.ask_after(work, &state.account, state.seq);
        }
        self.ask_room(work, RoomTask::Lists(room), RoomAsk::Lists { room, wanted }, bytes::Bytes::new());
    }

    /// Takes lists of several accounts, each checked against its chain.
    pub(in crate::engine) fn take_room_lists(
        &mut self,
        work: &mut Work<'_>,
        lists: &[ByteBuf],
    ) -> Result<(), EngineError> {
        let mut by_account: Vec<(AccountId, Vec<ByteBuf>)> = Vec::new();
        for bytes in lists {
            let Ok(list) = DeviceList::decode(bytes) else { continue };
            let account = list.body().account_id;
            match by_account.last_mut().filter(|(last, _)| *last == account) {
                Some((_, chain)) => chain.push(bytes.clone()),
                None => by_account.push((account, vec![bytes.clone()])),
            }
        }
        for (account, chain) in by_account {
            self.take_lists(work, &account, &chain)?;
        }
        Ok(())
    }
}
