//! Puts contents together and into the outbox.

use chat_wire::ids::{AccountId, DeviceAddress, MessageId};
use chat_wire::message::PresenceStatus;

use super::State;
use super::people::Person;
use super::queue::Outgoing;
use super::streams::{OwnStream, peer_streams};
use crate::engine::content::{Body, Content, Identified, Profile, Receipt};
use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{CommandId, Conversation, Event, FailureKind, MessageStatus, Reply};
use crate::engine::limits::RECEIPT_GAP_MS;
use crate::store::HistoryChange;

/// A content that got its place and its id.
pub(in crate::engine) struct Composed {
    pub(in crate::engine) message: Identified,
    pub(in crate::engine) counter: u64,
}

impl State {
    /// Gives a content its place in the stream and its id.
    pub(in crate::engine) fn compose(
        &mut self,
        work: &mut Work<'_>,
        conversation: &AccountId,
        content: &Content,
    ) -> Result<Composed, EngineError> {
        let author = self.own_address()?;
        let mut stream = OwnStream::load(work, conversation, &author)?;
        let in_stream = content.is_in_stream();
        let counter = if in_stream { stream.next_counter(self.first_place()?)? } else { stream.counter };
        let (kind, data) = content.encode()?;
        let body = Body { time_ms: work.now.as_ms(), kind, data };
        let message = Identified::new(&author, (counter, stream.last), (&body, content), work)?;
        if in_stream {
            let shown = matches!(content, Content::Text(_) | Content::File(_));
            stream.append(work, (conversation, &author), (&message, shown))?;
        }
        Ok(Composed { message, counter })
    }

    /// Composes a content and puts it into the outbox.
    pub(in crate::engine) fn post(
        &mut self,
        work: &mut Work<'_>,
        conversation: AccountId,
        content: &Content,
    ) -> Result<Identified, EngineError> {
        let Composed { message, counter } = self.compose(work, &conversation, content)?;
        let counter = matches!(content, Content::Text(_) | Content::File(_)).then_some(counter);
        let outgoing = Outgoing { conversation, message: message.clone(), counter };
        self.queue.push(work, &outgoing)?;
        Ok(message)
    }

    /// Says something to every mutual contact.
    pub(in crate::engine) fn post_to_contacts(
        &mut self,
        work: &mut Work<'_>,
        content: &Content,
    ) -> Result<(), EngineError> {
        let contacts: Vec<AccountId> =
            self.people.iter().filter(|(_, person)| person.is_mutual()).map(|(account, _)| *account).collect();
        for account in contacts {
            self.post(work, account, content)?;
        }
        Ok(())
    }

    /// Tells a person the display name, unless it knows this version of it.
    pub(in crate::engine) fn post_profile(
        &mut self,
        work: &mut Work<'_>,
        account: AccountId,
    ) -> Result<(), EngineError> {
        let version = self.profile.version;
        let knows = self.people.get(&account).is_none_or(|person| person.told_profile >= version);
        if knows {
            return Ok(());
        }
        let profile = Profile { display_name: self.profile.display_name.clone() };
        self.post(work, account, &Content::Profile(profile))?;
        self.people.change(work, account, |person| person.told_profile = version)
    }

    /// A receipt is due to a person, if both have accepted each other: at once, but not more often
    /// than the gap allows.
    pub(in crate::engine) fn schedule_receipt(&mut self, work: &Work<'_>, account: AccountId) {
        if !self.people.get(&account).is_some_and(Person::is_mutual) {
            return;
        }
        let lane = self.queue.lane(account);
        let before = lane.receipt_sent.filter(|sent| *sent <= work.now);
        let earliest = before.map_or(work.now, |sent| sent.plus_ms(RECEIPT_GAP_MS));
        lane.receipt_at.get_or_insert(earliest.max(work.now));
    }

    /// The receipt that is due to a person: what was received and read of its streams. Counts as told.
    pub(in crate::engine) fn take_receipt(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
    ) -> Result<Option<Content>, EngineError> {
        let mut marks = Vec::new();
        for (author, mut stream) in peer_streams(work, account, account)? {
            if stream.is_due() {
                marks.push(stream.mark(&author));
                stream.told = stream.counter;
                stream.told_read = stream.read;
                stream.save(work, account, &author)?;
            }
        }
        Ok((!marks.is_empty()).then_some(Content::Receipt(Receipt { streams: marks })))
    }

    /// A receipt did not get out: it is due again.
    pub(in crate::engine) fn untell(&mut self, work: &mut Work<'_>, account: &AccountId) -> Result<(), EngineError> {
        for (author, mut stream) in peer_streams(work, account, account)? {
            (stream.told, stream.told_read) = (0, 0);
            stream.save(work, account, &author)?;
        }
        self.schedule_receipt(work, *account);
        Ok(())
    }

    /// An own message got further: history and whoever watches.
    pub(in crate::engine) fn announce_status(
        &self,
        work: &mut Work<'_>,
        account: &AccountId,
        id: MessageId,
        status: MessageStatus,
    ) {
        let conversation = Conversation::Direct(*account);
        work.history(HistoryChange::Status { conversation, id, status });
        let Some(name) = self.name_of(account) else { return };
        let by = matches!(status, MessageStatus::Delivered | MessageStatus::Read).then(|| name.clone());
        work.event(Event::Receipt { id, conversation, to: name.to_string(), by, status });
    }

    /// Somebody came, went, or shows something else.
    pub(in crate::engine) fn announce_presence(
        &self,
        work: &mut Work<'_>,
        account: AccountId,
        status: Option<PresenceStatus>,
    ) {
        if let Some(person) = self.people.get(&account).filter(|person| person.is_contact()) {
            let username = person.name.clone();
            let shown = status.unwrap_or(PresenceStatus::Invisible);
            work.event(Event::Presence { username, online: status.is_some(), status: shown });
        }
    }

    /// The keys are published: a registration is complete.
    pub(in crate::engine) fn enrolled(&mut self, work: &mut Work<'_>, command: CommandId) {
        if let Some(welcome) = self.welcome.take() {
            return work.reply(command, welcome);
        }
        let (Some(me), Some(enrolling)) = (&self.me, self.enrolling.take()) else {
            return work.fail(command, FailureKind::Internal);
        };
        let reply = Reply::Enrolled {
            username: me.name.clone(),
            device: me.address().device,
            recovery_code: enrolling.recovery_code.to_string(),
        };
        work.reply(command, reply);
        super::me::end_enrolling(work);
    }

    /// What a person's line in the contacts shows.
    pub(in crate::engine) fn presence_of(&self, account: &AccountId) -> Option<PresenceStatus> {
        let contact = self.people.get(account).is_some_and(Person::is_contact);
        self.online.get(account).copied().filter(|_| contact && self.is_online())
    }

    pub(in crate::engine) fn own_address(&self) -> Result<DeviceAddress, EngineError> {
        self.me.as_ref().map(super::me::Me::address).ok_or(EngineError::Broken(Bug::OwnKeys))
    }
}
