//! Login by password that never shows the password (SPEC 1.2): OPAQUE (RFC 9807) over ristretto255 with
//! Argon2id, as bytes in and bytes out (SPEC 9; key-schedule E). No type of the OPAQUE crate leaks.
//!
//! | message | bytes | goes |
//! |---|---|---|
//! | registration request | 32 | client → relay |
//! | registration response | 64 | relay → client |
//! | registration record | 192 | client → relay, kept |
//! | KE1 | 96 | client → relay |
//! | KE2 | 320 | relay → client |
//! | KE3 | 64 | client → relay |
//!
//! ```
//! # #[derive(Debug)] enum Trouble { Server(chat_login::server::ServerError), Client(chat_login::client::LoginError) }
//! # impl From<chat_login::server::ServerError> for Trouble { fn from(e: chat_login::server::ServerError) -> Self { Self::Server(e) } }
//! # impl From<chat_login::client::LoginError> for Trouble { fn from(e: chat_login::client::LoginError) -> Self { Self::Client(e) } }
//! # fn main() -> Result<(), Trouble> {
//! use chat_login::{Identities, Profile, Terms, client, server};
//!
//! let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
//! let secrets = server::ServerSecrets::generate(&mut rng);
//! let identities = Identities { name: "alice", relay_id: &[7; 32] };
//!
//! let (start, request) = client::RegistrationStart::new(b"correct horse", &mut rng)?;
//! let response = server::register(&secrets, &identities, &request)?;
//! let registered = start.finish(&response, &identities, Profile::DEFAULT, &mut rng)?;
//!
//! let terms = Terms { identities, protocol: 1, exporter: &[9; 32], kp: Profile::DEFAULT.number() };
//! let (start, ke1) = client::LoginStart::new(b"correct horse", &mut rng)?;
//! let (login, ke2) = server::login_start(&secrets, Some(&registered.record), &ke1, &terms, &mut rng)?;
//! let logged_in = start.finish(&ke2, &terms, &mut rng)?;
//! let session_key = server::login_finish(login, &logged_in.ke3)?;
//! assert_eq!(*session_key, *logged_in.session_key);
//! assert_eq!(*registered.export_key, *logged_in.export_key);
//! # Ok(())
//! # }
//! ```
//!
//! Floors: 0 [`limits`], `profile` ([`Profile`]), `terms` ([`Terms`]) · 1 `suite` · 2 [`client`] [`server`] [`stretch`](stretch()).
//!
//! Absent on purpose: storage, clocks, global randomness, and any knowledge of frames.

#![deny(missing_docs, clippy::arithmetic_side_effects)]

pub mod client;
pub mod limits;
mod profile;
pub mod server;
mod stretch;
mod suite;
mod terms;
#[cfg(test)]
mod vectors;

pub use profile::{Profile, UnknownProfile};
pub use stretch::{SALT_BYTES, StretchError, stretch};
pub use terms::{Identities, Terms};
