//! What a member says of its epoch beside every message and commit (SPEC 12.6.1): signed, and readable for who
//! can't open what stands beside it. So members that a relay keeps in two halves find out by one message.
//! Layout: `version u8=1 | leaf_key 32 | epoch u64 | authenticator 16 | seq u64 | hash 16 | signature 64`.

use chat_wire::codec::{Reader, Writer};
use chat_wire::domain::{SIG_ROOM_STATE, labelled_hash};
use chat_wire::ids::RoomId;
use chat_wire::keys::{Signature, VerifyKey};
use openmls::prelude::tls_codec::{Deserialize as _, VLBytes};

use super::keys::LeafKey;

const VERSION: u8 = 1;
const SIGNED_BYTES: usize = 8 + 16 + 8 + 16;
const BYTES: usize = 1 + 32 + SIGNED_BYTES + 64;

/// Where in the log an epoch began; zero where that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Base {
    /// Place of the commit.
    pub(crate) seq: u64,
    /// First half of its hash.
    pub(crate) hash: [u8; 16],
}

/// One epoch, as a member sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) epoch: u64,
    /// Follows from the epoch's secrets: the same only for who is in the same epoch.
    pub(crate) authenticator: [u8; 16],
    pub(crate) base: Base,
}

/// A witness and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) key: VerifyKey,
    pub(crate) witness: Witness,
    signature: Signature,
}

/// What stands for an epoch's authenticator outside of the room.
pub(super) fn authenticator(secret: &[u8]) -> [u8; 16] {
    let hash = labelled_hash("room/epoch", &[secret]);
    hash.first_chunk().copied().unwrap_or_default()
}

impl Witness {
    fn signed(&self, room: &RoomId, key: &VerifyKey) -> [Vec<u8>; 1] {
        let mut out = Writer::with_capacity(16 + 32 + SIGNED_BYTES);
        out.put(&room.0).put(&key.0);
        self.write(&mut out);
        [out.finish()]
    }

    fn write(&self, out: &mut Writer) {
        out.u64(self.epoch).put(&self.authenticator).u64(self.base.seq).put(&self.base.hash);
    }

    /// The statement of a leaf.
    pub(super) fn state(&self, room: &RoomId, key: &LeafKey) -> Vec<u8> {
        let public = key.public();
        let [signed] = self.signed(room, &public);
        let signature = key.sign_statement(SIG_ROOM_STATE, &[&signed]);
        let mut out = Writer::with_capacity(BYTES);
        out.u8(VERSION).put(&public.0);
        self.write(&mut out);
        out.put(&signature.0);
        out.finish()
    }
}

impl Statement {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let key = VerifyKey(reader.array().ok()?);
        let (epoch, authenticator) = (reader.u64().ok()?, reader.array().ok()?);
        let base = Base { seq: reader.u64().ok()?, hash: reader.array().ok()? };
        let signature = Signature(reader.array().ok()?);
        Some(Self { key, witness: Witness { epoch, authenticator, base }, signature })
    }

    /// What stands beside a private message: its head is readable for everybody.
    pub(crate) fn beside(message: &[u8]) -> Option<Self> {
        let mut rest = message;
        // Version and wire format, group, epoch, content type, authenticated data (RFC 9420 6.3).
        let (_, format) = (u16::tls_deserialize(&mut rest).ok()?, u16::tls_deserialize(&mut rest).ok()?);
        if format != 2 {
            return None;
        }
        VLBytes::tls_deserialize(&mut rest).ok()?;
        u64::tls_deserialize(&mut rest).ok()?;
        u8::tls_deserialize(&mut rest).ok()?;
        let beside = VLBytes::tls_deserialize(&mut rest).ok()?;
        Self::read(&mut Reader::new(beside.as_slice()))
    }

    /// Whether its key signed it, for this room.
    pub(crate) fn is_signed(&self, room: &RoomId) -> bool {
        let [signed] = self.witness.signed(room, &self.key);
        self.key.verifies(SIG_ROOM_STATE, &[&signed], &self.signature)
    }
}

/// What stands beside a commit: the statement, and why leaves go whose owners the committer may not remove
/// (SPEC 12.4.8). So who came in later judges as those do who read the log before.
pub(super) fn with_evidence(statement: &[u8], evidence: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Writer::with_capacity(statement.len());
    out.put(statement);
    for proof in evidence {
        out.u32(u32::try_from(proof.len()).unwrap_or(u32::MAX)).put(proof);
    }
    out.finish()
}

/// The evidence beside a commit; none when it can't be read.
pub(super) fn evidence_of(beside: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(beside);
    let mut read = || -> Option<Vec<Vec<u8>>> {
        Statement::read(&mut reader)?;
        let mut evidence = Vec::new();
        while !reader.rest().is_empty() {
            let len = usize::try_from(reader.u32().ok()?).ok()?;
            evidence.push(reader.take(len).ok()?.to_vec());
        }
        Some(evidence)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<Statement> {
        let mut reader = Reader::new(bytes);
        Statement::read(&mut reader).filter(|_| reader.end().is_ok())
    }

    #[test]
    fn evidence_stands_behind_a_statement_whole_or_not_at_all() {
        let key = LeafKey::read(&[9; 32]).unwrap();
        let witness = Witness { epoch: 7, authenticator: [2; 16], base: Base::default() };
        let statement = witness.state(&RoomId([1; 16]), &key);
        let proofs = vec![vec![1, 2, 3], Vec::new(), vec![4]];
        let beside = with_evidence(&statement, &proofs);
        assert_eq!(evidence_of(&beside), proofs);
        assert_eq!(evidence_of(&statement), Vec::<Vec<u8>>::new());
        assert!(evidence_of(&beside[..beside.len() - 1]).is_empty());
        assert!(evidence_of(b"nonsense").is_empty());
    }

    #[test]
    fn a_statement_is_of_its_room_and_its_key_and_of_nothing_else() {
        let key = LeafKey::read(&[9; 32]).unwrap();
        let room = RoomId([1; 16]);
        let witness = Witness { epoch: 7, authenticator: [2; 16], base: Base { seq: 3, hash: [4; 16] } };
        let bytes = witness.state(&room, &key);
        assert_eq!(bytes.len(), BYTES);
        let statement = decode(&bytes).unwrap();
        assert_eq!(statement.witness, witness);
        assert!(statement.is_signed(&room) && !statement.is_signed(&RoomId([2; 16])));
        for at in 1..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(!decode(&bent).is_some_and(|bent| bent.is_signed(&room)), "byte {at}");
        }
        assert!((0..bytes.len()).all(|len| decode(&bytes[..len]).is_none()));
        assert_eq!(Statement::beside(b"nonsense"), None);
    }
}
