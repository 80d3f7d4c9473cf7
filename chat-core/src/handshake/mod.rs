//! The handshake: a PQXDH profile with a full transcript and an encrypted initiator identity
//! (key-schedule A, SPEC 8.1; PQXDH rev 3 §3).
//!
//! ```text
//! initiator                                   responder
//! VerifiedBundle ─ initiate ─► initiation ──► InitiationHead::parse   (no cryptography)
//!      │                                          │ private prekeys by id
//!      │                                      Identified::open        (who claims to write?)
//!      │                                          │ verified list of that account
//!      ▼                                          ▼
//!   Agreed  ═══════════ same keys ═══════════  Identified::agree
//! ```
//!
//! Absent on purpose: negotiation, a handshake without ML-KEM, a signature over anything (deniability).

pub(crate) mod accept;
pub(crate) mod initiate;
pub(crate) mod transcript;

pub use accept::{InitiationHead, PreKeyPair};
pub use transcript::{HandshakeError, InitiationId, Psk, Sid};

#[cfg(test)]
mod tests;
