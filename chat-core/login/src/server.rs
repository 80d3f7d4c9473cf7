//! The relay's half (SPEC 9.4–9.6). It never sees a password, runs no Argon2, and answers for a name
//! that does not exist with the same bytes at the same cost.
//!
//! A KE2 that no KE3 follows is a failed guess and must be counted as one: that is the caller's part.

use std::fmt;

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLoginParameters,
    ServerRegistration, ServerSetup,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::limits::{
    KE1_BYTES, KE2_BYTES, KE3_BYTES, KEY_BYTES, RECORD_BYTES, REGISTRATION_REQUEST_BYTES, REGISTRATION_RESPONSE_BYTES,
};
use crate::suite::{Randomness, Suite, array, identifiers};
use crate::terms::{Identities, Terms};

/// Bytes of the relay's login secrets.
pub const SECRETS_BYTES: usize = 128;

/// Why the relay can't go on with a registration or login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The client's message is malformed.
    #[error("the client's login message is malformed")]
    Malformed,
    /// The password was wrong, or the name does not exist.
    #[error("name or password is wrong")]
    BadCredentials,
    /// Our own stored secrets or the stored record are damaged.
    #[error("a stored login record or secret is damaged")]
    Damaged,
}

/// The OPRF seed and the key of the key exchange (SPEC 9.6). They lie outside the database and its
/// backups: a stolen database alone then allows no guessing offline.
pub struct ServerSecrets(ServerSetup<Suite>);

/// A login that waits for KE3.
pub struct ServerLogin(opaque_ke::ServerLogin<Suite>);

impl ServerSecrets {
    /// Makes new secrets. Losing them locks every account out of login by password.
    #[must_use]
    pub fn generate(rng: &mut dyn rand_core::CryptoRng) -> Self {
        Self(ServerSetup::new(&mut Randomness(rng)))
    }

    /// Reads secrets back.
    ///
    /// # Errors
    /// [`ServerError::Damaged`] when these are no secrets of this suite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ServerError> {
        if bytes.len() != SECRETS_BYTES {
            return Err(ServerError::Damaged);
        }
        ServerSetup::deserialize(bytes).map(Self).map_err(|_| ServerError::Damaged)
    }

    /// For the file that keeps them.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; SECRETS_BYTES]> {
        let mut serialized = self.0.serialize();
        let mut bytes = Zeroizing::new([0; SECRETS_BYTES]);
        bytes.copy_from_slice(&serialized);
        serialized.as_mut_slice().zeroize();
        bytes
    }
}

/// Answers a registration request.
///
/// # Errors
/// [`ServerError::Malformed`].
pub fn register(
    secrets: &ServerSecrets,
    identities: &Identities<'_>,
    request: &[u8],
) -> Result<[u8; REGISTRATION_RESPONSE_BYTES], ServerError> {
    respond(secrets, request, identities.name.as_bytes())
}

pub(crate) fn respond(
    secrets: &ServerSecrets,
    request: &[u8],
    credential: &[u8],
) -> Result<[u8; REGISTRATION_RESPONSE_BYTES], ServerError> {
    let request = exactly(request, REGISTRATION_REQUEST_BYTES)?;
    let request = RegistrationRequest::deserialize(request).map_err(|_| ServerError::Malformed)?;
    let answer =
        ServerRegistration::<Suite>::start(&secrets.0, request, credential).map_err(|_| ServerError::Malformed)?;
    Ok(array(&answer.message.serialize()))
}

/// Whether bytes are a record that a login can use; asked before they are stored.
///
/// # Errors
/// [`ServerError::Malformed`].
pub fn check_record(record: &[u8]) -> Result<(), ServerError> {
    let record = exactly(record, RECORD_BYTES)?;
    RegistrationUpload::<Suite>::deserialize(record).map(drop).map_err(|_| ServerError::Malformed)
}

/// Answers KE1. For a name that does not exist `record` is none and the terms name
/// [`Profile::DEFAULT`](crate::Profile::DEFAULT).
///
/// # Errors
/// [`ServerError::Malformed`] for the client's bytes, [`ServerError::Damaged`] for the record.
pub fn login_start(
    secrets: &ServerSecrets,
    record: Option<&[u8]>,
    ke1: &[u8],
    terms: &Terms<'_>,
    rng: &mut dyn rand_core::CryptoRng,
) -> Result<(ServerLogin, [u8; KE2_BYTES]), ServerError> {
    let context = terms.context();
    let params = ServerLoginParameters { context: Some(&context), identifiers: identifiers(&terms.identities) };
    answer(secrets, record, ke1, (terms.identities.name.as_bytes(), params), rng)
}

pub(crate) fn answer(
    secrets: &ServerSecrets,
    record: Option<&[u8]>,
    ke1: &[u8],
    (credential, params): (&[u8], ServerLoginParameters<'_, '_>),
    rng: &mut dyn rand_core::CryptoRng,
) -> Result<(ServerLogin, [u8; KE2_BYTES]), ServerError> {
    let ke1 = exactly(ke1, KE1_BYTES)?;
    let ke1 = CredentialRequest::deserialize(ke1).map_err(|_| ServerError::Malformed)?;
    // Made and read either way, so that an unknown name costs what a known one costs.
    let decoy = decoy(secrets, rng);
    let record = exactly(record.unwrap_or(&decoy), RECORD_BYTES).map_err(|_| ServerError::Damaged)?;
    let record = ServerRegistration::deserialize(record).map_err(|_| ServerError::Damaged)?;
    let started =
        opaque_ke::ServerLogin::start(&mut Randomness(rng), &secrets.0, Some(record), ke1, credential, params)
            .map_err(|_| ServerError::Malformed)?;
    Ok((ServerLogin(started.state), array(&started.message.serialize())))
}

/// Takes KE3. Success means that the client knew the password.
///
/// # Errors
/// [`ServerError::BadCredentials`], or [`ServerError::Malformed`] for another length.
pub fn login_finish(login: ServerLogin, ke3: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, ServerError> {
    let ke3 = CredentialFinalization::deserialize(exactly(ke3, KE3_BYTES)?).map_err(|_| ServerError::Malformed)?;
    // 3DH compares one tag; context and identities went into it at the start.
    let mut finished =
        login.0.finish(ke3, ServerLoginParameters::default()).map_err(|_| ServerError::BadCredentials)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&finished.session_key);
    finished.session_key.as_mut_slice().zeroize();
    Ok(key)
}

/// RFC 9807 §6.3.2.2: the record of nobody: a public key without an owner, a random masking key, an
/// envelope of zeros. Masked under a key that nobody knows, it looks like any other.
fn decoy(secrets: &ServerSecrets, rng: &mut dyn rand_core::CryptoRng) -> [u8; RECORD_BYTES] {
    let serialized = secrets.to_bytes();
    let mut record = [0; RECORD_BYTES];
    if let (Some(public), Some(spare)) = (record.first_chunk_mut::<32>(), serialized.last_chunk::<32>()) {
        *public = *spare;
    }
    if let Some(masking_key) = record.get_mut(32..96) {
        rng.fill_bytes(masking_key);
    }
    record
}

fn exactly(bytes: &[u8], len: usize) -> Result<&[u8], ServerError> {
    if bytes.len() == len { Ok(bytes) } else { Err(ServerError::Malformed) }
}

/// Prints the names of the types only: both hold secrets.
macro_rules! silent {
    ($($name:ident),+) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+ };
}

silent!(ServerSecrets, ServerLogin);
