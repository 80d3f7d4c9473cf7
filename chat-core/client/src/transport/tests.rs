use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use chat_wire::frame::{ClientFrame, Frame, ServerFrame};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::{ClientMessage, EXPORTER_LABEL, ServerMessage};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData, date_time_ymd};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::frames::ReadError;
use super::verify::{Verifier, provider, verifier_of};
use super::*;
use crate::config::Trust;
use crate::request::RelayTrust;

/// A certificate with its key, and what a client would pin.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    fn pin(&self) -> Pin {
        Pin(chat_wire::domain::plain_hash(&[&self.key.subject_public_key_info()]))
    }
}

fn self_signed(name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    Identity { chain: vec![params.self_signed(&key).unwrap().der().clone()], key }
}

/// An authority that a test's client trusts as the system's root.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str, last_year: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        Identity { chain: vec![params.signed_by(&key, &self.0).unwrap().der().clone()], key }
    }

    fn roots(&self) -> Option<Arc<WebPkiServerVerifier>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        verifier_of(roots)
    }
}

/// Shows whatever it is given, also a certificate whose key it does not hold.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// What the other end saw of a handshake: exporter and key exchange group.
type Seen = Option<([u8; 32], Option<NamedGroup>)>;

/// Accepts one TLS connection.
async fn serve(
    chain: &Identity,
    key: &KeyPair,
    version: &'static SupportedProtocolVersion,
) -> (SocketAddr, JoinHandle<Seen>) {
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let signing = provider().key_provider.load_private_key(der).unwrap();
    let shown = Shows(Arc::new(CertifiedKey::new(chain.chain.clone(), signing)));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.ok()?;
        let (_, session) = stream.get_ref();
        let exporter = session.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        let group = session.negotiated_key_exchange_group().map(|group| group.name());
        // Keeps the connection until the client has gone.
        let _ = stream.read(&mut [0; 1]).await;
        Some((exporter, group))
    });
    (address, served)
}

const NEW: TrustRule = TrustRule { pin: None, rooted: false, first_use: Trust::FirstUse };

async fn dial(
    address: SocketAddr,
    host: &str,
    rule: TrustRule,
    roots: Option<Arc<WebPkiServerVerifier>>,
) -> Result<Established, DialError> {
    let address: RelayAddress = format!("{host}:{}", address.port()).parse().unwrap();
    tls::connect(&address, Verifier::new(rule, roots)).await
}

/// Connects to somebody who shows `identity`; why it was trusted.
async fn judged(
    identity: &Identity,
    rule: TrustRule,
    roots: Option<Arc<WebPkiServerVerifier>>,
) -> Result<RelayTrust, DialError> {
    let (address, _served) = serve(identity, &identity.key, &TLS13).await;
    let shown = dial(address, "127.0.0.1", rule, roots).await?.identity.unwrap();
    assert_eq!(shown.pin, identity.pin());
    Ok(shown.trust)
}

#[tokio::test]
async fn both_ends_export_the_same_bytes_over_a_hybrid_key_exchange() {
    let identity = self_signed("127.0.0.1");
    let (address, served) = serve(&identity, &identity.key, &TLS13).await;
    let established = dial(address, "127.0.0.1", NEW, None).await.unwrap();
    let exporter = established.exporter;
    drop(established);
    assert_eq!(served.await.unwrap(), Some((exporter, Some(NamedGroup::X25519MLKEM768))));
    assert_ne!(exporter, [0; 32]);
}

#[tokio::test]
async fn a_pinned_key_is_accepted_and_every_other_one_refused_whoever_vouches() {
    let authority = Authority::new();
    let (ours, other) = (self_signed("elsewhere"), authority.issue("127.0.0.1", 2_100));
    let rule = TrustRule { pin: Some(ours.pin()), ..NEW };
    assert_eq!(judged(&ours, rule, None).await.unwrap(), RelayTrust::Pinned);
    assert!(matches!(judged(&other, rule, authority.roots()).await, Err(DialError::Changed)));
}

#[tokio::test]
async fn a_root_vouches_for_the_right_name_only_and_not_for_ever() {
    let authority = Authority::new();
    let good = authority.issue("127.0.0.1", 2_100);
    assert_eq!(judged(&good, NEW, authority.roots()).await.unwrap(), RelayTrust::Roots);
    for bad in
        [authority.issue("127.0.0.2", 2_100), authority.issue("localhost", 2_100), authority.issue("127.0.0.1", 2_021)]
    {
        assert_eq!(judged(&bad, NEW, authority.roots()).await.unwrap(), RelayTrust::FirstUse);
        let ask = TrustRule { first_use: Trust::Ask, ..NEW };
        assert!(matches!(judged(&bad, ask, authority.roots()).await, Err(DialError::Unknown(pin)) if pin == bad.pin()));
    }
    let (address, _served) = serve(&authority.issue("localhost", 2_100), &self_signed("x").key, &TLS13).await;
    assert!(dial(address, "localhost", NEW, authority.roots()).await.is_err());
}

