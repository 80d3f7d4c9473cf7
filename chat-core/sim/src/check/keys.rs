//! No key and nonce twice, no one-time key twice (I4).
//!
//! Key and nonce of a packet follow from its position and its value `r`, and `r` from position, chance and
//! body. So an `r` that is seen twice over different bytes is a key and nonce used twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_core::session::{InitiationHead, is_initiation};
use chat_wire::domain::plain_hash;
use chat_wire::ids::PreKeyId;
use chat_wire::message::PacketHead;

/// Bytes of `prefix` in an initiation (SPEC 8.1): the length of the rest follows.
const PREFIX_BYTES: usize = 2 + 32 + 8 + 1 + 8 + 1 + 8 + 1_568;
/// Bytes of `r`.
const RANDOM_BYTES: usize = 16;

/// Every `r` and every one-time key that was used.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    randoms: BTreeMap<[u8; RANDOM_BYTES], [u8; 32]>,
    one_time: BTreeMap<PreKeyId, [u8; 32]>,
    pub(crate) packets: u64,
}

impl Keys {
    /// Takes the packets of a frame; what is wrong with them.
    pub(crate) fn packets(&mut self, heads: &[PacketHead], mut body: Bytes) -> Option<String> {
        for head in heads {
            let len = usize::try_from(head.len).unwrap_or(0).min(body.len());
            if let Some(wrong) = self.packet(&body.split_to(len)) {
                return Some(wrong);
            }
        }
        None
    }

    fn packet(&mut self, packet: &[u8]) -> Option<String> {
        self.packets = self.packets.saturating_add(1);
        let random = random_of(packet)?;
        let hash = plain_hash(&[packet]);
        if self.randoms.insert(random, hash).is_some_and(|before| before != hash) {
            return Some("one key and nonce for two packets".to_owned());
        }
        let head = is_initiation(packet).then(|| InitiationHead::parse(packet).ok()).flatten()?;
        let (id, initiation) = (head.one_time()?, plain_hash(&[head.id().as_bytes()]));
        let before = self.one_time.insert(id, initiation);
        before.is_some_and(|before| before != initiation).then(|| "one one-time key for two sessions".to_owned())
    }
}

fn random_of(packet: &[u8]) -> Option<[u8; RANDOM_BYTES]> {
    let rest = if is_initiation(packet) {
        let after = packet.get(1..)?.get(PREFIX_BYTES..)?;
        let (len, after) = after.split_first_chunk::<2>()?;
        after.get(usize::from(u16::from_be_bytes(*len))..)?
    } else {
        packet.get(1..)?
    };
    rest.first_chunk::<RANDOM_BYTES>().copied()
}
