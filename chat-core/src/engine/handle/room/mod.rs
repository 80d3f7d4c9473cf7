//! Rooms (SPEC 12): commands, answers and pushes. Whatever changes a room goes through its log: a wish becomes
//! a commit, the commit takes its place or loses, and the wish is looked at again until the room is as wished.
//!
//! ```text
//! command ─▶ enter   create · join · welcome · leave · delete
//!        └─▶ change  wish ─▶ commit ─▶ relay ─▶ log
//!        └─▶ talk    message ─▶ sealed ─▶ relay ─▶ log
//! push ────▶ log     commit · message · leave, each in one step, in the order of the log
//! ```

mod absence;
mod change;
mod company;
mod depart;
mod enter;
mod epoch;
mod heal;
mod leave;
mod log;
mod packages;
mod plan;
mod statement;
mod talk;
mod view;
mod welcome;

use bytes::Bytes;
use chat_wire::error::Refusal;
use chat_wire::ids::{AccountId, RoomId, RoomName, UserName};
use chat_wire::message::{RoomAnswer, RoomAsk, RoomPush};

use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{CommandId, Failure, FailureKind, Reply, RoomCommand, RoomEventKind, RoomNotice};
use crate::engine::memory::State;
use crate::engine::memory::names::Want;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{CommitFlight, Phase};
use crate::store::NoticeKind;

pub(in crate::engine) use change::invite;
pub(in crate::engine) use company::type_to;
pub(in crate::engine) use heal::doubt_all;
pub(in crate::engine) use talk::{mark_read, reserve, send};
pub(in crate::engine) use welcome::{is_next as welcome_is_next, take as take_welcome};

/// Somebody wants something of rooms. A name that has to be looked up first comes back.
pub(in crate::engine) fn command(
    state: &mut State,
    work: &mut Work<'_>,
    id: CommandId,
    command: RoomCommand,
) -> Result<Option<(UserName, Want)>, EngineError> {
    if !state.is_logged_in() {
        work.fail(id, FailureKind::NotLoggedIn);
        return Ok(None);
    }
    match command {
        RoomCommand::Create { name, public, topic, idempotency_key } => {
            enter::create(state, work, id, enter::Wanted { name, public, topic, idempotency_key })?;
        }
        RoomCommand::Delete(name) => leave::delete(state, work, id, &name)?,
        RoomCommand::List { joined } => view::list(state, work, id, joined)?,
        RoomCommand::Info(name) => {
            if let Some(room) = view::info(state, work, id, &name)?
                && !company::look(state, work, (room, id))?
            {
                view::seen(state, work, (room, id), Vec::new())?;
            }
        }
        RoomCommand::Join(name) => match welcome::waiting(state, &name) {
            Some(room) => welcome::accept(state, work, room, id)?,
            None => enter::join(state, work, id, name)?,
        },
        RoomCommand::Leave(name) => leave::leave(state, work, id, &name)?,
        RoomCommand::Invite { room, username } => return change::invite_name(state, work, id, (room, username)),
        RoomCommand::Kick { room, username } => change::kick(state, work, id, (&room, &username))?,
        RoomCommand::SetTopic { room, topic } => change::set_topic(state, work, id, (&room, topic))?,
        RoomCommand::SetRole { room, username, role } => {
            change::set_role(state, work, id, (&room, &username, role))?;
        }
    }
    Ok(None)
}

