//! From a message in a state to a service, and back. Handlers are files by theme; this page says what
//! is due when, and routes.

mod account;
mod blob;
mod company;
mod entrance;
mod log;
mod login;
mod mail;
mod packages;
mod people;
mod reading;
mod renewal;
mod rooms;
mod steps;
mod table;
mod writing;

use chat_wire::error::RefusalKind;
use chat_wire::frame::ClientFrame;
use chat_wire::ids::{AccountId, DeviceAddress};
use chat_wire::message::{BlobAsk, ClientMessage, ServerMessage};

use crate::core::Core;
use crate::peer::{Connection, Stage};
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::round::Rests;
use crate::storage::Storage;

pub(crate) use log::{end_closed, follow};
pub(crate) use mail::{hand, pump};
pub(crate) use table::{Kind, is_due};

/// What a message's answer rests on.
pub(crate) fn rests(kind: Kind) -> Rests {
    match kind {
        Kind::Hello | Kind::Heartbeat | Kind::Ephemeral | Kind::SetPresence | Kind::SetContacts | Kind::Ack => {
            Rests::OnMemory
        }
        _ => Rests::OnStorage,
    }
}

/// Whether a message works on memory alone, or (a send) looks after itself; before all others the
/// sends that wait are written, so that every read sees them.
fn leaves_sends_waiting(kind: Kind) -> bool {
    kind == Kind::Send || rests(kind) == Rests::OnMemory
}

/// Does what a message asks, in the state that the connection is in.
pub(crate) fn dispatch<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &mut Connection,
    frame: ClientFrame,
) -> Result<Reply, Refuse> {
    let (kind, stage) = (Kind::of(&frame.message), connection.peer.stage());
    if !is_due(kind, stage) {
        // Whoever does not even greet does not speak this protocol.
        let refuse = if stage == Stage::Fresh { Refuse::Closing } else { Refuse::Of };
        return Err(refuse(RefusalKind::OutOfPlace));
    }
    if !leaves_sends_waiting(kind) {
        core.settle();
    }
    if let Some(device) = connection.peer.device() {
        return as_device(core, here, (connection, device), frame);
    }
    match frame.message {
        ClientMessage::Hello { versions, features } => login::hello(core, here, connection, (&versions, &features)),
        ClientMessage::Register1 { name, request, invite } => {
            login::register1(core, here, connection, login::Application { name, request, invite })
        }
        ClientMessage::Register2 { name, record, kp, list, vault, boot, .. } => {
            let enrolment = login::Enrolment { name, record, kp, list, vault, boot };
            login::register2(core, here, connection, enrolment)
        }
        ClientMessage::Ke1 { name, ke1 } => login::ke1(core, here, connection, (name, ke1)),
        ClientMessage::Ke3 { ke3 } => login::ke3(core, here, connection, &ke3),
        ClientMessage::Proof { device, incarnation, signature } => {
            login::proof(core, here, connection, login::Claim { device, incarnation, signature })
        }
        ClientMessage::Account(ask) => {
            if let Some(proven) = connection.peer.proven() {
                proven.check(&mut core.store)?;
            }
            renewal::ask(core, here, connection, (ask, frame.body))
        }
        ClientMessage::Heartbeat {} => Ok(heartbeat(frame.request)),
        message => as_owner(core, here, connection, message),
    }
}

/// One that carries no number wants no answer (SPEC 7.3.4): an idle client need not wake for it.
fn heartbeat(request: u32) -> Reply {
    if request == 0 { Reply::Silence } else { Reply::Answer(ServerMessage::Heartbeat {}) }
}

/// Messages that a proven password or recovery code is enough for (SPEC 7.1.1).
fn as_owner<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    connection: &Connection,
    message: ClientMessage,
) -> Result<Reply, Refuse> {
    let proven = connection.peer.proven().ok_or(RefusalKind::OutOfPlace)?;
    proven.check(&mut core.store)?;
    match message {
        ClientMessage::FetchLists { account: of, .. } if of == proven.account => {
            as_own(core, here, proven.account, message)
        }
        ClientMessage::FetchLists { .. } => Err(RefusalKind::Forbidden.into()),
        ClientMessage::GetRecord {} | ClientMessage::GetVault {} => {
            entrance::check(core, proven, here.connection)?;
            as_own(core, here, proven.account, message)
        }
        ClientMessage::Logout {} => as_own(core, here, proven.account, message),
        _ => Err(RefusalKind::OutOfPlace.into()),
    }
}

/// Messages of a logged-in device.
fn as_device<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    (connection, device): (&mut Connection, DeviceAddress),
    frame: ClientFrame,
) -> Result<Reply, Refuse> {
    match frame.message {
        ClientMessage::Send { key, step, lists, packets } => {
            let send = mail::Send { key, step, request: frame.request, lists, packets, body: frame.body };
            mail::send(core, here, connection, send)
        }
        ClientMessage::Ephemeral { packets } => Ok(mail::ephemeral(core, here, device, (&packets, frame.body))),
        ClientMessage::Ack { seq } => Ok(mail::acknowledge(core, here, connection, seq)),
        ClientMessage::Heartbeat {} => Ok(heartbeat(frame.request)),
        ClientMessage::Ke1 { name, ke1 } => login::check_password(core, here, connection, (name, ke1)),
        ClientMessage::Ke3 { ke3 } => login::password_checked(core, connection, &ke3),
        ClientMessage::PutBoot { expected, new } => account::put_boot(core, here, device, (expected, new)),
        ClientMessage::PutRecord { expected, version } => {
            let offer = account::RecordOffer { expected, version, body: frame.body };
            account::put_record(core, here, device.account, offer)
        }
        ClientMessage::PutPreKeys { signed, last_resort, pairs } => {
            account::put_prekeys(core, here, connection, (signed, last_resort, pairs))
        }
        ClientMessage::Claim { account, name, devices } => {
            people::claim(core, here, device, people::Wanted { account, name, devices })
        }
        ClientMessage::Find { query, limit } => people::find(core, here, device.account, (&query, limit)),
        ClientMessage::SetPresence { status } => people::set_presence(core, here, device, status),
        ClientMessage::SetContacts { accounts } => people::set_contacts(core, here, device.account, accounts),
        ClientMessage::Blob(BlobAsk::Ticket {}) => blob::ticket(core, here, device.account),
        // What belongs on a bulk connection (SPEC 13.3.2).
        ClientMessage::Blob(_) => Err(RefusalKind::OutOfPlace.into()),
        ClientMessage::Account(ask) => renewal::ask(core, here, connection, (ask, frame.body)),
        ClientMessage::Room(ask) => rooms::ask(core, here, device, (ask, frame.body)),
        message => as_own(core, here, device.account, message),
    }
}

/// What belongs to the device's own account.
fn as_own<S: Storage>(
    core: &mut Core<S>,
    here: Here,
    account: AccountId,
    message: ClientMessage,
) -> Result<Reply, Refuse> {
    match message {
        ClientMessage::PutDeviceList { list, vault } => account::put_device_list(core, here, account, (list, vault)),
        ClientMessage::FetchLists { account: of, after_seq } => {
            account::fetch_lists(core, here, account, (of, after_seq))
        }
        ClientMessage::GetRecord {} => account::get_record(core, account),
        ClientMessage::GetVault {} => account::get_vault(core, account),
        ClientMessage::Logout {} => Ok(Reply::Last(ServerMessage::Done {})),
        _ => Err(RefusalKind::OutOfPlace.into()),
    }
}
