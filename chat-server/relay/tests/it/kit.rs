//! People with devices, as far as a relay can tell: keys that sign lists, prekeys and proofs. What
//! would be sealed is any bytes here.
#![allow(dead_code, reason = "two packages share this page, each uses its part")]

use std::sync::OnceLock;

use bytes::Bytes;
use chat_login::{Identities, Profile, client, server};
use chat_wire::bundle::{LastResortKey, OneTimePair, SignedPreKey};
use chat_wire::device_list::{DEVICE_MAY_SIGN, DEVICE_REVOKED, ListBody, ListedDevice, account_id, possession_bytes};
use chat_wire::domain::{
    SIG_DELETION, SIG_LAST_RESORT, SIG_LIST, SIG_ONE_TIME_PAIR, SIG_POSSESSION, SIG_PROOF, SIG_RECOVERY,
    SIG_SIGNED_PREKEY, labelled, plain_hash,
};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, ListHash, RelayId, RequestKey, UserName};
use chat_wire::keys::{DhKey, KemKey, Signature, VerifyKey};
use chat_wire::message::{
    AccountAsk, ChannelBinding, ClientMessage, ListState, NewDevice, PacketHead, ServerMessage, deletion_bytes,
    proof_bytes, recovery_bytes,
};
use ed25519_dalek::{Signer as _, SigningKey};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use serde_bytes::ByteBuf;

pub(crate) const VAULT: &[u8] = b"a vault";
pub(crate) const PASSWORD: &[u8] = b"Correct horse 7";

/// An OPAQUE record that reads as one; logging in with a password needs a real one.
pub(crate) fn any_record() -> [u8; 192] {
    static RECORD: OnceLock<[u8; 192]> = OnceLock::new();
    *RECORD.get_or_init(|| {
        let secrets = server::ServerSecrets::generate(&mut UnwrapErr(SysRng));
        record(b"Correct horse 7", "nobody", &RelayId([0; 32]), |request| {
            let identities = Identities { name: "nobody", relay_id: &[0; 32] };
            server::register(&secrets, &identities, request).unwrap().to_vec()
        })
    })
}

/// Runs a registration's client half against whatever answers the request.
pub(crate) fn record(password: &[u8], name: &str, relay: &RelayId, ask: impl FnOnce(&[u8]) -> Vec<u8>) -> [u8; 192] {
    let mut rng = UnwrapErr(SysRng);
    let (start, request) = client::RegistrationStart::new(password, &mut rng).unwrap();
    let response = ask(&request);
    let identities = Identities { name, relay_id: &relay.0 };
    start.finish(&response, &identities, Profile::DEFAULT, &mut rng).unwrap().record
}

pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) incarnation: u32,
    pub(crate) flags: u8,
    pub(crate) added_seq: u64,
    pub(crate) key: SigningKey,
    pub(crate) dh: DhKey,
}

impl Device {
    fn new(name: &str, id: u32, added_seq: u64) -> Self {
        let key = SigningKey::from_bytes(&plain_hash(&[b"device", name.as_bytes(), &id.to_be_bytes()]));
        let dh = DhKey(plain_hash(&[b"dh", name.as_bytes(), &id.to_be_bytes()]));
        Self { id: DeviceId(id), incarnation: 1, flags: DEVICE_MAY_SIGN, added_seq, key, dh }
    }
}

/// Somebody with an account.
pub(crate) struct Person {
    pub(crate) name: UserName,
    pub(crate) relay: RelayId,
    pub(crate) account: AccountId,
    pub(crate) key: SigningKey,
    pub(crate) devices: Vec<Device>,
    pub(crate) seq: u64,
    pub(crate) vault: (u32, Vec<u8>),
    pub(crate) flags: u8,
    pub(crate) list: Vec<u8>,
}

impl Person {
    /// Somebody with one device, whose keys follow from the name.
    pub(crate) fn new(name: &str, relay: RelayId) -> Self {
        Self::with_keys_of(name, name, relay)
    }

    /// Somebody under a name, with the keys that follow from another.
    pub(crate) fn with_keys_of(other: &str, name: &str, relay: RelayId) -> Self {
        let key = SigningKey::from_bytes(&plain_hash(&[b"account", other.as_bytes()]));
        let account = account_id(&VerifyKey(key.verifying_key().to_bytes()));
        let devices = vec![Device::new(other, 1, 1)];
        let (name, vault) = (UserName::parse(name).unwrap(), (1, VAULT.to_vec()));
        let mut person = Self { name, relay, account, key, devices, seq: 1, vault, flags: 0, list: Vec::new() };
        person.list = person.signed_list(ListHash([0; 32]));
        person
    }

