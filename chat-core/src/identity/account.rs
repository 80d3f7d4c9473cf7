//! The account key. It is on no device: unwrapped from the vault while the password or the recovery
//! code is in hand, it signs and is wiped (DESIGN §4).

use chat_wire::device_list::{ListBody, account_id};
use chat_wire::domain::{SIG_DELETION, SIG_LIST};
use chat_wire::ids::{AccountId, ListHash, RelayId};
use chat_wire::keys::{Signature, VerifyKey};
use chat_wire::message::deletion_bytes;
use rand_core::CryptoRng;

use crate::crypto::sign::SigningSecret;
use crate::secret::Secret;

/// The Ed25519 key of an account.
///
/// ```
/// # use chat_fixtures::{person::{Person, RELAY}, seeded::Seeded};
/// use chat_core::identity::AccountKey;
/// use chat_wire::device_list::{DeviceList, ListBody};
/// let key = AccountKey::generate(&mut Seeded::new(1));
/// assert_ne!(key.id(), AccountKey::generate(&mut Seeded::new(2)).id());
///
/// // A list that it signed is one, and says so whatever came in between.
/// let alice = Person::new(1);
/// let body = ListBody { seq: 2, prev_hash: alice.list.hash(), ..alice.list.body().clone() };
/// let list = DeviceList::decode(&alice.account.sign_list(&body))?;
/// assert_eq!((list.body().account_key, list.body().seq), (alice.account.public(), 2));
/// let end = alice.account.sign_deletion(&RELAY, &alice.account.id(), &list.hash());
/// assert_ne!(end, alice.account.sign_deletion(&RELAY, &alice.account.id(), &alice.list.hash()));
/// # Ok::<(), chat_wire::device_list::ListError>(())
/// ```
#[derive(Debug)]
pub struct AccountKey {
    secret: SigningSecret,
}

impl AccountKey {
    /// A new independent key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self { secret: SigningSecret::generate(rng) }
    }

    pub(super) fn from_seed(seed: Secret<32>) -> Self {
        Self { secret: SigningSecret::new(seed) }
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        self.secret.expose()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> VerifyKey {
        self.secret.public()
    }

    /// The account that has this as its first key.
    #[must_use]
    pub fn id(&self) -> AccountId {
        account_id(&self.public())
    }

    /// Signs the end of the account, for the list that stands now (SPEC 9.10.1).
    #[must_use]
    pub fn sign_deletion(&self, relay: &RelayId, account: &AccountId, list: &ListHash) -> Signature {
        self.secret.sign(SIG_DELETION, &[&deletion_bytes(relay, account, list)])
    }

    /// Signs a list; the whole list as bytes. One signature per sequence number, ever: store the bytes
    /// before they are sent.
    #[must_use]
    pub fn sign_list(&self, body: &ListBody) -> Vec<u8> {
        let signature = self.secret.sign(SIG_LIST, &[&body.signed_bytes(None)]);
        body.assemble(None, &signature)
    }
}
