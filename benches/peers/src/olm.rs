//! vodozemac's Olm, on bytes like ours: what goes over a wire is encoded and decoded.

use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{Account, OlmMessage, Session, SessionConfig};

/// A packet on the wire.
pub type Packet = (usize, Vec<u8>);

/// Two ends of a session that both have spoken.
pub struct Pair {
    /// One end.
    pub alice: Session,
    /// The other.
    pub bob: Session,
}

/// Somebody to start a session with.
pub struct Peer {
    /// The long-term keys.
    pub account: Account,
    /// A published one-time key.
    pub one_time: Curve25519PublicKey,
}

impl Peer {
    /// Somebody new.
    pub fn new() -> Self {
        let mut account = Account::new();
        let one_time = account.generate_one_time_keys(1).created[0];
        account.mark_keys_as_published();
        Self { account, one_time }
    }
}

/// Starts a session and seals its first message.
pub fn start(me: &Account, peer: &Peer, text: &[u8]) -> (Session, Packet) {
    let identity = peer.account.curve25519_key();
    let mut session =
        me.create_outbound_session(SessionConfig::version_1(), identity, peer.one_time).expect("a session");
    let packet = seal(&mut session, text);
    (session, packet)
}

/// Takes a session's first message.
pub fn accept(peer: &mut Account, sender: Curve25519PublicKey, packet: &Packet) -> (Session, Vec<u8>) {
    let OlmMessage::PreKey(message) = read(packet) else { unreachable!("a first message") };
    let created = peer.create_inbound_session(SessionConfig::version_1(), sender, &message).expect("a session");
    (created.session, created.plaintext)
}

/// Two ends that both have spoken.
pub fn pair() -> Pair {
    let (me, mut peer) = (Account::new(), Peer::new());
    let (mut alice, packet) = start(&me, &peer, b"hello");
    let (mut bob, _) = accept(&mut peer.account, me.curve25519_key(), &packet);
    let answer = seal(&mut bob, b"hello");
    open(&mut alice, &answer).expect("opens");
    Pair { alice, bob }
}

/// Seals to bytes.
pub fn seal(session: &mut Session, text: &[u8]) -> Packet {
    session.encrypt(text).expect("seals").to_parts()
}

/// Opens from bytes.
pub fn open(session: &mut Session, packet: &Packet) -> Option<Vec<u8>> {
    let message = OlmMessage::from_parts(packet.0, &packet.1).ok()?;
    session.decrypt(&message).ok()
}

fn read(packet: &Packet) -> OlmMessage {
    OlmMessage::from_parts(packet.0, &packet.1).expect("just encoded")
}