/// The relay answered.
pub(in crate::engine) fn answered(
    state: &mut State,
    work: &mut Work<'_>,
    task: RoomTask,
    answer: RoomAnswer,
    body: &Bytes,
) -> Result<(), EngineError> {
    match (task, answer) {
        (RoomTask::Find(name), RoomAnswer::Info(card)) => enter::found(state, work, name, &card),
        (RoomTask::GroupInfo(_, room), RoomAnswer::GroupInfo { .. }) if heal::is_due(state, &room) => {
            heal::group_info_came(state, work, room, body)
        }
        (RoomTask::GroupInfo(name, room), RoomAnswer::GroupInfo { .. }) => {
            enter::group_info_came(state, work, (name, room), body)
        }
        (RoomTask::Create(room), RoomAnswer::Appended { .. }) => enter::created(state, work, room),
        (RoomTask::Commit(room), answer) if heal::is_on_its_way(state, &room) => {
            heal::answered(state, work, room, &answer)
        }
        (RoomTask::Commit(room), RoomAnswer::Appended { seq, .. }) => {
            enter::appended(state, work, room, seq)?;
            log::passed(state, work, room, seq)
        }
        (RoomTask::Commit(room), RoomAnswer::Behind { epoch, seq }) => {
            change::lost(state, work, room, (epoch, seq))?;
            heal::outpaced(state, work, room, epoch)
        }
        (RoomTask::Post(room, order), RoomAnswer::Appended { .. }) => talk::posted(state, work, room, order),
        (RoomTask::Post(room, order), RoomAnswer::Behind { epoch, seq }) => {
            talk::behind(state, work, (room, order))?;
            change::overtaken(state, work, room, (epoch, seq))?;
            heal::outpaced(state, work, room, epoch)
        }
        // A member will see to it; a request that came too late is made again when something shows that it must.
        (RoomTask::Back(_), RoomAnswer::Appended { .. } | RoomAnswer::Behind { .. }) => Ok(()),
        (RoomTask::Leave(room, command), RoomAnswer::Appended { .. }) => leave::left(state, work, room, command),
        (RoomTask::Open(room), RoomAnswer::Opened { first, .. }) => log::opened(state, work, room, first),
        (RoomTask::Open(room), RoomAnswer::Gone { reason }) => leave::gone(state, work, (room, reason), body),
        (RoomTask::Lists(room), RoomAnswer::Lists { lists }) => {
            state.take_room_lists(work, &lists)?;
            log::go_on(state, room);
            Ok(())
        }
        (RoomTask::Claim(room), RoomAnswer::KeyPackages { list, packages }) => {
            change::packages_came(state, work, room, (&list, &packages))
        }
        (RoomTask::Info(command), RoomAnswer::Info(card)) => {
            view::told(work, command, card);
            Ok(())
        }
        (RoomTask::Look(room, command), RoomAnswer::Present { accounts }) => {
            view::seen(state, work, (room, command), accounts)
        }
        (RoomTask::List(command, joined), RoomAnswer::Rooms { rooms }) => {
            view::listed(state, work, (command, joined), rooms)
        }
        (RoomTask::Restore, RoomAnswer::Rooms { rooms }) => {
            state.rooms.told = true;
            enter::restore(state, work, &rooms)
        }
        // Whatever else an answer holds, nobody waits for it.
        (task, _) => give_up(state, work, task, &Failure::of(FailureKind::Internal)),
    }
}

/// The relay did as it was asked, and had nothing to say.
pub(in crate::engine) fn done(state: &mut State, work: &mut Work<'_>, task: RoomTask) -> Result<(), EngineError> {
    match task {
        RoomTask::Delete(room, command) => leave::deleted(state, work, room, command),
        task => give_up(state, work, task, &Failure::of(FailureKind::Internal)),
    }
}

/// The relay refused.
pub(in crate::engine) fn refused(
    state: &mut State,
    work: &mut Work<'_>,
    task: RoomTask,
    refusal: &Refusal,
) -> Result<(), EngineError> {
    give_up(state, work, task, &Failure::from(refusal))
}

