//! Accounts: registration and login, by password (OPAQUE) or by an enrolled device's signature.
//!
//! The relay never sees a password. A name that does not exist is answered like one that does, at the
//! same cost, and every KE1 counts as a wrong guess until its KE3 proves otherwise.

use bytes::Bytes;
use chat_login::server::{self, ServerError, ServerLogin, ServerSecrets};
use chat_login::{Identities, Profile, Terms};
use chat_wire::device_list::DeviceList;
use chat_wire::domain::{SIG_DELETION, SIG_PROOF, SIG_RECOVERY, labelled_hash};
use chat_wire::error::RefusalKind;
use chat_wire::ids::{AccountId, DeviceAddress, RelayId, UserName};
use chat_wire::keys::{Signature, VerifyKey};
use chat_wire::limits::PROTOCOL_VERSION;
use chat_wire::message::{ChannelBinding, deletion_bytes, proof_bytes, recovery_bytes};
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

/// Refuses a name that somebody has, or had not long ago (SPEC 9.10.1).
pub(crate) fn name_is_free<S: Storage>(store: &mut S, name: &UserName, wall_ms: u64) -> Result<(), Refuse> {
    let taken = store.account_named(name)?.is_some() || store.reserved_until(name)? > wall_ms;
    if taken { Err(RefusalKind::NameTaken.into()) } else { Ok(()) }
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
    check_login(&record, kp)?;
    Ok(Account { id, name, login_record: Bytes::from(record), kp, disabled: false })
}

/// Checks an OPAQUE record and its profile.
pub(crate) fn check_login(record: &[u8], kp: u8) -> Result<(), Refuse> {
    server::check_record(record).map_err(|_| RefusalKind::Malformed)?;
    Profile::try_from(kp).map_err(|_| RefusalKind::Malformed)?;
    Ok(())
}

/// A login by password between KE2 and KE3.
pub(crate) struct PasswordLogin {
    pub(crate) name: UserName,
    account: Option<Proven>,
    state: ServerLogin,
}

/// How somebody showed to own an account without being one of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProvenBy {
    Password,
    RecoveryCode,
}

/// An account whose password or recovery code was proven. It counts as long as the login record is the
/// one that it was proven with: a new password ends what the old one began (SPEC 9.8.2).
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    pub(crate) account: AccountId,
    pub(crate) by: ProvenBy,
    login_record: Bytes,
}

