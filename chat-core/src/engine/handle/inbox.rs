//! The mailbox: packets are opened in their order, each in one step with everything it changes, and
//! acknowledged only then. What can't be opened is counted, dropped and acknowledged as well, so that
//! nothing wedges; what lacks a device list waits for it, and everything behind it too.

mod initiation;

use std::sync::Arc;

use bytes::Bytes;
use chat_wire::device_list::DeviceList;
use chat_wire::ids::{AccountId, DeviceAddress};
use chat_wire::message::ClientMessage;

use crate::engine::content::{Body, Content, Envelope, Identified, ListGossip, Sync};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::Trouble;
use crate::engine::limits::{CLOCK_SKEW_MS_MAX, PARCELS_MAX, TRIAL_DEVICES_MAX};
use crate::engine::memory::arrivals::Arrival;
use crate::engine::memory::asks::ListsAfter;
use crate::engine::memory::changes::Doer;
use crate::engine::memory::changes::Target;
use crate::engine::memory::people::Standing;
use crate::engine::memory::rooms::WELCOME_PACKET;
use crate::engine::memory::sayings::Saying;
use crate::engine::memory::sessions::{Sessions, Trial, Unsealed, Via};
use crate::engine::memory::streams::PeerStream;
use crate::engine::memory::{Parcel, State};
use crate::session::is_initiation;
use crate::store::Table;
use crate::time::Timestamp;

/// A content of a verified device.
#[derive(Debug)]
pub(in crate::engine) struct Received {
    /// The session's peer: the only source of an author (SPEC 8.6.1, SPEC 7.5.2).
    pub(in crate::engine) author: DeviceAddress,
    pub(in crate::engine) message: Identified,
    pub(in crate::engine) body: Body,
    pub(in crate::engine) ephemeral: bool,
    pub(in crate::engine) via: Via,
    sent_ms: u64,
    own_list: ListGossip,
    peer_list: ListGossip,
}

/// What came out of the mailbox.
pub(in crate::engine) enum Next {
    Content(Box<Received>),
    /// A packet was dropped; whose it is, is what the relay says.
    Dropped(Option<DeviceAddress>, Trouble),
}

/// What became of a packet.
enum Outcome {
    Opened(DeviceAddress, Unsealed),
    Dropped(Trouble),
    /// Not to be tried before this time.
    Deferred(Timestamp),
    /// Lists of this account after this sequence number are needed.
    Needs(AccountId, u64),
}

/// Puts a packet at the end of the line. `false` when the line is full: the relay is out of order.
pub(in crate::engine) fn receive(state: &mut State, parcel: Parcel) -> bool {
    if parcel.seq.is_none() && state.parcels.waits_for.is_some() {
        // What is only worth something now does not wait for lists.
        return true;
    }
    if state.parcels.queue.len() >= PARCELS_MAX {
        return false;
    }
    state.parcels.queue.push_back(parcel);
    true
}

/// Opens the next packet that comes to something; none when the line is empty or waits.
pub(in crate::engine) fn next(state: &mut State, work: &mut Work<'_>) -> Result<Option<Next>, EngineError> {
    while state.parcels.waits_for.is_none() {
        let Some(parcel) = state.parcels.queue.front().cloned() else { return Ok(None) };
        if parcel.packet.first() == Some(&WELCOME_PACKET) {
            // A Welcome is for rooms to take, in its turn.
            return Ok(None);
        }
        let outcome = match open(state, work, &parcel)? {
            Outcome::Needs(account, after_seq) if !state.parcels.fetched => {
                state.parcels.waits_for = Some(ListsAfter { account, seq: after_seq });
                state.fetch_lists(work, account, after_seq);
                return Ok(None);
            }
            // The lists came and don't have what the packet claims.
            Outcome::Needs(..) => Outcome::Dropped(Trouble::Undecryptable),
            Outcome::Deferred(until) if parcel.seq.is_some() && state.parcels.set_aside(until) => continue,
            Outcome::Deferred(_) => Outcome::Dropped(Trouble::Undecryptable),
            outcome => outcome,
        };
        state.parcels.pop();
        match outcome {
            Outcome::Opened(author, unsealed) => match read(author, &unsealed, &parcel) {
                Some(received) => return Ok(Some(Next::Content(Box::new(received)))),
                // Its session is sound, what its device makes is not: nothing to mend.
                None => work.trouble(Trouble::Undecryptable),
            },
            Outcome::Dropped(trouble) => {
                work.trouble(trouble);
                // What is only worth something now says nothing of the sessions.
                if parcel.seq.is_some() {
                    return Ok(Some(Next::Dropped(parcel.from, trouble)));
                }
            }
            Outcome::Needs(..) | Outcome::Deferred(_) => {}
        }
    }
    Ok(None)
}

