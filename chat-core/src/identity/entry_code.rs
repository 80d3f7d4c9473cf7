//! The short code by which a person tells its own new device from somebody else's: shown on the device that waits
//! and on those that decide (SPEC 9.13).

use chat_wire::domain::{ASK_IN, labelled_hash};
use chat_wire::ids::DeviceAddress;
use chat_wire::keys::VerifyKey;

/// Digits of each of the two groups; 40 bits in all, so that nobody finds a second key with the same code by chance.
const GROUP: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Two groups of four digits, the same for everybody who knows the device's address and key.
///
/// ```
/// # use chat_fixtures::person::Person;
/// use chat_core::identity::entry_code;
/// let (own, foreign) = (Person::new(1).device, Person::new(2).device);
/// let code = entry_code(&own.address(), &own.sig_key());
/// assert_eq!(code.len(), 9); // `K7QF-2M4X`
/// assert_ne!(code, entry_code(&foreign.address(), &foreign.sig_key()));
/// ```
#[must_use]
pub fn entry_code(device: &DeviceAddress, key: &VerifyKey) -> String {
    let hash = labelled_hash(ASK_IN, &[&device.account.0, &device.device.0.to_be_bytes(), &key.0]);
    let bits = hash.iter().take(5).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    // The high digit first: where it lies in the forty bits.
    let digit = |shift: u32| {
        let [.., value] = (bits >> shift).to_be_bytes();
        char::from(ALPHABET.get(usize::from(value & 31)).copied().unwrap_or_default())
    };
    let digits: String = (0..40).step_by(5).rev().map(digit).collect();
    let (first, second) = digits.split_at_checked(GROUP).unwrap_or((&digits, ""));
    format!("{first}-{second}")
}

#[cfg(test)]
mod tests {
    use chat_wire::ids::{AccountId, DeviceId};

    use super::*;

    #[test]
    fn another_device_key_or_account_has_another_code() {
        let device = |account, id| DeviceAddress { account: AccountId([account; 32]), device: DeviceId(id) };
        let code = entry_code(&device(1, 7), &VerifyKey([2; 32]));
        assert_eq!(code.len(), 9);
        assert_eq!(code, entry_code(&device(1, 7), &VerifyKey([2; 32])));
        for other in [
            entry_code(&device(2, 7), &VerifyKey([2; 32])),
            entry_code(&device(1, 8), &VerifyKey([2; 32])),
            entry_code(&device(1, 7), &VerifyKey([3; 32])),
        ] {
            assert_ne!(code, other);
        }
    }
}
