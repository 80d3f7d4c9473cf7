//! What was acknowledged is there, whatever the disk does: power cuts at every point with every fate of
//! what was not synced, a full, read-only and broken disk, and a sync that fails and forgets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chat_faults::{Drive, Fate, Trouble, VFS};
use chat_relay::storage::{
    Account, AccountRows as _, Answered, Commit, Entry, ListChange, Log, LogRows as _, NewAccount, Portion,
    RosterDevice, Storage as _, StorageError, Write,
};
use chat_server::storage::{Disk, SqliteStorage};
use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, RequestKey, UserName};
use chat_wire::keys::{DhKey, VerifyKey};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Power cuts of one run of the test; `CHAT_FAULTS_CUTS` asks for more.
const CUTS: u64 = 400;

/// How a run's log is made durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// As the relay does it.
    AsShipped,
    /// Not at all: what `synchronous = NORMAL` alone would do.
    Left,
}

struct Dice(StdRng);

impl Fate for Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }
}

/// Small, so that moving the log meets cuts as well.
const MOVED_OFTEN: u64 = 64 * 1024;

fn open(drive: &Drive, sync: Sync) -> Result<SqliteStorage, chat_server::storage::OpenError> {
    open_moving(drive, sync, MOVED_OFTEN)
}

fn open_moving(
    drive: &Drive,
    sync: Sync,
    checkpoint_bytes: u64,
) -> Result<SqliteStorage, chat_server::storage::OpenError> {
    let disk = Disk {
        vfs: Some(VFS.to_owned()),
        sync: match sync {
            Sync::AsShipped => Arc::new(Drive::sync),
            Sync::Left => Arc::new(|_| Ok(())),
        },
        checkpoint_bytes,
    };
    SqliteStorage::open_on(&drive.path("relay.db"), disk)
}

fn device(number: u8) -> DeviceAddress {
    DeviceAddress { account: AccountId([number; 32]), device: DeviceId(1) }
}

fn account(number: u8) -> Write {
    let account = AccountId([number; 32]);
    let devices = vec![RosterDevice {
        id: DeviceId(1),
        incarnation: 1,
        sig_key: VerifyKey([number; 32]),
        dh_key: DhKey([number; 32]),
        reachable: false,
    }];
    let name = UserName::parse(&format!("user{number}")).unwrap();
    Write::AddAccount(Box::new(NewAccount {
        account: Account { id: account, name, login_record: Bytes::new(), kp: 1, disabled: false },
        list: ListChange {
            account,
            seq: 1,
            list: Bytes::from_static(b"list"),
            vault: None,
            devices,
            renewed: vec![],
            replaces: false,
        },
        created_ms: 1,
        invite: None,
    }))
}

/// What a sender was told, and what a reader gave back.
#[derive(Default)]
struct Told {
    /// Accepted, by recipient and place.
    accepted: BTreeMap<(u8, u64), (RequestKey, Bytes)>,
    trimmed: BTreeMap<u8, u64>,
    accounts: bool,
}

/// A relay's writes, group by group.
struct Work {
    rng: StdRng,
    next: [u64; 3],
    sent: u64,
}

impl Work {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), next: [1; 3], sent: 0 }
    }

    /// One group; what it wrote counts once the sync says so.
    fn group(&mut self, store: &mut SqliteStorage, told: &mut Told) -> Result<(), StorageError> {
        let mut fresh = Vec::new();
        for _ in 0..self.rng.random_range(1..12) {
            let to = self.rng.random_range(1..3_u8);
            self.sent += 1;
            let mut key = [0; 16];
            key[..8].copy_from_slice(&self.sent.to_be_bytes());
            let (key, seq) = (RequestKey(key), self.next[usize::from(to)]);
            let mut body = vec![0; self.rng.random_range(1..6_000)];
            self.rng.fill(&mut body[..]);
            let body = Bytes::from(body);
            let entry = Entry { seq, accepted_ms: 5, from: device(3), kind: 0, key: None, body: body.clone() };
            store.apply(&[
                Write::Answer(device(3), key, Answered { accepted_ms: 5 }, self.sent),
                Write::Append(Log::Mailbox(device(to)), entry),
            ])?;
            self.next[usize::from(to)] += 1;
            fresh.push(((to, seq), (key, body)));
        }
        if self.rng.random_range(0..5) == 0 {
            let to = self.rng.random_range(1..3_u8);
            let up_to = self.next[usize::from(to)] / 2;
            // Whether it lasts or not, the reader has these.
            told.trimmed.insert(to, up_to);
            store.apply(&[Write::Trim(Log::Mailbox(device(to)), up_to)])?;
        }
        match store.commit()? {
            Commit::Durable => {}
            Commit::Pending(job) => job()?,
        }
        told.accepted.extend(fresh);
        Ok(())
    }
}

fn begin(store: &mut SqliteStorage, told: &mut Told) -> Result<(), StorageError> {
    for number in 1..=3 {
        store.apply(&[account(number)])?;
    }
    store.sync()?;
    told.accounts = true;
    Ok(())
}

