//! The client's half: registration in two messages, login in three (SPEC 9.4, 9.5).
//!
//! ```text
//! RegistrationStart ── response ──▶ Registered        LoginStart ── KE2 ──▶ LoggedIn
//! ```
//!
//! `finish` runs Argon2id: hundreds of milliseconds and tens of megabytes. Call it on a thread that
//! may block.

use std::fmt;

use opaque_ke::errors::{InternalError, ProtocolError};
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters as LoginParams, ClientRegistration,
    ClientRegistrationFinishParameters as RegistrationParams, CredentialResponse, RegistrationResponse,
};
use zeroize::Zeroizing;

use crate::limits::{
    KE1_BYTES, KE2_BYTES, KE3_BYTES, KEY_BYTES, PASSWORD_BYTES_MAX, RECORD_BYTES, REGISTRATION_REQUEST_BYTES,
    REGISTRATION_RESPONSE_BYTES,
};
use crate::profile::{Profile, UnknownProfile};
use crate::suite::{Randomness, Stretch, Suite, array, identifiers};
use crate::terms::{Identities, Terms};

/// Why a registration or login did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Wrong password, unknown name, or a relay that is not the one registered with: the protocol
    /// does not tell which.
    #[error("name or password is wrong")]
    BadCredentials,
    /// The relay's message is malformed, or reflects our own.
    #[error("the relay's login message is malformed")]
    Malformed,
    /// The relay named a profile outside the closed table; nothing was computed.
    #[error(transparent)]
    UnknownProfile(#[from] UnknownProfile),
    /// The password is empty or longer than [`PASSWORD_BYTES_MAX`].
    #[error("the password is empty or longer than {PASSWORD_BYTES_MAX} bytes")]
    PasswordLength,
    /// The memory that the profile asks for is not there.
    #[error("not enough memory to stretch the password")]
    Memory,
}

/// A registration that waits for the relay's response. Holds the password, wiped when dropped.
pub struct RegistrationStart {
    state: ClientRegistration<Suite>,
    password: Zeroizing<Vec<u8>>,
}

/// A finished registration.
pub struct Registered {
    /// For the relay, over a confidential channel.
    pub record: [u8; RECORD_BYTES],
    /// For this client alone: wraps the vault (key-schedule E).
    pub export_key: Zeroizing<[u8; KEY_BYTES]>,
}

/// A login that waits for KE2. Holds the password, wiped when dropped.
pub struct LoginStart {
    state: ClientLogin<Suite>,
    password: Zeroizing<Vec<u8>>,
}

/// A finished login: the relay knew the record, and will know that the password was right.
pub struct LoggedIn {
    /// For the relay.
    pub ke3: [u8; KE3_BYTES],
    /// The same as at registration.
    pub export_key: Zeroizing<[u8; KEY_BYTES]>,
    /// Shared with the relay, new for each login.
    pub session_key: Zeroizing<[u8; KEY_BYTES]>,
}

