//! SPEC 8.2, 8.3 and 8.5 in both directions: turns of the ratchet and epochs of the Braid, followed with
//! what the responder knows. What it sealed itself is opened like the rest.

use std::collections::BTreeMap;

use super::braid::{Braid, Secret};
use super::handshake::Agreed;
use super::primitives::{agree, expand, extract, label, mac, open, public_of, xopen};

/// Bytes of what goes before the ratchet packet in type 2: the prefix of SPEC 8.1.
const PREFIX: usize = 1_628;

/// One direction's chain under one header key.
struct Chain {
    header_key: Vec<u8>,
    key: [u8; 32],
    next: u32,
    seeds: BTreeMap<u32, [u8; 32]>,
}

impl Chain {
    fn new(header_key: Vec<u8>, key: &[u8]) -> Self {
        Self { header_key, key: key.try_into().unwrap(), next: 0, seeds: BTreeMap::new() }
    }

    fn seed(&mut self, position: u32) -> Option<[u8; 32]> {
        while self.next <= position {
            self.seeds.insert(self.next, mac(&self.key, &[1]));
            self.key = mac(&self.key, &[2]);
            self.next += 1;
        }
        self.seeds.get(&position).copied()
    }
}

/// What a header says.
struct Header {
    ratchet: Vec<u8>,
    position: u32,
    epoch: u64,
    counter: u32,
}

/// One packet taken apart.
struct Packet<'a> {
    kind: u8,
    r: &'a [u8],
    header: &'a [u8],
    commitment: &'a [u8],
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8]) -> Self {
        let kind = bytes[0];
        let rest = match kind {
            1 => &bytes[1..],
            _ => {
                let len = usize::from(u16::from_be_bytes([bytes[1 + PREFIX], bytes[2 + PREFIX]]));
                &bytes[3 + PREFIX + len..]
            }
        };
        let (r, rest) = rest.split_at(16);
        let (header, rest) = rest.split_at(61);
        let (commitment, body) = rest.split_at(16);
        Self { kind, r, header, commitment, body }
    }

    fn header(&self, key: &[u8], associated: &[u8; 32]) -> Option<Header> {
        let nonce: [u8; 24] = [self.r, &[0; 8]].concat().try_into().unwrap();
        let header = xopen(key, &nonce, &[&label("dm/h")[..], &[self.kind], associated].concat(), self.header)?;
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        Some(Header {
            ratchet: header[..32].to_vec(),
            position: number(36),
            epoch: u64::from(header[40]),
            counter: number(41),
        })
    }

    fn body(&self, seed: &[u8; 32], pq_key: &[u8; 32], associated: &[u8; 32]) -> Option<Vec<u8>> {
        let message_key = extract(pq_key, seed);
        let info: [&[u8]; 5] = [&label("dm/mk"), associated, &[self.kind], self.r, self.header];
        let keys = expand(&message_key, &info, 60);
        if &keys[44..] != self.commitment {
            return None;
        }
        let aad = [&associated[..], &[self.kind], self.r, self.header].concat();
        open(&keys[..32], &keys[32..44], &aad, self.body)
    }
}

/// What the responder made up for one packet of its own.
pub(crate) struct Made {
    /// A new ratchet key.
    pub(crate) ratchet: Option<Vec<u8>>,
    /// For the Braid.
    pub(crate) braid: Option<Secret>,
}

/// The responder's side of a whole session.
pub(crate) struct Dialogue {
    sid: [u8; 16],
    associated: [[u8; 32]; 2],
    root: Vec<u8>,
    own_ratchet: Vec<u8>,
    their_ratchet: Vec<u8>,
    next_header_keys: [Vec<u8>; 2],
    /// Their chains, the newest last, and the own one.
    theirs: Vec<Chain>,
    own: Option<Chain>,
    braid: Braid,
}

