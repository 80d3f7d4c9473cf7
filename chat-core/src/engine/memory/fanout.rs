//! From contents to packets: which devices (SPEC 1.1: those of verified lists), which sessions, and the
//! sealed `Send`.

use std::collections::BTreeMap;

use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, DeviceAddress, RequestKey};
use chat_wire::message::{ClientMessage, ListState, PacketHead};
use serde_bytes::ByteBuf;

use super::State;
use super::asks::Ask;
use super::errands::{Trip, load_trip};
use super::lists;
use super::me;
use super::queue::Flight;
use crate::engine::content::{Content, Envelope, Identified, ListGossip, Sync};
use crate::engine::context::{Work, encode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::Trouble;
use crate::engine::limits::UNPUBLISHED_MS_MAX;
use crate::identity::Party;
use crate::session::{Initiate, Session};

/// Everybody a content of one conversation goes to.
#[derive(Debug)]
pub(in crate::engine) struct Audience {
    /// The other side's devices.
    pub(in crate::engine) peers: Vec<Party>,
    /// Own devices but this one.
    pub(in crate::engine) own: Vec<Party>,
    /// The lists that this was taken from.
    lists: Vec<ListState>,
    own_gossip: ListGossip,
    peer_gossip: ListGossip,
    /// Notes to oneself.
    to_self: bool,
    /// The other side's list has to be checked first.
    pub(in crate::engine) outdated: Option<u64>,
}

impl Audience {
    pub(in crate::engine) fn devices(&self) -> impl Iterator<Item = &Party> {
        self.peers.iter().chain(&self.own)
    }

    /// Own other devices alone are nobody, but for notes to oneself.
    pub(in crate::engine) fn reaches_somebody(&self) -> bool {
        !self.peers.is_empty() || (self.to_self && !self.own.is_empty())
    }
}

/// Sealed packets: heads, and all of them one after the other.
#[derive(Debug, Default)]
pub(in crate::engine) struct Packets {
    pub(in crate::engine) heads: Vec<PacketHead>,
    pub(in crate::engine) body: Vec<u8>,
}

/// States of both sides' lists, to be put around a content.
pub(in crate::engine) struct Gossip {
    own: ListGossip,
    peer: ListGossip,
}

impl Gossip {
    /// The content as it is sealed.
    pub(in crate::engine) fn wrap(&self, message: Identified) -> Result<Vec<u8>, EngineError> {
        encode(&Envelope::new(message, self.own, self.peer))
    }
}

impl State {
    /// What a content for an account's device says of the lists.
    pub(in crate::engine) fn gossip(&mut self, work: &Work<'_>, peer: &AccountId) -> Result<Gossip, EngineError> {
        let own = self.own_address()?.account;
        let own = ListGossip::of(self.list_of(work, &own)?.map(|known| known.list).as_deref());
        let peer = ListGossip::of(self.list_of(work, peer)?.map(|known| known.list).as_deref());
        Ok(Gossip { own, peer })
    }

    /// Who gets what is said in a conversation; none when the other side's list is not known.
    pub(in crate::engine) fn audience(
        &mut self,
        work: &Work<'_>,
        conversation: &AccountId,
    ) -> Result<Option<Audience>, EngineError> {
        let me = self.own_address()?;
        let own_list = self.lists.newest(work, &me.account)?.ok_or(EngineError::Broken(Bug::OwnKeys))?.list;
        let parties = |list: &DeviceList| -> Vec<Party> {
            list.body().live_devices().filter_map(|device| Party::of(list, device.id)).collect()
        };
        let own: Vec<Party> = parties(&own_list).into_iter().filter(|party| party.address() != me).collect();
        let state = |list: &DeviceList| ListState { account: list.body().account_id, seq: list.body().seq };
        let now = work.now;
        let own: Vec<Party> = own.into_iter().filter(|p| !self.bundles.is_left_out(&p.address(), now)).collect();
        // Named also when this is the only device: so the relay tells of one that was added meanwhile.
        let own_state = state(&own_list);
        let own_gossip = ListGossip::of(Some(&own_list));
        if *conversation == me.account {
            let (peers, lists) = (Vec::new(), vec![own_state]);
            let audience =
                Audience { peers, own, lists, own_gossip, peer_gossip: own_gossip, to_self: true, outdated: None };
            return Ok(Some(audience));
        }
        let Some(known) = self.lists.newest(work, conversation)? else { return Ok(None) };
        let fork = lists::fork_of(work, conversation)?;
        // Under a fork the list is not named: the relay would ask for packets to devices of one branch.
        let lists = fork.is_none().then(|| state(&known.list)).into_iter().chain([own_state]).collect();
        let peer_gossip = ListGossip::of(Some(&known.list));
        let outdated = known.is_old(work.now).then(|| known.list.body().seq);
        let in_both = |party: &Party| {
            fork.as_ref().is_none_or(|fork| {
                fork.body().device(party.address().device).is_some_and(|device| device.sig_key == *party.sig_key())
            })
        };
        let listed: Vec<Party> = parties(&known.list).into_iter().filter(in_both).collect();
        let peers = listed.into_iter().filter(|p| !self.bundles.is_left_out(&p.address(), now)).collect();
        Ok(Some(Audience { peers, own, lists, own_gossip, peer_gossip, to_self: false, outdated }))
    }

    /// Devices for which there is neither a session nor a bundle to start one with.
    pub(in crate::engine) fn missing(
        &mut self,
        work: &mut Work<'_>,
        audience: &Audience,
    ) -> Result<Vec<DeviceAddress>, EngineError> {
        let mut missing = Vec::new();
        for party in audience.devices() {
            let address = party.address();
            if !self.sessions.can_seal(work, party)? && !self.bundles.has(&address) {
                missing.push(address);
            }
        }
        Ok(missing)
    }

    /// Seals contents of a conversation for every device of the audience, in their order. Sessions that
    /// are not there yet are started with the bundles at hand.
    pub(in crate::engine) fn seal(
        &mut self,
        work: &mut Work<'_>,
        audience: &Audience,
        conversation: &AccountId,
        messages: &[Identified],
    ) -> Result<Packets, EngineError> {
        let mut packets = Packets::default();
        let (own_gossip, peer_gossip) = (audience.own_gossip, audience.peer_gossip);
        let envelope = |message: &Identified| encode(&Envelope::new(message.clone(), own_gossip, peer_gossip));
        let for_peers: Vec<Vec<u8>> = messages.iter().map(envelope).collect::<Result<_, _>>()?;
        for party in &audience.peers {
            self.seal_for(work, party, &for_peers, &mut packets)?;
        }
        if audience.own.is_empty() {
            return Ok(packets);
        }
        let mut for_own = Vec::with_capacity(messages.len());
        for message in messages {
            let name = self.name_of(conversation);
            let sync = Content::Sync(Sync { with: *conversation, name, message: message.clone() });
            let own_account = self.own_address()?.account;
            let wrapped = self.compose(work, &own_account, &sync)?;
            for_own.push(encode(&Envelope::new(wrapped.message, own_gossip, own_gossip))?);
        }
        for party in &audience.own {
            self.seal_for(work, party, &for_own, &mut packets)?;
        }
        Ok(packets)
    }

    /// Seals contents for one device; nothing when its keys are unusable.
    pub(in crate::engine) fn seal_for(
        &mut self,
        work: &mut Work<'_>,
        party: &Party,
        contents: &[Vec<u8>],
        packets: &mut Packets,
    ) -> Result<(), EngineError> {
        let to = party.address();
        if !self.sessions.can_seal(work, party)? && !self.initiate(work, party)? {
            return Ok(());
        }
        let session = self.sessions.live(work, &to)?;
        for content in contents {
            let sealed = session.seal(content, work.rng).map_err(|_| EngineError::Broken(Bug::NoSession))?;
            let len = u32::try_from(sealed.packet.len()).map_err(|_| EngineError::Broken(Bug::Encoding))?;
            packets.heads.push(PacketHead { to, len });
            packets.body.extend_from_slice(&sealed.packet);
        }
        self.sessions.stored(work, &to)
    }

    /// Starts a session with a device, with a bundle that was claimed for it. `false` when that can't be
    /// used: its device signed keys that no session can be made with, and is left out for a while.
    fn initiate(&mut self, work: &mut Work<'_>, peer: &Party) -> Result<bool, EngineError> {
        let to = peer.address();
        let bundle = self.bundles.take(&to).ok_or(EngineError::Broken(Bug::NoSession))?;
        let my = self.own_party(work)?;
        let session_no = me::next_session_no(work)?;
        let me = self.me.as_ref().ok_or(EngineError::Broken(Bug::OwnKeys))?;
        let relay = me.relay;
        let psk = self.sessions.psk_to_build_on(work, peer)?;
        let built = psk.is_some();
        let initiate = Initiate { me: &me.keys, my: &my, relay, bundle, session_no, psk, now: work.now };
        let Ok(session) = Session::initiate(initiate, work.rng) else {
            work.trouble(Trouble::BundleRefused(to.account));
            self.bundles.leave_out(to, work.now.plus_ms(UNPUBLISHED_MS_MAX));
            return Ok(false);
        };
        self.sessions.start(work, &to, (session, built))?;
        Ok(true)
    }

    /// Stores a sealed send under the next step (SPEC 7.2.3) and a random key (SPEC 7.3.2), then lets it
    /// go.
    pub(in crate::engine) fn launch(
        &mut self,
        work: &mut Work<'_>,
        conversation: AccountId,
        audience: &Audience,
        cargo: Cargo,
    ) -> Result<(), EngineError> {
        let flight = Flight {
            conversation,
            key: RequestKey(work.random()),
            step: me::raise_step(work, 0)?,
            lists: audience.lists.clone(),
            packets: cargo.packets.heads,
            covers: cargo.covers,
            receipts: cargo.receipts,
            body: ByteBuf::from(cargo.packets.body),
        };
        let number = self.queue.launch(work, &flight)?;
        self.transmit(work, number, flight)
    }

    /// Sends a stored send, again as it is if need be. One that was refused for now is another step: the
    /// relay takes them in their order only (SPEC 7.2.3).
    pub(in crate::engine) fn transmit(
        &mut self,
        work: &mut Work<'_>,
        number: u64,
        mut flight: Flight,
    ) -> Result<(), EngineError> {
        if flight.step == 0 {
            flight.step = me::raise_step(work, 0)?;
            flight.save(work, number)?;
        }
        let ask = Ask::Send { lane: flight.conversation, flight: number };
        let Flight { key, step, lists, packets, body, .. } = flight;
        let message = ClientMessage::Send { key, step, lists, packets };
        self.ask_with(work, ask, message, bytes::Bytes::from(body.into_vec()));
        Ok(())
    }

    /// Sends stored errands of one device, as they are if need be.
    pub(in crate::engine) fn transmit_trip(
        &mut self,
        work: &mut Work<'_>,
        number: u64,
        mut trip: Trip,
    ) -> Result<(), EngineError> {
        if trip.step == 0 {
            trip.step = me::raise_step(work, 0)?;
            trip.save(work, number)?;
        }
        let Trip { to, key, step, lengths, body, .. } = trip;
        let packets = lengths.into_iter().map(|len| PacketHead { to, len }).collect();
        let message = ClientMessage::Send { key, step, lists: Vec::new(), packets };
        self.ask_with(work, Ask::Errand(number), message, bytes::Bytes::from(body.into_vec()));
        Ok(())
    }

    /// Sends everything that is under way once more, in the order of its steps; what was refused last.
    pub(in crate::engine) fn resend_under_way(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let (mut flights, mut trips) = (BTreeMap::new(), BTreeMap::new());
        for number in self.queue.flights().into_keys() {
            let flight = Flight::load(work, number)?;
            flights.insert((flight.step.wrapping_sub(1), number), flight);
        }
        for number in self.errands.trips() {
            let trip = load_trip(work, number)?;
            trips.insert((trip.step.wrapping_sub(1), number), trip);
        }
        let mut order: Vec<(u64, u64)> = flights.keys().chain(trips.keys()).copied().collect();
        order.sort_unstable();
        for place in order {
            if let Some(flight) = flights.remove(&place) {
                self.transmit(work, place.1, flight)?;
            }
            if let Some(trip) = trips.remove(&place) {
                self.transmit_trip(work, place.1, trip)?;
            }
        }
        self.errands.wake_all();
        Ok(())
    }

    /// The relay refused a send because another life of this device sent since: this store is the old one.
    pub(in crate::engine) fn overtaken(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        if self.renewal.is_some() { Ok(()) } else { self.renew(work) }
    }

    /// Takes everything that is under way back, to be sealed afresh.
    pub(in crate::engine) fn recall_flights(&mut self, work: &mut Work<'_>) -> Result<(), EngineError> {
        for number in self.queue.flights().into_keys() {
            self.recall(work, number)?;
        }
        Ok(())
    }

    /// Takes one send back: its contents are the first of their lane again.
    pub(in crate::engine) fn recall(&mut self, work: &mut Work<'_>, number: u64) -> Result<Flight, EngineError> {
        let flight = self.queue.land(work, number)?;
        let lane = self.queue.lane(flight.conversation);
        for covered in flight.covers.iter().rev() {
            lane.waiting.push_front(*covered);
        }
        if flight.receipts {
            self.untell(work, &flight.conversation)?;
        }
        Ok(flight)
    }
}

/// What a send carries.
#[derive(Debug)]
pub(in crate::engine) struct Cargo {
    pub(in crate::engine) packets: Packets,
    pub(in crate::engine) covers: Vec<u64>,
    pub(in crate::engine) receipts: bool,
}
