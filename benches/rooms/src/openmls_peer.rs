//! OpenMLS used directly: its own storage in memory, in our suite, with our settings and our primitives. Its own
//! back end can't be built beside the hybrid suites of its traits, and other primitives would measure themselves.

use std::collections::HashMap;

use chat_core::measure::rooms::backend;
use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{
    BasicCredential, CredentialWithKey, KeyPackage, KeyPackageBundle, MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn,
    MlsMessageIn, OpenMlsProvider, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, ProtocolMessage,
    SenderRatchetConfiguration, StagedWelcome, Welcome,
};
use openmls_memory_storage::MemoryStorage;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::{Ciphersuite, SignatureScheme};

use crate::groups::TOGETHER;

const SUITE: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;

struct Key(SigningKey);

impl Signer for Key {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Primitives, chance and storage.
pub struct Provider<C, R> {
    crypto: C,
    rand: R,
    storage: MemoryStorage,
}

fn provider(number: usize) -> Provider<impl OpenMlsCrypto, impl OpenMlsRand> {
    let (crypto, rand) = backend(u64::try_from(number).expect("small"));
    Provider { crypto, rand, storage: MemoryStorage::default() }
}

impl<C: OpenMlsCrypto, R: OpenMlsRand> OpenMlsProvider for Provider<C, R> {
    type CryptoProvider = C;
    type RandProvider = R;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &C {
        &self.crypto
    }

    fn rand(&self) -> &R {
        &self.rand
    }
}

/// One member.
pub struct Member<P> {
    provider: P,
    key: Key,
    group: MlsGroup,
}

/// A device that can be added.
pub struct Newcomer<P> {
    provider: P,
    key: Key,
    bundle: KeyPackageBundle,
}

fn key(number: usize) -> (Key, CredentialWithKey) {
    let mut seed = [5; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let key = Key(SigningKey::from_bytes(&seed));
    let signature_key = key.0.verifying_key().to_bytes().to_vec().into();
    // As long as our credentials are.
    let credential = BasicCredential::new(vec![number as u8; 141]).into();
    (key, CredentialWithKey { credential, signature_key })
}

fn config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(512)
        .max_past_epochs(5)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(1_024, 2_000))
        .build()
}

fn message(bytes: &[u8]) -> MlsMessageBodyIn {
    MlsMessageIn::tls_deserialize_exact(bytes).expect("reads").extract()
}

/// A device with a key package.
fn newcomer(number: usize) -> Newcomer<impl Plain> {
    let provider = provider(number);
    let (key, credential) = key(number);
    let bundle = KeyPackage::builder().build(SUITE, &provider, &key, credential).expect("made");
    Newcomer { provider, key, bundle }
}

/// A provider with its storage in memory.
pub trait Plain: OpenMlsProvider<StorageProvider = MemoryStorage> {}

impl<P: OpenMlsProvider<StorageProvider = MemoryStorage>> Plain for P {}

impl<P: Plain> Newcomer<P> {
    /// Joins by a Welcome.
    pub fn join(self, welcome: &[u8]) -> Member<P> {
        let MlsMessageBodyIn::Welcome(welcome) = message(welcome) else { panic!("a welcome") };
        let group = join(&self.provider, welcome);
        Member { provider: self.provider, key: self.key, group }
    }
}

fn join(provider: &impl Plain, welcome: Welcome) -> MlsGroup {
    let builder = StagedWelcome::build_from_welcome(provider, &config(), welcome).expect("reads");
    builder.skip_lifetime_validation().build().expect("sound").into_group(provider).expect("joins")
}

fn create() -> Member<impl Plain> {
    let provider = provider(0);
    let (key, credential) = key(0);
    let group = MlsGroup::builder()
        .ciphersuite(SUITE)
        .with_wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(512)
        .max_past_epochs(5)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(1_024, 2_000))
        .build(&provider, &key, credential)
        .expect("creates");
    Member { provider, key, group }
}

impl<P: Plain> Member<P> {
    /// Commits, adding these; commit and Welcome.
    pub fn commit(&mut self, packages: Vec<KeyPackage>) -> (Vec<u8>, Option<Vec<u8>>) {
        let bundle = self
            .group
            .commit_builder()
            .propose_adds(packages)
            .force_self_update(true)
            .load_psks(self.provider.storage())
            .expect("loads")
            .build(self.provider.rand(), self.provider.crypto(), &self.key, |_| true)
            .expect("builds")
            .stage_commit(&self.provider)
            .expect("stages");
        let (commit, welcome, _) = bundle.into_messages();
        let bytes = |message: openmls::prelude::MlsMessageOut| message.to_bytes().expect("writes");
        (bytes(commit), welcome.map(bytes))
    }

    /// Its commit has its place.
    pub fn merge(&mut self) {
        self.group.merge_pending_commit(&self.provider).expect("merges");
    }

    /// Its commit has none.
    pub fn drop_commit(&mut self) {
        self.group.clear_pending_commit(self.provider.storage()).expect("drops");
    }

    /// Seals a content.
    pub fn seal(&mut self, content: &[u8]) -> Vec<u8> {
        let message = self.group.create_message(&self.provider, &self.key, content).expect("seals");
        message.tls_serialize_detached().expect("writes")
    }

    /// Opens a content, or takes a commit.
    pub fn process(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let MlsMessageBodyIn::PrivateMessage(sealed) = message(bytes) else { panic!("a private message") };
        let processed = self.group.process_message(&self.provider, ProtocolMessage::from(sealed)).expect("opens");
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => Some(message.into_bytes()),
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                self.group.merge_staged_commit(&self.provider, *staged).expect("merges");
                None
            }
            _ => panic!("content or commit"),
        }
    }

    fn values(&self) -> HashMap<Vec<u8>, Vec<u8>> {
        self.provider.storage().values.read().expect("nobody failed").clone()
    }

    /// Bytes of the values that a deed changes.
    pub fn written(&mut self, deed: impl FnOnce(&mut Self)) -> usize {
        let before = self.values();
        deed(self);
        let changed = self.values();
        changed.iter().filter(|(key, value)| before.get(*key) != Some(value)).map(|(k, v)| k.len() + v.len()).sum()
    }
}

/// A group one short of n, filled as ours is, and its first member.
pub fn filled(n: usize) -> Member<impl Plain> {
    let mut alice = create();
    let mut inside = 1;
    while inside + 1 < n {
        let count = TOGETHER.min(n - 1 - inside);
        let mut coming: Vec<_> = (inside..inside + count).map(newcomer).collect();
        let packages = coming.iter().map(|one| one.bundle.key_package().clone()).collect();
        let (_, welcome) = alice.commit(packages);
        alice.merge();
        let mut one = coming.remove(0).join(&welcome.expect("for them"));
        let (renewal, _) = one.commit(Vec::new());
        alice.process(&renewal);
        inside += count;
    }
    alice
}

/// The last one of a group of n, and a Welcome for it.
pub fn last<A: Plain>(alice: &mut Member<A>, n: usize) -> (Newcomer<impl Plain + use<A>>, Vec<u8>) {
    let newcomer = newcomer(n + 1_000_000);
    let (_, welcome) = alice.commit(vec![newcomer.bundle.key_package().clone()]);
    (newcomer, welcome.expect("for it"))
}

/// A group of n: its first and its last member.
pub fn pair(n: usize) -> (Member<impl Plain>, Member<impl Plain>) {
    let mut alice = filled(n);
    let (newcomer, welcome) = last(&mut alice, n);
    alice.merge();
    let bob = newcomer.join(&welcome);
    (alice, bob)
}
