//! SPEC 8.5 and the post-quantum half of SPEC 8.2: streams out of chunks, whichever came, and the chains
//! that their epochs give.

use std::collections::BTreeMap;

use super::primitives::{decapsulate_768, expand, extract, kem_shared_768, label, mac, sha3_256};

/// What the responder made up in an epoch.
pub(crate) enum Secret {
    /// The seed of a key pair.
    Seed(Vec<u8>),
    /// The randomness of an encapsulation.
    Coins(Vec<u8>),
}

/// One direction of one epoch.
struct Chain {
    key: [u8; 32],
    next: u32,
    keys: BTreeMap<u32, [u8; 32]>,
}

pub(crate) struct Braid {
    sid: [u8; 16],
    root: Vec<u8>,
    auth_root: Vec<u8>,
    auth_mac: Vec<u8>,
    /// By epoch: initiator's, responder's.
    chains: Vec<[Chain; 2]>,
    secrets: BTreeMap<u64, Secret>,
    streams: BTreeMap<(u64, u8), BTreeMap<u16, Vec<u8>>>,
}

impl Braid {
    pub(crate) fn responder(sk_pq: &[u8], sid: [u8; 16]) -> Self {
        let start = expand(&sk_pq.try_into().unwrap(), &[&label("pq/start"), &sid], 128);
        let mut braid = Self {
            sid,
            root: start[..32].to_vec(),
            auth_root: vec![0; 32],
            auth_mac: Vec::new(),
            chains: vec![[chain(&start[32..64]), chain(&start[64..96])]],
            secrets: BTreeMap::new(),
            streams: BTreeMap::new(),
        };
        braid.update(1, &start[96..]);
        braid
    }

    pub(crate) fn epochs(&self) -> u64 {
        self.chains.len() as u64 - 1
    }

    pub(crate) fn made(&mut self, epoch: u64, secret: Secret) {
        self.secrets.insert(epoch, secret);
    }

    pub(crate) fn chunk(&mut self, epoch: u64, kind: u8, index: u16, chunk: &[u8]) {
        // Part 3 is the vector as well.
        let stream = if kind == 3 { 2 } else { kind };
        self.streams.entry((epoch, stream)).or_default().insert(index, chunk.to_vec());
    }

    /// The key of a position: a message of epoch e lies on chain e − 1.
    pub(crate) fn key(&mut self, direction: usize, epoch: u64, counter: u32) -> Option<[u8; 32]> {
        while self.chains.len() < epoch as usize {
            self.finish(self.chains.len() as u64);
        }
        let chain = &mut self.chains.get_mut(epoch as usize - 1)?[direction];
        while chain.next <= counter {
            let at = chain.next.to_be_bytes();
            chain.keys.insert(chain.next, mac(&chain.key, &[&[1][..], &at].concat()));
            chain.key = mac(&chain.key, &[&[2][..], &at].concat());
            chain.next += 1;
        }
        chain.keys.get(&counter).copied()
    }

    pub(crate) fn used(&mut self, direction: usize, epoch: u64, counter: u32) {
        self.chains[epoch as usize - 1][direction].keys.remove(&counter);
    }

    fn update(&mut self, epoch: u64, key: &[u8]) {
        let info: [&[u8]; 3] = [&label("pq/auth"), &self.sid, &epoch.to_be_bytes()];
        let out = expand(&extract(&self.auth_root, key), &info, 64);
        (self.auth_root, self.auth_mac) = (out[..32].to_vec(), out[32..].to_vec());
    }

    /// Everything that an epoch needs has come by now.
    fn finish(&mut self, epoch: u64) {
        let e = epoch.to_be_bytes();
        let header = self.stream(epoch, 1, 96);
        let tag = mac(&self.auth_mac, &[&label("pq/hdr")[..], &e, &header[..64]].concat());
        assert_eq!(header[64..], tag, "the header's tag of epoch {epoch}");
        let vector = self.stream(epoch, 2, 1_152);
        let (seed, hash) = header[..64].split_at(32);
        assert_eq!(hash, sha3_256(&[&vector[..], seed].concat()), "the vector is the header's");
        let (first, second) = (self.stream(epoch, 5, 960), self.stream(epoch, 6, 160));
        let shared = match &self.secrets[&epoch] {
            Secret::Seed(seed) => decapsulate_768(seed, &[&first[..], &second[..128]].concat()),
            Secret::Coins(coins) => kem_shared_768(coins, hash),
        };
        let info: [&[u8]; 4] = [&label("pq/epoch"), &self.sid, &e, &header[..64]];
        let key = expand(&extract(&[0; 32], &shared), &info, 32);
        self.update(epoch, &key);
        let text = [&label("pq/ct")[..], &e, &first, &second[..128]].concat();
        assert_eq!(second[128..], mac(&self.auth_mac, &text), "the ciphertext's tag of epoch {epoch}");
        let out = expand(&extract(&self.root, &key), &[&label("pq/add"), &self.sid, &e], 96);
        self.root = out[..32].to_vec();
        self.chains.push([chain(&out[32..64]), chain(&out[64..])]);
    }

    /// Any k chunks give the stream.
    fn stream(&self, epoch: u64, kind: u8, len: usize) -> Vec<u8> {
        let chunks: Vec<(u16, &Vec<u8>)> =
            self.streams[&(epoch, kind)].iter().map(|(index, chunk)| (*index, chunk)).take(len / 32).collect();
        assert_eq!(chunks.len(), len / 32, "enough chunks of part {kind} in epoch {epoch}");
        (0..(len / 32) as u16).flat_map(|place| interpolate(&chunks, place)).collect()
    }
}

fn chain(key: &[u8]) -> Chain {
    Chain { key: key.try_into().unwrap(), next: 1, keys: BTreeMap::new() }
}

/// Lagrange, one polynomial after the other.
fn interpolate(chunks: &[(u16, &Vec<u8>)], at: u16) -> Vec<u8> {
    if let Some((_, chunk)) = chunks.iter().find(|(index, _)| *index == at) {
        return (*chunk).clone();
    }
    let mut out = [0_u16; 16];
    for (index, chunk) in chunks {
        let others = chunks.iter().filter(|(other, _)| other != index);
        let basis =
            others.fold(1, |product, (other, _)| multiply(product, multiply(at ^ other, inverse(index ^ other))));
        for (sum, value) in out.iter_mut().zip(chunk.chunks(2)) {
            *sum ^= multiply(basis, u16::from_be_bytes([value[0], value[1]]));
        }
    }
    out.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// GF(2^16) modulo x^16 + x^12 + x^3 + x + 1, as at school.
fn multiply(a: u16, b: u16) -> u16 {
    let mut wide = (0..16).filter(|bit| b >> bit & 1 == 1).fold(0_u32, |sum, bit| sum ^ (u32::from(a) << bit));
    for bit in (16..32).rev() {
        if wide >> bit & 1 == 1 {
            wide ^= 0x1_100b << (bit - 16);
        }
    }
    wide as u16
}

fn inverse(value: u16) -> u16 {
    (0..15)
        .fold((1, value), |(product, square), _| {
            let square = multiply(square, square);
            (multiply(product, square), square)
        })
        .0
}
