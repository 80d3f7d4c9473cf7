//! TLS 1.3 over TCP.

use std::sync::Arc;

use chat_wire::message::EXPORTER_LABEL;
use rustls::client::Resumption;
use rustls::version::TLS13;
use rustls::{ClientConfig, Error};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;

use super::verify::{Verifier, provider};
use super::{DialError, Established};
use crate::config::RelayAddress;
use crate::request::RelayIdentity;

/// Connects, hands the certificate to `verifier` and exports the keying material.
pub(super) async fn connect(address: &RelayAddress, verifier: Arc<Verifier>) -> Result<Established, DialError> {
    let name = ServerName::try_from(address.host().to_owned()).map_err(|_| DialError::Protocol)?;
    let connector = TlsConnector::from(Arc::new(config(Arc::clone(&verifier))?));
    let ((), tcp) = tokio::join!(chance_gathered(), TcpStream::connect((address.host(), address.port())));
    let tcp = tcp?;
    // Frames are written whole: waiting for more only delays them.
    tcp.set_nodelay(true)?;
    let stream = connector.connect(name, tcp).await.map_err(|error| match verifier.refusal() {
        Some(refusal) => refusal,
        None if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => DialError::Protocol,
        None => DialError::Unreachable(error),
    })?;
    let (_, session) = stream.get_ref();
    let exporter = session.export_keying_material([0; 32], EXPORTER_LABEL, None).map_err(|_| DialError::Protocol)?;
    let (pin, trust) = verifier.accepted().ok_or(DialError::Protocol)?;
    let identity = RelayIdentity { relay: address.clone(), pin, trust };
    Ok(Established { stream: Box::new(stream), exporter, identity: Some(identity) })
}

/// The first randomness that the TLS library gives a process costs it tens of milliseconds of computing
/// (it measures the processor's jitter): not on the thread that meanwhile answers a person.
async fn chance_gathered() {
    static GATHERED: OnceCell<()> = OnceCell::const_new();
    let gather = || async {
        // Without it the handshake gathers by itself, or fails and says so.
        let _ = spawn_blocking(|| provider().secure_random.fill(&mut [0; 1])).await;
    };
    GATHERED.get_or_init(gather).await;
}

fn config(verifier: Arc<Verifier>) -> Result<ClientConfig, DialError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| DialError::Protocol)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A resumed session shows no certificate: every connection is judged anew.
    config.resumption = Resumption::disabled();
    Ok(config)
}
