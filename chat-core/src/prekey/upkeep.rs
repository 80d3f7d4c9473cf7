//! What to make and what to delete: weekly rotation with one generation of grace, refill of the
//! one-time pairs (DESIGN §5).

use chat_wire::ids::PreKeyId;
use chat_wire::limits::{ONE_TIME_PAIRS_LOW, ONE_TIME_PAIRS_PER_UPLOAD_MAX, ONE_TIME_PAIRS_STORED_MAX};

use crate::limits::{LAST_RESORT_USES_EARLY, PREKEY_GRACE_MS, PREKEY_ROTATION_MS};
use crate::time::Timestamp;

/// A stored prekey that is not one-time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// Its id.
    pub id: PreKeyId,
    /// When it was made.
    pub created: Timestamp,
    /// First messages accepted on it; 0 for medium-term prekeys.
    pub uses: u32,
}

/// What a device has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// Medium-term prekeys, in any order.
    pub signed: Vec<Dated>,
    /// Last-resort prekeys, in any order.
    pub last_resort: Vec<Dated>,
    /// One-time pairs that the relay still holds.
    pub pairs_left: u32,
}

/// What it should do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Make and publish a medium-term prekey.
    pub new_signed: bool,
    /// Make and publish a last-resort prekey.
    pub new_last_resort: bool,
    /// Make and publish so many one-time pairs, at most one upload.
    pub new_pairs: usize,
    /// Delete these, but only after the mailbox of this connect is drained: mail that was under way
    /// may still need them.
    pub expired: Vec<PreKeyId>,
}

/// Decides.
///
/// ```
/// use chat_core::prekey::upkeep::{Stock, plan};
/// use chat_core::time::Timestamp;
/// let plan = plan(&Stock::default(), Timestamp::from_ms(0));
/// assert!(plan.new_signed && plan.new_last_resort && plan.new_pairs > 0);
/// ```
#[must_use]
pub fn plan(stock: &Stock, now: Timestamp) -> Plan {
    let mut expired = outdated(&stock.signed, now);
    expired.extend(outdated(&stock.last_resort, now));
    let left = usize::try_from(stock.pairs_left).unwrap_or(usize::MAX);
    let missing = if left < ONE_TIME_PAIRS_LOW { ONE_TIME_PAIRS_STORED_MAX.saturating_sub(left) } else { 0 };
    Plan {
        new_signed: due(&stock.signed, now),
        new_last_resort: due(&stock.last_resort, now),
        new_pairs: missing.min(ONE_TIME_PAIRS_PER_UPLOAD_MAX),
        expired,
    }
}

fn newest(keys: &[Dated]) -> Option<&Dated> {
    keys.iter().max_by_key(|key| key.created)
}

fn due(keys: &[Dated], now: Timestamp) -> bool {
    newest(keys).is_none_or(|key| {
        // A key from the future was made by a clock that was wrong: it would never be replaced.
        key.created > now || now.ms_since(key.created) >= PREKEY_ROTATION_MS || key.uses >= LAST_RESORT_USES_EARLY
    })
}

/// Every key but the newest whose successor is older than the grace.
fn outdated(keys: &[Dated], now: Timestamp) -> Vec<PreKeyId> {
    let replaced_at = |key: &Dated| keys.iter().map(|k| k.created).filter(|c| *c > key.created).min();
    let over = |key: &&Dated| replaced_at(key).is_some_and(|at| now.ms_since(at) >= PREKEY_GRACE_MS);
    keys.iter().filter(over).map(|key| key.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1_000;

    fn key(id: u8, day: u64) -> Dated {
        Dated { id: PreKeyId([id; 8]), created: Timestamp::from_ms(day * DAY), uses: 0 }
    }

    #[test]
    fn a_new_device_makes_everything_in_one_upload() {
        let plan = plan(&Stock::default(), Timestamp::from_ms(DAY));
        assert!(plan.new_signed && plan.new_last_resort && plan.expired.is_empty());
        assert_eq!(plan.new_pairs, ONE_TIME_PAIRS_PER_UPLOAD_MAX);
    }

    #[test]
    fn keys_are_replaced_weekly_and_the_one_before_stays_for_a_week() {
        let stock = |signed: Vec<Dated>| Stock { last_resort: signed.clone(), signed, pairs_left: 80 };
        let at = |day: u64| Timestamp::from_ms(day * DAY);
        assert_eq!(plan(&stock(vec![key(1, 0)]), at(6)), Plan::default());
        let week = plan(&stock(vec![key(1, 0)]), at(7));
        assert!(week.new_signed && week.new_last_resort && week.expired.is_empty());
        assert_eq!(plan(&stock(vec![key(1, 0), key(2, 7)]), at(13)), Plan::default());
        let late = plan(&stock(vec![key(1, 0), key(2, 7)]), at(14));
        assert!(late.new_signed);
        assert_eq!(late.expired, [PreKeyId([1; 8]); 2]);
    }

    #[test]
    fn the_only_key_is_never_deleted_however_old() {
        let stock = Stock { signed: vec![key(1, 0)], last_resort: vec![key(2, 0)], pairs_left: 80 };
        assert!(plan(&stock, Timestamp::from_ms(400 * DAY)).expired.is_empty());
    }

    #[test]
    fn a_much_used_last_resort_key_and_one_from_the_future_are_replaced_early() {
        let used = Dated { uses: LAST_RESORT_USES_EARLY, ..key(1, 5) };
        let stock = Stock { signed: vec![key(2, 9)], last_resort: vec![used], pairs_left: 80 };
        let plan = plan(&stock, Timestamp::from_ms(6 * DAY));
        assert!(plan.new_last_resort && plan.new_signed);
    }

    #[test]
    fn pairs_are_refilled_below_a_quarter_only() {
        let pairs = |left| {
            let stock = Stock { signed: vec![key(1, 0)], last_resort: vec![key(2, 0)], pairs_left: left };
            plan(&stock, Timestamp::from_ms(DAY)).new_pairs
        };
        assert_eq!((pairs(25), pairs(24), pairs(0), pairs(u32::MAX)), (0, 50, 50, 0));
    }
}
