//! A client over TLS, as far as a relay can tell.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chat_wire::frame::{ClientFrame, Deframer, Frame, ServerFrame};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::{ClientMessage, EXPORTER_LABEL, ServerMessage};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::{self, Person};

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Accepts the certificate with the relay's pin and no other.
#[derive(Debug)]
struct Pinned([u8; 32], WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        let pin: [u8; 32] = Sha256::digest(parsed.public_key().raw).into();
        assert_eq!(pin, self.0, "the pin that was announced");
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.1)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.1)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.supported_schemes()
    }
}

pub(crate) fn tls_config(pin: [u8; 32], versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Pinned(pin, CryptoProvider::clone(&provider).signature_verification_algorithms);
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// Where a relay is, and how to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) addr: SocketAddr,
    pub(crate) pin: [u8; 32],
}

pub(crate) struct Client {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) exporter: [u8; 32],
    deframer: Deframer,
    next: u32,
    pub(crate) pushed: VecDeque<ServerFrame>,
}

impl Client {
    pub(crate) async fn connect(place: Place) -> Self {
        Self::try_connect(place).await.unwrap()
    }

    pub(crate) async fn try_connect(place: Place) -> std::io::Result<Self> {
        let config = tls_config(place.pin, &[&rustls::version::TLS13]);
        let socket = TcpStream::connect(place.addr).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        let exporter = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        let deframer = Deframer::new(FRAME_BYTES_MAX);
        Ok(Self { stream, exporter, deframer, next: 1, pushed: VecDeque::new() })
    }

    pub(crate) async fn write(&mut self, request: u32, message: ClientMessage, body: Bytes) -> std::io::Result<()> {
        let frame = ClientFrame::with_body(request, message, body).encode(FRAME_BYTES_MAX).unwrap();
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// The next frame; none when the relay has closed the connection cleanly.
    pub(crate) async fn read(&mut self) -> std::io::Result<Option<ServerFrame>> {
        loop {
            if let Some(bytes) = self.deframer.next_frame().unwrap() {
                return Ok(Some(ServerFrame::decode(bytes).unwrap()));
            }
            let buffer = self.deframer.buffer_mut();
            buffer.reserve(64 * 1024);
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(buffer)).await;
            if read.expect("an answer in time")? == 0 {
                return Ok(None);
            }
        }
    }

    pub(crate) async fn try_ask(&mut self, message: ClientMessage, body: Bytes) -> std::io::Result<ServerFrame> {
        self.next += 1;
        let request = self.next;
        self.write(request, message, body).await?;
        loop {
            match self.read().await? {
                Some(frame) if frame.request == request => return Ok(frame),
                Some(frame) => self.pushed.push_back(frame),
                None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    pub(crate) async fn ask(&mut self, message: ClientMessage) -> ServerMessage {
        self.try_ask(message, Bytes::new()).await.unwrap().message
    }

    /// The next frame that no request asked for.
    pub(crate) async fn push(&mut self) -> ServerFrame {
        match self.pushed.pop_front() {
            Some(frame) => frame,
            None => self.read().await.unwrap().expect("a push"),
        }
    }

    /// The next delivery: place and bytes.
    pub(crate) async fn delivery(&mut self) -> (u64, Bytes) {
        loop {
            let frame = self.push().await;
            if let ServerMessage::Deliver { seq, .. } = frame.message {
                return (seq, frame.body);
            }
        }
    }

    /// Everything up to `Drained`.
    pub(crate) async fn drain(&mut self) -> Vec<(u64, Bytes)> {
        let mut got = Vec::new();
        loop {
            let frame = self.push().await;
            match frame.message {
                ServerMessage::Deliver { seq, .. } => {
                    got.push((seq, frame.body));
                    if got.len() % 100 == 0 {
                        self.write(0, ClientMessage::Ack { seq }, Bytes::new()).await.unwrap();
                    }
                }
                ServerMessage::Drained {} => return got,
                _ => {}
            }
        }
    }

    pub(crate) async fn hello(&mut self) -> ServerMessage {
        self.ask(ClientMessage::Hello { versions: vec![1], features: vec![] }).await
    }

    /// The relay's id, from its greeting.
    pub(crate) async fn relay_id(place: Place) -> chat_wire::ids::RelayId {
        let ready = Self::connect(place).await.hello().await;
        let ServerMessage::Ready { relay_key, .. } = ready else { panic!("{ready:?}") };
        let hash = chat_wire::domain::labelled_hash(chat_wire::domain::RELAY_ID, &[&relay_key.0]);
        chat_wire::ids::RelayId(hash)
    }

    pub(crate) async fn register(place: Place, person: &Person) -> Self {
        let mut client = Self::connect(place).await;
        client.hello().await;
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (_, request) = chat_login::client::RegistrationStart::new(kit::PASSWORD, &mut rng).unwrap();
        let request = ByteBuf::from(request.to_vec());
        let register1 = ClientMessage::Register1 { name: person.name.clone(), request, invite: None };
        let reply = client.ask(register1).await;
        assert!(matches!(reply, ServerMessage::Register1Reply { .. }), "{reply:?}");
        let reply = client.ask(person.register2(kit::any_record())).await;
        assert!(matches!(reply, ServerMessage::LoggedIn { .. }), "{reply:?}");
        let reply = client.ask(person.prekeys(1, 1, 5)).await;
        assert!(matches!(reply, ServerMessage::PreKeysStored { pairs_left: 5 }), "{reply:?}");
        client
    }

    pub(crate) async fn login(place: Place, person: &Person) -> Self {
        let mut client = Self::connect(place).await;
        let ready = client.hello().await;
        let binding = kit::binding(&ready, client.exporter);
        let reply = client.ask(person.proof(1, &binding)).await;
        assert!(matches!(reply, ServerMessage::LoggedIn { .. }), "{reply:?}");
        client
    }

    pub(crate) async fn send(&mut self, number: u64, to: &Person, text: &[u8]) -> std::io::Result<ServerMessage> {
        let (message, body) = kit::send(number, vec![to.state()], &[to.address(1)], text);
        Ok(self.try_ask(message, body).await?.message)
    }
}

/// A heartbeat that is answered shows that a connection, and the relay behind it, are unharmed.
pub(crate) async fn is_well(client: &mut Client) {
    assert_eq!(client.ask(ClientMessage::Heartbeat {}).await, ServerMessage::Heartbeat {});
}

/// A frame as bytes.
pub(crate) fn bytes_of(message: ClientMessage) -> Bytes {
    Frame::new(1, message).encode(FRAME_BYTES_MAX).unwrap()
}
