//! The vault (SPEC 10; key-schedule E): what the relay keeps so that a password or a recovery code brings the
//! account key back, and the relay learns nothing.
//!
//! ```text
//! gen u32 | kp u8 | CSeal(K_pw, "vault/vs", AD_v, VS) 112 | XSeal(rc_pk, "vault/rc", AD_v, VS) 1232
//! CSeal(Exp(VS, L("vault/ak")), "vault/ak", AD_v, account seed) 112 | vault_pk 1216 | rc_pk 1216 | rc_auth_pk 32
//! ```

use chat_wire::codec::{Malformed, Reader, Writer};
use chat_wire::domain::plain_hash;
use chat_wire::ids::{AccountId, RelayId, UserName};
use chat_wire::keys::VerifyKey;
use rand_core::CryptoRng;

use super::account::AccountKey;
use super::recovery::RecoveryCode;
use crate::crypto::hkdf::expand;
use crate::crypto::random;
use crate::crypto::seal::{BadSeal, Binding, CSEAL_BYTES, XSEAL_BYTES, copen, cseal, xopen, xseal};
use crate::crypto::xwing::{PUBLIC_BYTES, XWingSeed};
use crate::labels;
use crate::secret::{Secret, secret_role};

const SEALED_SECRET_BYTES: usize = 32 + CSEAL_BYTES;
const SEALED_RECOVERY_BYTES: usize = 32 + XSEAL_BYTES;
const VAULT_BYTES: usize = 4 + 1 + 2 * SEALED_SECRET_BYTES + SEALED_RECOVERY_BYTES + 2 * PUBLIC_BYTES + 32;

secret_role!(
    /// VS of key-schedule E: random, new in each generation (SPEC 10.3); other texts are backed up under it.
    pub VaultSecret, 32
);

/// What a vault belongs to. A vault opened under another scope does not open.
#[derive(Debug, Clone, Copy)]
pub struct VaultScope<'a> {
    /// Relay of the account.
    pub relay: RelayId,
    /// The account.
    pub account: AccountId,
    /// Its user name.
    pub name: &'a UserName,
    /// Generation: raised by a password change and by recovery.
    pub generation: u32,
    /// Argon2id profile that stretched the password.
    pub kp: u8,
}

/// A vault that was just made.
#[derive(Debug)]
pub struct NewVault {
    /// For the relay.
    pub bytes: Vec<u8>,
    /// For the signed list (SPEC 10.1).
    pub hash: [u8; 32],
    /// For the signed list: hash of the account key that follows after a recovery.
    pub next_account_key_hash: [u8; 32],
    /// For the person, once.
    pub recovery: RecoveryCode,
    /// What other texts are backed up under.
    pub secret: VaultSecret,
}

/// A vault as received: its shape was read; whether it is the right one, its hash in the list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    bytes: Vec<u8>,
}

/// What a vault gives back.
#[derive(Debug)]
pub struct OpenedVault {
    /// The account key: sign, then drop (SPEC 10.2).
    pub account_key: AccountKey,
    /// What other texts are backed up under.
    pub secret: VaultSecret,
}

/// Why a vault gives nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Not a vault.
    #[error("the vault is malformed")]
    Malformed,
    /// A vault of another generation or profile than the scope names.
    #[error("the vault is of another generation")]
    Generation,
    /// Wrong password or recovery code, wrong scope, or changed bytes.
    #[error("the vault does not open")]
    Sealed,
}

impl From<Malformed> for VaultError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<BadSeal> for VaultError {
    fn from(_: BadSeal) -> Self {
        Self::Sealed
    }
}

