//! The relay's work for a login: the same for a name that does not exist.
#![allow(clippy::unwrap_used, reason = "a bench stops where it fails")]

use chat_fixtures::seeded::Seeded;
use chat_login::{Identities, Profile, Terms, client, server};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

#[divan::bench(args = ["known", "unknown"])]
fn answer_ke1(bencher: Bencher, name: &str) {
    let mut rng = Seeded::new(1);
    let secrets = server::ServerSecrets::generate(&mut rng);
    let identities = Identities { name: "alice", relay_id: &[7; 32] };
    let (start, request) = client::RegistrationStart::new(b"Correct horse 1", &mut rng).unwrap();
    let response = server::register(&secrets, &identities, &request).unwrap();
    let record = start.finish(&response, &identities, Profile::DEFAULT, &mut rng).unwrap().record;
    let terms = Terms { identities, protocol: 1, exporter: &[9; 32], kp: Profile::DEFAULT.number() };
    let (_, ke1) = client::LoginStart::new(b"Correct horse 1", &mut rng).unwrap();
    let record = (name == "known").then_some(&record[..]);
    bencher.bench_local(|| black_box(server::login_start(&secrets, record, &ke1, &terms, &mut rng).unwrap()));
}

/// What stretching a password costs the client.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn stretch(bencher: Bencher) {
    let mut rng = Seeded::new(1);
    let secrets = server::ServerSecrets::generate(&mut rng);
    let identities = Identities { name: "alice", relay_id: &[7; 32] };
    bencher.bench_local(|| {
        let (start, request) = client::RegistrationStart::new(b"Correct horse 1", &mut rng).unwrap();
        let response = server::register(&secrets, &identities, &request).unwrap();
        black_box(start.finish(&response, &identities, Profile::DEFAULT, &mut rng).unwrap())
    });
}
