//! Accounts: registration and login, by password (OPAQUE) or by an enrolled device's signature.
//!
//! The relay never sees a password. A name that does not exist is answered like one that does, at the
//! same cost, and every KE1 counts as a wrong guess until its KE3 proves otherwise.

use bytes::Bytes;
use chat_login::server::{self, ServerError, ServerLogin, ServerSecrets};
use chat_login::{Identities, Profile, Terms};
use chat_wire::domain::{SIG_PROOF, labelled_hash};
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, RelayId, UserName};
use chat_wire::keys::Signature;
use chat_wire::limits::PROTOCOL_VERSION;
use chat_wire::message::{ChannelBinding, proof_bytes};
use rand_core::CryptoRng;

use crate::limits::INVITE_CHARS_MAX;
use crate::refuse::Refuse;
use crate::storage::{Account, InviteHash, Roster, Storage};

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Who has an invite code.
    Invite,
    /// Nobody.
    Closed,
}

/// How an invite code is stored: by hash, so that a copied database invites nobody.
#[must_use]
pub fn invite_hash(code: &str) -> InviteHash {
    labelled_hash("relay/invite", &[code.as_bytes()])
}

/// Whether somebody with this code may register at all; the invite to use up.
pub(crate) fn admit<S: Storage>(
    store: &mut S,
    mode: Registration,
    code: Option<&str>,
    wall_ms: u64,
) -> Result<Option<InviteHash>, Refuse> {
    match mode {
        Registration::Open => Ok(None),
        Registration::Closed => Err(RefusalKind::RegistrationClosed.into()),
        Registration::Invite => {
            let code = code.filter(|c| c.len() <= INVITE_CHARS_MAX).ok_or(RefusalKind::BadInvite)?;
            let hash = invite_hash(code);
            let invite = store.invite(&hash)?.filter(|i| i.uses_left > 0 && i.expires_ms > wall_ms);
            invite.map(|_| Some(hash)).ok_or(RefusalKind::BadInvite.into())
        }
    }
}

/// Refuses a name that somebody has.
pub(crate) fn name_is_free<S: Storage>(store: &mut S, name: &UserName) -> Result<(), Refuse> {
    match store.account_named(name)? {
        None => Ok(()),
        Some(_) => Err(RefusalKind::NameTaken.into()),
    }
}

/// Answers an OPAQUE registration request.
pub(crate) fn answer_registration(
    secrets: &ServerSecrets,
    relay: &RelayId,
    name: &UserName,
    request: &[u8],
) -> Result<Vec<u8>, Refuse> {
    let identities = Identities { name: name.as_str(), relay_id: &relay.0 };
    let response = server::register(secrets, &identities, request).map_err(|_| RefusalKind::Malformed)?;
    Ok(response.to_vec())
}

/// Checks an OPAQUE record (SPEC 9.4.1) and its profile, and makes the account's row of it.
pub(crate) fn new_account(id: AccountId, name: UserName, record: Vec<u8>, kp: u8) -> Result<Account, Refuse> {
    server::check_record(&record).map_err(|_| RefusalKind::Malformed)?;
    Profile::try_from(kp).map_err(|_| RefusalKind::Malformed)?;
    Ok(Account { id, name, login_record: Bytes::from(record), kp, disabled: false })
}

/// A login by password between KE2 and KE3.
pub(crate) struct PasswordLogin {
    pub(crate) name: UserName,
    account: Option<AccountId>,
    state: ServerLogin,
}

/// What a login by password is bound to beside the name.
pub(crate) struct PasswordGate<'a> {
    pub(crate) secrets: &'a ServerSecrets,
    pub(crate) relay: RelayId,
    pub(crate) exporter: &'a [u8; 32],
}

/// KE2 and the profile to stretch with.
pub(crate) struct Ke2 {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kp: u8,
}

/// Answers KE1: the same path with and without an account (SPEC 9.5.1).
pub(crate) fn start_password<S: Storage>(
    store: &mut S,
    gate: &PasswordGate<'_>,
    name: UserName,
    ke1: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(PasswordLogin, Ke2), Refuse> {
    let account = store.account_named(&name)?;
    let kp = account.as_ref().map_or(Profile::DEFAULT.number(), |a| a.kp);
    let identities = Identities { name: name.as_str(), relay_id: &gate.relay.0 };
    let terms = Terms { identities, protocol: PROTOCOL_VERSION, exporter: gate.exporter, kp };
    let record = account.as_ref().map(|a| &a.login_record[..]);
    let (state, ke2) = server::login_start(gate.secrets, record, ke1, &terms, rng).map_err(from_login)?;
    let account = account.map(|a| a.id);
    Ok((PasswordLogin { name, account, state }, Ke2 { bytes: ke2.to_vec(), kp }))
}

/// Takes KE3: the account whose password it was.
pub(crate) fn finish_password(login: PasswordLogin, ke3: &[u8]) -> Result<AccountId, Refuse> {
    // The session key has no use here: TLS carries the session, and the exporter is inside the login.
    server::login_finish(login.state, ke3).map_err(from_login)?;
    login.account.ok_or(RefusalKind::BadCredentials.into())
}

fn from_login(error: ServerError) -> Refuse {
    match error {
        ServerError::BadCredentials => RefusalKind::BadCredentials.into(),
        ServerError::Damaged => RefusalKind::Unavailable.into(),
        _ => RefusalKind::Malformed.into(),
    }
}

/// An enrolled device's answer to the challenge.
pub(crate) struct DeviceProof<'a> {
    pub(crate) relay: RelayId,
    pub(crate) binding: &'a ChannelBinding,
    pub(crate) device: DeviceAddress,
    pub(crate) incarnation: u32,
    pub(crate) signature: &'a Signature,
}

/// Whether the device is listed, in this incarnation, and signed this connection's challenge (SPEC
/// 7.1.3).
pub(crate) fn check_proof(roster: Option<&Roster>, proof: &DeviceProof<'_>) -> Result<(), Refuse> {
    let roster = roster.ok_or(RefusalKind::NotEnrolled)?;
    let device = roster.device(proof.device.device).ok_or(RefusalKind::NotEnrolled)?;
    let bytes = proof_bytes(&proof.relay, proof.binding, &proof.device, proof.incarnation);
    let signed = device.sig_key.verifies(SIG_PROOF, &[&bytes], proof.signature);
    // An earlier incarnation is let in: its store was set back, and only a login tells it so (SPEC 7.2.4).
    if !signed || proof.incarnation > device.incarnation {
        return Err(RefusalKind::NotEnrolled.into());
    }
    // Only who proved to be the device learns that the operator switched the account off.
    if roster.disabled { Err(RefusalKind::Forbidden.into()) } else { Ok(()) }
}
