//! Device lists against a hostile relay, a hostile device and a stolen one (SPEC 5.2, 5.3).

use chat_wire::device_list::{
    DEVICE_MAY_SIGN, DEVICE_REVOKED, DeviceList, ListBody, ListError, ListedDevice, account_id, possession_bytes,
};
use chat_wire::domain::{SIG_LIST, SIG_POSSESSION, labelled, plain_hash};
use chat_wire::ids::{AccountId, DeviceId, ListHash, RelayId, UserName};
use chat_wire::keys::{DhKey, Signature, VerifyKey};
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

/// A key pair for each part of the play; the seed is its name.
fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> VerifyKey {
    VerifyKey(key(seed).verifying_key().to_bytes())
}

fn sign(seed: u8, label: &str, body: &[u8]) -> Signature {
    Signature(key(seed).sign(&labelled(label, &[body])).to_bytes())
}

const ACCOUNT: u8 = 1;
const NEXT_ACCOUNT: u8 = 2;
/// A change of a list, and what it is.
type Change = (&'static str, fn(&mut ListBody));

/// Devices hold the keys 10 + id.
const SIGNER: u32 = 3;
const PLAIN: u32 = 5;

fn seed_of(device: u32) -> u8 {
    10 + u8::try_from(device).unwrap()
}

fn proven(body: &ListBody, mut device: ListedDevice, seed: u8) -> ListedDevice {
    let claim = possession_bytes(&body.account_id, &body.account_key, device.id, &device.dh_key);
    device.possession = sign(seed, SIG_POSSESSION, &claim);
    device
}

fn device(body: &ListBody, id: u32, flags: u8, added_seq: u64) -> ListedDevice {
    let bare = ListedDevice {
        id: DeviceId(id),
        incarnation: 1,
        flags,
        added_seq,
        sig_key: public(seed_of(id)),
        dh_key: DhKey([seed_of(id); 32]),
        possession: Signature([0; 64]),
    };
    proven(body, bare, seed_of(id))
}

/// The first list: a device that may sign, and a plain one.
fn first() -> ListBody {
    let mut body = ListBody {
        relay_id: RelayId([9; 32]),
        account_id: account_id(&public(ACCOUNT)),
        seq: 1,
        prev_hash: ListHash([0; 32]),
        merged_hash: ListHash([0; 32]),
        created_ms: 1_000,
        expires_ms: 2_000,
        account_key: public(ACCOUNT),
        next_account_key_hash: plain_hash(&[&public(NEXT_ACCOUNT).0]),
        flags: 0,
        vault_gen: 1,
        vault_hash: [4; 32],
        record_floor: 7,
        name: UserName::parse("alice").unwrap(),
        devices: Vec::new(),
    };
    body.devices = vec![device(&body, SIGNER, DEVICE_MAY_SIGN, 1), device(&body, PLAIN, 0, 1)];
    body
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Account,
    NextAccount,
    Device(u32),
}

fn sealed(body: &ListBody, by: By) -> Result<DeviceList, ListError> {
    let (signer, seed) = match by {
        By::Account => (None, ACCOUNT),
        By::NextAccount => (None, NEXT_ACCOUNT),
        By::Device(id) => (Some(DeviceId(id)), seed_of(id)),
    };
    let signature = sign(seed, SIG_LIST, &body.signed_bytes(signer));
    DeviceList::decode(&body.assemble(signer, &signature))
}

fn next(before: &DeviceList) -> ListBody {
    let mut body = before.body().clone();
    body.seq += 1;
    body.prev_hash = before.hash();
    body.created_ms += 10;
    body
}

/// Whether a change of the next list passes, by who signs it. A list that isn't even consistent does not.
fn passes(change: impl FnOnce(&mut ListBody), by: By) -> bool {
    let before = sealed(&first(), By::Account).unwrap();
    let mut body = next(&before);
    change(&mut body);
    sealed(&body, by).is_ok_and(|list| list.follows(&before))
}

fn add(body: &mut ListBody, id: u32) {
    let new = device(body, id, 0, body.seq);
    body.devices.push(new);
    body.devices.sort_by_key(|d| d.id);
}

fn remove(body: &mut ListBody, id: u32) {
    body.devices.retain(|d| d.id.0 != id);
}

fn with_device(body: &mut ListBody, id: u32, change: impl FnOnce(&mut ListedDevice)) {
    let context = body.clone();
    let device = body.devices.iter_mut().find(|d| d.id.0 == id).unwrap();
    change(device);
    *device = proven(&context, device.clone(), seed_of(id));
}

#[test]
fn the_account_key_may_do_everything_that_does_not_run_backwards() {
    let allowed: [Change; 8] = [
        ("renew", |b| b.expires_ms += 1),
        ("add", |b| add(b, 8)),
        ("remove", |b| remove(b, PLAIN)),
        ("revoke", |b| with_device(b, PLAIN, |d| d.flags |= DEVICE_REVOKED)),
        ("new vault", |b| (b.vault_gen, b.vault_hash) = (2, [5; 32])),
        ("raise the floor", |b| b.record_floor += 1),
        ("approval", |b| b.flags = 1),
        ("end a fork", |b| b.merged_hash = ListHash([3; 32])),
    ];
    for (what, change) in allowed {
        assert!(passes(change, By::Account), "{what}");
    }
}

#[test]
fn nothing_runs_backwards_not_even_under_the_account_key() {
    let refused: [Change; 12] = [
        ("skip a number", |b| b.seq += 1),
        ("another chain", |b| b.prev_hash = ListHash([1; 32])),
        ("another relay", |b| b.relay_id = RelayId([1; 32])),
        ("another name", |b| b.name = UserName::parse("mallory").unwrap()),
        ("older vault", |b| b.vault_gen = 0),
        ("other vault of the same generation", |b| b.vault_hash = [5; 32]),
        ("lower floor", |b| b.record_floor = 6),
        ("older incarnation", |b| with_device(b, PLAIN, |d| d.incarnation = 0)),
        ("device that was always there", |b| {
            add(b, 8);
            with_device(b, 8, |d| d.added_seq = 1);
        }),
        ("rewritten entry date", |b| with_device(b, PLAIN, |d| d.added_seq = 2)),
        ("another device under a known id", |b| {
            let context = b.clone();
            let device = &mut b.devices[1];
            device.sig_key = public(99);
            *device = proven(&context, device.clone(), 99);
        }),
        ("unknown flag", |b| b.flags = 2),
    ];
    for (what, change) in refused {
        assert!(!passes(change, By::Account), "{what}");
    }
}

#[test]
fn a_device_that_may_sign_renews_and_removes_and_nothing_else() {
    let allowed: [Change; 5] = [
        ("renew", |b| b.expires_ms += 1),
        ("remove", |b| remove(b, PLAIN)),
        ("revoke", |b| with_device(b, PLAIN, |d| d.flags |= DEVICE_REVOKED)),
        ("own key", |b| with_device(b, SIGNER, |d| d.dh_key = DhKey([77; 32]))),
        ("own incarnation", |b| with_device(b, SIGNER, |d| d.incarnation += 1)),
    ];
    for (what, change) in allowed {
        assert!(passes(change, By::Device(SIGNER)), "{what}");
    }
    let refused: [Change; 8] = [
        ("add", |b| add(b, 8)),
        ("new vault", |b| (b.vault_gen, b.vault_hash) = (2, [5; 32])),
        ("approval off or on", |b| b.flags = 1),
        ("other device's key", |b| with_device(b, PLAIN, |d| d.dh_key = DhKey([77; 32]))),
        ("other device's incarnation", |b| with_device(b, PLAIN, |d| d.incarnation += 1)),
        ("grant the right to sign", |b| with_device(b, PLAIN, |d| d.flags |= DEVICE_MAY_SIGN)),
        ("other successor of the account key", |b| b.next_account_key_hash = [0; 32]),
        ("end a fork", |b| b.merged_hash = ListHash([3; 32])),
    ];
    for (what, change) in refused {
        assert!(!passes(change, By::Device(SIGNER)), "{what}");
    }
}

#[test]
fn a_plain_device_changes_itself_only() {
    assert!(passes(|b| with_device(b, PLAIN, |d| d.dh_key = DhKey([77; 32])), By::Device(PLAIN)));
    assert!(passes(|b| with_device(b, PLAIN, |d| d.incarnation += 1), By::Device(PLAIN)));
    assert!(!passes(|b| remove(b, SIGNER), By::Device(PLAIN)));
    assert!(!passes(|b| with_device(b, SIGNER, |d| d.flags |= DEVICE_REVOKED), By::Device(PLAIN)));
    assert!(!passes(|b| with_device(b, PLAIN, |d| d.flags = DEVICE_MAY_SIGN), By::Device(PLAIN)));
    assert!(!passes(|b| add(b, 8), By::Device(8)), "a device does not bring itself in");
}

#[test]
fn a_revoked_device_signs_no_more_and_stays_revoked() {
    let before = sealed(&first(), By::Account).unwrap();
    let mut body = next(&before);
    with_device(&mut body, SIGNER, |d| d.flags |= DEVICE_REVOKED);
    let revoked = sealed(&body, By::Account).unwrap();
    assert!(revoked.follows(&before));
    let renewal = next(&revoked);
    assert!(!sealed(&renewal, By::Device(SIGNER)).unwrap().follows(&revoked));
    let mut back = next(&revoked);
    with_device(&mut back, SIGNER, |d| d.flags = DEVICE_MAY_SIGN);
    assert!(!sealed(&back, By::Account).unwrap().follows(&revoked));
}

#[test]
fn a_new_account_key_is_the_one_committed_to_and_signs_itself() {
    let rotate = |b: &mut ListBody| {
        b.account_key = public(NEXT_ACCOUNT);
        let context = b.clone();
        b.devices = b.devices.iter().map(|d| proven(&context, d.clone(), seed_of(d.id.0))).collect();
    };
    assert!(passes(rotate, By::NextAccount));
    assert!(!passes(rotate, By::Account), "the old key does not sign for the new one");
    assert!(!passes(rotate, By::Device(SIGNER)));
    let stranger = |b: &mut ListBody| {
        b.account_key = public(99);
        b.devices.clear();
        add(b, 8);
    };
    assert!(!passes(stranger, By::Account));
}

#[test]
fn a_first_list_that_a_device_signed_is_refused() {
    // Whoever knows the public account key could write it: the device would vouch for itself.
    let mut forged = first();
    forged.devices = vec![device(&forged, 8, DEVICE_MAY_SIGN, 1)];
    assert_eq!(sealed(&forged, By::Device(8)), Err(ListError::Signature));
    let mut claimed = first();
    claimed.account_id = AccountId([5; 32]);
    claimed.devices = vec![device(&claimed, 8, DEVICE_MAY_SIGN, 1)];
    assert_eq!(sealed(&claimed, By::Account), Err(ListError::AccountId));
    let mut late = first();
    late.seq = 2;
    late.devices = vec![device(&late, 8, DEVICE_MAY_SIGN, 1)];
    assert!(!sealed(&late, By::Device(8)).unwrap().certifies_itself());
    assert!(sealed(&first(), By::Account).unwrap().certifies_itself());
}

#[test]
fn a_device_without_its_own_proof_is_refused() {
    // Somebody else's public device key under one's own account: an unknown-key-share attempt.
    let mut body = first();
    body.devices[1].sig_key = public(99);
    assert_eq!(sealed(&body, By::Account), Err(ListError::Possession));
    let mut moved = first();
    moved.devices[1].id = DeviceId(PLAIN + 1);
    assert_eq!(sealed(&moved, By::Account), Err(ListError::Possession));
    let mut swapped = first();
    swapped.devices[1].dh_key = DhKey([1; 32]);
    assert_eq!(sealed(&swapped, By::Account), Err(ListError::Possession));
}

#[test]
fn order_number_and_count_of_devices_are_exact() {
    let mut reversed = first();
    reversed.devices.reverse();
    assert_eq!(sealed(&reversed, By::Account), Err(ListError::Malformed));
    let mut twice = first();
    twice.devices[1] = twice.devices[0].clone();
    assert_eq!(sealed(&twice, By::Account), Err(ListError::Malformed));
    let mut empty = first();
    empty.devices.clear();
    assert_eq!(sealed(&empty, By::Account), Err(ListError::Malformed));
    let mut full = first();
    full.devices = (1..=16).map(|id| device(&full, id, 0, 1)).collect();
    assert!(sealed(&full, By::Account).is_ok());
    full.devices = (1..=17).map(|id| device(&full, id, 0, 1)).collect();
    assert_eq!(sealed(&full, By::Account), Err(ListError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bent_cut_or_lengthened_list_verifies(at in any::<prop::sample::Index>(), bit in 0..8u8, tail in 1..40_usize) {
        let list = sealed(&first(), By::Account).unwrap();
        let bytes = list.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let mut bent = bytes.clone();
        bent[at] ^= 1 << bit;
        prop_assert!(DeviceList::decode(&bent).is_err());
        prop_assert!(DeviceList::decode(&bytes[..at]).is_err());
        prop_assert!(DeviceList::decode(&[bytes, vec![0; tail]].concat()).is_err());
    }

    #[test]
    fn a_list_reads_back_byte_for_byte(seq in 2..u64::MAX, floor in any::<u64>(), created in any::<u64>(), count in 1..=16u32) {
        let mut body = first();
        (body.seq, body.record_floor, body.created_ms) = (seq, floor, created);
        body.devices = (1..=count).map(|id| device(&body, id, 0, seq)).collect();
        let list = sealed(&body, By::Account).unwrap();
        prop_assert_eq!(list.body(), &body);
        prop_assert_eq!(list.hash().0, plain_hash(&[list.as_bytes()]));
    }
}
