//! X25519 from the `x25519-dalek` crate.

use x25519_dalek::{PublicKey, StaticSecret};

use super::NotContributory;

pub(super) fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

pub(super) fn agree(secret: &[u8; 32], theirs: &[u8; 32], out: &mut [u8; 32]) -> Result<(), NotContributory> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*theirs));
    if !shared.was_contributory() {
        return Err(NotContributory);
    }
    out.copy_from_slice(shared.as_bytes());
    Ok(())
}
