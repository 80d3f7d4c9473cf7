//! The ratchets in a session's rows. What changes with every message in chain stands apart
//! from what changes with a step, so that most messages write two short chains only.
//!
//! ```text
//! root      RK 32 | NHKs 32 | NHKr 32 | turn | receiving | u8 n, n × old chain
//!   turn        0: own 32 | 1: theirs 32, PN u32 | 2: own 32, public 32, HKs 32, PN u32
//!   receiving   0 | 1: HKr 32, ratchet 32, number u64
//!   old chain   HK 32, number u64, hour u32
//! sending   0 | 1: N u32, CK 32, then PQ chain, Braid cursor u16
//! receiving 0 | 1: N u32, CK 32, then PQ chain
//! pq        R 32 | newest u64 | u8 n, n × PQ chain to send | … to receive | … old
//!   PQ chain    epoch u64, counter u32, key 32
//! ```

use std::sync::Arc;

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::keys::DhKey;

use super::braid::Braid;
use super::chain::{ChainKey, PqChainKey};
use super::double::{DoubleRatchet, OldChain, Receiving, Sending, Turn};
use super::header::HeaderKey;
use super::pq::{PqChain, PqRatchet, PqRoot};
use super::root::RootKey;
use super::skipped::SkippedKeys;
use crate::crypto::dh::DhSecret;
use crate::limits::{OLD_CHAINS_MAX, OLD_PQ_CHAINS_MAX};

/// Chains of the Braid that may wait on one side; more than a peer that keeps the protocol can cause.
const WAITING_CHAINS_MAX: usize = 8;

/// The rows of both ratchets, without skipped keys.
pub(crate) struct RatchetRows<'a> {
    pub(crate) root: &'a [u8],
    pub(crate) sending: &'a [u8],
    pub(crate) receiving: &'a [u8],
    pub(crate) pq: &'a [u8],
    pub(crate) braid: &'a [u8],
}

impl RatchetRows<'_> {
    /// Reads both ratchets back.
    pub(crate) fn read(&self, initiator: bool) -> Result<(DoubleRatchet, PqRatchet), Malformed> {
        let (mut sending, mut receiving) = (Reader::new(self.sending), Reader::new(self.receiving));
        let ec = read_double(self.root, read_chain(&mut sending)?, read_chain(&mut receiving)?)?;
        let (pq_sending, pq_receiving) = (read_pq_chain(&mut sending)?, read_pq_chain(&mut receiving)?);
        let mut braid = Braid::decode(self.braid).map_err(|_| Malformed)?;
        braid.set_cursor(sending.u16()?);
        sending.end()?;
        receiving.end()?;

        let mut reader = Reader::new(self.pq);
        let (root, newest) = (PqRoot::from_slice(reader.take(32)?).ok_or(Malformed)?, reader.u64()?);
        let pq = PqRatchet {
            initiator,
            root: Arc::new(root),
            newest,
            sending: pq_sending,
            receiving: pq_receiving,
            to_send: read_pq_chains(&mut reader, WAITING_CHAINS_MAX)?,
            to_receive: read_pq_chains(&mut reader, WAITING_CHAINS_MAX)?,
            old: read_pq_chains(&mut reader, OLD_PQ_CHAINS_MAX)?,
            skipped: SkippedKeys::default(),
            braid,
        };
        reader.end()?;
        Ok((ec, pq))
    }
}

/// The row `root`.
pub(crate) fn root_row(ec: &DoubleRatchet) -> Vec<u8> {
    let mut out = Writer::with_capacity(512);
    out.put(ec.root.expose()).put(ec.next_sending.expose()).put(ec.next_receiving.expose());
    match &ec.turn {
        Turn::Awaiting { own } => out.u8(0).put(own.expose()),
        Turn::Ours { theirs, previous } => out.u8(1).put(&theirs.0).u32(*previous),
        Turn::Theirs { own, public, sending } => {
            out.u8(2).put(own.expose()).put(&public.0).put(sending.header.expose()).u32(sending.previous)
        }
    };
    match &ec.receiving {
        None => out.u8(0),
        Some(chain) => out.u8(1).put(chain.header.expose()).put(&chain.ratchet.0).u64(chain.number),
    };
    out.u8(u8::try_from(ec.old.len()).unwrap_or(u8::MAX));
    for chain in ec.old.iter() {
        out.put(chain.header.expose()).u64(chain.number).u32(chain.hour);
    }
    out.finish()
}

/// The row `sending`.
pub(crate) fn sending_row(ec: &DoubleRatchet, pq: &PqRatchet) -> Vec<u8> {
    let mut out = Writer::with_capacity(96);
    match &ec.turn {
        Turn::Theirs { sending, .. } => out.u8(1).u32(sending.next).put(sending.chain.expose()),
        _ => out.u8(0),
    };
    write_pq_chain(&mut out, &pq.sending);
    out.u16(pq.braid.cursor());
    out.finish()
}

