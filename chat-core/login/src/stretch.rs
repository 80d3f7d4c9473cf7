//! Passphrases that never meet a relay: the same closed table of Argon2id profiles, with a salt of their own.

use opaque_ke::generic_array::GenericArray;
use opaque_ke::generic_array::typenum::U32;
use zeroize::{Zeroize as _, Zeroizing};

use crate::limits::PASSWORD_BYTES_MAX;
use crate::profile::Profile;
use crate::suite::argon2id;

/// Bytes of a salt: random, stored beside what is sealed.
pub const SALT_BYTES: usize = 16;

/// Why a passphrase was not stretched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StretchError {
    /// It is empty or longer than [`PASSWORD_BYTES_MAX`].
    #[error("the passphrase is empty or longer than {PASSWORD_BYTES_MAX} bytes")]
    Length,
    /// The memory that the profile asks for is not there.
    #[error("not enough memory to stretch the passphrase")]
    Memory,
}

/// 32 bytes that only whoever knows the passphrase can make, slowly.
///
/// # Errors
/// [`StretchError`].
pub fn stretch(
    profile: Profile,
    passphrase: &[u8],
    salt: &[u8; SALT_BYTES],
) -> Result<Zeroizing<[u8; 32]>, StretchError> {
    if passphrase.is_empty() || passphrase.len() > PASSWORD_BYTES_MAX {
        return Err(StretchError::Length);
    }
    let mut stretched: GenericArray<u8, U32> = argon2id(profile, passphrase, salt).map_err(|_| StretchError::Memory)?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&stretched);
    stretched.as_mut_slice().zeroize();
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_what_is_stretched_counts_and_the_same_gives_the_same() {
        let key = |phrase: &[u8], salt| stretch(Profile::Standard, phrase, &[salt; 16]).unwrap();
        let one = key(b"open sesame", 1);
        assert_eq!(*one, *key(b"open sesame", 1));
        assert_ne!(*one, *key(b"open sesame", 2));
        assert_ne!(*one, *key(b"open Sesame", 1));
    }

    #[test]
    fn nothing_and_too_much_are_no_passphrases() {
        let length = |bytes: usize| stretch(Profile::Standard, &vec![b'x'; bytes], &[0; 16]).map(drop);
        assert_eq!(length(0), Err(StretchError::Length));
        assert_eq!(length(PASSWORD_BYTES_MAX + 1), Err(StretchError::Length));
    }
}
