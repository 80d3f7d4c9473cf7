//! The message registry (SPEC 7, 11): what a client asks and what the relay answers or pushes.
//!
//! Heads are CBOR maps with short keys (SPEC 4.5): unknown keys are dropped, so that versions can
//! add some; an unknown message is refused with `unsupported` and the connection goes on. A message
//! that carries bulk (packets, records) has it in the frame's body, never in the head.
//!
//! Services with many messages have one entry here and an enum of their own: `room`, `blob`.

mod account;
mod binding;
mod blob;
mod client;
mod room;
mod server;
mod values;

pub use account::{AccountAnswer, AccountAsk, NewDevice, Verdict, deletion_bytes, recovery_bytes};
pub use binding::{ChannelBinding, EXPORTER_LABEL, proof_bytes, ready_bytes};
pub use blob::{BlobAnswer, BlobAsk, BlobPass, BlobToken, ticket_proof};
pub use client::ClientMessage;
pub use room::{
    CommitHead, CommitParts, Departure, EntryKind, KeyPackageUpload, OfferedKeyPackage, RoomAnswer, RoomAsk, RoomCard,
    RoomEnd, RoomPush,
};
pub use server::ServerMessage;
pub use values::{FoundUser, ListState, LogoutReason, PacketHead, PresenceStatus};
