//! The safety number: 60 digits over both account ids and keys, the same on both sides and stable
//! across device changes (SPEC 5.6; protocol-specs §6 with own version, id and key).
//!
//! ```text
//! h_0 = SHA-512(version u16 ‖ key ‖ id ‖ key)      h_i = SHA-512(h_(i-1) ‖ key), i < 5200
//! 6 × (40 bits of h mod 100000) = 30 digits a side; the smaller side stands first
//! ```

use chat_wire::domain::plain_hash;
use chat_wire::ids::AccountId;
use chat_wire::keys::VerifyKey;
use sha2::{Digest, Sha512};

use crate::labels;

/// Hash calls: each adds work for somebody who looks for a key with the same digits.
const ITERATIONS: u32 = 5_200;
/// Not a version of another messenger's numbers, which begin with 0x0000.
const VERSION: u16 = 0x0100;
const GROUPS_PER_SIDE: usize = 6;
/// Letters and digits that a QR code packs well, none of which looks like another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: its mark, and 256 bits by five.
const CODE_CHARS: usize = 6 + 52;

/// The number of two accounts, as 12 groups of 5 digits.
///
/// ```
/// # use chat_fixtures::person::Person;
/// use chat_core::identity::safety_number;
/// let (alice, bob) = (Person::new(1).account, Person::new(2).account);
/// let (one, other) = ((&alice.id(), &alice.public()), (&bob.id(), &bob.public()));
/// assert_eq!(safety_number(one, other), safety_number(other, one));
/// assert_eq!(safety_number(one, other).split(' ').count(), 12);
/// ```
#[must_use]
pub fn safety_number(one: (&AccountId, &VerifyKey), other: (&AccountId, &VerifyKey)) -> String {
    let sides = [one, other].map(|(id, key)| digits(VERSION, id.as_bytes(), key.as_bytes()));
    joined(sides)
}

/// Text of a QR code that says the same as the number, without its shortness: `CHAT1:` and the hash of
/// both accounts and keys in base 32. The same on both sides, and stable like the number.
///
/// ```
/// # use chat_fixtures::person::Person;
/// use chat_core::identity::safety_code;
/// let (alice, bob) = (Person::new(1).account, Person::new(2).account);
/// let (one, other) = ((&alice.id(), &alice.public()), (&bob.id(), &bob.public()));
/// assert_eq!(safety_code(one, other), safety_code(other, one));
/// assert!(safety_code(one, other).starts_with("CHAT1:"));
/// ```
#[must_use]
pub fn safety_code(one: (&AccountId, &VerifyKey), other: (&AccountId, &VerifyKey)) -> String {
    let mut sides = [one, other].map(|(id, key)| [&id.0[..], &key.0].concat());
    sides.sort_unstable();
    let hash = plain_hash(&[labels::SAFETY_CODE, &sides.concat()]);
    let mut text = String::from("CHAT1:");
    let (mut held, mut bits) = (0_u32, 0_u32);
    // One zero byte more, so that the last five bits come out.
    for byte in hash.iter().chain(&[0]) {
        held = (held << 8) | u32::from(*byte);
        bits = bits.saturating_add(8);
        while bits >= 5 && text.len() < CODE_CHARS {
            bits = bits.saturating_sub(5);
            let digit = usize::try_from((held >> bits) & 31).unwrap_or_default();
            text.push(ALPHABET.get(digit).copied().map(char::from).unwrap_or_default());
        }
        held &= 1_u32.checked_shl(bits).unwrap_or_default().saturating_sub(1);
    }
    text
}

fn joined(mut sides: [Vec<String>; 2]) -> String {
    sides.sort_unstable();
    sides.concat().join(" ")
}

fn digits(version: u16, id: &[u8], key: &[u8]) -> Vec<String> {
    let mut hash = Sha512::new();
    for part in [&version.to_be_bytes()[..], key, id, key] {
        hash.update(part);
    }
    let mut value = hash.finalize();
    for _ in 1..ITERATIONS {
        value = Sha512::new().chain_update(value).chain_update(key).finalize();
    }
    let groups = value.as_chunks::<5>().0.iter().take(GROUPS_PER_SIDE);
    groups
        .map(|&[a, b, c, d, e]| {
            let bits = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
            format!("{:05}", bits % 100_000)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published number for this layout (protocol-specs §6).
    #[test]
    fn the_published_number_comes_out() {
        let side = |key: &str, id: &str| digits(0, id.as_bytes(), &hex::decode(key).unwrap());
        // The keys of the vector carry their type byte.
        let alice = side("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868", "+14152222222");
        let bob = side("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b", "+14153333333");
        assert_eq!(
            joined([bob, alice]).replace(' ', ""),
            "300354477692869396892869876765458257569162576843440918079131"
        );
    }

    #[test]
    fn both_sides_see_one_number_and_any_change_shows() {
        let (a, b) = ((AccountId([1; 32]), VerifyKey([2; 32])), (AccountId([3; 32]), VerifyKey([4; 32])));
        let number = safety_number((&a.0, &a.1), (&b.0, &b.1));
        assert_eq!(number, safety_number((&b.0, &b.1), (&a.0, &a.1)));
        assert_eq!(number.split(' ').filter(|g| g.len() == 5).count(), 12);
        assert_ne!(number, safety_number((&a.0, &VerifyKey([5; 32])), (&b.0, &b.1)));
        assert_ne!(number, safety_number((&AccountId([5; 32]), &a.1), (&b.0, &b.1)));
        let code = safety_code((&a.0, &a.1), (&b.0, &b.1));
        assert_eq!(code, safety_code((&b.0, &b.1), (&a.0, &a.1)));
        assert_eq!(code.len(), CODE_CHARS);
        assert_ne!(code, safety_code((&a.0, &VerifyKey([5; 32])), (&b.0, &b.1)));
    }
}
