//! SPEC 8.2 and 8.3: the first receiving chain of both ratchets, headers by trial, bodies.

use std::collections::BTreeMap;

use super::handshake::Agreed;
use super::primitives::{agree, expand, extract, hash, label, mac, open, xopen};

/// Bytes of what goes before the ratchet packet in type 2, without its length field: see SPEC 8.1.
const PREFIX: usize = 1_628;

/// The responder's side before it has answered.
pub(crate) struct Session {
    sid: [u8; 16],
    associated: [u8; 32],
    root: Vec<u8>,
    /// The initiator's first header key.
    header_key: Vec<u8>,
    signed: Vec<u8>,
    /// CK and N once the first message came.
    chain: Option<([u8; 32], u32)>,
    /// C and the next counter.
    pq_chain: [u8; 32],
    pq_next: u32,
    seeds: BTreeMap<u32, [u8; 32]>,
    pq_keys: BTreeMap<u32, [u8; 32]>,
}

impl Session {
    pub(crate) fn responder(agreed: Agreed, signed: &[u8]) -> Self {
        // PQ start: Ext is not run here, SK_pq is the key.
        let start = expand(&agreed.sk_pq.try_into().unwrap(), &[&label("pq/start"), &agreed.sid], 128);
        assert_eq!(agreed.nhk_b.len(), 32);
        Self {
            sid: agreed.sid,
            associated: agreed.associated,
            root: agreed.sk_ec,
            header_key: agreed.hk_a,
            signed: signed.to_vec(),
            chain: None,
            pq_chain: start[32..64].try_into().unwrap(),
            pq_next: 1,
            seeds: BTreeMap::new(),
            pq_keys: BTreeMap::new(),
        }
    }

    /// Opens a packet; none when it is refused, and then nothing has changed.
    pub(crate) fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let kind = packet[0];
        let rest = match kind {
            1 => &packet[1..],
            2 => {
                let len = usize::from(u16::from_be_bytes([packet[1 + PREFIX], packet[2 + PREFIX]]));
                &packet[3 + PREFIX + len..]
            }
            _ => return None,
        };
        let (r, rest) = rest.split_at(16);
        let (sealed_header, rest) = rest.split_at(61);
        let (commitment, body) = rest.split_at(16);
        let nonce: [u8; 24] = [r, &[0; 8]].concat().try_into().unwrap();
        let aad = [&label("dm/h")[..], &[kind], &self.associated].concat();
        let header = xopen(&self.header_key, &nonce, &aad, sealed_header)?;
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        let (ratchet, position, epoch, counter) = (&header[..32], number(36), header[40], number(41));
        assert_eq!(epoch, 1, "the first Braid epoch, on chain 0");

        if self.chain.is_none() {
            let step = expand(&extract(&self.root, &agree(&self.signed, ratchet)), &[&label("dm/root"), &self.sid], 96);
            self.chain = Some((step[32..64].try_into().unwrap(), 0));
        }
        self.advance(position, counter);
        let (seed, pq_key) = (*self.seeds.get(&position)?, *self.pq_keys.get(&counter)?);
        let message_key = extract(&pq_key, &seed);
        let info: [&[u8]; 5] = [&label("dm/mk"), &self.associated, &[kind], r, sealed_header];
        let keys = expand(&message_key, &info, 60);
        if &keys[44..] != commitment {
            return None;
        }
        let aad = [&self.associated[..], &[kind], r, sealed_header].concat();
        let body = open(&keys[..32], &keys[32..44], &aad, body)?;
        self.seeds.remove(&position);
        self.pq_keys.remove(&counter);
        Some(content(&body))
    }

    /// Keeps the keys up to a position of each chain.
    fn advance(&mut self, position: u32, counter: u32) {
        if let Some((chain, next)) = &mut self.chain {
            while *next <= position {
                self.seeds.insert(*next, mac(chain, &[1]));
                *chain = mac(chain, &[2]);
                *next += 1;
            }
        }
        while self.pq_next <= counter {
            let at = self.pq_next.to_be_bytes();
            self.pq_keys.insert(self.pq_next, mac(&self.pq_chain, &[&[1][..], &at].concat()));
            self.pq_chain = mac(&self.pq_chain, &[&[2][..], &at].concat());
            self.pq_next += 1;
        }
    }
}

/// Takes `P` apart; the Braid's part is checked for its shape.
fn content(body: &[u8]) -> Vec<u8> {
    let len = u32::from_be_bytes(body[..4].try_into().unwrap()) as usize;
    let (content, rest) = body[4..].split_at(len);
    let (part, chunks) = (rest[0], usize::from(rest[1]));
    assert!(part <= 6 && chunks <= 32);
    let padding = &rest[4 + 32 * chunks..];
    assert!(padding.iter().all(|byte| *byte == 0), "zeros to the bucket");
    assert!([512, 1_024, 2_048, 4_096, 8_192, 16_384].contains(&body.len()));
    assert_ne!(hash(&[content]), [0; 32]);
    content.to_vec()
}
