//! A session as rows: one prefix of the owner's, and under it
//!
//! | key | value | written |
//! |---|---|---|
//! | 0 | version, names, associated data, exporter, peer | once |
//! | 1 | the initiation | until the first reply |
//! | 2 | root of the Double Ratchet, header keys | at each of its steps |
//! | 3 | sending chains | with each message sealed |
//! | 4 | receiving chains | with each message opened |
//! | 5 | post-quantum root and waiting chains | at each epoch |
//! | 6 | the Braid | when it moves on |
//! | 7 ‖ slot u8 | what was opened where | with each message opened |
//! | 8 ‖ chain u64 ‖ N u32 ‖ hour u32 | skipped seed | each once |
//! | 9 ‖ epoch u64 ‖ ctr u32 ‖ hour u32 | skipped post-quantum key | each once |

use std::collections::BTreeMap;
use std::sync::Arc;

use chat_wire::codec::{Malformed, Reader, Writer};
use zeroize::Zeroizing;

use super::{Fixed, Session, Stage};
use crate::handshake::accept::INITIATION_BYTES;
use crate::handshake::{InitiationId, Sid};
use crate::identity::Party;
use crate::limits::SKIPPED_KEYS_MAX;
use crate::ratchet::chain::{MessageSeed, PqMessageKey};
use crate::ratchet::record::{RatchetRows, pq_row, receiving_row, root_row, sending_row};
use crate::ratchet::skipped::{SkippedChange, SkippedKeys, Spot};
use crate::ratchet::witness::{MARK_BYTES, Seen, Witness};
use crate::secret::Secret;
use crate::time::Timestamp;

const VERSION: u8 = 1;

const FIXED: u8 = 0;
const INITIATION: u8 = 1;
const ROOT: u8 = 2;
const SENDING: u8 = 3;
const RECEIVING: u8 = 4;
const PQ: u8 = 5;
const BRAID: u8 = 6;
const WITNESS: u8 = 7;
const SKIPPED: u8 = 8;
const SKIPPED_PQ: u8 = 9;

/// One row to write under the session's prefix, or to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// What follows the prefix.
    pub key: Vec<u8>,
    /// The value, secret; none deletes the row.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

/// Rows that this version did not write, or that do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's record is damaged")]
pub struct BadSession;

impl From<Malformed> for BadSession {
    fn from(_: Malformed) -> Self {
        Self
    }
}

/// Rows that changed since they were last stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dirty {
    pub(super) fixed: bool,
    pub(super) stage: bool,
    pub(super) root: bool,
    pub(super) sending: bool,
    pub(super) receiving: bool,
    pub(super) pq: bool,
    pub(super) braid: bool,
}

impl Dirty {
    pub(super) fn everything() -> Self {
        Self { fixed: true, stage: true, root: true, sending: true, receiving: true, pq: true, braid: true }
    }
}

impl Session {
    /// The rows that changed since the last call, to be written in one step with everything else.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::NOW, seeded::Seeded};
    /// # let mut rng = Seeded::new(1);
    /// # let Ends { mut alice, mut bob } = Couple::new(2, true).talking(&mut rng);
    /// # use chat_core::session::Session;
    /// let mut store: BTreeMap<Vec<u8>, Vec<u8>> = alice.rows().into_iter().map(|(key, value)| (key, value.to_vec())).collect();
    /// # alice.take_changes();
    /// let packet = alice.seal(b"hello", &mut rng)?.packet;
    /// for row in alice.take_changes() {
    ///     match row.value {
    ///         Some(value) => drop(store.insert(row.key, value.to_vec())),
    ///         None => drop(store.remove(&row.key)),
    ///     }
    /// }
    /// let restored = Session::from_rows(store)?;
    /// assert_eq!(restored.encode(), alice.encode());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "a session whose changes are lost seals at used positions"]
    pub fn take_changes(&mut self) -> Vec<RowChange> {
        let dirty = std::mem::take(&mut self.dirty);
        let due = [
            (FIXED, dirty.fixed),
            (INITIATION, dirty.stage),
            (ROOT, dirty.root),
            (SENDING, dirty.sending),
            (RECEIVING, dirty.receiving),
            (PQ, dirty.pq),
            (BRAID, dirty.braid),
        ];
        let due = due.into_iter().filter(|(_, due)| *due);
        let mut rows: Vec<_> = due.map(|(row, _)| RowChange { key: vec![row], value: self.row(row) }).collect();
        rows.extend(self.ec.skipped.take_changes().into_iter().map(|c| skipped_row(SKIPPED, c, MessageSeed::expose)));
        let pq = self.pq.skipped.take_changes();
        rows.extend(pq.into_iter().map(|c| skipped_row(SKIPPED_PQ, c, PqMessageKey::expose)));
        let seen = self.witness.take_changes().into_iter();
        rows.extend(seen.map(|(slot, seen)| RowChange { key: vec![WITNESS, slot], value: Some(seen_row(&seen)) }));
        rows
    }

