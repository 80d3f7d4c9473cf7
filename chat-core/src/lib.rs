//! Transport-agnostic end-to-end encryption for chat: who is who, post-quantum key exchange, ratcheting
//! sessions, and an engine that speaks a whole messenger's protocol. Values in, values out.
//!
//! An embedder picks a height: [`session`] with a transport and a storage of its own; [`engine`] with a
//! loop of its own; or the package `chat-client`, which is complete.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use chat_core::{identity::{AccountKey, DeviceKeys, Party}, prekey::{self, VerifiedBundle}, time::Timestamp};
//! # use chat_core::session::{Accept, IncomingInitiation, Initiate, PreKeyPair, Session};
//! # use chat_wire::{bundle::PreKeyBundle, device_list::{DeviceList, ListBody}, ids::*};
//! # struct Person { keys: DeviceKeys, party: Party }
//! # fn person(name: &str, rng: &mut dyn rand_core::CryptoRng) -> Person {
//! #     let account = AccountKey::generate(rng);
//! #     let device = DeviceId(1);
//! #     let keys = DeviceKeys::generate(DeviceAddress { account: account.id(), device }, rng);
//! #     let body = ListBody {
//! #         relay_id: RelayId([1; 32]), account_id: account.id(), seq: 1, prev_hash: ListHash([0; 32]),
//! #         merged_hash: ListHash([0; 32]), created_ms: 0, expires_ms: 1, account_key: account.public(),
//! #         next_account_key_hash: [0; 32], flags: 0, vault_gen: 1, vault_hash: [0; 32], record_floor: 0,
//! #         name: UserName::parse(name).unwrap(), devices: vec![keys.listed(&account.public(), 1, 0)],
//! #     };
//! #     let list = DeviceList::decode(&account.sign_list(&body)).unwrap();
//! #     Person { keys, party: Party::of(&list, device).unwrap() }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
//! # let rng = &mut rng;
//! # let (alice, bob, relay, now) = (person("alice", rng), person("bob", rng), RelayId([1; 32]), Timestamp::from_ms(0));
//! // Bob has published prekeys; the relay hands out a bundle.
//! let (signed, signed_private) = prekey::signed(&bob.keys, now, rng);
//! let (pair, pair_private) = prekey::one_time(&bob.keys, now, rng);
//! let bundle = PreKeyBundle { owner: bob.keys.address(), signed, one_time: Some(pair), last_resort: None };
//!
//! // Alice verifies it against Bob's device list and writes at once.
//! let bundle = VerifiedBundle::verify(&bundle, &bob.party)?;
//! let with = Initiate { me: &alice.keys, my: &alice.party, relay, bundle, session_no: 1, psk: None, now };
//! let mut session = Session::initiate(with, rng)?;
//! let packet = session.seal(b"hello", rng)?.packet;
//!
//! // Bob learns who claims to write, looks that account's verified list up, and accepts.
//! let keys = PreKeyPair { signed: &signed_private, kem: &pair_private };
//! let incoming = IncomingInitiation::open(&packet, &bob.keys, &keys)?;
//! assert_eq!(incoming.claimed().address(), alice.keys.address());
//! let with = Accept { my: &bob.party, peer: &alice.party, relay, psk: None, now };
//! let (opened, _used) = incoming.complete(with)?;
//! assert_eq!(opened.content, b"hello");
//! # Ok(()) }
//! ```
//!
//! Floors (a module imports only lower ones; `tests/tidy.rs` keeps it):
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`secret`] [`time`] [`limits`] `labels` |
//! | 1 | `crypto` [`store`] |
//! | 2 | [`identity`] [`mod@file`] `ratchet` |
//! | 3 | [`prekey`] [`archive`] |
//! | 4 | [`handshake`] |
//! | 5 | [`session`] |
//! | 6 | [`engine`] |
//!
//! Absent on purpose: sockets, files, clocks, global randomness, async, the password; `Clone`,
//! comparison, serialisation or printing of a secret; an X25519 result that is used unchecked; a write
//! or a changed state after a refused packet; `unsafe`.

#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod archive;
mod crypto;
pub mod engine;
pub mod file;
mod group;
pub mod handshake;
pub mod identity;
mod labels;
pub mod limits;
#[cfg(feature = "measure")]
pub mod measure;
pub mod prekey;
mod ratchet;
pub mod secret;
pub mod session;
pub mod store;
pub mod time;
