//! The recovery code: 24 random bytes and a check byte as 8 groups of 5 in Crockford's base 32, and
//! the keys that follow from it (key-schedule E). `n` is the vault's generation.

use chat_wire::domain::{SIG_RECOVERY, plain_hash};
use chat_wire::ids::{RelayId, UserName};
use chat_wire::keys::Signature;
use chat_wire::message::{ChannelBinding, recovery_bytes};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::account::AccountKey;
use crate::crypto::hkdf::Prk;
use crate::crypto::random;
use crate::crypto::sign::SigningSecret;
use crate::crypto::xwing::XWingSeed;
use crate::labels;
use crate::secret::Secret;

/// Random bytes.
const CODE_BYTES: usize = 24;
/// Digits: 25 bytes, 5 bits each.
const DIGITS: usize = 40;
const GROUP: usize = 5;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What brings an account back when the password is lost. Shown once, kept on no device.
///
/// ```
/// # use chat_fixtures::{person::{Person, RELAY}, seeded::Seeded};
/// # use chat_core::identity::{VaultScope, vault};
/// use chat_core::identity::RecoveryCode;
/// # let (alice, mut rng) = (Person::new(1), Seeded::new(2));
/// # let name = alice.list.body().name.clone();
/// # let scope = VaultScope { relay: RELAY, account: alice.account.id(), name: &name, generation: 1, kp: 1 };
/// # let code = vault::create(&scope, &[7; 64], &alice.account, &mut rng)?.recovery;
/// let text = code.to_text(); // shown once
/// assert_eq!(text.split('-').count(), 8);
/// let typed = RecoveryCode::parse(&text.to_lowercase())?;
/// assert!(RecoveryCode::parse(&text[1..]).is_err());
/// // Proves on one connection that one has it; and the account key that takes over.
/// # let here = chat_wire::message::ChannelBinding { challenge: [9; 32], exporter: [1; 32] };
/// assert_eq!(typed.sign_request(&RELAY, &here, (&name, 1)), code.sign_request(&RELAY, &here, (&name, 1)));
/// assert_eq!(typed.next_account_key(1).id(), code.next_account_key(1).id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecoveryCode {
    bytes: Secret<CODE_BYTES>,
}

/// Why a text is no recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryCodeError {
    /// Not 40 digits of the alphabet.
    #[error("a recovery code has 8 groups of 5 letters and digits")]
    Shape,
    /// 40 digits, but at least one is a typing error.
    #[error("the recovery code has a typing error")]
    Check,
}