impl RegistrationStart {
    /// Blinds the password; the bytes go to the relay.
    ///
    /// # Errors
    /// [`LoginError::PasswordLength`].
    pub fn new(
        password: &[u8],
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<(Self, [u8; REGISTRATION_REQUEST_BYTES]), LoginError> {
        let password = checked(password)?;
        let started = ClientRegistration::start(&mut Randomness(rng), &password).map_err(from_protocol)?;
        Ok((Self { state: started.state, password }, array(&started.message.serialize())))
    }

    /// Stretches the password and seals the record.
    ///
    /// # Errors
    /// [`LoginError::Malformed`] for a bad response, [`LoginError::Memory`].
    pub fn finish(
        self,
        response: &[u8],
        identities: &Identities<'_>,
        profile: Profile,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<Registered, LoginError> {
        let stretch = Stretch::Argon2id(profile);
        let params = RegistrationParams::new(identifiers(identities), Some(&stretch));
        self.finish_with(response, params, rng)
    }

    pub(crate) fn finish_with(
        self,
        response: &[u8],
        params: RegistrationParams<'_, '_, Suite>,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<Registered, LoginError> {
        let response = exactly(response, REGISTRATION_RESPONSE_BYTES)?;
        let response = RegistrationResponse::deserialize(response).map_err(|_| LoginError::Malformed)?;
        let mut finished =
            self.state.finish(&mut Randomness(rng), &self.password, response, params).map_err(from_protocol)?;
        Ok(Registered { record: array(&finished.message.serialize()), export_key: take_key(&mut finished.export_key) })
    }
}

impl LoginStart {
    /// Blinds the password and starts the key exchange; the bytes go to the relay.
    ///
    /// # Errors
    /// [`LoginError::PasswordLength`].
    pub fn new(password: &[u8], rng: &mut dyn rand_core::CryptoRng) -> Result<(Self, [u8; KE1_BYTES]), LoginError> {
        let password = checked(password)?;
        let started = ClientLogin::start(&mut Randomness(rng), &password).map_err(from_protocol)?;
        Ok((Self { state: started.state, password }, array(&started.message.serialize())))
    }

    /// Stretches the password with the profile that the relay named and answers KE2.
    ///
    /// # Errors
    /// [`LoginError`]; the profile is checked before any work.
    pub fn finish(
        self,
        ke2: &[u8],
        terms: &Terms<'_>,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<LoggedIn, LoginError> {
        let profile = Profile::try_from(terms.kp)?;
        let (context, stretch) = (terms.context(), Stretch::Argon2id(profile));
        let params = LoginParams::new(Some(&context), identifiers(&terms.identities), Some(&stretch));
        self.finish_with(ke2, params, rng)
    }

    pub(crate) fn finish_with(
        self,
        ke2: &[u8],
        params: LoginParams<'_, '_, '_, Suite>,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<LoggedIn, LoginError> {
        let ke2 = CredentialResponse::deserialize(exactly(ke2, KE2_BYTES)?).map_err(|_| LoginError::Malformed)?;
        let mut finished =
            self.state.finish(&mut Randomness(rng), &self.password, ke2, params).map_err(from_protocol)?;
        Ok(LoggedIn {
            ke3: array(&finished.message.serialize()),
            export_key: take_key(&mut finished.export_key),
            session_key: take_key(&mut finished.session_key),
        })
    }
}

/// A copy that is wiped, of a length that makes sense.
fn checked(password: &[u8]) -> Result<Zeroizing<Vec<u8>>, LoginError> {
    if (1..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        Ok(Zeroizing::new(password.to_vec()))
    } else {
        Err(LoginError::PasswordLength)
    }
}

/// The OPAQUE crate's decoders leave trailing bytes unread; ours take the whole message or none.
fn exactly(bytes: &[u8], len: usize) -> Result<&[u8], LoginError> {
    if bytes.len() == len { Ok(bytes) } else { Err(LoginError::Malformed) }
}

/// Moves a key into memory that is wiped, and wipes the place that it came from.
fn take_key(from: &mut [u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (to, byte) in key.iter_mut().zip(from.iter()) {
        *to = *byte;
    }
    zeroize::Zeroize::zeroize(from);
    key
}

fn from_protocol(error: ProtocolError) -> LoginError {
    match error {
        ProtocolError::InvalidLoginError => LoginError::BadCredentials,
        ProtocolError::LibraryError(InternalError::OprfError(_) | InternalError::HashToScalar) => {
            LoginError::PasswordLength
        }
        ProtocolError::LibraryError(InternalError::KsfError) => LoginError::Memory,
        _ => LoginError::Malformed,
    }
}

/// Prints the names of the types only: every one of them holds a secret.
macro_rules! silent {
    ($($name:ident),+) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+ };
}

silent!(RegistrationStart, Registered, LoginStart, LoggedIn);