    /// Every row, ascending by key.
    #[must_use]
    pub fn rows(&self) -> Vec<(Vec<u8>, Zeroizing<Vec<u8>>)> {
        let fixed = [FIXED, INITIATION, ROOT, SENDING, RECEIVING, PQ, BRAID];
        let mut rows: Vec<_> = fixed.into_iter().filter_map(|row| Some((vec![row], self.row(row)?))).collect();
        let seeds = self.ec.skipped.iter().map(|(spot, key)| (spot_key(SKIPPED, spot), key.expose()));
        let pq = self.pq.skipped.iter().map(|(spot, key)| (spot_key(SKIPPED_PQ, spot), key.expose()));
        rows.extend(seeds.chain(pq).map(|(key, value)| (key, Zeroizing::new(value.to_vec()))));
        rows.extend(self.witness.iter().map(|(slot, seen)| (vec![WITNESS, slot], seen_row(&seen))));
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }

    /// The keys of every row: what goes when the session goes.
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, seeded::Seeded};
    /// # let Ends { alice, .. } = Couple::new(2, true).talking(&mut Seeded::new(1));
    /// let keys = alice.row_keys();
    /// assert!(alice.rows().iter().all(|(key, _)| keys.contains(key)));
    /// ```
    #[must_use]
    pub fn row_keys(&self) -> Vec<Vec<u8>> {
        let fixed = [FIXED, INITIATION, ROOT, SENDING, RECEIVING, PQ, BRAID];
        let seeds = self.ec.skipped.iter().map(|(spot, _)| spot_key(SKIPPED, spot));
        let pq = self.pq.skipped.iter().map(|(spot, _)| spot_key(SKIPPED_PQ, spot));
        let seen = self.witness.iter().map(|(slot, _)| vec![WITNESS, slot]);
        fixed.into_iter().map(|row| vec![row]).chain(seeds).chain(pq).chain(seen).collect()
    }

    /// Reads a session from all the rows under its prefix, in any order.
    ///
    /// # Errors
    /// [`BadSession`].
    pub fn from_rows<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        rows: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, BadSession> {
        let (mut seeds, mut pq_keys) = (SkippedKeys::default(), SkippedKeys::default());
        let (mut fixed_rows, mut witness) = (BTreeMap::new(), Witness::default());
        for (key, value) in rows {
            match key.as_ref() {
                [row] => {
                    fixed_rows.insert(*row, value);
                }
                [WITNESS, slot] => {
                    if !witness.restore(*slot, read_seen(value.as_ref())?) {
                        return Err(BadSession);
                    }
                }
                [SKIPPED, spot @ ..] => {
                    seeds.restore(read_spot(spot)?, MessageSeed::from_slice(value.as_ref()).ok_or(BadSession)?);
                }
                [SKIPPED_PQ, spot @ ..] => {
                    pq_keys.restore(read_spot(spot)?, PqMessageKey::from_slice(value.as_ref()).ok_or(BadSession)?);
                }
                _ => return Err(BadSession),
            }
        }
        if seeds.iter().count() > SKIPPED_KEYS_MAX || pq_keys.iter().count() > SKIPPED_KEYS_MAX {
            return Err(BadSession);
        }
        seeds.restored();
        pq_keys.restored();
        let row = |row: u8| fixed_rows.get(&row).map(AsRef::as_ref).ok_or(BadSession);
        let fixed = read_fixed(row(FIXED)?)?;
        let stage = match row(INITIATION) {
            Ok(initiation) if initiation.len() == INITIATION_BYTES && fixed.initiated_by_us => {
                Stage::Unacknowledged { initiation: Arc::new(initiation.to_vec()) }
            }
            Ok(_) => return Err(BadSession),
            Err(_) => Stage::Acknowledged,
        };
        let rows = RatchetRows {
            root: row(ROOT)?,
            sending: row(SENDING)?,
            receiving: row(RECEIVING)?,
            pq: row(PQ)?,
            braid: row(BRAID)?,
        };
        let (mut ec, mut pq) = rows.read(fixed.initiated_by_us)?;
        (ec.skipped, pq.skipped) = (seeds, pq_keys);
        Ok(Self { fixed: Arc::new(fixed), stage, ec, pq, witness, dirty: Dirty::default() })
    }

    /// The whole session as one record; [`Session::decode`] reads it.
    ///
    /// ```
    /// # use chat_fixtures::{pair::{Couple, Ends}, person::NOW, seeded::Seeded};
    /// # let mut rng = Seeded::new(1);
    /// # let Ends { mut alice, mut bob } = Couple::new(2, true).talking(&mut rng);
    /// # use chat_core::session::Session;
    /// let record = alice.encode();
    /// assert_eq!(*Session::decode(&record)?.encode(), *record);
    /// assert!(Session::decode(&record[1..]).is_err());
    /// # Ok::<(), chat_core::session::BadSession>(())
    /// ```
    ///
    /// Layout: `version u8 | rows u32 | (key_len u8, key, value_len u32, value)…`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(4_096);
        let rows = self.rows();
        out.u8(VERSION).u32(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        for (key, value) in rows {
            out.u8(u8::try_from(key.len()).unwrap_or(u8::MAX)).put(&key);
            out.u32(u32::try_from(value.len()).unwrap_or(u32::MAX)).put(&value);
        }
        Zeroizing::new(out.finish())
    }

    /// Reads what [`Session::encode`] wrote.
    ///
    /// # Errors
    /// [`BadSession`].
    pub fn decode(record: &[u8]) -> Result<Self, BadSession> {
        let mut reader = Reader::new(record);
        if reader.u8()? != VERSION {
            return Err(BadSession);
        }
        let count = reader.u32()?;
        let mut rows = Vec::new();
        for _ in 0..count {
            let key_len = usize::from(reader.u8()?);
            let key = reader.take(key_len)?;
            let value_len = usize::try_from(reader.u32()?).map_err(|_| BadSession)?;
            rows.push((key, reader.take(value_len)?));
        }
        reader.end()?;
        Self::from_rows(rows)
    }

    fn row(&self, row: u8) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = match row {
            FIXED => write_fixed(&self.fixed),
            INITIATION => match &self.stage {
                Stage::Unacknowledged { initiation } => initiation.to_vec(),
                Stage::Acknowledged => return None,
            },
            ROOT => root_row(&self.ec),
            SENDING => sending_row(&self.ec, &self.pq),
            RECEIVING => receiving_row(&self.ec, &self.pq),
            PQ => pq_row(&self.pq),
            BRAID => {
                // The cursor stands in the sending row; here it would differ from what is stored.
                let mut braid = self.pq.braid.clone();
                braid.set_cursor(0);
                return Some(braid.encode());
            }
            _ => return None,
        };
        Some(Zeroizing::new(bytes))
    }
}