    /// The same person somewhere else.
    pub(crate) fn copy(&self) -> Self {
        let devices = self.devices.iter().map(|d| Device {
            id: d.id,
            incarnation: d.incarnation,
            flags: d.flags,
            added_seq: d.added_seq,
            key: d.key.clone(),
            dh: d.dh,
        });
        Self {
            name: self.name.clone(),
            relay: self.relay,
            account: self.account,
            key: self.key.clone(),
            devices: devices.collect(),
            seq: self.seq,
            vault: self.vault.clone(),
            flags: self.flags,
            list: self.list.clone(),
        }
    }

    /// The first list once more, as everything is now.
    pub(crate) fn resigned(&self) -> Vec<u8> {
        self.signed_list(ListHash([0; 32]))
    }

    /// Adds a device to the lists to come.
    pub(crate) fn push_device(&mut self, id: u32) {
        self.devices.push(Device::new(self.name.as_str(), id, self.seq + 1));
        self.devices.sort_by_key(|d| d.id.0);
    }

    /// Revokes a device in the next list, which another device signs.
    pub(crate) fn revoke_by(&mut self, id: u32, signer: u32) -> Vec<u8> {
        self.devices.iter_mut().filter(|d| d.id.0 == id).for_each(|d| d.flags |= DEVICE_REVOKED);
        self.next_list_by(signer)
    }

    /// Takes another person's devices for the own ones.
    pub(crate) fn with_devices_of(mut self, other: Self) -> Self {
        self.devices = other.devices;
        self.list = self.signed_list(ListHash([0; 32]));
        self
    }

    /// The address of a device.
    pub(crate) fn address(&self, id: u32) -> DeviceAddress {
        DeviceAddress { account: self.account, device: DeviceId(id) }
    }

    pub(crate) fn device(&self, id: u32) -> &Device {
        self.devices.iter().find(|d| d.id.0 == id).unwrap()
    }

    /// Signs the next list, as the devices are now.
    pub(crate) fn next_list(&mut self) -> Vec<u8> {
        let before = ListHash(plain_hash(&[&self.list]));
        self.seq += 1;
        self.list = self.signed_list(before);
        self.list.clone()
    }

    /// Adds a device to the next list.
    pub(crate) fn add_device(&mut self, id: u32) -> Vec<u8> {
        self.push_device(id);
        self.next_list()
    }

    /// Revokes a device in the next list.
    pub(crate) fn revoke(&mut self, id: u32) -> Vec<u8> {
        self.devices.iter_mut().filter(|d| d.id.0 == id).for_each(|d| d.flags |= DEVICE_REVOKED);
        self.next_list()
    }

    /// Signs the next list with a device's key instead of the account's.
    pub(crate) fn next_list_by(&mut self, id: u32) -> Vec<u8> {
        let before = ListHash(plain_hash(&[&self.list]));
        self.seq += 1;
        let body = self.body(before);
        let signer = Some(DeviceId(id));
        self.list = body.assemble(signer, &sign(&self.device(id).key, SIG_LIST, &body.signed_bytes(signer)));
        self.list.clone()
    }

    fn signed_list(&self, prev_hash: ListHash) -> Vec<u8> {
        let body = self.body(prev_hash);
        body.assemble(None, &sign(&self.key, SIG_LIST, &body.signed_bytes(None)))
    }

    fn body(&self, prev_hash: ListHash) -> ListBody {
        let account_key = VerifyKey(self.key.verifying_key().to_bytes());
        let devices = self.devices.iter().map(|device| {
            let claim = possession_bytes(&self.account, &account_key, device.id, &device.dh);
            ListedDevice {
                id: device.id,
                incarnation: device.incarnation,
                flags: device.flags,
                added_seq: device.added_seq,
                sig_key: VerifyKey(device.key.verifying_key().to_bytes()),
                dh_key: device.dh,
                possession: sign(&device.key, SIG_POSSESSION, &claim),
            }
        });
        ListBody {
            relay_id: self.relay,
            account_id: self.account,
            seq: self.seq,
            prev_hash,
            merged_hash: ListHash([0; 32]),
            created_ms: 1,
            expires_ms: 2,
            account_key,
            next_account_key_hash: [0; 32],
            flags: self.flags,
            vault_gen: self.vault.0,
            vault_hash: plain_hash(&[&self.vault.1]),
            record_floor: 0,
            name: self.name.clone(),
            devices: devices.collect(),
        }
    }

    /// The second half of a registration.
    pub(crate) fn register2(&self, record: [u8; 192]) -> ClientMessage {
        ClientMessage::Register2 {
            name: self.name.clone(),
            record: ByteBuf::from(record.to_vec()),
            kp: 1,
            list: ByteBuf::from(self.list.clone()),
            vault: ByteBuf::from(self.vault.1.clone()),
            invite: None,
            boot: BootId([1; 16]),
        }
    }

    /// Enters as a device that the list of now adds.
    pub(crate) fn enroll(&self, id: u32) -> ClientMessage {
        let list = ByteBuf::from(self.list.clone());
        ClientMessage::Account(AccountAsk::Enroll { list, device: DeviceId(id), boot: BootId([100 + id as u8; 16]) })
    }

