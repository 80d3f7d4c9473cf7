//! Whether a certificate is the relay's (DESIGN §4, first use): by its pinned key; else by the system's
//! roots; else, on a profile that never saw better, by being the first.

use std::sync::{Arc, OnceLock};

use chat_wire::domain::plain_hash;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::DialError;
use crate::config::{Pin, Trust};
use crate::request::RelayTrust;

/// What is known before the relay shows anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrustRule {
    /// The only key accepted.
    pub(crate) pin: Option<Pin>,
    /// A root vouched for the relay once: first use is over.
    pub(crate) rooted: bool,
    /// What becomes of a key that nobody vouches for.
    pub(crate) first_use: Trust,
}

/// The system's roots; none when there are none that can be read. Reads files: not on a thread that
/// others wait for.
pub(super) fn load_roots() -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    verifier_of(roots)
}

pub(super) fn verifier_of(roots: RootCertStore) -> Option<Arc<WebPkiServerVerifier>> {
    // An error means no roots at all: then nobody vouches for anybody.
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// Judges the certificate of one handshake and remembers what it was.
#[derive(Debug)]
pub(super) struct Verifier {
    rule: TrustRule,
    roots: Option<Arc<WebPkiServerVerifier>>,
    judged: OnceLock<Judgement>,
}

/// What was found out about the key that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Accepted(Pin, RelayTrust),
    Unknown(Pin),
    Changed,
}

impl Verifier {
    pub(super) fn new(rule: TrustRule, roots: Option<Arc<WebPkiServerVerifier>>) -> Arc<Self> {
        Arc::new(Self { rule, roots, judged: OnceLock::new() })
    }

    /// The accepted key and why it was, once the handshake is done.
    pub(super) fn accepted(&self) -> Option<(Pin, RelayTrust)> {
        match self.judged.get() {
            Some(Judgement::Accepted(pin, trust)) => Some((*pin, *trust)),
            _ => None,
        }
    }

    /// Why the key was refused, if it was.
    pub(super) fn refusal(&self) -> Option<DialError> {
        match self.judged.get() {
            Some(Judgement::Unknown(pin)) => Some(DialError::Unknown(*pin)),
            Some(Judgement::Changed) => Some(DialError::Changed),
            _ => None,
        }
    }

    fn judge(&self, shown: Pin, vouched: impl FnOnce() -> bool) -> Judgement {
        match self.rule {
            TrustRule { pin: Some(pin), .. } if pin == shown => Judgement::Accepted(shown, RelayTrust::Pinned),
            TrustRule { pin: Some(_), .. } => Judgement::Changed,
            _ if vouched() => Judgement::Accepted(shown, RelayTrust::Roots),
            TrustRule { rooted: true, .. } => Judgement::Changed,
            TrustRule { first_use: Trust::FirstUse, .. } => Judgement::Accepted(shown, RelayTrust::FirstUse),
            TrustRule { first_use: Trust::Ask, .. } => Judgement::Unknown(shown),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let shown = Pin(plain_hash(&[key.as_ref()]));
        let judgement = self.judge(shown, || {
            self.roots.as_ref().is_some_and(|roots| {
                roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).is_ok()
            })
        });
        // One handshake, one certificate: the cell was empty.
        let _ = self.judged.set(judgement);
        match judgement {
            Judgement::Accepted(..) => Ok(ServerCertVerified::assertion()),
            _ => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13))
    }

    /// Whatever is trusted, the relay must hold the key that it shows.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
