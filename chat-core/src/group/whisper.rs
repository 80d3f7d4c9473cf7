//! What members tell each other in passing (SPEC 12.5.4): sealed under a secret of the epoch, signed by the leaf,
//! and written nowhere: it moves no ratchet. Layout: `version u8=1 | epoch u64 | nonce 24 | sealed`, inside
//! `leaf_key 32 | active u8 | at_ms u64 | signature 64`.

use chat_wire::codec::{Reader, Writer};
use chat_wire::domain::SIG_ROOM_TYPING;
use chat_wire::ids::RoomId;
use chat_wire::keys::{Signature, VerifyKey};

use super::keys::LeafKey;
use crate::crypto::aead;
use crate::labels::ROOM_TYPING;
use crate::secret::Secret;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TEXT_BYTES: usize = 32 + 1 + 8 + 64;

/// Somebody writes, or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whisper {
    /// Whose leaf signed it.
    pub(crate) key: VerifyKey,
    pub(crate) active: bool,
    pub(crate) at_ms: u64,
}

/// Of which epoch it is, and what only its members open.
pub(super) fn split(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut reader = Reader::new(bytes);
    if reader.u8().ok()? != VERSION {
        return None;
    }
    Some((reader.u64().ok()?, reader.rest()))
}

impl Whisper {
    pub(super) fn seal(
        key: &LeafKey,
        (room, epoch): (&RoomId, u64),
        (secret, nonce): (&Secret<32>, &[u8; NONCE_BYTES]),
        (active, at_ms): (bool, u64),
    ) -> Vec<u8> {
        let whisper = Self { key: key.public(), active, at_ms };
        let signature = key.sign_statement(SIG_ROOM_TYPING, &[&whisper.signed(room, epoch)]);
        let mut text = Writer::with_capacity(TEXT_BYTES);
        text.put(&whisper.key.0).u8(u8::from(active)).u64(at_ms).put(&signature.0);
        let mut text = text.finish();
        let tag = aead::xseal(secret.expose(), nonce, ROOM_TYPING, &mut text);
        let mut out = Writer::with_capacity(1 + 8 + NONCE_BYTES + TEXT_BYTES + aead::TAG_BYTES);
        out.u8(VERSION).u64(epoch).put(nonce).put(&text).put(&tag);
        out.finish()
    }

    pub(super) fn open((room, epoch): (&RoomId, u64), secret: &Secret<32>, sealed: &[u8]) -> Option<Self> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let (text, tag) = rest.split_last_chunk::<{ aead::TAG_BYTES }>()?;
        if text.len() != TEXT_BYTES {
            return None;
        }
        let mut out = [0; TEXT_BYTES];
        aead::xopen(secret.expose(), nonce, ROOM_TYPING, (text, tag), &mut out).ok()?;
        let mut reader = Reader::new(&out);
        let key = VerifyKey(reader.array().ok()?);
        let whisper = Self { key, active: reader.u8().ok()? == 1, at_ms: reader.u64().ok()? };
        let signature = Signature(reader.array().ok()?);
        key.verifies(SIG_ROOM_TYPING, &[&whisper.signed(room, epoch)], &signature).then_some(whisper)
    }

    fn signed(&self, room: &RoomId, epoch: u64) -> Vec<u8> {
        let mut out = Writer::with_capacity(16 + 8 + 32 + 1 + 8);
        out.put(&room.0).u64(epoch).put(&self.key.0).u8(u8::from(self.active)).u64(self.at_ms);
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whisper_is_of_its_leaf_room_and_epoch_and_opens_only_whole() {
        let (key, room) = (LeafKey::read(&[9; 32]).unwrap(), RoomId([1; 16]));
        let secret = Secret::fill(|out| out.fill(5));
        let bytes = Whisper::seal(&key, (&room, 7), (&secret, &[3; 24]), (true, 11));
        let (epoch, sealed) = split(&bytes).unwrap();
        let whisper = Whisper::open((&room, epoch), &secret, sealed).unwrap();
        assert_eq!(whisper, Whisper { key: key.public(), active: true, at_ms: 11 });
        assert_eq!(Whisper::open((&RoomId([2; 16]), epoch), &secret, sealed), None);
        assert_eq!(Whisper::open((&room, 8), &secret, sealed), None);
        let other = Secret::fill(|out| out.fill(6));
        assert_eq!(Whisper::open((&room, epoch), &other, sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.to_vec();
            bent[at] ^= 1;
            assert_eq!(Whisper::open((&room, epoch), &secret, &bent), None, "byte {at}");
            assert_eq!(Whisper::open((&room, epoch), &secret, &sealed[..at]), None);
        }
    }
}
