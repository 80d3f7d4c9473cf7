//! Handlers: each decides what one kind of input means. None calls another; `engine/mod.rs` routes.

pub(super) mod account;
pub(super) mod amend;
pub(super) mod chores;
pub(super) mod connect;
pub(super) mod enroll;
pub(super) mod files;
pub(super) mod heal;
pub(super) mod inbox;
pub(super) mod leave;
pub(super) mod outbox;
pub(super) mod prekeys;
pub(super) mod presence;
pub(super) mod queries;
pub(super) mod receipts;
pub(super) mod requests;
pub(super) mod resolve;
pub(super) mod room;
pub(super) mod search;
pub(super) mod timers;
