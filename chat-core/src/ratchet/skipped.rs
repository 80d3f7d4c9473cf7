//! Keys of positions that were passed: stored one by one, bounded in number and age, and never as a
//! chain key from which others could be made (key-schedule C).

use std::ops::Deref;
use std::sync::Arc;

use crate::limits::{SKIPPED_KEY_MS_MAX, SKIPPED_KEYS_MAX};
use crate::time::Timestamp;

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Where a skipped key belongs, and since when it is kept. The hour is coarse on purpose: it is part
/// of a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) chain: u64,
    pub(crate) position: u32,
    pub(crate) hour: u32,
}

/// A record that changed since [`SkippedKeys::take_changes`].
#[derive(Debug)]
pub(crate) enum SkippedChange<K> {
    Added(Spot, Arc<K>),
    Removed(Spot),
}

impl<K> Clone for SkippedChange<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(spot, key) => Self::Added(*spot, Arc::clone(key)),
            Self::Removed(spot) => Self::Removed(*spot),
        }
    }
}

/// The key of one message, to be used now: out of what was kept, or from the chain.
#[derive(Debug)]
pub(crate) enum Taken<K> {
    /// Shared with the session before.
    Kept(Arc<K>),
    /// Nobody else has it.
    Fresh(K),
}

impl<K> Deref for Taken<K> {
    type Target = K;

    fn deref(&self) -> &K {
        match self {
            Self::Kept(key) => key,
            Self::Fresh(key) => key,
        }
    }
}

/// The skipped keys of one ratchet of one session, oldest first.
#[derive(Debug)]
pub(crate) struct SkippedKeys<K> {
    entries: Arc<Vec<(Spot, Arc<K>)>>,
    changes: Vec<SkippedChange<K>>,
}

impl<K> Clone for SkippedKeys<K> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), changes: self.changes.clone() }
    }
}

impl<K> Default for SkippedKeys<K> {
    fn default() -> Self {
        Self { entries: Arc::default(), changes: Vec::new() }
    }
}

/// The hour of a time, since the Unix epoch.
pub(crate) fn hour_of(now: Timestamp) -> u32 {
    u32::try_from(now.as_ms() / HOUR_MS).unwrap_or(u32::MAX)
}

impl<K> SkippedKeys<K> {
    /// Puts a stored record back; call in ascending order of age.
    pub(crate) fn restore(&mut self, spot: Spot, key: K) {
        Arc::make_mut(&mut self.entries).push((spot, Arc::new(key)));
    }

    /// Orders restored records by age.
    pub(crate) fn restored(&mut self) {
        Arc::make_mut(&mut self.entries).sort_by_key(|(spot, _)| (spot.hour, spot.chain, spot.position));
    }

    /// Keeps keys; the oldest make room.
    pub(crate) fn add(&mut self, keys: Vec<(Spot, K)>) {
        if keys.is_empty() {
            return;
        }
        let entries = Arc::make_mut(&mut self.entries);
        let over = entries.len().saturating_add(keys.len()).saturating_sub(SKIPPED_KEYS_MAX).min(entries.len());
        self.changes.extend(entries.drain(..over).map(|(spot, _)| SkippedChange::Removed(spot)));
        for (spot, key) in keys {
            let key = Arc::new(key);
            self.changes.push(SkippedChange::Added(spot, Arc::clone(&key)));
            entries.push((spot, key));
        }
    }

    /// Takes the key of a position out, if it is kept.
    pub(crate) fn take(&mut self, chain: u64, position: u32) -> Option<Arc<K>> {
        let at = self.entries.iter().position(|(spot, _)| (spot.chain, spot.position) == (chain, position))?;
        let (spot, key) = Arc::make_mut(&mut self.entries).remove(at);
        self.changes.push(SkippedChange::Removed(spot));
        Some(key)
    }

    /// Drops every key that is too old.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let now = hour_of(now);
        let hours_max = u32::try_from(SKIPPED_KEY_MS_MAX / HOUR_MS).unwrap_or(u32::MAX);
        self.retain(|spot| now.saturating_sub(spot.hour) < hours_max);
    }

    /// Drops every key that does not satisfy.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Spot) -> bool) {
        if self.entries.iter().all(|(spot, _)| keep(spot)) {
            return;
        }
        let entries = Arc::make_mut(&mut self.entries);
        self.changes.extend(entries.iter().filter(|(s, _)| !keep(s)).map(|(s, _)| SkippedChange::Removed(*s)));
        entries.retain(|(spot, _)| keep(spot));
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<SkippedChange<K>> {
        std::mem::take(&mut self.changes)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Spot, &K)> {
        self.entries.iter().map(|(spot, key)| (spot, &**key))
    }

    pub(crate) fn has_chain(&self, chain: u64) -> bool {
        self.entries.iter().any(|(spot, _)| spot.chain == chain)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(position: u32, hour: u32) -> Spot {
        Spot { chain: 1, position, hour }
    }

    #[test]
    fn the_oldest_make_room_and_each_key_is_taken_once() {
        let mut keys = SkippedKeys::default();
        let max = u32::try_from(SKIPPED_KEYS_MAX).unwrap();
        keys.add((0..max).map(|n| (spot(n, 5), n)).collect());
        keys.add(vec![(spot(max, 6), max)]);
        assert_eq!(keys.iter().count(), SKIPPED_KEYS_MAX);
        assert_eq!(keys.take(1, 0), None);
        assert_eq!(keys.take(1, 1).as_deref(), Some(&1));
        assert_eq!(keys.take(1, 1), None);
        assert_eq!(keys.take(2, 2), None);
    }

    #[test]
    fn keys_go_after_seven_days() {
        let mut keys = SkippedKeys::default();
        keys.add(vec![(spot(1, 10), 1), (spot(2, 11), 2)]);
        let at = |hour: u64| Timestamp::from_ms(hour * HOUR_MS);
        keys.expire(at(10 + 7 * 24 - 1));
        assert_eq!(keys.iter().count(), 2);
        keys.expire(at(10 + 7 * 24));
        assert_eq!(keys.iter().map(|(spot, _)| spot.position).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_copy_that_is_thrown_away_changes_nothing() {
        let mut keys = SkippedKeys::default();
        keys.add(vec![(spot(1, 10), 1)]);
        keys.take_changes();
        let mut copy = keys.clone();
        assert!(copy.take(1, 1).is_some());
        assert_eq!(keys.iter().count(), 1);
        assert!(keys.take_changes().is_empty());
    }
}
