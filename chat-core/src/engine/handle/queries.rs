//! Questions that are answered from what is known.

use chat_wire::device_list::FLAG_APPROVAL;
use chat_wire::ids::{DeviceAddress, DeviceId, UserName};
use chat_wire::message::{PresenceStatus, Verdict};

use crate::engine::io::{Answer, Contact, Conversation, Device, Query, Request, Status, WaitingDevice};
use crate::engine::memory::State;
use crate::engine::memory::entrance::{Seeker, Seekers};
use crate::engine::memory::people::Standing;
use crate::engine::memory::sightings::Sightings;
use crate::engine::memory::undertaking::UntoldCode;
use crate::engine::memory::{alarms, lists};
use crate::identity::entry_code;
use crate::store::Records;

pub(in crate::engine) fn answer(state: &State, records: &dyn Records, query: &Query) -> Answer {
    match query {
        Query::Status => Answer::Status(status(state, records)),
        Query::Contacts => Answer::Contacts(contacts(state)),
        Query::Diagnostics => Answer::Diagnostics(state.healing.counts()),
        Query::Requests => Answer::Requests(requests(state)),
        Query::Room(name) => Answer::Conversation(state.rooms.named(name).map(Conversation::Room)),
        Query::Devices => Answer::Devices(devices(state, records)),
        Query::Waiting => Answer::Waiting(waiting(state, records)),
        Query::Alarms => Answer::Alarms(alarms::all(records)),
        Query::Conversation(name) => Answer::Conversation(conversation(state, name)),
        Query::File(id) => Answer::File(state.shared_file(records, id).map(Box::new)),
    }
}

fn status(state: &State, records: &dyn Records) -> Status {
    let me = state.me.as_ref();
    Status {
        enrolled: me.is_some(),
        logged_in: state.is_logged_in(),
        online: state.is_online(),
        account: me.map(|me| me.account()),
        username: me.map(|me| me.name.clone()),
        display_name: state.profile.display_name.clone().filter(|_| me.is_some()),
        device: me.map(|me| me.address().device),
        registering: state.enrolling.as_ref().map(|enrolling| enrolling.name.clone()),
        // What can't be read is not there; the store tells of its damage by itself.
        changing_password: !state.code_told && UntoldCode::load(records).is_ok_and(|untold| untold.is_some()),
        approval: me
            .and_then(|me| lists::newest_of(records, &me.account()))
            .is_some_and(|list| list.body().flags & FLAG_APPROVAL != 0),
        awaiting: state.awaiting.clone(),
        settled: state.is_online() && state.rooms.are_settled(),
        outbox: u64::try_from(state.queue.waiting()).unwrap_or(u64::MAX),
    }
}

/// Those that nobody has decided about.
fn waiting(state: &State, records: &dyn Records) -> Vec<WaitingDevice> {
    let Some(me) = &state.me else { return Vec::new() };
    // What can't be read is not known; the store tells of its damage by itself.
    let seekers = Seekers::load(records).unwrap_or_default();
    let open = seekers.0.into_iter().filter(|(_, seeker)| seeker.verdict == Verdict::Open);
    let device = |(id, seeker): (u32, Seeker)| {
        let address = DeviceAddress { account: me.account(), device: DeviceId(id) };
        WaitingDevice { id: DeviceId(id), code: entry_code(&address, &seeker.key), at_ms: seeker.at_ms }
    };
    let mut waiting: Vec<_> = open.map(device).collect();
    waiting.sort_by_key(|device| device.at_ms);
    waiting
}

/// This one first, then the newest.
fn devices(state: &State, records: &dyn Records) -> Vec<Device> {
    let Some(me) = &state.me else { return Vec::new() };
    let Some(list) = lists::newest_of(records, &me.account()) else { return Vec::new() };
    let mut listed: Vec<_> = list.body().live_devices().collect();
    listed.sort_by_key(|device| (device.id != me.address().device, std::cmp::Reverse(device.added_seq)));
    // What can't be read is not known; the store tells of its damage by itself.
    let sightings = Sightings::load(records).unwrap_or_default();
    let device = |id: DeviceId| {
        let shared = state.shared.devices.get(&id.0);
        Device {
            id,
            name: shared.and_then(|shared| shared.name.value.clone()),
            created_ms: shared.map(|shared| shared.created_ms),
            last_seen_ms: sightings.of(id).filter(|_| id != me.address().device),
            current: id == me.address().device,
        }
    };
    listed.into_iter().map(|listed| device(listed.id)).collect()
}

/// Whoever was accepted, and whoever is blocked, by name.
fn contacts(state: &State) -> Vec<Contact> {
    let listed = state.people.iter().filter(|(_, person)| person.standing == Standing::Accepted || person.blocked);
    let mut contacts: Vec<Contact> = listed
        .map(|(account, person)| {
            let shown = state.presence_of(account);
            Contact {
                account: *account,
                username: person.name.clone(),
                display_name: person.display_name.clone(),
                online: shown.is_some(),
                status: shown.unwrap_or(PresenceStatus::Invisible),
                last_seen_ms: person.last_seen_ms,
                verified: person.verified.is_some(),
                blocked: person.blocked,
                mutual: person.is_mutual(),
            }
        })
        .collect();
    contacts.sort_by(|a, b| a.username.cmp(&b.username));
    contacts
}

fn requests(state: &State) -> Vec<Request> {
    let mut open: Vec<_> = state
        .people
        .iter()
        .filter_map(|(_, person)| person.request.as_ref().map(|card| (card, &person.name)))
        .collect();
    open.sort_by_key(|(card, _)| card.order);
    let request = |(card, name): (&crate::engine::memory::people::RequestCard, &UserName)| Request {
        username: name.clone(),
        preview: card.preview.clone(),
        timestamp_ms: card.timestamp_ms,
    };
    open.into_iter().map(request).collect()
}

fn conversation(state: &State, name: &UserName) -> Option<Conversation> {
    let own = state.me.as_ref().filter(|me| me.name == *name).map(|me| me.account());
    own.or_else(|| state.people.account_of(name)).map(Conversation::Direct)
}