/// The row `receiving`.
pub(crate) fn receiving_row(ec: &DoubleRatchet, pq: &PqRatchet) -> Vec<u8> {
    let mut out = Writer::with_capacity(96);
    match &ec.receiving {
        Some(chain) => out.u8(1).u32(chain.next).put(chain.chain.expose()),
        None => out.u8(0),
    };
    write_pq_chain(&mut out, &pq.receiving);
    out.finish()
}

/// The row `pq`.
pub(crate) fn pq_row(pq: &PqRatchet) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    out.put(pq.root.expose()).u64(pq.newest);
    for chains in [&pq.to_send, &pq.to_receive, &pq.old] {
        out.u8(u8::try_from(chains.len()).unwrap_or(u8::MAX));
        for chain in chains {
            write_pq_chain(&mut out, chain);
        }
    }
    out.finish()
}

type Chain = Option<(u32, ChainKey)>;

fn read_chain(reader: &mut Reader<'_>) -> Result<Chain, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        1 => {
            let next = reader.u32()?;
            let key = ChainKey::from_slice(reader.take(32)?).ok_or(Malformed)?;
            Ok(Some((next, key)))
        }
        _ => Err(Malformed),
    }
}

fn read_double(root: &[u8], sending: Chain, receiving: Chain) -> Result<DoubleRatchet, Malformed> {
    let mut reader = Reader::new(root);
    let root = RootKey::from_slice(reader.take(32)?).ok_or(Malformed)?;
    let (next_sending, next_receiving) = (read_header_key(&mut reader)?, read_header_key(&mut reader)?);
    let turn = read_turn(&mut reader, sending)?;
    let receiving = match (reader.u8()?, receiving) {
        (0, None) => None,
        (1, Some((next, chain))) => {
            let (header, ratchet) = (read_header_key(&mut reader)?, DhKey(reader.array()?));
            Some(Receiving { header, chain, next, ratchet, number: reader.u64()? })
        }
        _ => return Err(Malformed),
    };
    let count = usize::from(reader.u8()?);
    if count > OLD_CHAINS_MAX {
        return Err(Malformed);
    }
    let mut old = Vec::with_capacity(count);
    for _ in 0..count {
        let header = read_header_key(&mut reader)?;
        old.push(OldChain { header, number: reader.u64()?, hour: reader.u32()? });
    }
    reader.end()?;
    let skipped = SkippedKeys::default();
    let old = Arc::new(old);
    Ok(DoubleRatchet { root: Arc::new(root), next_sending, next_receiving, turn, receiving, old, skipped })
}

fn read_turn(reader: &mut Reader<'_>, sending: Chain) -> Result<Turn, Malformed> {
    Ok(match (reader.u8()?, sending) {
        (0, None) => Turn::Awaiting { own: read_dh(reader)? },
        (1, None) => Turn::Ours { theirs: DhKey(reader.array()?), previous: reader.u32()? },
        (2, Some((next, chain))) => {
            let (own, public) = (read_dh(reader)?, DhKey(reader.array()?));
            let header = read_header_key(reader)?;
            Turn::Theirs { own, public, sending: Sending { header, chain, next, previous: reader.u32()? } }
        }
        _ => return Err(Malformed),
    })
}

fn read_dh(reader: &mut Reader<'_>) -> Result<Arc<DhSecret>, Malformed> {
    DhSecret::from_slice(reader.take(32)?).map(Arc::new).ok_or(Malformed)
}

fn read_header_key(reader: &mut Reader<'_>) -> Result<Arc<HeaderKey>, Malformed> {
    HeaderKey::from_slice(reader.take(32)?).map(Arc::new).ok_or(Malformed)
}

fn write_pq_chain(out: &mut Writer, chain: &PqChain) {
    out.u64(chain.epoch).u32(chain.counter).put(chain.key.expose());
}

fn read_pq_chain(reader: &mut Reader<'_>) -> Result<PqChain, Malformed> {
    let (epoch, counter) = (reader.u64()?, reader.u32()?);
    let key = PqChainKey::from_slice(reader.take(32)?).ok_or(Malformed)?;
    Ok(PqChain { epoch, key, counter })
}

fn read_pq_chains(reader: &mut Reader<'_>, max: usize) -> Result<Vec<PqChain>, Malformed> {
    let count = usize::from(reader.u8()?);
    if count > max {
        return Err(Malformed);
    }
    (0..count).map(|_| read_pq_chain(reader)).collect()
}
