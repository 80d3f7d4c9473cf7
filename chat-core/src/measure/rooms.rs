//! A room's group by itself, on a shelf in memory, as the engine uses it.

use std::collections::BTreeMap;

use chat_wire::ids::{AccountId, DeviceAddress, DeviceId, ListHash, RoomId};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;

use crate::group::{Added, Group, LeafCredential, LeafKey, OwnLeaf, Policy, Processed, Scratch, Shelf};
use crate::group::{key_package, offered_member, parts};
use crate::secret::Secret;

const ROOM: RoomId = RoomId([7; 16]);

/// Records in memory, and how many bytes were written to them.
#[derive(Debug, Default, Clone)]
struct Memory {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    written: usize,
}

impl Shelf for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key).cloned()
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.written = self.written.saturating_add(key.len()).saturating_add(value.len());
        self.rows.insert(key.to_vec(), value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.rows.remove(key);
    }
}

/// Our primitives and chance, for OpenMLS used directly.
#[must_use]
pub fn backend(number: u64) -> (impl OpenMlsCrypto + use<>, impl OpenMlsRand + use<>) {
    parts(&seed(number))
}

/// A device that can be added.
#[derive(Debug)]
pub struct Newcomer {
    shelf: Memory,
    key: LeafKey,
    /// Its key package, as it is published.
    pub package: Vec<u8>,
}

/// What a commit brings.
#[derive(Debug)]
pub struct Commit {
    /// As it stands in the log.
    pub commit: Vec<u8>,
    /// For who comes in from outside.
    pub group_info: Vec<u8>,
    /// For who was added.
    pub welcome: Option<Vec<u8>>,
}

/// One member.
#[derive(Debug)]
pub struct Member {
    shelf: Memory,
    group: Group,
    turn: u64,
}

fn seed(number: u64) -> Secret<32> {
    Secret::fill(|out| {
        for (to, from) in out.iter_mut().zip(number.to_be_bytes()) {
            *to = from;
        }
    })
}

/// Nobody checks here whose a leaf is: the group takes it as it is.
fn leaf(number: u32) -> Option<(LeafKey, LeafCredential)> {
    let key = *seed(u64::from(number)).expose();
    let owner = DeviceAddress { account: AccountId(key), device: DeviceId(number) };
    Some((LeafKey::read(&key)?, LeafCredential::unsigned(owner, ListHash([3; 32]))))
}

impl Newcomer {
    /// A device with a key package.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        let mut shelf = Memory::default();
        let (key, credential) = leaf(number)?;
        let made = key_package(&mut shelf, &seed(u64::from(number)), (&key, &credential), false).ok()?;
        Some(Self { shelf, key, package: made.bytes })
    }

    /// Joins by a Welcome.
    #[must_use]
    pub fn join(mut self, welcome: &[u8]) -> Option<Member> {
        let joined = Group::join(&mut self.shelf, &seed(1), welcome, self.key).ok()?;
        Some(Member { shelf: self.shelf, group: joined.group, turn: 0 })
    }
}

impl Member {
    /// Makes a public room and is alone in it.
    #[must_use]
    pub fn create() -> Option<Self> {
        let mut shelf = Memory::default();
        let (key, credential) = leaf(1)?;
        let policy = Policy::new("bench", None, None, 0);
        let leaf = OwnLeaf { key, credential: &credential, at_ms: 0 };
        let (group, _) = Group::create(&mut shelf, &seed(2), &ROOM, leaf, &policy).ok()?;
        Some(Self { shelf, group, turn: 0 })
    }

    fn seed(&mut self) -> Secret<32> {
        self.turn = self.turn.wrapping_add(1);
        seed(self.turn.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Adds these and waits for its place in the log.
    pub fn add(&mut self, packages: &[Vec<u8>]) -> Option<Commit> {
        let mut read = |bytes: &Vec<u8>| offered_member(&mut self.shelf, bytes).ok();
        let members = packages.iter().map(&mut read).collect::<Option<Vec<_>>>()?;
        self.commit(Added { members, ..Added::default() })
    }

    /// Renews its keys.
    pub fn renew(&mut self) -> Option<Commit> {
        self.commit(Added::default())
    }

    fn commit(&mut self, what: Added) -> Option<Commit> {
        let seed = self.seed();
        let made = self.group.commit(&mut self.shelf, &seed, what).ok()?;
        Some(Commit { commit: made.commit, group_info: made.group_info, welcome: made.welcome })
    }

    /// Its commit has its place.
    pub fn merge(&mut self) -> Option<()> {
        let seed = self.seed();
        self.group.merge_pending(&mut self.shelf, &seed).ok()
    }

    /// Its commit has none.
    pub fn drop_commit(&mut self) -> Option<()> {
        self.group.drop_pending(&mut self.shelf).ok()
    }

    /// Seals a content; also how many bytes of state that wrote.
    pub fn seal(&mut self, content: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (seed, before) = (self.seed(), self.shelf.written);
        let sealed = self.group.seal(&mut self.shelf, &seed, content).ok()?;
        Some((sealed, self.shelf.written.saturating_sub(before)))
    }

    /// Opens a content, as the engine does: on the side first, kept when its author is known.
    pub fn open(&mut self, sealed: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (seed, before) = (self.seed(), self.shelf.written);
        let mut scratch = Scratch::over(&mut self.shelf);
        let processed = self.group.process(&mut scratch, &seed, sealed).ok()?;
        let changes = scratch.into_changes();
        let Processed::Message(_, content) = processed else { return None };
        changes.keep(&mut self.shelf);
        Some((content, self.shelf.written.saturating_sub(before)))
    }

    /// Takes somebody else's commit.
    pub fn take(&mut self, commit: &[u8]) -> Option<()> {
        let seed = self.seed();
        let mut scratch = Scratch::over(&mut self.shelf);
        let processed = self.group.process(&mut scratch, &seed, commit).ok()?;
        let changes = scratch.into_changes();
        let Processed::Commit(staged) = processed else { return None };
        changes.keep(&mut self.shelf);
        self.group.merge(&mut self.shelf, &seed, *staged).ok()
    }
}
