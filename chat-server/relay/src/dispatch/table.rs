//! What is due in which state, as one table.

use chat_wire::message::{AccountAsk, ClientMessage};

use crate::peer::Stage;

/// The kinds of client messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Hello,
    Register1,
    Register2,
    Ke1,
    Ke3,
    Proof,
    PutBoot,
    PutDeviceList,
    FetchLists,
    PutPreKeys,
    Claim,
    Send,
    Ephemeral,
    Ack,
    Heartbeat,
    SetPresence,
    SetContacts,
    Find,
    GetRecord,
    PutRecord,
    GetVault,
    Logout,
    Enroll,
    Recover1,
    Recover2,
    NewPassword,
    Delete,
    AskIn,
    AnswerIn,
    Room,
    Blob,
}

impl Kind {
    pub(crate) fn of(message: &ClientMessage) -> Self {
        match message {
            ClientMessage::Hello { .. } => Self::Hello,
            ClientMessage::Register1 { .. } => Self::Register1,
            ClientMessage::Register2 { .. } => Self::Register2,
            ClientMessage::Ke1 { .. } => Self::Ke1,
            ClientMessage::Ke3 { .. } => Self::Ke3,
            ClientMessage::Proof { .. } => Self::Proof,
            ClientMessage::PutBoot { .. } => Self::PutBoot,
            ClientMessage::PutDeviceList { .. } => Self::PutDeviceList,
            ClientMessage::FetchLists { .. } => Self::FetchLists,
            ClientMessage::PutPreKeys { .. } => Self::PutPreKeys,
            ClientMessage::Claim { .. } => Self::Claim,
            ClientMessage::Send { .. } => Self::Send,
            ClientMessage::Ephemeral { .. } => Self::Ephemeral,
            ClientMessage::Ack { .. } => Self::Ack,
            ClientMessage::Heartbeat {} => Self::Heartbeat,
            ClientMessage::SetPresence { .. } => Self::SetPresence,
            ClientMessage::SetContacts { .. } => Self::SetContacts,
            ClientMessage::Find { .. } => Self::Find,
            ClientMessage::GetRecord {} => Self::GetRecord,
            ClientMessage::PutRecord { .. } => Self::PutRecord,
            ClientMessage::GetVault {} => Self::GetVault,
            ClientMessage::Logout {} => Self::Logout,
            ClientMessage::Account(ask) => Self::of_account(ask),
            ClientMessage::Room(_) => Self::Room,
            ClientMessage::Blob(_) => Self::Blob,
        }
    }

    fn of_account(ask: &AccountAsk) -> Self {
        match ask {
            AccountAsk::Enroll { .. } => Self::Enroll,
            AccountAsk::Recover1 { .. } => Self::Recover1,
            AccountAsk::Recover2 { .. } => Self::Recover2,
            AccountAsk::NewPassword1 { .. } | AccountAsk::NewPassword2 { .. } => Self::NewPassword,
            AccountAsk::Delete { .. } => Self::Delete,
            AccountAsk::AskIn { .. } => Self::AskIn,
            AccountAsk::AnswerIn { .. } => Self::AnswerIn,
        }
    }
}

/// Whether a message is due in a state (SPEC 7.1.1, 9.5.3).
pub(crate) fn is_due(kind: Kind, stage: Stage) -> bool {
    use Stage::{AwaitingKe3, Greeted, LoggedIn, PasswordProven, Recovering, Registering};
    let due: &[Stage] = match kind {
        Kind::Hello => &[Stage::Fresh],
        // A name that is taken, a mistyped password, or a device that was not let in is followed by another try.
        Kind::Register1 | Kind::Recover1 => &[Greeted, Registering, AwaitingKe3, Recovering, PasswordProven],
        Kind::Ke1 => &[Greeted, Registering, AwaitingKe3, Recovering, PasswordProven, LoggedIn],
        Kind::Register2 => &[Registering],
        Kind::Ke3 => &[AwaitingKe3, LoggedIn],
        Kind::Recover2 => &[Recovering],
        Kind::Proof => &[Greeted, Registering, AwaitingKe3, Recovering, PasswordProven],
        Kind::FetchLists | Kind::GetRecord | Kind::GetVault | Kind::Logout => &[PasswordProven, LoggedIn],
        // Stretching a password takes a while: a waiting client may show that it lives.
        Kind::Heartbeat => &[Greeted, Registering, AwaitingKe3, Recovering, PasswordProven, LoggedIn],
        Kind::PutBoot
        | Kind::PutDeviceList
        | Kind::PutPreKeys
        | Kind::Claim
        | Kind::Send
        | Kind::Ephemeral
        | Kind::Ack
        | Kind::SetPresence
        | Kind::SetContacts
        | Kind::Find
        | Kind::PutRecord
        | Kind::Delete
        | Kind::AnswerIn
        | Kind::Room
        | Kind::Blob => &[LoggedIn],
        Kind::Enroll | Kind::AskIn => &[PasswordProven],
        Kind::NewPassword => &[PasswordProven, LoggedIn],
    };
    due.contains(&stage)
}
