//! mls-rs with its Rust back end, in its classical suite: it has no hybrid one there. A group is filled at once;
//! what is measured is a join, which checks every leaf whatever the parents hold.

use mls_rs::client_builder::MlsConfig;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider as _, Client, CryptoProvider as _, MlsMessage};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;

const SUITE: CipherSuite = CipherSuite::CURVE25519_CHACHA;

fn client(number: usize) -> Client<impl MlsConfig> {
    let crypto = RustCryptoProvider::default();
    let suite = crypto.cipher_suite_provider(SUITE).expect("has it");
    let (secret, public) = suite.signature_key_generate().expect("made");
    let identity = [&number.to_be_bytes()[..], &[7; 133]].concat();
    let identity = SigningIdentity::new(BasicCredential::new(identity).into_credential(), public);
    Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(crypto)
        .signing_identity(identity, secret, SUITE)
        .build()
}

fn package(client: &Client<impl MlsConfig>) -> MlsMessage {
    client.generate_key_package_message(Default::default(), Default::default(), None).expect("made")
}

/// Something that joins a group of n by a Welcome, again and again.
pub fn joins(n: usize) -> impl FnMut() {
    let first = client(0);
    let mut group = first.create_group(Default::default(), Default::default(), None).expect("creates");
    let mut builder = group.commit_builder();
    for number in 1..n - 1 {
        builder = builder.add_member(package(&client(number))).expect("adds");
    }
    builder.build().expect("builds");
    group.apply_pending_commit().expect("applies");
    let last = client(n);
    let commit = group.commit_builder().add_member(package(&last)).expect("adds").build().expect("builds");
    group.apply_pending_commit().expect("applies");
    let welcome = commit.welcome_messages.into_iter().next().expect("for it");
    move || {
        let joined = last.join_group(None, &welcome, None).expect("joins");
        drop(std::hint::black_box(joined));
    }
}