/// What was told and is not there.
fn lost(store: &mut SqliteStorage, told: &Told) -> usize {
    if told.accounts && store.account(&device(1).account).unwrap().is_none() {
        return told.accepted.len().max(1);
    }
    let mut found = BTreeMap::new();
    for to in 1..3 {
        let all = Portion { entries_max: 100_000, bytes_max: usize::MAX };
        let entries = store.log_entries(&Log::Mailbox(device(to)), 0, all).unwrap();
        assert!(entries.is_sorted_by(|a, b| a.seq < b.seq), "in order, none twice");
        found.extend(entries.into_iter().map(|e| ((to, e.seq), e.body)));
    }
    let mut is_lost = |((to, seq), (key, body)): (&(u8, u64), &(RequestKey, Bytes))| {
        let trimmed = told.trimmed.get(to).is_some_and(|up_to| seq <= up_to);
        let step = u64::from_be_bytes(*key.0.first_chunk().unwrap());
        let there = trimmed || found.get(&(*to, *seq)) == Some(body);
        !there || store.answered(&device(3), key, step).unwrap().is_none()
    };
    let mut count = 0;
    for accepted in &told.accepted {
        count += usize::from(is_lost(accepted));
    }
    count
}

/// Works until the power goes, and looks at what is left: told, and lost.
fn cut(seed: u64, sync: Sync) -> (usize, usize) {
    let mut dice = Dice(StdRng::seed_from_u64(seed ^ 0x5eed));
    let drive = Drive::new();
    drive.cut_after(dice.below(900) as u64);
    let (mut told, mut work) = (Told::default(), Work::new(seed));
    if let Ok(mut store) = open(&drive, sync)
        && begin(&mut store, &mut told).is_ok()
    {
        while !drive.is_off() && work.group(&mut store, &mut told).is_ok() {}
    }
    let after = drive.cut(&mut dice);
    let mut store = open(&after, Sync::AsShipped).expect("it opens without repair");
    let count = lost(&mut store, &told);
    if sync == Sync::AsShipped {
        // And it goes on.
        let had_begun = told.accounts;
        if !told.accounts && store.account(&device(1).account).unwrap().is_none() {
            begin(&mut store, &mut told).unwrap();
        }
        if store.account(&device(3).account).unwrap().is_some() {
            for to in 1..3_u8 {
                let figures = store.log_figures(&Log::Mailbox(device(to)), 0).unwrap();
                assert!(
                    !had_begun || figures.last_seq >= 1 << 40,
                    "places that may have been seen are not given again"
                );
                work.next[usize::from(to)] = figures.last_seq + 1;
            }
            work.sent += 1_000;
            work.group(&mut store, &mut told).unwrap();
            assert_eq!(lost(&mut store, &told), 0);
        }
    }
    (told.accepted.len(), count)
}

fn cuts() -> u64 {
    std::env::var("CHAT_FAULTS_CUTS").ok().map_or(CUTS, |n| n.parse().unwrap())
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let mut total = 0;
    for seed in 0..cuts() {
        let (told, lost) = cut(seed, Sync::AsShipped);
        assert_eq!(lost, 0, "seed {seed}: {lost} of {told} acknowledged are gone");
        total += told;
    }
    // None twice: places are strictly in order wherever `lost` looks.
    println!("{} power cuts: {total} acknowledged, {total} recovered, 0 lost, 0 twice", cuts());
    assert!(total > 1_000, "the test acknowledges enough to mean something: {total}");
}

#[test]
fn without_the_relays_sync_the_same_cuts_lose_mail_so_the_test_sees() {
    let results = (0..60).map(|seed| cut(seed, Sync::Left));
    let (told, lost) = results.fold((0, 0), |sum, (told, lost)| (sum.0 + told, sum.1 + lost));
    let recovered = told - lost;
    println!("negative control, without the relay's sync: {told} acknowledged, {recovered} recovered, {lost} lost");
    assert!(lost > 0, "nothing was lost of {told}: the test is blind");
}

/// Trouble comes, is told, goes; nothing told before or after is lost, not even by a power cut.
fn trouble(trouble: Trouble, expected: &[StorageError]) {
    for seed in 0..20 {
        let drive = Drive::new();
        let (mut told, mut work) = (Told::default(), Work::new(seed));
        // Never moved beside the work, so that the trouble meets the group and nobody else.
        let mut store = open_moving(&drive, Sync::AsShipped, u64::MAX).unwrap();
        begin(&mut store, &mut told).unwrap();
        for _ in 0..5 {
            work.group(&mut store, &mut told).unwrap();
        }
        drive.set(trouble);
        let before = work.next;
        let error = work.group(&mut store, &mut told).unwrap_err();
        assert!(expected.contains(&error), "{trouble:?} is told as {error:?}");
        drive.set(Trouble::None);
        // A place that was given and refused is not given again, as in the relay's core.
        work.next = before.map(|next| next + 100);
        let recovered = (0..3).any(|_| work.group(&mut store, &mut told).is_ok());
        assert!(recovered, "{trouble:?} is over: it goes on by itself");
        work.next = work.next.map(|next| next + 100);
        for _ in 0..3 {
            work.group(&mut store, &mut told).unwrap();
        }
        assert_eq!(lost(&mut store, &told), 0);
        let mut dice = Dice(StdRng::seed_from_u64(seed));
        let mut after = open(&drive.cut(&mut dice), Sync::AsShipped).unwrap();
        assert_eq!(lost(&mut after, &told), 0, "seed {seed}: {trouble:?}, then a power cut");
    }
}

#[test]
fn a_full_disk_is_told_as_full_and_over_when_there_is_room() {
    trouble(Trouble::Full, &[StorageError::Full]);
}

#[test]
fn a_read_only_or_broken_disk_is_told_and_over_when_it_is_mended() {
    trouble(Trouble::ReadOnly, &[StorageError::Io]);
    trouble(Trouble::Broken, &[StorageError::Io]);
}

#[test]
fn a_sync_that_fails_and_forgets_is_made_good_before_anything_is_acknowledged_again() {
    trouble(Trouble::Forgetful, &[StorageError::Io]);
}
