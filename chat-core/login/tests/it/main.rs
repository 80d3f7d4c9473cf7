//! Registration and login through the public interface, with real Argon2id.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use chat_login::client::{LoggedIn, LoginError, LoginStart, Registered, RegistrationStart};
use chat_login::limits::KE2_BYTES;
use chat_login::server::{ServerError, ServerLogin, ServerSecrets, check_record, login_finish, login_start, register};
use chat_login::{Identities, Profile, Terms, UnknownProfile};
use getrandom::rand_core::UnwrapErr;

const RELAY: [u8; 32] = [7; 32];
const EXPORTER: [u8; 32] = [9; 32];
const RIGHT: &[u8] = b"Correct horse 1";

fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

fn terms(name: &'static str) -> Terms<'static> {
    let identities = Identities { name, relay_id: &RELAY };
    Terms { identities, protocol: 1, exporter: &EXPORTER, kp: Profile::DEFAULT.number() }
}

struct Relay {
    secrets: ServerSecrets,
    alice: Registered,
}

impl Relay {
    fn new() -> Self {
        let secrets = ServerSecrets::generate(&mut rng());
        let identities = terms("alice").identities;
        let (start, request) = RegistrationStart::new(RIGHT, &mut rng()).unwrap();
        let response = register(&secrets, &identities, &request).unwrap();
        let alice = start.finish(&response, &identities, Profile::DEFAULT, &mut rng()).unwrap();
        check_record(&alice.record).unwrap();
        Self { secrets, alice }
    }

    fn answer(&self, ke1: &[u8], terms: &Terms<'_>) -> (ServerLogin, [u8; KE2_BYTES]) {
        let record = (terms.identities.name == "alice").then_some(&self.alice.record[..]);
        login_start(&self.secrets, record, ke1, terms, &mut rng()).unwrap()
    }

    /// A login where each end has its own idea of the terms.
    fn login(
        &self,
        password: &[u8],
        ours: &Terms<'_>,
        theirs: &Terms<'_>,
    ) -> (ServerLogin, Result<LoggedIn, LoginError>) {
        let (start, ke1) = LoginStart::new(password, &mut rng()).unwrap();
        let (login, ke2) = self.answer(&ke1, theirs);
        (login, start.finish(&ke2, ours, &mut rng()))
    }
}

#[test]
fn the_right_password_opens_the_same_export_key_and_both_ends_share_a_key() {
    let relay = Relay::new();
    let (login, logged_in) = relay.login(RIGHT, &terms("alice"), &terms("alice"));
    let logged_in = logged_in.unwrap();
    assert_eq!(*logged_in.export_key, *relay.alice.export_key);
    assert_eq!(*login_finish(login, &logged_in.ke3).unwrap(), *logged_in.session_key);
}

#[test]
fn a_wrong_password_and_an_unknown_name_look_alike_to_the_client() {
    let relay = Relay::new();
    let (_, wrong) = relay.login(b"Wrong horse 1", &terms("alice"), &terms("alice"));
    let (_, unknown) = relay.login(RIGHT, &terms("nobody"), &terms("nobody"));
    assert_eq!(wrong.unwrap_err(), LoginError::BadCredentials);
    assert_eq!(unknown.unwrap_err(), LoginError::BadCredentials);
}

#[test]
fn an_unknown_name_gets_the_same_oprf_answer_twice_and_never_the_same_ke2() {
    // A name that changed its OPRF key between two questions would show that it does not exist.
    let relay = Relay::new();
    let (_, ke1) = LoginStart::new(RIGHT, &mut rng()).unwrap();
    for name in ["alice", "nobody"] {
        let (_, first) = relay.answer(&ke1, &terms(name));
        let (_, second) = relay.answer(&ke1, &terms(name));
        assert_eq!(first[..32], second[..32], "{name}");
        assert_ne!(first[32..], second[32..], "{name}");
    }
}

#[test]
fn a_login_carried_to_another_connection_relay_name_version_or_profile_fails() {
    let relay = Relay::new();
    let ours = terms("alice");
    let elsewhere = Identities { name: "alice", relay_id: &[8; 32] };
    let renamed = Identities { name: "alicia", relay_id: &RELAY };
    for (what, theirs) in [
        ("exporter", Terms { exporter: &[1; 32], ..ours }),
        ("protocol", Terms { protocol: 2, ..ours }),
        ("profile", Terms { kp: 2, ..ours }),
        ("relay", Terms { identities: elsewhere, ..ours }),
    ] {
        let (_, result) = relay.login(RIGHT, &ours, &theirs);
        assert_eq!(result.unwrap_err(), LoginError::BadCredentials, "{what}");
    }
    // A record handed out under another name.
    let (start, ke1) = LoginStart::new(RIGHT, &mut rng()).unwrap();
    let theirs = Terms { identities: renamed, ..ours };
    let (_, ke2) = login_start(&relay.secrets, Some(&relay.alice.record), &ke1, &theirs, &mut rng()).unwrap();
    assert_eq!(start.finish(&ke2, &ours, &mut rng()).unwrap_err(), LoginError::BadCredentials);
}

#[test]
fn a_profile_outside_the_table_is_refused_before_any_work() {
    // Not even the message is looked at: it is no KE2 at all.
    for kp in [0, 3, 255] {
        let (start, _) = LoginStart::new(RIGHT, &mut rng()).unwrap();
        let strange = Terms { kp, ..terms("alice") };
        let refused = start.finish(b"no message", &strange, &mut rng()).unwrap_err();
        assert_eq!(refused, LoginError::UnknownProfile(UnknownProfile(kp)));
    }
}

#[test]
fn a_forged_ke3_and_one_of_another_login_are_refused() {
    let relay = Relay::new();
    let (login, logged_in) = relay.login(RIGHT, &terms("alice"), &terms("alice"));
    let mut forged = logged_in.unwrap().ke3;
    forged[0] ^= 1;
    assert_eq!(login_finish(login, &forged).unwrap_err(), ServerError::BadCredentials);
    let (_, other) = relay.login(RIGHT, &terms("alice"), &terms("alice"));
    let (login, _) = relay.login(RIGHT, &terms("alice"), &terms("alice"));
    assert_eq!(login_finish(login, &other.unwrap().ke3).unwrap_err(), ServerError::BadCredentials);
}

#[test]
fn every_message_of_another_length_or_of_no_group_element_is_refused() {
    let relay = Relay::new();
    let (start, request) = RegistrationStart::new(RIGHT, &mut rng()).unwrap();
    let (_, ke1) = LoginStart::new(RIGHT, &mut rng()).unwrap();
    let identities = terms("alice").identities;
    for bad in [&[][..], &request[..31], &[&request[..], &[0]].concat(), &[0; 32], &[0xff; 32]] {
        assert_eq!(register(&relay.secrets, &identities, bad), Err(ServerError::Malformed));
    }
    for bad in [&[][..], &ke1[..95], &[&ke1[..], &[0]].concat(), &[0; 96], &[0xff; 96]] {
        let refused = login_start(&relay.secrets, None, bad, &terms("alice"), &mut rng());
        assert_eq!(refused.unwrap_err(), ServerError::Malformed);
    }
    for bad in [&relay.alice.record[..191], &[&relay.alice.record[..], &[0]].concat(), &[0; 192]] {
        assert_eq!(check_record(bad), Err(ServerError::Malformed));
        let refused = login_start(&relay.secrets, Some(bad), &ke1, &terms("alice"), &mut rng());
        assert_eq!(refused.unwrap_err(), ServerError::Damaged);
    }
    // A relay that sends our own element back learns nothing and is told off.
    let reflected = [&request[..], &register(&relay.secrets, &identities, &request).unwrap()[32..]].concat();
    let refused = start.finish(&reflected, &identities, Profile::DEFAULT, &mut rng());
    assert_eq!(refused.unwrap_err(), LoginError::Malformed);
}

#[test]
fn an_empty_and_an_endless_password_are_refused() {
    for bad in [&[][..], &vec![b'a'; 1025]] {
        assert_eq!(RegistrationStart::new(bad, &mut rng()).unwrap_err(), LoginError::PasswordLength);
        assert_eq!(LoginStart::new(bad, &mut rng()).unwrap_err(), LoginError::PasswordLength);
    }
}

#[test]
fn the_relays_secrets_read_back_and_damaged_ones_are_refused() {
    let relay = Relay::new();
    let bytes = relay.secrets.to_bytes();
    let restored = Relay { secrets: ServerSecrets::from_bytes(&bytes[..]).unwrap(), alice: relay.alice };
    let (_, logged_in) = restored.login(RIGHT, &terms("alice"), &terms("alice"));
    assert!(logged_in.is_ok());
    assert_eq!(ServerSecrets::from_bytes(&bytes[..127]).unwrap_err(), ServerError::Damaged);
    assert_eq!(ServerSecrets::from_bytes(&[0; 128]).unwrap_err(), ServerError::Damaged);
}

#[test]
fn no_secret_is_printed() {
    let relay = Relay::new();
    let (start, _) = LoginStart::new(RIGHT, &mut rng()).unwrap();
    assert_eq!(format!("{:?} {:?} {start:?}", relay.secrets, relay.alice), "ServerSecrets Registered LoginStart");
}