impl Proven {
    /// Whether it still counts.
    pub(crate) fn check<S: Storage>(&self, store: &mut S) -> Result<(), Refuse> {
        let account = store.account(&self.account)?.filter(|a| a.login_record == self.login_record);
        match account {
            None => Err(Refuse::Closing(RefusalKind::BadCredentials)),
            Some(account) if account.disabled => Err(RefusalKind::Forbidden.into()),
            Some(_) => Ok(()),
        }
    }
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
pub(crate) fn start_password(
    account: Option<Account>,
    gate: &PasswordGate<'_>,
    name: UserName,
    ke1: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(PasswordLogin, Ke2), Refuse> {
    let kp = account.as_ref().map_or(Profile::DEFAULT.number(), |a| a.kp);
    let identities = Identities { name: name.as_str(), relay_id: &gate.relay.0 };
    let terms = Terms { identities, protocol: PROTOCOL_VERSION, exporter: gate.exporter, kp };
    let record = account.as_ref().map(|a| &a.login_record[..]);
    let (state, ke2) = server::login_start(gate.secrets, record, ke1, &terms, rng).map_err(from_login)?;
    let proven = |a: Account| Proven { account: a.id, by: ProvenBy::Password, login_record: a.login_record };
    let account = account.map(proven);
    Ok((PasswordLogin { name, account, state }, Ke2 { bytes: ke2.to_vec(), kp }))
}

/// Takes KE3: the account whose password it was.
pub(crate) fn finish_password<S: Storage>(store: &mut S, login: PasswordLogin, ke3: &[u8]) -> Result<Proven, Refuse> {
    // The session key has no use here: TLS carries the session, and the exporter is inside the login.
    server::login_finish(login.state, ke3).map_err(from_login)?;
    let proven = login.account.ok_or(RefusalKind::BadCredentials)?;
    // The password may have been changed since KE1.
    proven.check(store)?;
    Ok(proven)
}

/// A recovery between its two halves.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) name: UserName,
    pub(crate) generation: u32,
    key: VerifyKey,
    account: Option<Proven>,
}

/// Bytes of a vault that the relay reads: the generation in front, the recovery key at the end (SPEC 10.4).
const GENERATION_BYTES: usize = 4;

/// Looks up whose recovery code would be right. A name that does not exist gets a decoy, so that
/// both are checked alike (SPEC 9.9.1).
pub(crate) fn start_recovery<S: Storage>(store: &mut S, name: UserName, decoy: VerifyKey) -> Result<Recovery, Refuse> {
    let mut recovery = Recovery { name, generation: 1, key: decoy, account: None };
    let Some(account) = store.account_named(&recovery.name)? else { return Ok(recovery) };
    let vault = store.vault(&account.id)?.ok_or(RefusalKind::Unavailable)?;
    let (front, end) = (vault.first_chunk::<GENERATION_BYTES>(), vault.last_chunk::<{ VerifyKey::BYTES }>());
    // What is no vault has no code: only clients know what stands between.
    let (Some(generation), Some(key)) = (front, end) else { return Ok(recovery) };
    recovery.generation = u32::from_be_bytes(*generation);
    recovery.key = VerifyKey(*key);
    let login_record = account.login_record;
    recovery.account = Some(Proven { account: account.id, by: ProvenBy::RecoveryCode, login_record });
    Ok(recovery)
}

/// Checks the recovery code's signature over this connection: whose it is. It counts once it is seen to
/// stand still.
pub(crate) fn finish_recovery(
    recovery: Recovery,
    (relay, binding): (&RelayId, &ChannelBinding),
    signature: &Signature,
) -> Result<Proven, Refuse> {
    let bytes = recovery_bytes(relay, binding, &recovery.name, recovery.generation);
    let signed = recovery.key.verifies(SIG_RECOVERY, &[&bytes], signature);
    recovery.account.filter(|_| signed).ok_or(RefusalKind::BadCredentials.into())
}

/// Whether the account key of the current list wants the account deleted (SPEC 9.10.1).
pub(crate) fn check_deletion(relay: &RelayId, list: &[u8], signature: &Signature) -> Result<(), Refuse> {
    let list = DeviceList::decode(list).map_err(|_| RefusalKind::Unavailable)?;
    let bytes = deletion_bytes(relay, &list.body().account_id, &list.hash());
    let signed = list.body().account_key.verifies(SIG_DELETION, &[&bytes], signature);
    if signed { Ok(()) } else { Err(RefusalKind::Forbidden.into()) }
}

fn from_login(error: ServerError) -> Refuse {
    match error {
        ServerError::BadCredentials => RefusalKind::BadCredentials.into(),
        ServerError::Damaged => RefusalKind::Unavailable.into(),
        _ => RefusalKind::Malformed.into(),
    }
}

/// An enrolled device's answer to the challenge.
pub(crate) struct DeviceProof {
    pub(crate) relay: RelayId,
    pub(crate) binding: ChannelBinding,
    pub(crate) device: DeviceAddress,
    pub(crate) incarnation: u32,
    pub(crate) signature: Signature,
}

/// A proof, and the key that it was checked with.
pub(crate) struct CheckedProof {
    pub(crate) proof: DeviceProof,
    key: VerifyKey,
    signed: bool,
}

impl CheckedProof {
    /// Checks whether this key signed the connection's challenge (SPEC 7.1.3).
    pub(crate) fn check(proof: DeviceProof, key: VerifyKey) -> Self {
        let bytes = proof_bytes(&proof.relay, &proof.binding, &proof.device, proof.incarnation);
        let signed = key.verifies(SIG_PROOF, &[&bytes], &proof.signature);
        Self { proof, key, signed }
    }

    /// Whether it was this key.
    pub(crate) fn is_signed_by(&self, key: &VerifyKey) -> bool {
        self.signed && self.key == *key
    }
}

/// Whether the device is listed, in this incarnation, and signed this connection's challenge (SPEC
/// 7.1.3).
pub(crate) fn admit_device(roster: Option<&Roster>, checked: &CheckedProof) -> Result<(), Refuse> {
    let roster = roster.ok_or(RefusalKind::NotEnrolled)?;
    let device = roster.device(checked.proof.device.device).ok_or(RefusalKind::NotEnrolled)?;
    // An earlier incarnation is let in: its store was set back, and only a login tells it so (SPEC 7.2.4).
    if !checked.is_signed_by(&device.sig_key) || checked.proof.incarnation > device.incarnation {
        return Err(RefusalKind::NotEnrolled.into());
    }
    // Only who proved to be the device learns that the operator switched the account off.
    if roster.disabled { Err(RefusalKind::Forbidden.into()) } else { Ok(()) }
}