impl Dialogue {
    pub(crate) fn responder(agreed: Agreed, signed: &[u8]) -> Self {
        Self {
            sid: agreed.sid,
            associated: [agreed.associated, agreed.associated_back],
            root: agreed.sk_ec,
            own_ratchet: signed.to_vec(),
            their_ratchet: Vec::new(),
            next_header_keys: [agreed.hk_a, agreed.nhk_b],
            theirs: Vec::new(),
            own: None,
            braid: Braid::responder(&agreed.sk_pq, agreed.sid),
        }
    }

    /// How many epochs have been agreed on.
    pub(crate) fn epochs(&self) -> u64 {
        self.braid.epochs()
    }

    fn root_step(&mut self, shared: &[u8; 32]) -> Vec<u8> {
        let step = expand(&extract(&self.root, shared), &[&label("dm/root"), &self.sid], 96);
        self.root = step[..32].to_vec();
        step
    }

    /// Opens a packet of the initiator; none when it is refused.
    pub(crate) fn receive(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let packet = Packet::parse(packet);
        let associated = self.associated[0];
        let known = self.theirs.iter().rposition(|chain| packet.header(&chain.header_key, &associated).is_some());
        let at = match known {
            Some(at) => at,
            None => {
                // The header key of a chain comes from the step before; then the step itself is taken.
                let header = packet.header(&self.next_header_keys[0], &associated)?;
                let step = self.root_step(&agree(&self.own_ratchet, &header.ratchet));
                let header_key = std::mem::replace(&mut self.next_header_keys[0], step[64..].to_vec());
                self.theirs.push(Chain::new(header_key, &step[32..64]));
                self.their_ratchet = header.ratchet;
                self.theirs.len() - 1
            }
        };
        let header = packet.header(&self.theirs[at].header_key, &associated)?;
        let seed = self.theirs[at].seed(header.position)?;
        let pq_key = self.braid.key(0, header.epoch, header.counter)?;
        let body = packet.body(&seed, &pq_key, &associated)?;
        self.theirs[at].seeds.remove(&header.position);
        self.braid.used(0, header.epoch, header.counter);
        Some(self.content(&body, header.epoch))
    }

    /// Opens a packet that the responder sealed itself.
    pub(crate) fn sealed(&mut self, packet: &[u8], made: Made) -> Option<Vec<u8>> {
        let packet = Packet::parse(packet);
        let associated = self.associated[1];
        if let Some(ratchet) = made.ratchet {
            let step = self.root_step(&agree(&ratchet, &self.their_ratchet));
            let header_key = std::mem::replace(&mut self.next_header_keys[1], step[64..].to_vec());
            self.own = Some(Chain::new(header_key, &step[32..64]));
            self.own_ratchet = ratchet;
        }
        let own = self.own.as_mut()?;
        let header = packet.header(&own.header_key, &associated)?;
        assert_eq!(header.ratchet, public_of(&self.own_ratchet), "the ratchet key of the own chain");
        if let Some(secret) = made.braid {
            self.braid.made(header.epoch, secret);
        }
        let seed = own.seed(header.position)?;
        let pq_key = self.braid.key(1, header.epoch, header.counter)?;
        let body = packet.body(&seed, &pq_key, &associated)?;
        Some(self.content(&body, header.epoch))
    }

    /// Takes `P` apart and gives the chunks in it to the Braid.
    fn content(&mut self, body: &[u8], epoch: u64) -> Vec<u8> {
        let len = u32::from_be_bytes(body[..4].try_into().unwrap()) as usize;
        let (content, rest) = body[4..].split_at(len);
        let (kind, count) = (rest[0], usize::from(rest[1]));
        let first = u16::from_be_bytes([rest[2], rest[3]]);
        let (chunks, padding) = rest[4..].split_at(32 * count);
        assert!(padding.iter().all(|byte| *byte == 0), "zeros to the bucket");
        for (index, chunk) in (first..).zip(chunks.chunks(32)) {
            self.braid.chunk(epoch, kind, index, chunk);
        }
        content.to_vec()
    }
}