/// Makes a vault with a new secret and a new recovery code.
///
/// ```
/// # use chat_fixtures::{person::{Person, RELAY}, seeded::Seeded};
/// use chat_core::identity::{Vault, VaultScope, vault};
/// # let (alice, mut rng) = (Person::new(1), Seeded::new(2));
/// # let name = alice.list.body().name.clone();
/// let scope = VaultScope { relay: RELAY, account: alice.account.id(), name: &name, generation: 1, kp: 1 };
/// let export_key = [7; 64]; // of OPAQUE, after a login with the password
/// let made = vault::create(&scope, &export_key, &alice.account, &mut rng)?;
///
/// let vault = Vault::decode(&made.bytes)?; // from the relay: compare with what the signed list says
/// assert_eq!((vault.hash(), vault.generation_and_profile()), (made.hash, (1, 1)));
/// assert_eq!(vault.open_with_password(&scope, &export_key)?.account_key.id(), alice.account.id());
/// assert_eq!(vault.open_with_recovery(&scope, &made.recovery)?.account_key.id(), alice.account.id());
/// assert!(vault.open_with_password(&scope, &[8; 64]).is_err());
/// # let here = chat_wire::message::ChannelBinding { challenge: [9; 32], exporter: [1; 32] };
/// # let bytes = chat_wire::message::recovery_bytes(&RELAY, &here, &name, 1);
/// let request = made.recovery.sign_request(&RELAY, &here, (&name, 1));
/// assert!(vault.recovery_auth_key(&scope)?.verifies("sig/recover", &[&bytes], &request));
/// # Ok::<(), chat_core::identity::vault::VaultError>(())
/// ```
///
/// # Errors
/// [`VaultError::Malformed`] never comes from good randomness; it stands for a refused public key.
pub fn create(
    scope: &VaultScope<'_>,
    export_key: &[u8; 64],
    account: &AccountKey,
    rng: &mut dyn CryptoRng,
) -> Result<NewVault, VaultError> {
    let secret: Secret<32> = random::secret(rng);
    let recovery = RecoveryCode::generate(rng);
    let ad = scope.associated_data();
    let rc_pk = recovery.kem(scope.generation).public();
    let mut out = Writer::with_capacity(VAULT_BYTES);
    out.u32(scope.generation).u8(scope.kp);
    let to = |label| Binding { label, ad: &ad };
    out.put(&cseal(&scope.password_key(export_key), to(labels::VAULT_SECRET), secret.expose(), rng));
    out.put(&xseal(&rc_pk, to(labels::VAULT_RECOVERY), secret.expose(), rng)?);
    out.put(&cseal(&account_wrap_key(&secret), to(labels::VAULT_ACCOUNT_KEY), account.seed(), rng));
    out.put(&XWingSeed::new(expand(secret.expose(), &[labels::VAULT_KEM])).public()).put(&rc_pk);
    out.put(&recovery.auth(scope.generation).public().0);
    let bytes = out.finish();
    Ok(NewVault {
        hash: plain_hash(&[&bytes]),
        next_account_key_hash: plain_hash(&[&recovery.next_account_key(scope.generation).public().0]),
        bytes,
        recovery,
        secret: VaultSecret::new(secret),
    })
}

impl VaultScope<'_> {
    /// `AD_v = L("vault") ‖ relay_id ‖ account_id ‖ gen u32 ‖ kp`.
    pub(super) fn associated_data(&self) -> Vec<u8> {
        let generation = self.generation.to_be_bytes();
        [labels::VAULT, &self.relay.0, &self.account.0, &generation, &[self.kp]].concat()
    }

    /// `K_pw = Exp(X, L("vault/pw") ‖ relay_id ‖ lp(name) ‖ gen, 32)`; X is the export key, a
    /// pseudorandom key of 64 bytes.
    fn password_key(&self, export_key: &[u8; 64]) -> Secret<32> {
        let name = self.name.as_str().as_bytes();
        let len = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        let info = [labels::VAULT_PASSWORD, &self.relay.0, &len, name, &self.generation.to_be_bytes()];
        expand(export_key, &info)
    }
}

impl Vault {
    /// Reads the shape.
    ///
    /// # Errors
    /// [`VaultError::Malformed`] when the length is another one.
    pub fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() == VAULT_BYTES { Ok(Self { bytes: bytes.to_vec() }) } else { Err(VaultError::Malformed) }
    }

    /// SHA-256, to be compared with the signed list.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        plain_hash(&[&self.bytes])
    }

    /// Generation and Argon2id profile that it says of itself.
    #[must_use]
    pub fn generation_and_profile(&self) -> (u32, u8) {
        let mut reader = Reader::new(&self.bytes);
        // The length was checked by `decode`.
        (reader.u32().unwrap_or_default(), reader.u8().unwrap_or_default())
    }

    /// Opens it with OPAQUE's export key. The account key must then be compared with the list's.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open_with_password(&self, scope: &VaultScope<'_>, export_key: &[u8; 64]) -> Result<OpenedVault, VaultError> {
        let parts = self.parts(scope)?;
        let ad = scope.associated_data();
        let from = Binding { label: labels::VAULT_SECRET, ad: &ad };
        let secret = copen(&scope.password_key(export_key), from, parts.by_password)?;
        parts.open_account(scope, &secret)
    }

    /// Opens it with the recovery code.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open_with_recovery(&self, scope: &VaultScope<'_>, code: &RecoveryCode) -> Result<OpenedVault, VaultError> {
        let parts = self.parts(scope)?;
        let ad = scope.associated_data();
        let from = Binding { label: labels::VAULT_RECOVERY, ad: &ad };
        let secret = xopen(&code.kem(scope.generation), from, parts.by_recovery)?;
        parts.open_account(scope, &secret)
    }

    /// Key that a recovery request is signed with.
    ///
    /// # Errors
    /// [`VaultError`] when the vault is of another generation.
    pub fn recovery_auth_key(&self, scope: &VaultScope<'_>) -> Result<VerifyKey, VaultError> {
        Ok(self.parts(scope)?.recovery_auth)
    }

    /// `vault_pk`: what is sealed to whoever opens the vault.
    pub(super) fn kem_public(&self, scope: &VaultScope<'_>) -> Result<[u8; PUBLIC_BYTES], VaultError> {
        Ok(self.parts(scope)?.kem_public)
    }

    fn parts(&self, scope: &VaultScope<'_>) -> Result<Parts<'_>, VaultError> {
        let mut reader = Reader::new(&self.bytes);
        if (reader.u32()?, reader.u8()?) != (scope.generation, scope.kp) {
            return Err(VaultError::Generation);
        }
        let by_password = reader.take(SEALED_SECRET_BYTES)?;
        let by_recovery = reader.take(SEALED_RECOVERY_BYTES)?;
        let account = reader.take(SEALED_SECRET_BYTES)?;
        let kem_public = reader.array()?;
        reader.take(PUBLIC_BYTES)?;
        let recovery_auth = VerifyKey(reader.array()?);
        reader.end()?;
        Ok(Parts { by_password, by_recovery, account, kem_public, recovery_auth })
    }
}

