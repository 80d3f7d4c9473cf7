//! Blobs, as far as the relay's own connections have to do with them: tickets.

use chat_wire::ids::AccountId;
use chat_wire::message::ServerMessage;
use rand_core::Rng as _;

use crate::core::Core;
use crate::refuse::Refuse;
use crate::reply::{Here, Reply};
use crate::service::blobs::Tickets;

/// What opens a bulk connection for this account (SPEC 13.3.1).
pub(super) fn ticket<S>(core: &mut Core<S>, here: Here, account: AccountId) -> Result<Reply, Refuse> {
    core.gates.changes.take(account, here.now.uptime_ms)?;
    let mut nonce = [0; 16];
    core.secrets.rng.fill_bytes(&mut nonce);
    let ticket = Tickets::of(&core.secrets.identity).issue(account, here.now.wall_ms, nonce);
    Ok(Reply::Answer(ServerMessage::Blob(ticket)))
}
