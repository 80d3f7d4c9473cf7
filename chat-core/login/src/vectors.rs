//! The vectors of RFC 9807 appendix C for this suite. The only thing swapped out is Argon2id, for the
//! identity function that the vectors use; blinds, seeds and nonces come in through the injected
//! generator, in the order in which the OPAQUE crate asks for them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use opaque_ke::{ClientLoginFinishParameters, ClientRegistrationFinishParameters, Identifiers, ServerLoginParameters};
use rand_core::{TryCryptoRng, TryRng};

use crate::client::{LoginStart, RegistrationStart};
use crate::server::{ServerSecrets, answer, login_finish, respond};
use crate::suite::Stretch;

/// Hands out given bytes, and fails a test that asks for more.
struct Script(Vec<u8>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("the OPAQUE crate draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("the OPAQUE crate draws bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

struct Vector(BTreeMap<&'static str, Vec<u8>>);

impl Vector {
    fn load(name: &str) -> Self {
        let text = include_str!("../tests/vectors/rfc9807.txt");
        let section = text.split("\n[").find_map(|s| s.strip_prefix(name)?.strip_prefix("]\n")).unwrap();
        let line = |line: &'static str| line.split_once(" = ").map(|(key, value)| (key, hex::decode(value).unwrap()));
        Self(section.lines().filter_map(line).collect())
    }

    fn at(&self, key: &str) -> &[u8] {
        self.0.get(key).unwrap_or_else(|| panic!("{key}"))
    }

    fn identities(&self) -> Identifiers<'_> {
        let field = |key| self.0.get(key).map(Vec::as_slice);
        Identifiers { client: field("client_identity"), server: field("server_identity") }
    }

    fn secrets(&self, spare: &[u8]) -> ServerSecrets {
        ServerSecrets::from_bytes(&[self.at("oprf_seed"), self.at("server_private_key"), spare].concat()).unwrap()
    }

    /// A blind as the wide scalar that the group reduces to it.
    fn wide(&self, key: &str) -> Vec<u8> {
        [self.at(key), &[0; 32]].concat()
    }

    /// The server's draws: decoy key twice (ours, the OPAQUE crate's), then nonce, key share, nonce.
    fn server_script(&self, masking_key: &[u8]) -> Script {
        let drawn = [masking_key, &[0; 64], self.at("masking_nonce"), self.at("server_keyshare_seed")].concat();
        Script([&drawn, self.at("server_nonce")].concat())
    }

    fn server_params(&self) -> (&[u8], ServerLoginParameters<'_, '_>) {
        let params = ServerLoginParameters { context: Some(self.at("context")), identifiers: self.identities() };
        (self.at("credential_identifier"), params)
    }
}

fn run_real(name: &str) {
    let vector = Vector::load(name);
    let (password, stretch) = (vector.at("password"), Stretch::Identity);
    // Any valid point serves as the decoy's key here; the server's own response holds one.
    let secrets = vector.secrets(&vector.at("registration_response")[32..]);

    let (start, request) = RegistrationStart::new(password, &mut Script(vector.wide("blind_registration"))).unwrap();
    assert_eq!(request, vector.at("registration_request"));
    let response = respond(&secrets, &request, vector.at("credential_identifier")).unwrap();
    assert_eq!(response, vector.at("registration_response"));
    let params = ClientRegistrationFinishParameters::new(vector.identities(), Some(&stretch));
    let mut script = Script(vector.at("envelope_nonce").to_vec());
    let registered = start.finish_with(&response, params, &mut script).unwrap();
    assert_eq!(registered.record, vector.at("registration_upload"));
    assert_eq!(*registered.export_key, vector.at("export_key"));

    let drawn = [&vector.wide("blind_login"), vector.at("client_keyshare_seed"), vector.at("client_nonce")].concat();
    let (start, ke1) = LoginStart::new(password, &mut Script(drawn)).unwrap();
    assert_eq!(ke1, vector.at("KE1"));
    let mut script = vector.server_script(&[0; 64]);
    let (login, ke2) = answer(&secrets, Some(&registered.record), &ke1, vector.server_params(), &mut script).unwrap();
    assert_eq!(ke2, vector.at("KE2"));
    let params = ClientLoginFinishParameters::new(Some(vector.at("context")), vector.identities(), Some(&stretch));
    let logged_in = start.finish_with(&ke2, params, &mut Script(Vec::new())).unwrap();
    assert_eq!(logged_in.ke3, vector.at("KE3"));
    assert_eq!(*logged_in.export_key, vector.at("export_key"));
    assert_eq!(*logged_in.session_key, vector.at("session_key"));
    assert_eq!(*login_finish(login, &logged_in.ke3).unwrap(), vector.at("session_key"));
}

#[test]
fn real_vector_1_without_identities_comes_out_byte_for_byte() {
    run_real("C.1.1");
}

#[test]
fn real_vector_2_with_identities_comes_out_byte_for_byte() {
    run_real("C.1.2");
}

#[test]
fn the_fake_vector_comes_out_byte_for_byte_for_a_name_that_does_not_exist() {
    let vector = Vector::load("C.2.1");
    let secrets = vector.secrets(vector.at("client_public_key"));
    let mut script = vector.server_script(vector.at("masking_key"));
    let (_, ke2) = answer(&secrets, None, vector.at("KE1"), vector.server_params(), &mut script).unwrap();
    assert_eq!(ke2, vector.at("KE2"));
}
