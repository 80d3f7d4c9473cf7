//! Ours: two members of a group of n.

use chat_core::measure::rooms::{Member, Newcomer};

/// Members that come in together; one of them renews its keys then.
pub const TOGETHER: usize = 10;

/// A group of n, seen by two of its members.
pub struct Pair {
    /// The first member.
    pub alice: Member,
    /// The last one, which came in by a Welcome of its own.
    pub bob: Member,
    /// Bytes of that Welcome.
    pub welcome: usize,
    /// Bytes of the GroupInfo, which holds the tree.
    pub group_info: usize,
}

fn numbers(from: usize, count: usize) -> impl Iterator<Item = u32> {
    (from..from + count).map(|number| u32::try_from(number).expect("small") + 2)
}

/// A group one short of n, and its first member.
pub fn filled(n: usize) -> Member {
    let mut alice = Member::create().expect("creates");
    let mut inside = 1;
    while inside + 1 < n {
        let count = TOGETHER.min(n - 1 - inside);
        let mut coming: Vec<Newcomer> =
            numbers(inside, count).map(|number| Newcomer::new(number).expect("made")).collect();
        let packages: Vec<Vec<u8>> = coming.iter().map(|one| one.package.clone()).collect();
        let commit = alice.add(&packages).expect("adds");
        alice.merge().expect("merges");
        let mut one = coming.remove(0).join(&commit.welcome.expect("for them")).expect("joins");
        let renewal = one.renew().expect("renews");
        alice.take(&renewal.commit).expect("takes");
        inside += count;
    }
    alice
}

/// The last one of a group of n, and a Welcome for it.
pub fn last(alice: &mut Member, n: usize) -> (Newcomer, Vec<u8>, usize) {
    let newcomer = Newcomer::new(u32::try_from(n).expect("small") + 1_000_000).expect("made");
    let commit = alice.add(std::slice::from_ref(&newcomer.package)).expect("adds");
    (newcomer, commit.welcome.expect("for it"), commit.group_info.len())
}

/// A group of n.
pub fn pair(n: usize) -> Pair {
    let mut alice = filled(n);
    let (newcomer, welcome, group_info) = last(&mut alice, n);
    alice.merge().expect("merges");
    let bob = newcomer.join(&welcome).expect("joins");
    Pair { alice, bob, welcome: welcome.len(), group_info }
}
