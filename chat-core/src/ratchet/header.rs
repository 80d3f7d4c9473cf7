//! The hidden header: XChaCha20-Poly1305 under a header key, nonce = the message's hedged random value
//! (key-schedule C).

use chat_wire::codec::{Malformed, Reader};
use chat_wire::keys::DhKey;

use crate::crypto::aead::{self, TAG_BYTES};
use crate::labels;
use crate::secret::secret_role;

secret_role!(
    /// HKs, HKr, NHKs or NHKr, by the field that holds it.
    pub(crate) HeaderKey, 32
);

/// Packet type: a message in a session that both sides have.
pub(crate) const TYPE_NORMAL: u8 = 1;
/// Packet type: a message with the initiation in front of it.
pub(crate) const TYPE_INITIATION: u8 = 2;

const HEADER_BYTES: usize = 32 + 4 + 4 + 1 + 4;
/// Bytes of a sealed header.
pub(crate) const SEALED_HEADER_BYTES: usize = HEADER_BYTES + TAG_BYTES;
/// Bytes of `r`.
pub(crate) const RANDOM_BYTES: usize = 16;

/// Parts one after the other, without an allocation. The widths add up to `N`.
pub(crate) fn joined<const N: usize, const P: usize>(parts: [&[u8]; P]) -> [u8; N] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), N);
    let mut out = [0; N];
    let mut rest = &mut out[..];
    for part in parts {
        let Some((to, after)) = rest.split_at_mut_checked(part.len()) else { return out };
        to.copy_from_slice(part);
        rest = after;
    }
    out
}

/// `HP = ratchet pub 32 ‖ PN u32 ‖ N u32 ‖ Braid epoch mod 256 u8 ‖ ctr u32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) ratchet: DhKey,
    pub(crate) previous: u32,
    pub(crate) position: u32,
    pub(crate) epoch: u8,
    pub(crate) counter: u32,
}

/// What a sealed header is bound to beside its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderContext<'a> {
    pub(crate) kind: u8,
    pub(crate) associated: &'a [u8; 32],
    pub(crate) random: &'a [u8; RANDOM_BYTES],
}

impl HeaderContext<'_> {
    /// `L("dm/h") ‖ type ‖ AD_d`.
    fn associated_data(&self) -> [u8; labels::DM_HEADER.len() + 1 + 32] {
        joined([labels::DM_HEADER, &[self.kind], self.associated])
    }

    /// `r ‖ 0^8`.
    fn nonce(&self) -> [u8; 24] {
        joined([self.random, &[0; 8]])
    }
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let (previous, position) = (self.previous.to_be_bytes(), self.position.to_be_bytes());
        joined([&self.ratchet.0[..], &previous, &position, &[self.epoch], &self.counter.to_be_bytes()])
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let header = Self {
            ratchet: DhKey(reader.array()?),
            previous: reader.u32()?,
            position: reader.u32()?,
            epoch: reader.u8()?,
            counter: reader.u32()?,
        };
        reader.end()?;
        Ok(header)
    }
}

impl HeaderKey {
    pub(crate) fn seal(&self, header: &Header, context: &HeaderContext<'_>) -> [u8; SEALED_HEADER_BYTES] {
        let mut text = header.encode();
        let tag = aead::xseal(self.expose(), &context.nonce(), &context.associated_data(), &mut text);
        joined([&text, &tag])
    }

    pub(crate) fn open(&self, sealed: &[u8; SEALED_HEADER_BYTES], context: &HeaderContext<'_>) -> Option<Header> {
        let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let mut out = [0; HEADER_BYTES];
        aead::xopen(self.expose(), &context.nonce(), &context.associated_data(), (text, tag), &mut out).ok()?;
        Header::decode(&out).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_header_opens_only_under_its_key_type_direction_and_random_value() {
        let key = HeaderKey::new(Secret::fill(|b| b.fill(1)));
        let other = HeaderKey::new(Secret::fill(|b| b.fill(2)));
        let header = Header { ratchet: DhKey([3; 32]), previous: 4, position: 5, epoch: 6, counter: 7 };
        let context = HeaderContext { kind: TYPE_NORMAL, associated: &[8; 32], random: &[9; 16] };
        let sealed = key.seal(&header, &context);
        assert_eq!(key.open(&sealed, &context), Some(header));
        assert_eq!(other.open(&sealed, &context), None);
        assert_eq!(key.open(&sealed, &HeaderContext { kind: TYPE_INITIATION, ..context }), None);
        assert_eq!(key.open(&sealed, &HeaderContext { associated: &[7; 32], ..context }), None);
        assert_eq!(key.open(&sealed, &HeaderContext { random: &[8; 16], ..context }), None);
    }
}
