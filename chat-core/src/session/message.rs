//! The body of a message and its keys (key-schedule C).

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::domain::plain_hash;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::padding::padded;
use crate::crypto::aead::{self, TAG_BYTES};
use crate::crypto::hkdf::Prk;
use crate::labels;
use crate::limits::{CHUNKS_PER_MESSAGE_MAX, CONTENT_BYTES_MAX};
use crate::ratchet::braid::{BraidPart, PartKind};
use crate::ratchet::chain::{MessageSeed, PqMessageKey};
use crate::ratchet::erasure::CHUNK_BYTES;
use crate::ratchet::header::{RANDOM_BYTES, SEALED_HEADER_BYTES, joined};
use crate::secret::Secret;

/// Bytes in front of the content.
const CONTENT_LENGTH_BYTES: usize = 4;
/// Bytes of a body beside content, chunks and zeros.
const BODY_HEAD_BYTES: usize = CONTENT_LENGTH_BYTES + 1 + 1 + 2;
/// Bytes of the commitment.
pub(super) const COMMITMENT_BYTES: usize = 16;

/// How many chunks fit beside a content without making it longer on the wire.
pub(super) fn room_for_chunks(content: &[u8]) -> usize {
    let used = content.len().saturating_add(BODY_HEAD_BYTES);
    (padded(used).saturating_sub(used) / CHUNK_BYTES).min(CHUNKS_PER_MESSAGE_MAX)
}

/// Bytes of the padded body of a content.
pub(super) fn body_len(content: &[u8]) -> usize {
    padded(content.len().saturating_add(BODY_HEAD_BYTES))
}

/// Appends `P`, for which there is room, to what goes before it.
pub(super) fn put_body(mut out: Writer, content: &[u8], part: &BraidPart<'_>) -> Zeroizing<Vec<u8>> {
    let size = out.as_slice().len().saturating_add(body_len(content));
    out.u32(u32::try_from(content.len()).unwrap_or(u32::MAX)).put(content);
    out.u8(part.kind as u8).u8(u8::try_from(part.chunks.len()).unwrap_or(u8::MAX)).u16(part.first);
    out.put(part.chunks.as_flattened());
    let mut body = Zeroizing::new(out.finish());
    body.resize(size, 0);
    body
}

/// Takes `P` apart, strictly, without copying: the length of the content, and the part, whose epoch is the
/// header's.
pub(super) fn read_body(body: &[u8], epoch: u64) -> Result<(usize, BraidPart<'_>), Malformed> {
    let mut reader = Reader::new(body);
    let len = usize::try_from(reader.u32()?).map_err(|_| Malformed)?;
    if len > CONTENT_BYTES_MAX {
        return Err(Malformed);
    }
    reader.take(len)?;
    let (kind, count, first) = (reader.u8()?, reader.u8()?, reader.u16()?);
    if usize::from(count) > CHUNKS_PER_MESSAGE_MAX {
        return Err(Malformed);
    }
    let chunks = reader.take(usize::from(count).saturating_mul(CHUNK_BYTES))?.as_chunks().0;
    let part = BraidPart { epoch, kind: PartKind::of(kind).ok_or(Malformed)?, first, chunks: chunks.into() };
    // Without a way out in the middle: so the compiler takes many bytes at once.
    let padding = reader.rest().iter().fold(0, |all, byte| all | byte);
    if !part.is_well_formed() || padding != 0 {
        return Err(Malformed);
    }
    Ok((len, part))
}

/// The content of a body that was read, where it was decrypted: no copy of it is left to be wiped.
pub(super) fn content_of(mut body: Zeroizing<Vec<u8>>, len: usize) -> Vec<u8> {
    let head = CONTENT_LENGTH_BYTES.min(body.len());
    body.drain(..head);
    body.truncate(len);
    std::mem::take(&mut *body)
}

/// `M`: both halves of a message's key together. Never stored.
pub(super) struct MessageKey(Prk);

/// What the keys of one message depend on beside `M`.
#[derive(Clone, Copy)]
pub(super) struct Clear<'a> {
    pub(super) associated: &'a [u8; 32],
    pub(super) kind: u8,
    pub(super) random: &'a [u8; RANDOM_BYTES],
    pub(super) header: &'a [u8; SEALED_HEADER_BYTES],
}

/// `key 32 | nonce 12 | com 16`.
pub(super) struct BodyKeys(Secret<60>);

impl Clear<'_> {
    /// `AD_d ‖ type ‖ r ‖ EH`.
    fn associated_data(&self) -> [u8; 32 + 1 + RANDOM_BYTES + SEALED_HEADER_BYTES] {
        joined([self.associated, &[self.kind], self.random, self.header])
    }
}

impl MessageKey {
    /// `M = Ext(salt = pqk, IKM = seed_N)`.
    pub(super) fn join(seed: &MessageSeed, pq: &PqMessageKey) -> Self {
        Self(Prk::extract(pq.expose(), &[seed.expose()]))
    }

    /// `r = Exp(M, L("dm/r") ‖ rnd 32 ‖ H(P), 16)`: another body gives another value even when chance
    /// repeats itself, as after a clone or a rollback.
    pub(super) fn hedged(&self, random: &Secret<32>, body: &[u8]) -> [u8; RANDOM_BYTES] {
        let mut r = [0; RANDOM_BYTES];
        self.0.expand_public(&[labels::DM_RANDOM, random.expose(), &plain_hash(&[body])], &mut r);
        r
    }

    /// `Exp(M, L("dm/mk") ‖ AD_d ‖ type ‖ r ‖ EH, 60)`.
    pub(super) fn body_keys(self, clear: &Clear<'_>) -> BodyKeys {
        BodyKeys(self.0.expand(&[labels::DM_MESSAGE, clear.associated, &[clear.kind], clear.random, clear.header]))
    }
}

impl BodyKeys {
    #[expect(clippy::expect_used, reason = "32 + 12 + 16 = 60")]
    fn parts(&self) -> (&[u8; 32], &[u8; 12], &[u8; COMMITMENT_BYTES]) {
        let (key, rest) = self.0.expose().split_first_chunk().expect("32 of 60");
        let (nonce, rest) = rest.split_first_chunk().expect("12 of 28");
        (key, nonce, rest.first_chunk().expect("16 of 16"))
    }

    /// Encrypts the body in place; commitment and tag.
    pub(super) fn seal(self, clear: &Clear<'_>, body: &mut [u8]) -> ([u8; COMMITMENT_BYTES], [u8; TAG_BYTES]) {
        let (key, nonce, commitment) = self.parts();
        let tag = aead::seal(key, nonce, &clear.associated_data(), body);
        (*commitment, tag)
    }

    /// Decrypts body and tag, when the commitment and then the tag are right.
    pub(super) fn open(
        self,
        clear: &Clear<'_>,
        commitment: &[u8; COMMITMENT_BYTES],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (key, nonce, expected) = self.parts();
        if !bool::from(expected.ct_eq(commitment)) {
            return None;
        }
        let mut body = Zeroizing::new(vec![0; sealed.len().checked_sub(TAG_BYTES)?]);
        aead::open_into(key, nonce, &clear.associated_data(), sealed, &mut body).ok()?;
        Some(body)
    }
}
