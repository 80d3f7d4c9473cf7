//! SPEC 5.1 and 8.1: device lists as far as a handshake needs them, and the responder's half of it.

use super::primitives::{agree, decapsulate, expand, extract, hash, label, open, public_of};

/// The responder's private keys.
pub(crate) struct Private {
    pub(crate) identity: Vec<u8>,
    pub(crate) signed: Vec<u8>,
    pub(crate) one_time: Option<Vec<u8>>,
    pub(crate) kem_seed: Vec<u8>,
}

/// Who accepts.
pub(crate) struct Responder {
    pub(crate) relay_id: Vec<u8>,
    pub(crate) own_list: Vec<u8>,
    pub(crate) peer_list: Vec<u8>,
    pub(crate) keys: Private,
}

/// What both sides have then.
pub(crate) struct Agreed {
    pub(crate) sk_ec: Vec<u8>,
    pub(crate) sk_pq: Vec<u8>,
    pub(crate) hk_a: Vec<u8>,
    pub(crate) nhk_b: Vec<u8>,
    pub(crate) sid: [u8; 16],
    /// AD of what the initiator seals.
    pub(crate) associated: [u8; 32],
    /// AD of what goes back.
    pub(crate) associated_back: [u8; 32],
}

/// Bytes of `prefix`: suite, EK, SPK_id, opk, OPK_id, kind, KEM_id, CT.
const PREFIX: usize = 2 + 32 + 8 + 1 + 8 + 1 + 8 + 1_568;

/// `ID(X)` of the only device of a list.
fn identity(list: &[u8]) -> Vec<u8> {
    let mut at = 4 + 2 + 32;
    let mut take = |len: usize| {
        at += len;
        &list[at - len..at]
    };
    let account_id = take(32);
    let seq = take(8);
    take(32 + 32 + 8 + 8);
    let account_key = take(32);
    take(32 + 1 + 4 + 32 + 8);
    let name_len = usize::from(take(1)[0]);
    let name = take(name_len);
    assert_eq!(take(1), [1], "one device");
    let (device, incarnation) = (take(4), take(4));
    take(1 + 8);
    let (sig_key, dh_key) = (take(32), take(32));
    let (name_hash, list_hash) = (hash(&[name]), hash(&[list]));
    let parts = [account_id, account_key, &name_hash, device, incarnation, sig_key, dh_key, seq, &list_hash];
    parts.concat()
}

impl Responder {
    pub(crate) fn accept(&self, packet: &[u8]) -> Agreed {
        assert_eq!(packet[0], 2, "an initiation");
        let prefix = &packet[1..=PREFIX];
        let ek = &prefix[2..34];
        let spk_id = &prefix[34..42];
        let (opk, opk_id) = (prefix[42], &prefix[43..51]);
        let (kind, kem_id, ct) = (prefix[51], &prefix[52..60], &prefix[60..]);
        let len = usize::from(u16::from_be_bytes([packet[PREFIX + 1], packet[PREFIX + 2]]));
        let sealed_id = &packet[PREFIX + 3..PREFIX + 3 + len];

        let keys = &self.keys;
        let (kem_key, ss) = decapsulate(&keys.kem_seed, ct);
        let dh2 = agree(&keys.identity, ek);
        let dh3 = agree(&keys.signed, ek);
        let dh4 = keys.one_time.as_ref().map(|secret| agree(secret, ek).to_vec()).unwrap_or_default();
        let filled = [0xff; 32];
        let salt = hash(&[&label("dm/id")]);
        let k_id = expand(
            &extract(&salt, &[&filled[..], &dh2, &dh3, &dh4, &ss].concat()),
            &[&label("dm/id"), &hash(&[prefix])],
            32,
        );
        let claimed = open(&k_id, &[0; 12], prefix, sealed_id).expect("the sealed identity opens");
        let (id_a, rest) = claimed.split_at(208);
        let (session_no, psk) = (&rest[..4], rest[4]);
        let id_b = identity(&self.own_list);
        assert_eq!(id_a, identity(&self.peer_list), "the initiator is who the list says");
        assert_eq!(&rest[5..], &id_b[168..], "made for this version of the own list");
        assert_eq!(psk, 0);

        let dh1 = agree(&keys.signed, &id_a[136..168]);
        let spk = public_of(&keys.signed);
        let opk_public = keys.one_time.as_ref().map_or(vec![0; 32], |secret| public_of(secret));
        let transcript = hash(&[
            &label("dm/T"),
            &prefix[..2],
            &self.relay_id,
            id_a,
            &id_b,
            session_no,
            &[psk],
            ek,
            spk_id,
            &spk,
            &[opk],
            opk_id,
            &opk_public,
            &[kind],
            kem_id,
            &hash(&[&kem_key]),
            ct,
        ]);
        let prk = extract(&[0; 32], &[&filled[..], &dh1, &dh2, &dh3, &dh4, &ss].concat());
        let out = expand(&prk, &[&label("dm/sk"), &transcript], 192);
        let sid: [u8; 16] = out[160..176].try_into().unwrap();
        let part = |at: usize| out[at..at + 32].to_vec();
        Agreed {
            sk_ec: part(0),
            sk_pq: part(32),
            hk_a: part(64),
            nhk_b: part(96),
            sid,
            associated: hash(&[&label("dm/ad"), &transcript, &sid, &[0]]),
            associated_back: hash(&[&label("dm/ad"), &transcript, &sid, &[1]]),
        }
    }
}
