//! X25519 from aws-lc-rs, which by itself refuses an all-zero result.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree as aws_agree};

use super::NotContributory;

/// Its memory is wiped by the library when it is freed.
pub(super) type Prepared = PrivateKey;

#[expect(clippy::expect_used, reason = "a public key exists for every 32 bytes")]
pub(super) fn public(secret: &Prepared) -> [u8; 32] {
    let public = secret.compute_public_key().expect("X25519 of the base point");
    public.as_ref().try_into().expect("an X25519 key has 32 bytes")
}

pub(super) fn agree(secret: &Prepared, theirs: &[u8; 32], out: &mut [u8; 32]) -> Result<(), NotContributory> {
    let theirs = UnparsedPublicKey::new(&X25519, theirs);
    aws_agree(secret, theirs, NotContributory, |shared| {
        let shared = shared.try_into().map_err(|_| NotContributory)?;
        *out = shared;
        Ok(())
    })
}

#[expect(clippy::expect_used, reason = "the only refusal is a wrong key length")]
pub(super) fn prepare(secret: &[u8; 32]) -> Prepared {
    PrivateKey::from_private_key(&X25519, secret).expect("the key has 32 bytes")
}
