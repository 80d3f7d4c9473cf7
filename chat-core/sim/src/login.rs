//! Passwords: everybody's record, made once for all histories, because stretching a password is slow.

use bytes::Bytes;
use chat_core::engine::ExportKey;
use chat_login::client::{LoginStart, RegistrationStart};
use chat_login::server::ServerSecrets;
use chat_login::{Identities, Profile, Terms, server};
use chat_relay::RelayIdentity;
use chat_wire::limits::PROTOCOL_VERSION;
use rand_core::CryptoRng;

use crate::plan::{PEOPLE_MAX, name};

/// The relay's key of all histories.
const RELAY_SEED: [u8; 32] = [7; 32];
/// Everybody's password.
const PASSWORD: &[u8] = b"Correct horse 7";

/// What a person's password came to.
struct Record {
    record: Bytes,
    export_key: [u8; 64],
}

/// The relay's secrets and everybody's record.
pub(crate) struct Login {
    secrets: Vec<u8>,
    request: Vec<u8>,
    records: Vec<Record>,
}

impl Login {
    pub(crate) fn make(rng: &mut dyn CryptoRng) -> Option<Self> {
        let secrets = ServerSecrets::generate(rng);
        let relay = relay_identity().id();
        let (mut records, mut sent) = (Vec::new(), Vec::new());
        for person in 0..PEOPLE_MAX {
            let name = name(person);
            let identities = Identities { name: &name, relay_id: &relay.0 };
            let (start, request) = RegistrationStart::new(PASSWORD, rng).ok()?;
            let response = server::register(&secrets, &identities, &request).ok()?;
            let done = start.finish(&response, &identities, Profile::DEFAULT, rng).ok()?;
            records.push(Record { record: Bytes::copy_from_slice(&done.record), export_key: *done.export_key });
            sent = request.to_vec();
        }
        Some(Self { secrets: secrets.to_bytes().to_vec(), request: sent, records })
    }

    pub(crate) fn secrets(&self) -> Option<ServerSecrets> {
        ServerSecrets::from_bytes(&self.secrets).ok()
    }

    /// A blinded password: what it asks for is not looked at.
    pub(crate) fn request(&self) -> Vec<u8> {
        self.request.clone()
    }

    /// The record of a person, and the key that goes with it.
    pub(crate) fn record(&self, person: usize) -> Option<(Bytes, ExportKey)> {
        let record = self.records.get(person)?;
        Some((record.record.clone(), ExportKey(zeroize::Zeroizing::new(record.export_key))))
    }
}

/// The relay's key.
pub(crate) fn relay_identity() -> RelayIdentity {
    RelayIdentity::from_seed(&RELAY_SEED)
}

/// Begins a login by password.
pub(crate) fn start(rng: &mut dyn CryptoRng) -> Option<(LoginStart, Vec<u8>)> {
    let (start, ke1) = LoginStart::new(PASSWORD, rng).ok()?;
    Some((start, ke1.to_vec()))
}

/// Ends it: what goes to the relay, and the key.
pub(crate) fn finish(
    start: LoginStart,
    person: usize,
    (ke2, kp, exporter): (&[u8], u8, &[u8; 32]),
    rng: &mut dyn CryptoRng,
) -> Option<(Vec<u8>, ExportKey)> {
    let (name, relay) = (name(person), relay_identity().id());
    let identities = Identities { name: &name, relay_id: &relay.0 };
    let terms = Terms { identities, protocol: PROTOCOL_VERSION, exporter, kp };
    let done = start.finish(ke2, &terms, rng).ok()?;
    Some((done.ke3.to_vec(), ExportKey(done.export_key)))
}
