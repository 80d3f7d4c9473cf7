//! Pages of rows with deeds of their own: devices, rooms, the members of a room, transfers.

use super::{Name, Problem, When};
use crate::text::SafeText;

/// A device of one's own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub id: u32,
    /// What its owner calls it.
    pub name: SafeText,
    /// When it was enrolled.
    pub created: Option<When>,
    /// When it was last here.
    pub last_seen: Option<When>,
    /// This one.
    pub current: bool,
    /// It waits to be let in, and shows this code.
    pub waits: Option<SafeText>,
}

/// What new devices need, and what was not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// More than the password.
    pub approval: bool,
    /// The recovery code of a new password was never shown.
    pub untold: bool,
}

/// A room of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRow {
    /// With `#`.
    pub name: Name,
    /// Everybody may join.
    pub public: bool,
    /// How many are in it.
    pub members: u64,
    /// What it is about.
    pub topic: Option<SafeText>,
    /// One is in it.
    pub joined: bool,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Role {
    /// Write.
    #[default]
    Member,
    /// Invite, remove, set the topic.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role after it, around the end.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Member => Self::Admin,
            Self::Admin => Self::Owner,
            Self::Owner => Self::Member,
        }
    }
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub name: Name,
    /// What they may do.
    pub role: Role,
    /// Here, as far as that is told.
    pub online: bool,
}

/// A room with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// With `#`.
    pub name: Name,
    /// Everybody may join.
    pub public: bool,
    /// What it is about.
    pub topic: Option<SafeText>,
    /// Who made it.
    pub owner: Option<Name>,
    /// When it was made.
    pub created: Option<When>,
    /// How often its keys were changed.
    pub epoch: u64,
    /// Who is in it, owners first.
    pub members: Vec<Member>,
}

impl RoomPage {
    /// What somebody may do in it; none when not in it.
    #[must_use]
    pub fn role_of(&self, name: &Name) -> Option<Role> {
        self.members.iter().find(|m| m.name == *name).map(|m| m.role)
    }
}

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SheetKind {
    /// Devices of one's own account.
    Devices(Vec<DeviceRow>),
    /// Rooms of the relay and those one is in.
    Rooms(Vec<RoomRow>),
    /// A room with its members.
    Room(Box<RoomPage>),
    /// Files that come and go; the rows are the model's transfers.
    Transfers,
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Which.
    pub kind: SheetKind,
    /// The marked row.
    pub cursor: usize,
    /// The rows are on their way.
    pub waiting: bool,
    /// Why they did not come.
    pub problem: Option<Problem>,
}

impl Sheet {
    /// A page whose rows are on their way.
    #[must_use]
    pub fn awaited(kind: SheetKind) -> Self {
        Self { kind, cursor: 0, waiting: true, problem: None }
    }

    /// Number of its own rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.kind {
            SheetKind::Devices(rows) => rows.len(),
            SheetKind::Rooms(rows) => rows.len(),
            SheetKind::Room(page) => page.members.len(),
            SheetKind::Transfers => 0,
        }
    }
}