/// What was asked does not come about.
pub(in crate::engine) fn give_up(
    state: &mut State,
    work: &mut Work<'_>,
    task: RoomTask,
    failure: &Failure,
) -> Result<(), EngineError> {
    if let Some(command) = task.command() {
        work.fail_with(command, failure.clone());
    }
    match task {
        RoomTask::Find(name) => enter::not_found(state, work, name, failure),
        // Whether this device is out of step is looked at again on the next connection.
        RoomTask::GroupInfo(_, room) if heal::is_due(state, &room) => Ok(()),
        RoomTask::GroupInfo(name, _) => {
            enter::fail(state, work, &name, failure);
            Ok(())
        }
        RoomTask::Create(room) => enter::not_created(state, work, room, failure),
        // As it is, once more, on the next connection.
        RoomTask::Commit(room) if heal::is_on_its_way(state, &room) && !is_shut(failure) => Ok(()),
        RoomTask::Commit(room) => change::refused(state, work, room, failure),
        RoomTask::Post(room, order) => talk::refused(state, work, (room, order), failure),
        // Then nobody is seen; the members are known all the same.
        RoomTask::Look(room, command) => view::seen(state, work, (room, command), Vec::new()),
        RoomTask::Open(room) => leave::shut_out(state, work, room, failure),
        RoomTask::Lists(room) => {
            log::no_lists(state, work, room, failure);
            Ok(())
        }
        RoomTask::Claim(room) => {
            change::no_packages(state, work, room, failure);
            Ok(())
        }
        RoomTask::Restore => {
            state.rooms.told = true;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The room is not there for this device.
fn is_shut(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::UnknownRoom | FailureKind::Forbidden)
}

/// Something happened in a room.
pub(in crate::engine) fn pushed(
    state: &mut State,
    work: &mut Work<'_>,
    push: RoomPush,
    body: &Bytes,
) -> Result<(), EngineError> {
    match push {
        RoomPush::Entry { room, seq, at_ms, kind, .. } => {
            log::push(state, room, crate::engine::memory::rooms::LogEntry { seq, at_ms, kind, body: body.clone() });
            Ok(())
        }
        RoomPush::CaughtUp { room, .. } => log::caught_up(state, work, room),
        RoomPush::Gone { room, reason } => leave::gone(state, work, (room, reason), body),
        RoomPush::Typing { room } => company::typed(state, work, room, body),
        RoomPush::KeyPackagesLow { left } => packages::offer(state, work, left),
    }
}

/// The boot id stands: what was under way goes on, logs are opened, the lobby is looked for.
fn online(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    packages::offer_first(state, work)?;
    for room in state.rooms.ids() {
        let phase = state.rooms.get(&room).map(|room| room.record.phase);
        if phase == Some(Phase::Creating) {
            enter::send_creation(state, work, room)?;
        } else if let Some(flight) = CommitFlight::load(work, &room)? {
            state.send_commit(work, room, flight);
        } else if heal::is_due(state, &room) {
            heal::ask(state, work, room);
        }
    }
    let limit = u16::try_from(chat_wire::limits::ROOMS_PER_ANSWER_MAX).unwrap_or(u16::MAX);
    state.ask_room(work, RoomTask::Restore, RoomAsk::List { joined: true, after: None, limit }, Bytes::new());
    enter::lobby(state, work)
}

/// Does in every room what can be done now.
pub(in crate::engine) fn pump(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    if !state.is_online() || state.renewal.is_some() {
        return Ok(());
    }
    if !state.rooms.started {
        state.rooms.started = true;
        online(state, work)?;
    }
    let account = state.own_address()?.account;
    let own_list_seq = plan::newest_seq(state, work, &account)?;
    let devices_changed = std::mem::replace(&mut state.rooms.own_list_seq, own_list_seq) != own_list_seq;
    for room in state.rooms.ids() {
        if devices_changed && is_ready(state, &room) {
            change::upkeep(state, work, room)?;
        }
        log::open(state, work, room);
        log::advance(state, work, room)?;
        view::answer(state, work, room)?;
        if is_ready(state, &room) {
            change::next(state, work, room)?;
            talk::flush(state, work, room)?;
        }
    }
    Ok(())
}

/// Forgets what is over in every room, and does what is due there.
pub(in crate::engine) fn tidy(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    for room in state.rooms.ids() {
        epoch::forget(state, work, room)?;
        if state.is_online() && is_ready(state, &room) {
            change::upkeep(state, work, room)?;
        }
    }
    Ok(())
}

/// Everything of the log is here and taken.
fn is_ready(state: &State, room: &RoomId) -> bool {
    state.rooms.get(room).is_some_and(|room| {
        let here = room.record.phase == Phase::Joined && !room.record.stale;
        here && room.live.caught_up && room.live.entries.is_empty() && !room.live.waits
    })
}

/// Tells of something that happened in a room.
fn tell(
    state: &mut State,
    work: &mut Work<'_>,
    room: &RoomName,
    kind: RoomEventKind,
    (whom, by): (Option<AccountId>, Option<AccountId>),
) -> Result<(), EngineError> {
    let own = state.me.as_ref().map(|me| (me.account(), me.name.clone()));
    let mut name = |account: Option<AccountId>| -> Result<Option<UserName>, EngineError> {
        match (account, &own) {
            (Some(account), Some((me, name))) if account == *me => Ok(Some(name.clone())),
            (Some(account), _) => state.listed_name(work, &account),
            (None, _) => Ok(None),
        }
    };
    let (username, by) = (name(whom)?, name(by)?);
    work.notice(NoticeKind::Room(RoomNotice { room: room.clone(), kind, username, by }))?;
    Ok(())
}

/// Answers everybody who waits.
fn reply_done(work: &mut Work<'_>, commands: Vec<CommandId>) {
    for command in commands {
        work.reply(command, Reply::Done);
    }
}