fn write_fixed(fixed: &Fixed) -> Vec<u8> {
    let [out_ad, in_ad] = &fixed.associated;
    let mut out = Writer::with_capacity(512);
    out.u8(VERSION).put(&fixed.sid.0).u8(u8::from(fixed.initiated_by_us)).u32(fixed.session_no);
    out.u64(fixed.created.as_ms()).put(&fixed.initiation_id.0).put(out_ad).put(in_ad);
    out.put(fixed.exporter.expose()).put(&fixed.peer.to_bytes());
    out.finish()
}

fn read_fixed(bytes: &[u8]) -> Result<Fixed, BadSession> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != VERSION {
        return Err(BadSession);
    }
    let sid = Sid(reader.array()?);
    let initiated_by_us = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(BadSession),
    };
    let (session_no, created) = (reader.u32()?, Timestamp::from_ms(reader.u64()?));
    let initiation_id = InitiationId(reader.array()?);
    let associated = [reader.array()?, reader.array()?];
    let exporter = Secret::from_slice(reader.take(32)?).ok_or(BadSession)?;
    let peer = Party::read(&mut reader)?;
    reader.end()?;
    Ok(Fixed { sid, initiated_by_us, session_no, created, peer, initiation_id, associated, exporter })
}

fn seen_row(seen: &Seen) -> Zeroizing<Vec<u8>> {
    let mut out = Writer::with_capacity(12 + MARK_BYTES);
    out.u64(seen.chain).u32(seen.position).put(&seen.mark);
    Zeroizing::new(out.finish())
}

fn read_seen(bytes: &[u8]) -> Result<Seen, Malformed> {
    let mut reader = Reader::new(bytes);
    let seen = Seen { chain: reader.u64()?, position: reader.u32()?, mark: reader.array()? };
    reader.end()?;
    Ok(seen)
}

fn spot_key(row: u8, spot: &Spot) -> Vec<u8> {
    let mut out = Writer::with_capacity(17);
    out.u8(row).u64(spot.chain).u32(spot.position).u32(spot.hour);
    out.finish()
}

fn read_spot(key: &[u8]) -> Result<Spot, Malformed> {
    let mut reader = Reader::new(key);
    let spot = Spot { chain: reader.u64()?, position: reader.u32()?, hour: reader.u32()? };
    reader.end()?;
    Ok(spot)
}

fn skipped_row<K>(row: u8, change: SkippedChange<K>, expose: impl Fn(&K) -> &[u8; 32]) -> RowChange {
    match change {
        SkippedChange::Added(spot, key) => {
            RowChange { key: spot_key(row, &spot), value: Some(Zeroizing::new(expose(&key).to_vec())) }
        }
        SkippedChange::Removed(spot) => RowChange { key: spot_key(row, &spot), value: None },
    }
}
