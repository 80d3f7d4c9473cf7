//! X25519 from aws-lc-rs, which by itself refuses an all-zero result.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree as aws_agree};

use super::NotContributory;

#[expect(clippy::expect_used, reason = "a public key exists for every 32 bytes")]
pub(super) fn public(secret: &[u8; 32]) -> [u8; 32] {
    let public = private(secret).compute_public_key().expect("X25519 of the base point");
    public.as_ref().try_into().expect("an X25519 key has 32 bytes")
}

pub(super) fn agree(secret: &[u8; 32], theirs: &[u8; 32], out: &mut [u8; 32]) -> Result<(), NotContributory> {
    let theirs = UnparsedPublicKey::new(&X25519, theirs);
    aws_agree(&private(secret), theirs, NotContributory, |shared| {
        let shared = shared.try_into().map_err(|_| NotContributory)?;
        *out = shared;
        Ok(())
    })
}

#[expect(clippy::expect_used, reason = "the only refusal is a wrong key length")]
fn private(secret: &[u8; 32]) -> PrivateKey {
    PrivateKey::from_private_key(&X25519, secret).expect("the key has 32 bytes")
}