/// Tells the relay up to where everything is durable: released with the step that made it so.
pub(in crate::engine) fn acknowledge(state: &mut State, work: &mut Work<'_>) {
    if let Some(seq) = state.parcels.due_acknowledgement() {
        state.tell(work, ClientMessage::Ack { seq }, Bytes::new());
    }
}

/// Everything that a content must be: an envelope whose id belongs to its body and its author.
fn read(author: DeviceAddress, unsealed: &Unsealed, parcel: &Parcel) -> Option<Received> {
    let via = unsealed.via;
    let envelope = Envelope::decode(&unsealed.content)?;
    let (own_list, peer_list) = (envelope.own_list, envelope.peer_list);
    let message = envelope.into_identified();
    let body = message.verified_body(&author)?;
    let (sent_ms, ephemeral) = (parcel.sent_ms, parcel.seq.is_none());
    Some(Received { author, message, body, ephemeral, via, sent_ms, own_list, peer_list })
}

fn open(state: &mut State, work: &mut Work<'_>, parcel: &Parcel) -> Result<Outcome, EngineError> {
    let packet = &parcel.packet;
    let candidates = match parcel.from {
        Some(from) => vec![from],
        None => Sessions::devices(work, TRIAL_DEVICES_MAX),
    };
    let mut deferred = None;
    for from in candidates {
        if !is_listed(state, work, &from)? {
            continue;
        }
        match state.sessions.open(work, &from, packet)? {
            Trial::Opened(unsealed) => return Ok(Outcome::Opened(from, unsealed)),
            Trial::Duplicate => return Ok(Outcome::Dropped(Trouble::Duplicate)),
            Trial::Refused => return Ok(Outcome::Dropped(Trouble::Undecryptable)),
            Trial::Forked => return Ok(Outcome::Dropped(Trouble::Forked(from.account))),
            Trial::Broken => return Ok(Outcome::Dropped(Trouble::SessionBroken)),
            Trial::Deferred(until) => deferred = Some(until),
            Trial::Unknown => {}
        }
    }
    if let Some(until) = deferred {
        return Ok(Outcome::Deferred(until));
    }
    if is_initiation(packet) && parcel.seq.is_some() {
        return initiation::open(state, work, packet);
    }
    Ok(Outcome::Dropped(Trouble::Undecryptable))
}

/// A session speaks for a device only as long as the device is listed: of one that is not, nothing is tried.
fn is_listed(state: &mut State, work: &Work<'_>, device: &DeviceAddress) -> Result<bool, EngineError> {
    let known = state.list_of(work, &device.account)?;
    Ok(known.is_some_and(|known| known.list.body().device(device.device).is_some()))
}

/// Makes sure that the author is somebody we know, and follows its gossip about lists. `false` when
/// the author's name belongs to somebody else here.
pub(in crate::engine) fn meet(
    state: &mut State,
    work: &mut Work<'_>,
    received: &Received,
) -> Result<Option<NameTaken>, EngineError> {
    let (account, own) = (received.author.account, state.own_address()?.account);
    let theirs: Option<Arc<DeviceList>> = state.list_of(work, &account)?.map(|known| known.list);
    let Some(theirs) = theirs else { return Err(EngineError::Missing { table: Table::DeviceLists }) };
    if received.own_list.seq > theirs.body().seq {
        state.fetch_lists(work, account, theirs.body().seq);
    }
    let ours = state.list_of(work, &own)?.map_or(0, |known| known.list.body().seq);
    if received.peer_list.seq > ours {
        state.fetch_lists(work, own, ours);
    }
    if account == own || state.people.meet(work, account, &theirs.body().name)? {
        return Ok(None);
    }
    Ok(Some(NameTaken(theirs.body().name.clone())))
}

/// An author's list bears a name that we know as somebody else's.
#[derive(Debug)]
pub(in crate::engine) struct NameTaken(pub(in crate::engine) chat_wire::ids::UserName);

/// Notes where in its author's stream a content stands. Contents outside of the stream pass.
pub(in crate::engine) fn note_place(
    state: &State,
    work: &mut Work<'_>,
    received: &Received,
) -> Result<(), EngineError> {
    if !received.body.content().is_in_stream() {
        return Ok(());
    }
    let account = received.author.account;
    let mut stream = PeerStream::load(work, &account, &received.author)?;
    let Identified { counter, previous, .. } = received.message;
    let hash = received.message.chain_hash();
    if state.profile.joined {
        // What was said before this device came is not missing here.
        stream.begin_at(counter, &previous);
    }
    if stream.contradicts(counter, &previous) {
        work.trouble(Trouble::StreamBroken(account));
    }
    // What is dropped counts as missing, so that no receipt ever claims it.
    if is_welcome(state, &account) {
        stream.take(counter, hash);
    } else {
        stream.skip(counter, hash);
    }
    stream.save(work, &account, &received.author)
}