/// The sealed boxes of a vault.
struct Parts<'a> {
    by_password: &'a [u8],
    by_recovery: &'a [u8],
    account: &'a [u8],
    kem_public: [u8; PUBLIC_BYTES],
    recovery_auth: VerifyKey,
}

impl Parts<'_> {
    fn open_account(&self, scope: &VaultScope<'_>, secret: &[u8]) -> Result<OpenedVault, VaultError> {
        let secret = Secret::from_slice(secret).ok_or(VaultError::Malformed)?;
        let ad = scope.associated_data();
        let from = Binding { label: labels::VAULT_ACCOUNT_KEY, ad: &ad };
        let seed = copen(&account_wrap_key(&secret), from, self.account)?;
        let seed = Secret::from_slice(&seed).ok_or(VaultError::Malformed)?;
        Ok(OpenedVault { account_key: AccountKey::from_seed(seed), secret: VaultSecret::new(secret) })
    }
}

fn account_wrap_key(secret: &Secret<32>) -> Secret<32> {
    expand(secret.expose(), &[labels::VAULT_ACCOUNT_KEY])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::rng;

    struct Made {
        name: UserName,
        account: AccountKey,
        vault: NewVault,
    }

    fn made() -> Made {
        let name = UserName::parse("alice").unwrap();
        let account = AccountKey::generate(&mut rng());
        let vault = create(&scope(&name, &account), &[3; 64], &account, &mut rng()).unwrap();
        Made { name, account, vault }
    }

    fn scope<'a>(name: &'a UserName, account: &AccountKey) -> VaultScope<'a> {
        VaultScope { relay: RelayId([1; 32]), account: account.id(), name, generation: 2, kp: 1 }
    }

    #[test]
    fn password_and_recovery_code_both_bring_the_account_key_back() {
        let made = made();
        let scope = scope(&made.name, &made.account);
        let vault = Vault::decode(&made.vault.bytes).unwrap();
        assert!(made.vault.bytes.len() <= chat_wire::limits::VAULT_BYTES_MAX);
        assert_eq!(vault.hash(), made.vault.hash);
        assert_eq!(vault.generation_and_profile(), (2, 1));
        let typed = RecoveryCode::parse(&made.vault.recovery.to_text()).unwrap();
        for opened in [vault.open_with_password(&scope, &[3; 64]), vault.open_with_recovery(&scope, &typed)] {
            let opened = opened.unwrap();
            assert_eq!(opened.account_key.public(), made.account.public());
            assert_eq!(opened.secret.expose(), made.vault.secret.expose());
        }
        assert_eq!(vault.recovery_auth_key(&scope), Ok(typed.auth(2).public()));
        let next = typed.next_account_key(2).public();
        assert_eq!(made.vault.next_account_key_hash, plain_hash(&[&next.0]));
    }

    #[test]
    fn a_wrong_password_name_relay_or_account_opens_nothing() {
        let made = made();
        let scope = scope(&made.name, &made.account);
        let vault = Vault::decode(&made.vault.bytes).unwrap();
        let other_name = UserName::parse("alicf").unwrap();
        let sealed = Some(VaultError::Sealed);
        assert_eq!(vault.open_with_password(&scope, &[4; 64]).err(), sealed);
        for foreign in [
            VaultScope { name: &other_name, ..scope },
            VaultScope { relay: RelayId([2; 32]), ..scope },
            VaultScope { account: AccountId([2; 32]), ..scope },
        ] {
            assert_eq!(vault.open_with_password(&foreign, &[3; 64]).err(), sealed);
        }
        let later = VaultScope { generation: 3, ..scope };
        assert_eq!(vault.open_with_password(&later, &[3; 64]).err(), Some(VaultError::Generation));
        let code = RecoveryCode::generate(&mut rng());
        assert_eq!(vault.open_with_recovery(&scope, &code).err(), sealed);
    }

    #[test]
    fn a_vault_whose_generation_was_rewritten_does_not_open() {
        let made = made();
        let mut bytes = made.vault.bytes.clone();
        bytes[3] = 3;
        let scope = VaultScope { generation: 3, ..scope(&made.name, &made.account) };
        let vault = Vault::decode(&bytes).unwrap();
        assert_eq!(vault.open_with_password(&scope, &[3; 64]).err(), Some(VaultError::Sealed));
    }
}
