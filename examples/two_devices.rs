//! Two devices and nothing else: sessions of `chat-core` without a relay, clock, disk or socket.
//!
//! Randomness and time are arguments and packets are bytes, so any transport and any storage will do:
//! here a variable.
//!
//! ```sh
//! cargo run -p chat-examples --example two_devices
//! ```

use anyhow::Context as _;
use chat_core::identity::{AccountKey, DeviceKeys, Party};
use chat_core::prekey::{self, VerifiedBundle};
use chat_core::session::{Accept, IncomingInitiation, Initiate, PreKeyPair, Session};
use chat_core::time::Timestamp;
use chat_wire::bundle::PreKeyBundle;
use chat_wire::device_list::{DeviceList, ListBody};
use chat_wire::ids::{DeviceAddress, DeviceId, ListHash, RelayId, UserName};
use rand_core::CryptoRng;

/// The lesson: seal, store, send; open, store, show. What is written to a disk in a real program is
/// written before anybody sees the packet or the text ([`Session::take_changes`]).
fn main() -> anyhow::Result<()> {
    let rng = &mut rand_core::UnwrapErr(getrandom::SysRng);
    let (alice, bob) = (Device::new("alice", rng)?, Device::new("bob", rng)?);

    // Bob publishes prekeys, so that he can be written to while he is away.
    let (signed, bobs_signed) = prekey::signed(&bob.keys, NOW, rng);
    let (pair, bobs_pair) = prekey::one_time(&bob.keys, NOW, rng);
    let owner = bob.keys.address();
    let bundle = PreKeyBundle { owner, signed, one_time: Some(pair), last_resort: None };

    // Alice checks them against Bob's signed device list, opens a session and seals.
    let bundle = VerifiedBundle::verify(&bundle, &bob.party)?;
    let initiate =
        Initiate { me: &alice.keys, my: &alice.party, relay: RELAY, bundle, session_no: 1, psk: None, now: NOW };
    let mut alices = Session::initiate(initiate, rng)?;
    let packet = alices.seal(b"Hello Bob", rng)?.packet;

    // The packet says who wrote it; Bob believes it because Alice's list and the packet agree.
    let keys = PreKeyPair { signed: &bobs_signed, kem: &bobs_pair };
    let incoming = IncomingInitiation::open(&packet, &bob.keys, &keys)?;
    let accept = Accept { my: &bob.party, peer: &alice.party, relay: RELAY, psk: None, now: NOW };
    let (opened, _used_up) = incoming.complete(accept)?;
    println!("bob reads: {}", String::from_utf8_lossy(&opened.content));

    // From here on either side seals whenever it likes; keys change with every turn.
    let mut bobs = opened.session;
    let packet = bobs.seal(b"Hello Alice", rng)?.packet;
    let opened = alices.open(&packet, NOW)?;
    println!("alice reads: {}", String::from_utf8_lossy(&opened.content));
    anyhow::ensure!(opened.session.open(&packet, NOW).is_err(), "a packet opens once");
    Ok(())
}

/// A device, alone on its account, with the signed list that says so.
struct Device {
    keys: DeviceKeys,
    party: Party,
}

impl Device {
    fn new(name: &str, rng: &mut dyn CryptoRng) -> anyhow::Result<Self> {
        let account = AccountKey::generate(rng);
        let keys = DeviceKeys::generate(DeviceAddress { account: account.id(), device: DeviceId(1) }, rng);
        let list = account.sign_list(&ListBody {
            relay_id: RELAY,
            account_id: account.id(),
            seq: 1,
            prev_hash: ListHash([0; 32]),
            merged_hash: ListHash([0; 32]),
            created_ms: NOW.as_ms(),
            expires_ms: NOW.plus_ms(YEAR_MS).as_ms(),
            account_key: account.public(),
            next_account_key_hash: [0; 32],
            flags: 0,
            vault_gen: 1,
            vault_hash: [0; 32],
            record_floor: 0,
            name: UserName::parse(name)?,
            devices: vec![keys.listed(&account.public(), 1, 0)],
        });
        // Reading a list verifies its signature and that each device holds its key.
        let party = Party::of(&DeviceList::decode(&list)?, keys.address().device).context("listed")?;
        Ok(Self { keys, party })
    }
}

const RELAY: RelayId = RelayId([7; 32]);
const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;