/// Whether something of this author is kept: shown, or held back.
fn is_welcome(state: &State, account: &AccountId) -> bool {
    state.people.get(account).is_some_and(|person| match person.standing {
        _ if person.blocked => false,
        Standing::Accepted => true,
        Standing::Declined => false,
        Standing::Stranger => state.has_room_for(person),
    })
}

/// A message: shown, held back, or dropped, as its author stands with us.
pub(in crate::engine) fn message(
    state: &mut State,
    work: &mut Work<'_>,
    received: Received,
    content: Content,
) -> Result<(), EngineError> {
    let account = received.author.account;
    let arrival = arrival(&received.said(), account, received.author, content);
    if Target::direct(account, account, arrival.id).is_known(work) {
        work.trouble(Trouble::Duplicate);
        return Ok(());
    }
    let standing = state.people.get(&account).map(|person| person.standing).unwrap_or_default();
    // Whoever writes accepts.
    state.people.change(work, account, |person| person.accepts_us = true)?;
    match standing {
        Standing::Accepted => {
            state.show(work, arrival)?;
            state.schedule_receipt(work, account);
            Ok(())
        }
        Standing::Stranger => state.hold(work, &arrival),
        Standing::Declined => Ok(()),
    }
}

/// What an own other device did with a message: who, in the conversation with whom, and what.
pub(in crate::engine) struct Elsewhere {
    pub(in crate::engine) doer: Doer,
    pub(in crate::engine) with: AccountId,
    pub(in crate::engine) content: Content,
}

/// What an own other device sent somewhere; what it did with a message is for others to see to.
pub(in crate::engine) fn synced(
    state: &mut State,
    work: &mut Work<'_>,
    received: &Received,
    sync: Sync,
) -> Result<Option<Elsewhere>, EngineError> {
    let own = state.own_address()?.account;
    let Some(body) = sync.message.verified_body(&received.author) else { return Ok(None) };
    let known = sync.with == own || state.people.get(&sync.with).is_some();
    if !known || Target::direct(sync.with, own, sync.message.id).is_known(work) {
        return Ok(None);
    }
    let said = Said { message: &sync.message, body: &body, sent_ms: received.sent_ms };
    let content = body.content();
    let shown = matches!(content, Content::Text(_) | Content::File(_));
    if content.is_in_stream() && sync.with != own {
        // Receipts for it reach this device too.
        state.sent_elsewhere(work, (&sync.with, &received.author), (&sync.message, shown))?;
    }
    if !shown {
        let doer = Doer { device: received.author, time_ms: said.time_ms() };
        return Ok(Some(Elsewhere { doer, with: sync.with, content }));
    }
    // Writing to somebody accepts, from whichever device.
    state.accept(work, sync.with)?;
    let arrival = arrival(&said, sync.with, received.author, content);
    state.show(work, arrival)?;
    Ok(None)
}

impl Received {
    /// Who did something with a message, and when.
    pub(in crate::engine) fn doer(&self) -> Doer {
        Doer { device: self.author, time_ms: self.said().time_ms() }
    }

    fn said(&self) -> Said<'_> {
        Said { message: &self.message, body: &self.body, sent_ms: self.sent_ms }
    }
}

/// A content and when the relay took it.
struct Said<'a> {
    message: &'a Identified,
    body: &'a Body,
    sent_ms: u64,
}

impl Said<'_> {
    /// The sender's time, as far as the relay's bears it out.
    fn time_ms(&self) -> u64 {
        let earliest = self.sent_ms.saturating_sub(CLOCK_SKEW_MS_MAX);
        self.body.time_ms.clamp(earliest, self.sent_ms.saturating_add(CLOCK_SKEW_MS_MAX))
    }
}

fn arrival(said: &Said<'_>, conversation: AccountId, author: DeviceAddress, content: Content) -> Arrival {
    let Saying { text, unknown, reply_to, file, expires_in_ms } = Saying::heard(content, said.body);
    Arrival {
        conversation,
        author,
        id: said.message.id,
        counter: said.message.counter,
        time_ms: said.time_ms(),
        text,
        unknown,
        reply_to,
        file,
        expires_in_ms,
    }
}

#[cfg(test)]
mod tests;
