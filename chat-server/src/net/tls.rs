//! TLS 1.3 and nothing older, with the hybrid X25519MLKEM768 exchange preferred; the certificate,
//! its pin, and the exporter that ties logins to one connection.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use chat_wire::message::EXPORTER_LABEL;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::CertificateFiles;
use crate::data_dir::{DataDir, write_private};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("a certificate file can't be read or written")]
    Io(#[from] io::Error),
    /// The certificate file holds no certificate.
    #[error("the certificate file holds no readable certificate")]
    Certificate,
    /// The key file holds no key.
    #[error("the key file holds no readable private key")]
    Key,
    /// Key and certificate do not fit, or rustls refuses them.
    #[error("the certificate can't be used")]
    Rustls(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("no certificate could be made")]
    Making(#[from] rcgen::Error),
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An acceptor and the pin of its certificate.
pub(crate) fn acceptor(configured: Option<&CertificateFiles>, data: &DataDir) -> Result<(TlsAcceptor, Pin), TlsError> {
    match configured {
        Some(files) => acceptor_of(files),
        None => accept_with(own_certificate(data)?),
    }
}

/// The same of a configured certificate.
pub(crate) fn acceptor_of(files: &CertificateFiles) -> Result<(TlsAcceptor, Pin), TlsError> {
    accept_with(load(&files.certificate, &files.key)?)
}

fn accept_with((chain, key): KeyAndChain) -> Result<(TlsAcceptor, Pin), TlsError> {
    let pin = pin_of(chain.first().ok_or(TlsError::Certificate)?)?;
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    // Its hash runs in hardware, which SHA-384 does not: a sixth of a handshake. What is inside is sealed end
    // to end with keys of its own.
    provider.cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ignore_client_order = true;
    // A resumed session shows no certificate, and clients judge it anew each time: they take no tickets.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok((TlsAcceptor::from(Arc::new(config)), pin))
}

/// 32 bytes that only the two ends of this connection know.
pub(crate) fn exporter(connection: &rustls::ServerConnection) -> Result<[u8; 32], rustls::Error> {
    connection.export_keying_material([0; 32], EXPORTER_LABEL, None)
}

type KeyAndChain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn load(certificate: &Path, key: &Path) -> Result<KeyAndChain, TlsError> {
    let pem = fs::read(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|_| TlsError::Certificate)?;
    let pem = zeroize::Zeroizing::new(fs::read(key)?);
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::Key)?;
    Ok((chain, key))
}

/// The self-signed certificate of this data directory, made once: clients pin its key.
fn own_certificate(data: &DataDir) -> Result<KeyAndChain, TlsError> {
    let (key_path, certificate_path) = data.certificate();
    if !certificate_path.exists() {
        // A key without its certificate is left from a crash between the two; nobody has pinned it.
        let key = KeyPair::generate()?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let certificate = CertificateParams::new(names)?.self_signed(&key)?;
        write_private(&key_path, zeroize::Zeroizing::new(key.serialize_pem()).as_bytes())?;
        write_private(&certificate_path, certificate.pem().as_bytes())?;
    }
    load(&certificate_path, &key_path)
}

fn pin_of(certificate: &CertificateDer<'_>) -> Result<Pin, TlsError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| TlsError::Certificate)?;
    Ok(Pin(Sha256::digest(parsed.public_key().raw).into()))
}
