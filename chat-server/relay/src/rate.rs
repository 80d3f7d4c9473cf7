//! Token buckets, one number a key (the virtual-scheduling form of the generic cell rate algorithm):
//! the time at which the bucket would be full again.

use std::collections::HashMap;
use std::hash::Hash;

use crate::limits::{Allowance, LIMITER_KEYS_MAX};

/// A bucket for each key; a full bucket takes no memory.
#[derive(Debug)]
pub struct Limiter<K> {
    allowance: Allowance,
    full_at: HashMap<K, u64>,
}

/// Too much; come back after this many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Milliseconds.
    pub retry_ms: u64,
}

impl<K: Hash + Eq> Limiter<K> {
    /// With full buckets.
    #[must_use]
    pub fn new(allowance: Allowance) -> Self {
        Self { allowance, full_at: HashMap::new() }
    }

    /// Counts by another allowance from now on.
    pub fn set(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// Takes one token. Fails closed: when the table is full of keys that still owe tokens, a new key
    /// is refused as well.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn take(&mut self, key: K, uptime_ms: u64) -> Result<(), Exhausted> {
        let refill = self.allowance.refill_ms;
        let depth = refill.saturating_mul(u64::from(self.allowance.burst));
        let full_at = self.full_at.get(&key).copied().unwrap_or(0).max(uptime_ms);
        let after = full_at.saturating_add(refill);
        let over = after.saturating_sub(uptime_ms).saturating_sub(depth);
        if over > 0 {
            return Err(Exhausted { retry_ms: over });
        }
        if self.full_at.len() >= LIMITER_KEYS_MAX && !self.full_at.contains_key(&key) {
            self.prune(uptime_ms);
            if self.full_at.len() >= LIMITER_KEYS_MAX {
                return Err(Exhausted { retry_ms: refill });
            }
        }
        self.full_at.insert(key, after);
        Ok(())
    }

    /// Keys whose buckets are not full, and the milliseconds until they are.
    pub(crate) fn owing(&self, uptime_ms: u64) -> impl Iterator<Item = (&K, u64)> {
        let left = move |full_at: u64| full_at.saturating_sub(uptime_ms);
        self.full_at.iter().map(move |(key, full_at)| (key, left(*full_at))).filter(|(_, left)| *left > 0)
    }

    /// A bucket is full only so many milliseconds from now: what was used up before a restart. Never
    /// longer than an empty one would take.
    pub(crate) fn owe(&mut self, key: K, left_ms: u64, uptime_ms: u64) {
        let most = self.allowance.refill_ms.saturating_mul(u64::from(self.allowance.burst));
        if left_ms > 0 && self.full_at.len() < LIMITER_KEYS_MAX {
            self.full_at.insert(key, uptime_ms.saturating_add(left_ms.min(most)));
        }
    }

    /// Puts one token back: what was counted in advance did not happen.
    pub(crate) fn give_back(&mut self, key: &K) {
        if let Some(full_at) = self.full_at.get_mut(key) {
            *full_at = full_at.saturating_sub(self.allowance.refill_ms);
        }
    }

    /// Forgets the keys whose buckets are full.
    pub fn prune(&mut self, uptime_ms: u64) {
        self.full_at.retain(|_, full_at| *full_at > uptime_ms);
        if self.full_at.capacity() > self.full_at.len().saturating_mul(4).saturating_add(1_024) {
            self.full_at.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_each_refill_and_the_answer_says_when() {
        let mut limiter = Limiter::new(Allowance { burst: 3, refill_ms: 100 });
        for _ in 0..3 {
            assert_eq!(limiter.take("a", 1_000), Ok(()));
        }
        assert_eq!(limiter.take("a", 1_000), Err(Exhausted { retry_ms: 100 }));
        assert_eq!(limiter.take("a", 1_099), Err(Exhausted { retry_ms: 1 }));
        assert_eq!(limiter.take("b", 1_000), Ok(()), "another key is unharmed");
        assert_eq!(limiter.take("a", 1_100), Ok(()));
        assert_eq!(limiter.take("a", 1_100), Err(Exhausted { retry_ms: 100 }));
    }

    #[test]
    fn a_token_given_back_can_be_taken_again() {
        let mut limiter = Limiter::new(Allowance { burst: 1, refill_ms: 60_000 });
        assert_eq!(limiter.take("a", 5), Ok(()));
        limiter.give_back(&"a");
        assert_eq!(limiter.take("a", 5), Ok(()));
        assert!(limiter.take("a", 5).is_err());
    }

    #[test]
    fn a_flood_of_keys_neither_grows_the_table_without_end_nor_opens_the_limit() {
        let mut limiter = Limiter::new(Allowance { burst: 1, refill_ms: 1_000 });
        for key in 0..LIMITER_KEYS_MAX {
            assert_eq!(limiter.take(key, 10), Ok(()));
        }
        assert!(limiter.take(LIMITER_KEYS_MAX, 10).is_err(), "fails closed");
        assert!(limiter.take(0, 10).is_err(), "and the old ones stay limited");
        assert_eq!(limiter.take(LIMITER_KEYS_MAX, 1_010), Ok(()));
        assert_eq!(limiter.full_at.len(), 1, "full buckets were forgotten");
    }
}
