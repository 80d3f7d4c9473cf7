//! X25519 from the `x25519-dalek` crate.

use x25519_dalek::{PublicKey, StaticSecret};

use super::NotContributory;

/// Wiped when it is dropped, as the crate does it.
pub(super) type Prepared = StaticSecret;

pub(super) fn prepare(secret: &[u8; 32]) -> Prepared {
    StaticSecret::from(*secret)
}

pub(super) fn public(secret: &Prepared) -> [u8; 32] {
    PublicKey::from(secret).to_bytes()
}

pub(super) fn agree(secret: &Prepared, theirs: &[u8; 32], out: &mut [u8; 32]) -> Result<(), NotContributory> {
    let shared = secret.diffie_hellman(&PublicKey::from(*theirs));
    if !shared.was_contributory() {
        return Err(NotContributory);
    }
    out.copy_from_slice(shared.as_bytes());
    Ok(())
}
