//! Key packages: what this device publishes so that others can add it while it is away.

use bytes::Bytes;
use chat_wire::message::{KeyPackageUpload, RoomAsk};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::engine::context::Work;
use crate::engine::error::{Bug, EngineError};
use crate::engine::limits::{KEY_PACKAGES_WANTED, LAST_RESORT_PACKAGE_MS};
use crate::engine::memory::State;
use crate::engine::memory::room_tasks::RoomTask;
use crate::engine::memory::rooms::{RoomShelf, seed};
use crate::group::{LeafKey, key_package};
use crate::store::Table;

/// Key of the record that says what was published.
const OFFERED_KEY: &[u8] = b"key-packages";

/// What was published.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Offered {
    /// When the last-resort package was made.
    #[serde(rename = "l")]
    last_resort_ms: u64,
}

/// The private part of a package's leaf, under its public key.
#[derive(Serialize, Deserialize)]
struct KeptLeaf {
    #[serde(rename = "k")]
    seed: ByteBuf,
    /// Used again and again.
    #[serde(rename = "l")]
    last_resort: bool,
}

/// Publishes what is due: everything at first, a new last-resort package now and then.
pub(super) fn offer_first(state: &mut State, work: &mut Work<'_>) -> Result<(), EngineError> {
    let offered: Option<Offered> = work.load(Table::Meta, OFFERED_KEY)?;
    match offered {
        None => publish(state, work, KEY_PACKAGES_WANTED, true),
        Some(offered) if work.now.as_ms().saturating_sub(offered.last_resort_ms) > LAST_RESORT_PACKAGE_MS => {
            publish(state, work, 0, true)
        }
        Some(_) => Ok(()),
    }
}

/// Few are left.
pub(super) fn offer(state: &mut State, work: &mut Work<'_>, left: u32) -> Result<(), EngineError> {
    publish(state, work, KEY_PACKAGES_WANTED.saturating_sub(left), false)
}

fn publish(state: &mut State, work: &mut Work<'_>, count: u32, last_resort: bool) -> Result<(), EngineError> {
    let mut packages = Vec::new();
    for _ in 0..count {
        packages.push(make(state, work, false)?);
    }
    let last_resort = if last_resort { Some(make(state, work, true)?) } else { None };
    if last_resort.is_some() {
        work.save(Table::Meta, OFFERED_KEY, &Offered { last_resort_ms: work.now.as_ms() })?;
    }
    if !packages.is_empty() || last_resort.is_some() {
        let ask = RoomAsk::PutKeyPackages { packages, last_resort };
        state.ask_room(work, RoomTask::Offer, ask, Bytes::new());
    }
    Ok(())
}

fn make(state: &mut State, work: &mut Work<'_>, last_resort: bool) -> Result<KeyPackageUpload, EngineError> {
    let (key, credential) = state.new_leaf(work)?;
    let seed = seed(work);
    let made = key_package(&mut RoomShelf::roomless(work), &seed, (&key, &credential), last_resort);
    let made = made.map_err(|_| EngineError::Broken(Bug::OwnKeys))?;
    let kept = KeptLeaf { seed: ByteBuf::from(key.expose().to_vec()), last_resort };
    work.save(Table::KeyPackages, &key.public().0, &kept)?;
    Ok(KeyPackageUpload { id: made.id, expires_ms: made.expires_ms, package: ByteBuf::from(made.bytes) })
}

/// The private key of a leaf that somebody added.
pub(super) fn leaf_key(work: &Work<'_>, public: &[u8; 32]) -> Result<Option<LeafKey>, EngineError> {
    let kept: Option<KeptLeaf> = work.load(Table::KeyPackages, public)?;
    let damaged = EngineError::Store { table: Table::KeyPackages };
    kept.map(|kept| LeafKey::read(&kept.seed).ok_or(damaged)).transpose()
}

/// It is used: its leaf key lives on in the room.
pub(super) fn used(work: &mut Work<'_>, public: &[u8; 32]) -> Result<(), EngineError> {
    let kept: Option<KeptLeaf> = work.load(Table::KeyPackages, public)?;
    if kept.is_some_and(|kept| !kept.last_resort) {
        work.delete(Table::KeyPackages, public);
    }
    Ok(())
}