    /// The end of the account.
    pub(crate) fn deletion(&self) -> Signature {
        let list = ListHash(plain_hash(&[&self.list]));
        sign(&self.key, SIG_DELETION, &deletion_bytes(&self.relay, &self.account, &list))
    }

    /// What a new password changes, with the list of now; the account record of that version is the body.
    pub(crate) fn new_password(&self, login: [u8; 192], version: u64, device: Option<u32>) -> ClientMessage {
        ClientMessage::Account(AccountAsk::NewPassword2 {
            login: ByteBuf::from(login.to_vec()),
            kp: 1,
            list: ByteBuf::from(self.list.clone()),
            vault: ByteBuf::from(self.vault.1.clone()),
            expected: version - 1,
            version,
            device: device.map(|id| NewDevice { device: DeviceId(id), boot: BootId([id as u8; 16]) }),
        })
    }

    /// A device's answer to a challenge.
    pub(crate) fn proof(&self, id: u32, binding: &ChannelBinding) -> ClientMessage {
        let device = self.device(id);
        let bytes = proof_bytes(&self.relay, binding, &self.address(id), device.incarnation);
        ClientMessage::Proof {
            device: self.address(id),
            incarnation: device.incarnation,
            signature: sign(&device.key, SIG_PROOF, &bytes),
        }
    }

    /// An upload of prekeys: standing ones, and pairs numbered from `first`.
    pub(crate) fn prekeys(&self, id: u32, first: u32, pairs: u32) -> ClientMessage {
        let (owner, key) = (self.address(id), &self.device(id).key);
        let public = DhKey([first as u8; 32]);
        let signed = SignedPreKey {
            public,
            created_ms: 5,
            signature: sign(key, SIG_SIGNED_PREKEY, &SignedPreKey::signed_bytes(&owner, 5, &public)),
        };
        let kem = KemKey([9; 1568]);
        let last_resort = LastResortKey {
            kem,
            created_ms: 5,
            signature: sign(key, SIG_LAST_RESORT, &LastResortKey::signed_bytes(&owner, 5, &kem)),
        };
        let pairs = (first..first + pairs).map(|n| self.pair(id, n)).collect();
        ClientMessage::PutPreKeys { signed: Some(signed), last_resort: Some(Box::new(last_resort)), pairs }
    }

    /// One pair.
    pub(crate) fn pair(&self, id: u32, number: u32) -> OneTimePair {
        let owner = self.address(id);
        let mut dh = DhKey([0; 32]);
        dh.0[..4].copy_from_slice(&number.to_be_bytes());
        dh.0[4] = id as u8;
        let kem = KemKey([7; 1568]);
        let signature = sign(&self.device(id).key, SIG_ONE_TIME_PAIR, &OneTimePair::signed_bytes(&owner, &dh, &kem));
        OneTimePair { dh, kem, signature }
    }

    /// The state of this person's list.
    pub(crate) fn state(&self) -> ListState {
        ListState { account: self.account, seq: self.seq }
    }
}

/// A vault, as far as the relay reads one.
pub(crate) fn vault(generation: u32, recovery: &SigningKey) -> Vec<u8> {
    [&generation.to_be_bytes()[..], &[1; 500], &recovery.verifying_key().to_bytes()].concat()
}

/// Proves a recovery code on a connection.
pub(crate) fn recovery(
    code: &SigningKey,
    relay: &RelayId,
    binding: &ChannelBinding,
    (name, generation): (&UserName, u32),
) -> ClientMessage {
    let signature = sign(code, SIG_RECOVERY, &recovery_bytes(relay, binding, name, generation));
    ClientMessage::Account(AccountAsk::Recover2 { name: name.clone(), signature })
}

pub(crate) fn sign(key: &SigningKey, label: &str, bytes: &[u8]) -> Signature {
    Signature(key.sign(&labelled(label, &[bytes])).to_bytes())
}

/// A send of one text to some devices, with its body.
pub(crate) fn send(number: u64, lists: Vec<ListState>, to: &[DeviceAddress], text: &[u8]) -> (ClientMessage, Bytes) {
    let len = u32::try_from(text.len()).unwrap();
    let packets = to.iter().map(|to| PacketHead { to: *to, len }).collect();
    let mut key = RequestKey([0; 16]);
    key.0[..8].copy_from_slice(&number.to_be_bytes());
    let message = ClientMessage::Send { key, step: number, lists, packets };
    (message, Bytes::from(text.repeat(to.len())))
}

/// What a greeting binds to.
pub(crate) fn binding(ready: &ServerMessage, exporter: [u8; 32]) -> ChannelBinding {
    let ServerMessage::Ready { challenge, .. } = ready else { panic!("{ready:?}") };
    ChannelBinding { challenge: *challenge, exporter }
}