#[tokio::test]
async fn a_profile_that_saw_a_root_vouch_never_falls_back_to_first_use() {
    let authority = Authority::new();
    let rooted = TrustRule { rooted: true, ..NEW };
    assert_eq!(
        judged(&authority.issue("127.0.0.1", 2_100), rooted, authority.roots()).await.unwrap(),
        RelayTrust::Roots
    );
    assert!(matches!(judged(&self_signed("127.0.0.1"), rooted, authority.roots()).await, Err(DialError::Changed)));
    assert!(matches!(judged(&self_signed("127.0.0.1"), rooted, None).await, Err(DialError::Changed)));
}

#[tokio::test]
async fn a_certificate_shown_without_its_key_is_refused_even_when_pinned() {
    let (victim, thief) = (self_signed("127.0.0.1"), self_signed("127.0.0.1"));
    for rule in [NEW, TrustRule { pin: Some(victim.pin()), ..NEW }] {
        let (address, served) = serve(&victim, &thief.key, &TLS13).await;
        assert!(matches!(dial(address, "127.0.0.1", rule, None).await, Err(DialError::Protocol)));
        assert_eq!(served.await.unwrap(), None);
    }
}

#[tokio::test]
async fn older_tls_plain_text_and_nobody_are_told_apart() {
    let identity = self_signed("127.0.0.1");
    let (address, _served) = serve(&identity, &identity.key, &TLS12).await;
    assert!(matches!(dial(address, "127.0.0.1", NEW, None).await, Err(DialError::Protocol)));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    assert!(matches!(dial(address, "127.0.0.1", NEW, None).await, Err(DialError::Protocol)));
    assert!(matches!(dial(address, "127.0.0.1", NEW, None).await, Err(DialError::Unreachable(_))));
}

#[tokio::test]
async fn frames_cross_in_order_whole_and_unknown_pushes_are_passed_over() {
    let (ours, mut theirs) = duplex(1 << 20);
    let mut writer = FrameWriter::new(ours);
    for request in 1..=3 {
        let body = Bytes::from(vec![7; 50_000]);
        writer.put(&Frame::with_body(request, ClientMessage::Heartbeat {}, body)).await.unwrap();
    }
    writer.flush().await.unwrap();
    writer.close().await.unwrap();
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).await.unwrap();
    let mut deframer = chat_wire::frame::Deframer::new(FRAME_BYTES_MAX);
    deframer.buffer_mut().extend_from_slice(&bytes);
    for request in 1..=3 {
        let frame = ClientFrame::decode(deframer.next_frame().unwrap().unwrap()).unwrap();
        assert_eq!((frame.request, frame.body.len()), (request, 50_000));
    }

    let (mut ours, theirs) = duplex(1 << 20);
    let mut reader = FrameReader::new(theirs);
    // Head `{"r": 0, "m": {"news": {}}}`: a push of a newer relay.
    let head = [0xa2, 0x61, b'r', 0, 0x61, b'm', 0xa1, 0x64, b'n', b'e', b'w', b's', 0xa0];
    let head_len = u32::try_from(head.len()).unwrap();
    ours.write_all(&(head_len + 4).to_be_bytes()).await.unwrap();
    ours.write_all(&head_len.to_be_bytes()).await.unwrap();
    ours.write_all(&head).await.unwrap();
    let known = ServerFrame::new(4, ServerMessage::Done {});
    ours.write_all(&known.encode(FRAME_BYTES_MAX).unwrap()).await.unwrap();
    drop(ours);
    assert_eq!(reader.next().await.unwrap(), Some(known));
    assert_eq!(reader.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_endless_frame_and_garbage_end_the_reading_without_buffering_them() {
    for garbage in [vec![0xff; 64], vec![0, 0, 0, 9, 0, 0, 0, 5, 1, 2, 3, 4, 5]] {
        let (mut ours, theirs) = duplex(1 << 20);
        ours.write_all(&garbage).await.unwrap();
        assert!(matches!(FrameReader::new(theirs).next().await, Err(ReadError::Frame(_))));
    }
}
