//! The Braid in the session's record: seeds and chunks, never a library's state.
//!
//! `version u8=1 | sid 16 | epoch u64 | root 32 | mac 32 | state u8 | fields`

use std::sync::Arc;

use chat_wire::codec::{Malformed, Reader, Writer};
use zeroize::Zeroizing;

use super::Braid;
use super::auth::Authenticator;
use super::state::{CT1_BYTES, CT2_STREAM_BYTES, CtSide, EK_BYTES, HEADER_STREAM_BYTES, KeySide, State};
use crate::crypto::kem_parts::{PartsRandomness, PartsSeed};
use crate::ratchet::erasure::Decoder;

const VERSION: u8 = 1;

/// A record that this version did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the braid's record is damaged")]
pub(crate) struct BadBraidRecord;

impl From<Malformed> for BadBraidRecord {
    fn from(_: Malformed) -> Self {
        Self
    }
}

impl Braid {
    /// The record.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(1_536);
        let (root, mac) = self.auth.expose();
        out.u8(VERSION).put(&self.sid).u64(self.epoch).put(root).put(mac);
        write_state(&mut out, &self.state);
        Zeroizing::new(out.finish())
    }

    /// From the record.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadBraidRecord> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(BadBraidRecord);
        }
        let (sid, epoch) = (reader.array()?, reader.u64()?);
        let auth = Authenticator::from_record(reader.array()?, reader.array()?);
        let state = read_state(&mut reader)?;
        reader.end()?;
        Ok(Self { sid, epoch, auth, state })
    }
}

fn write_state(out: &mut Writer, state: &State) {
    match state {
        State::KeysUnsampled => {
            out.u8(0);
        }
        State::KeysSampled { side } => write_key_side(out.u8(1), side),
        State::HeaderSent { side, ct1 } => {
            write_key_side(out.u8(2), side);
            write_decoder(out, ct1);
        }
        State::Ct1Received { side, ct1 } => {
            write_key_side(out.u8(3), side);
            out.put(&ct1[..]);
        }
        State::EkSentCt1Received { side, ct1, ct2 } => {
            write_key_side(out.u8(4), side);
            out.put(&ct1[..]);
            write_decoder(out, ct2);
        }
        State::NoHeaderReceived { header } => write_decoder(out.u8(5), header),
        State::HeaderReceived { header } => {
            out.u8(6).put(header);
        }
        State::Ct1Sampled { side, ek } => {
            write_ct_side(out.u8(7), side);
            write_decoder(out, ek);
        }
        State::EkReceivedCt1Sampled { side, vector } => {
            write_ct_side(out.u8(8), side);
            out.put(&vector[..]);
        }
        State::Ct1Acknowledged { side, ek } => {
            write_ct_side(out.u8(9), side);
            write_decoder(out, ek);
        }
        State::Ct2Sampled { stream, next } => {
            out.u8(10).put(stream).u16(*next);
        }
    }
}

fn read_state(reader: &mut Reader<'_>) -> Result<State, BadBraidRecord> {
    Ok(match reader.u8()? {
        0 => State::KeysUnsampled,
        1 => State::KeysSampled { side: read_key_side(reader)? },
        2 => State::HeaderSent { side: read_key_side(reader)?, ct1: read_decoder(reader, CT1_BYTES)? },
        3 => State::Ct1Received { side: read_key_side(reader)?, ct1: Arc::new(reader.array()?) },
        4 => State::EkSentCt1Received {
            side: read_key_side(reader)?,
            ct1: Arc::new(reader.array()?),
            ct2: read_decoder(reader, CT2_STREAM_BYTES)?,
        },
        5 => State::NoHeaderReceived { header: read_decoder(reader, HEADER_STREAM_BYTES)? },
        6 => State::HeaderReceived { header: reader.array()? },
        7 => State::Ct1Sampled { side: read_ct_side(reader)?, ek: read_decoder(reader, EK_BYTES)? },
        8 => State::EkReceivedCt1Sampled { side: read_ct_side(reader)?, vector: Arc::new(reader.array()?) },
        9 => State::Ct1Acknowledged { side: read_ct_side(reader)?, ek: read_decoder(reader, EK_BYTES)? },
        10 => State::Ct2Sampled { stream: reader.array()?, next: reader.u16()? },
        _ => return Err(BadBraidRecord),
    })
}

fn write_key_side(out: &mut Writer, side: &KeySide) {
    out.put(side.seed.expose()).put(&side.tag).u16(side.next);
}

fn read_key_side(reader: &mut Reader<'_>) -> Result<KeySide, BadBraidRecord> {
    let seed = PartsSeed::from_slice(reader.take(64)?).ok_or(BadBraidRecord)?;
    Ok(KeySide::from_record(seed, reader.array()?, reader.u16()?))
}

fn write_ct_side(out: &mut Writer, side: &CtSide) {
    out.put(&side.header).put(side.randomness.expose()).u16(side.next);
}

fn read_ct_side(reader: &mut Reader<'_>) -> Result<CtSide, BadBraidRecord> {
    let header = reader.array()?;
    let randomness = PartsRandomness::from_slice(reader.take(32)?).ok_or(BadBraidRecord)?;
    CtSide::from_record(&header, randomness, reader.u16()?).ok_or(BadBraidRecord)
}

fn write_decoder(out: &mut Writer, decoder: &Decoder) {
    out.u16(u16::try_from(decoder.chunks().len()).unwrap_or(u16::MAX));
    for (index, chunk) in decoder.chunks() {
        out.u16(*index).put(chunk);
    }
}

fn read_decoder(reader: &mut Reader<'_>, bytes: usize) -> Result<Decoder, BadBraidRecord> {
    let mut decoder = Decoder::new(bytes);
    let count = usize::from(reader.u16()?);
    for _ in 0..count {
        let index = reader.u16()?;
        decoder.add(index, &reader.array()?);
    }
    // More chunks than needed, or one twice: not what this version writes.
    if decoder.chunks().len() == count { Ok(decoder) } else { Err(BadBraidRecord) }
}
