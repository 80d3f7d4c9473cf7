//! The relay's own key: it signs the greeting, and its hash is the relay's id (SPEC 3.2). It lies
//! outside the database and its backups.

use std::fmt;
use std::sync::Arc;

use chat_wire::domain::{BLOB_TICKET_KEY, RELAY_ID, SIG_READY, labelled, labelled_hash};
use chat_wire::ids::RelayId;
use chat_wire::keys::{Signature, VerifyKey};
use chat_wire::limits::PROTOCOL_VERSION;
use chat_wire::message::{ChannelBinding, ready_bytes};
use ed25519_dalek::{Signer as _, SigningKey};

/// The relay's Ed25519 key.
pub struct RelayIdentity {
    signing: SigningKey,
    public: VerifyKey,
    id: RelayId,
}

impl RelayIdentity {
    /// Bytes of the seed that a shell keeps.
    pub const SEED_BYTES: usize = 32;

    /// From the seed that the shell drew at random once.
    #[must_use]
    pub fn from_seed(seed: &[u8; Self::SEED_BYTES]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let public = VerifyKey(signing.verifying_key().to_bytes());
        let id = RelayId(labelled_hash(RELAY_ID, &[&public.0]));
        Self { signing, public, id }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> VerifyKey {
        self.public
    }

    /// `H(L("relay") ‖ key)`.
    #[must_use]
    pub fn id(&self) -> RelayId {
        self.id
    }

    /// What tickets for bulk connections are made of: nothing of the signing key can be told from it.
    pub(crate) fn ticket_key(&self) -> [u8; 32] {
        labelled_hash(BLOB_TICKET_KEY, &[&self.signing.to_bytes()])
    }

    /// Signs the greeting of one connection.
    pub(crate) fn sign_ready(&self, binding: &ChannelBinding, version: u16) -> Signature {
        let bytes = labelled(SIG_READY, &[&ready_bytes(binding, version)]);
        Signature(self.signing.sign(&bytes).to_bytes())
    }
}

/// A challenge for one connection, signed by the relay (SPEC 7.1.2).
#[derive(Debug)]
pub struct Greeting {
    pub(crate) challenge: [u8; 32],
    pub(crate) signature: Box<Signature>,
}

/// Signs greetings wherever the shell has time for it.
#[derive(Debug, Clone)]
pub struct Greeter(pub(crate) Arc<RelayIdentity>);

impl Greeter {
    /// The greeting of a connection: `challenge` is fresh chance, `exporter` the connection's.
    #[must_use]
    pub fn greet(&self, exporter: [u8; 32], challenge: [u8; 32]) -> Greeting {
        let signature = self.0.sign_ready(&ChannelBinding { challenge, exporter }, PROTOCOL_VERSION);
        Greeting { challenge, signature: Box::new(signature) }
    }
}

impl fmt::Debug for RelayIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayIdentity")
    }
}
