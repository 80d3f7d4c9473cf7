//! `ID(X)` of key-schedule A: everything that a verified device list says about one device, in 208
//! bytes that both sides of a handshake bind into every key.
//!
//! ```text
//! account_id 32 | account_key 32 | H(user name) 32 | device_id 4 | incarnation 4
//! sig_key 32 | dh_key 32 | list_seq 8 | list_hash 32
//! ```

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::device_list::DeviceList;
use chat_wire::domain::plain_hash;
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, ListHash};
use chat_wire::keys::{DhKey, VerifyKey};

/// Bytes of an `ID(X)`.
pub const PARTY_BYTES: usize = 208;

/// One device of one account at one version of its list. Made from a verified list only.
///
/// ```
/// # use chat_fixtures::person::Person;
/// use chat_core::identity::Party;
/// use chat_core::identity::party::PARTY_BYTES;
/// use chat_wire::ids::DeviceId;
/// let alice = Person::new(1);
/// let party = Party::of(&alice.list, alice.device.address().device).unwrap();
/// assert_eq!((party.address(), party.incarnation()), (alice.device.address(), alice.device.incarnation()));
/// assert_eq!((party.sig_key(), party.dh_key()), (&alice.device.sig_key(), &alice.device.dh_key()));
/// assert_eq!(party.account_key(), &alice.account.public());
/// assert_eq!((party.list_seq(), party.list_hash()), (1, alice.list.hash()));
/// assert_eq!(party.to_bytes().len(), PARTY_BYTES);
/// assert!(Party::of(&alice.list, DeviceId(99)).is_none()); // not listed
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    address: DeviceAddress,
    account_key: VerifyKey,
    name_hash: [u8; 32],
    incarnation: u32,
    sig_key: VerifyKey,
    dh_key: DhKey,
    list_seq: u64,
    list_hash: ListHash,
}

/// What an initiator says that it is. Nobody has checked it: look up the list that it names.
///
/// ```
/// # use chat_fixtures::{pair::Couple, seeded::Seeded};
/// # use chat_core::session::{IncomingInitiation, PreKeyPair};
/// # let couple = Couple::new(2, true);
/// # let (_, packet) = couple.begin(b"hello", &mut Seeded::new(1));
/// # let keys = PreKeyPair { signed: &couple.stock.signed, kem: &couple.stock.kem };
/// let incoming = IncomingInitiation::open(&packet, &couple.bob.device, &keys)?;
/// let claimed = incoming.claimed();
/// // What to look for: this version of that account's list …
/// assert_eq!((claimed.address(), claimed.incarnation()), (couple.alice.device.address(), 1));
/// assert_eq!((claimed.list_seq(), claimed.list_hash()), (1, couple.alice.list.hash()));
/// // … and whether what it says is what was claimed.
/// assert!(claimed.is(&couple.alice.party) && !claimed.is(&couple.bob.party));
/// # Ok::<(), chat_core::session::HandshakeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedParty(Party);

impl Party {
    /// The device as the list has it; none when it is not listed or revoked.
    #[must_use]
    pub fn of(list: &DeviceList, device: DeviceId) -> Option<Self> {
        let body = list.body();
        let listed = body.device(device)?;
        Some(Self {
            address: DeviceAddress { account: body.account_id, device },
            account_key: body.account_key,
            name_hash: plain_hash(&[body.name.as_str().as_bytes()]),
            incarnation: listed.incarnation,
            sig_key: listed.sig_key,
            dh_key: listed.dh_key,
            list_seq: body.seq,
            list_hash: list.hash(),
        })
    }

    /// The 208 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(PARTY_BYTES);
        out.put(&self.address.account.0).put(&self.account_key.0).put(&self.name_hash);
        out.u32(self.address.device.0).u32(self.incarnation).put(&self.sig_key.0).put(&self.dh_key.0);
        out.u64(self.list_seq).put(&self.list_hash.0);
        out.finish()
    }

    /// Reads the 208 bytes from a record that was written from a verified party.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (account, account_key, name_hash) =
            (AccountId(reader.array()?), VerifyKey(reader.array()?), reader.array()?);
        let (device, incarnation) = (DeviceId(reader.u32()?), reader.u32()?);
        Ok(Self {
            address: DeviceAddress { account, device },
            account_key,
            name_hash,
            incarnation,
            sig_key: VerifyKey(reader.array()?),
            dh_key: DhKey(reader.array()?),
            list_seq: reader.u64()?,
            list_hash: ListHash(reader.array()?),
        })
    }

    /// Account and device.
    #[must_use]
    pub fn address(&self) -> DeviceAddress {
        self.address
    }

    /// The device's incarnation.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The account key that the list names.
    #[must_use]
    pub fn account_key(&self) -> &VerifyKey {
        &self.account_key
    }

    /// The device's Ed25519 key.
    #[must_use]
    pub fn sig_key(&self) -> &VerifyKey {
        &self.sig_key
    }

    /// The device's X25519 key.
    #[must_use]
    pub fn dh_key(&self) -> &DhKey {
        &self.dh_key
    }

    /// Version of the list.
    #[must_use]
    pub fn list_seq(&self) -> u64 {
        self.list_seq
    }

    /// Hash of the list.
    #[must_use]
    pub fn list_hash(&self) -> ListHash {
        self.list_hash
    }
}

impl ClaimedParty {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Party::read(reader).map(Self)
    }

    /// Claimed account and device.
    #[must_use]
    pub fn address(&self) -> DeviceAddress {
        self.0.address
    }

    /// Claimed incarnation.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.0.incarnation
    }

    /// Version of the list that the claim is made from.
    #[must_use]
    pub fn list_seq(&self) -> u64 {
        self.0.list_seq
    }

    /// Hash of that list.
    #[must_use]
    pub fn list_hash(&self) -> ListHash {
        self.0.list_hash
    }

    /// Whether a verified party is exactly what was claimed.
    #[must_use]
    pub fn is(&self, verified: &Party) -> bool {
        self.0 == *verified
    }
}