impl RecoveryCode {
    pub(super) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self { bytes: random::secret(rng) }
    }

    /// Reads what a person typed: small letters, spaces, hyphens, and O, I, L for 0, 1, 1 are fine.
    ///
    /// # Errors
    /// [`RecoveryCodeError`].
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let digits = text.bytes().filter(|b| !matches!(b, b'-' | b' ' | b'\t'));
        let mut whole = Zeroizing::new([0_u8; CODE_BYTES + 1]);
        let (mut count, mut bits, mut held, mut out) = (0_usize, 0_u16, 0_u32, whole.iter_mut());
        for digit in digits {
            let value = value_of(digit).ok_or(RecoveryCodeError::Shape)?;
            bits = (bits << 5) | value;
            held = held.saturating_add(5);
            count = count.saturating_add(1);
            if held >= 8 {
                held = held.saturating_sub(8);
                let [_, byte] = (bits >> held).to_be_bytes();
                *out.next().ok_or(RecoveryCodeError::Shape)? = byte;
            }
        }
        if count != DIGITS {
            return Err(RecoveryCodeError::Shape);
        }
        let [code @ .., check] = &*whole;
        let code = Self { bytes: Secret::fill(|bytes| bytes.copy_from_slice(code)) };
        if code.check() == *check { Ok(code) } else { Err(RecoveryCodeError::Check) }
    }

    /// 8 groups of 5 digits, to be shown once.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let check = [self.check()];
        let bytes = self.bytes.expose().iter().chain(&check);
        let mut text = Zeroizing::new(String::with_capacity(DIGITS.saturating_add(DIGITS / GROUP)));
        let (mut bits, mut held, mut count) = (0_u16, 0_u32, 0_usize);
        for byte in bytes {
            bits = (bits << 8) | u16::from(*byte);
            held = held.saturating_add(8);
            while held >= 5 {
                held = held.saturating_sub(5);
                if count != 0 && count.is_multiple_of(GROUP) {
                    text.push('-');
                }
                count = count.saturating_add(1);
                let digit = ALPHABET.get(usize::from((bits >> held) & 31)).copied().unwrap_or_default();
                text.push(char::from(digit));
            }
        }
        text
    }

    /// `H(L("rc-check") ‖ rc)[..1]`.
    fn check(&self) -> u8 {
        let [first, ..] = plain_hash(&[labels::RECOVERY_CHECK, self.bytes.expose()]);
        first
    }

    /// `RK = Ext(H(L("recovery")), rc)`.
    fn root(&self) -> Prk {
        Prk::extract(&plain_hash(&[labels::RECOVERY]), &[self.bytes.expose()])
    }

    /// Signs requests for recovery.
    pub(super) fn auth(&self, generation: u32) -> SigningSecret {
        SigningSecret::new(self.root().expand(&[labels::RECOVERY_AUTH, &generation.to_be_bytes()]))
    }

    /// Proves to the relay that one has the code, on this connection (SPEC 9.9.1).
    #[must_use]
    pub fn sign_request(
        &self,
        relay: &RelayId,
        binding: &ChannelBinding,
        (name, generation): (&UserName, u32),
    ) -> Signature {
        self.auth(generation).sign(SIG_RECOVERY, &[&recovery_bytes(relay, binding, name, generation)])
    }

    /// Opens the vault secret.
    pub(super) fn kem(&self, generation: u32) -> XWingSeed {
        XWingSeed::new(self.root().expand(&[labels::RECOVERY_KEM, &generation.to_be_bytes()]))
    }

    /// The account key that takes over when the account is recovered; the list names its hash before.
    #[must_use]
    pub fn next_account_key(&self, generation: u32) -> AccountKey {
        AccountKey::from_seed(self.root().expand(&[labels::RECOVERY_NEXT, &generation.to_be_bytes()]))
    }
}

fn value_of(digit: u8) -> Option<u16> {
    let digit = match digit.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|a| *a == digit).and_then(|at| u16::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::{rng, seeded};

    #[test]
    fn a_code_reads_back_as_people_type_it() {
        for seed in 0..50 {
            let code = RecoveryCode::generate(&mut seeded(seed));
            let text = code.to_text();
            assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [5; 8]);
            let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            for typed in [text.as_str(), &sloppy, &text.replace('-', "")] {
                assert!(RecoveryCode::parse(typed).unwrap().bytes.ct_eq(&code.bytes));
            }
        }
    }

    #[test]
    fn every_single_typing_error_in_the_last_group_and_every_wrong_length_is_found() {
        let text = RecoveryCode::generate(&mut rng()).to_text().to_string();
        for digit in ALPHABET {
            let mut typed = text.clone().into_bytes();
            let last = typed.last_mut().unwrap();
            let same = last == digit;
            *last = *digit;
            let read = RecoveryCode::parse(&String::from_utf8(typed).unwrap());
            assert_eq!(read.is_ok(), same);
        }
        assert_eq!(RecoveryCode::parse(&text[1..]).err(), Some(RecoveryCodeError::Shape));
        assert_eq!(RecoveryCode::parse(&(text.clone() + "0")).err(), Some(RecoveryCodeError::Shape));
        assert_eq!(RecoveryCode::parse(&text.replacen(&text[..1], "U", 1)).err(), Some(RecoveryCodeError::Shape));
        assert_eq!(RecoveryCode::parse(&"0".repeat(4_000)).err(), Some(RecoveryCodeError::Shape));
    }

    #[test]
    fn each_generation_has_keys_of_its_own() {
        let code = RecoveryCode::generate(&mut rng());
        assert_ne!(code.auth(1).public(), code.auth(2).public());
        assert_ne!(code.kem(1).public(), code.kem(2).public());
        assert_ne!(code.next_account_key(1).public(), code.auth(1).public());
    }
}
