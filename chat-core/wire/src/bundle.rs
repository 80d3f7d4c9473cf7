//! Prekeys as they are published and handed out (SPEC 6; key-schedule A).

use serde::{Deserialize, Serialize};

use crate::domain::{PREKEY_ID, SIG_LAST_RESORT, SIG_ONE_TIME_PAIR, SIG_SIGNED_PREKEY, labelled_hash};
use crate::ids::{DeviceAddress, PreKeyId};
use crate::keys::{DhKey, KemKey, Signature, VerifyKey};

/// Kinds of prekeys inside a prekey id, so that an id of one kind never names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PreKeyKind {
    /// Medium-term X25519 prekey.
    Signed = 1,
    /// One-time X25519 prekey.
    OneTime = 2,
    /// One-time ML-KEM-1024 prekey.
    OneTimeKem = 3,
    /// Last-resort ML-KEM-1024 prekey.
    LastResortKem = 4,
}

/// `H(L("prekey-id") ‖ kind u8 ‖ pk)[..8]` (key-schedule A).
#[must_use]
pub fn prekey_id(kind: PreKeyKind, public: &[u8]) -> PreKeyId {
    let hash = labelled_hash(PREKEY_ID, &[&[kind as u8], public]);
    let [a, b, c, d, e, f, g, h, ..] = hash;
    PreKeyId([a, b, c, d, e, f, g, h])
}

/// A medium-term X25519 prekey, signed by its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPreKey {
    /// Public key.
    #[serde(rename = "p")]
    pub public: DhKey,
    /// When it was made, in milliseconds since the Unix epoch, by the device's clock.
    #[serde(rename = "t")]
    pub created_ms: u64,
    /// Over `L("sig/spk") ‖ account ‖ device u32 ‖ created u64 ‖ public`.
    #[serde(rename = "s")]
    pub signature: Signature,
}

/// A one-time pair, signed as a pair: the relay can't mix halves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimePair {
    /// X25519 half.
    #[serde(rename = "p")]
    pub dh: DhKey,
    /// ML-KEM-1024 half.
    #[serde(rename = "k")]
    pub kem: KemKey,
    /// Over `L("sig/otp") ‖ account ‖ device u32 ‖ dh ‖ kem`.
    #[serde(rename = "s")]
    pub signature: Signature,
}

/// A last-resort ML-KEM-1024 prekey: handed out again and again once the pairs are used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResortKey {
    /// ML-KEM-1024 public key.
    #[serde(rename = "k")]
    pub kem: KemKey,
    /// When it was made, in milliseconds since the Unix epoch, by the device's clock.
    #[serde(rename = "t")]
    pub created_ms: u64,
    /// Over `L("sig/lastres") ‖ account ‖ device u32 ‖ created u64 ‖ kem`.
    #[serde(rename = "s")]
    pub signature: Signature,
}

/// What the relay hands out to open a session with one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreKeyBundle {
    /// Whose.
    #[serde(rename = "o")]
    pub owner: DeviceAddress,
    /// The medium-term prekey.
    #[serde(rename = "s")]
    pub signed: SignedPreKey,
    /// A one-time pair, or none when they are used up.
    #[serde(rename = "n", default)]
    pub one_time: Option<OneTimePair>,
    /// The last-resort key, present exactly when there is no pair.
    #[serde(rename = "l", default)]
    pub last_resort: Option<LastResortKey>,
}

impl SignedPreKey {
    /// Id of this prekey.
    #[must_use]
    pub fn id(&self) -> PreKeyId {
        prekey_id(PreKeyKind::Signed, &self.public.0)
    }

    /// The parts that the signature covers, after the label.
    #[must_use]
    pub fn signed_bytes(owner: &DeviceAddress, created_ms: u64, public: &DhKey) -> Vec<u8> {
        [&owner.account.0[..], &owner.device.0.to_be_bytes(), &created_ms.to_be_bytes(), &public.0].concat()
    }

    /// Whether the device signed it.
    #[must_use]
    pub fn verifies(&self, owner: &DeviceAddress, key: &VerifyKey) -> bool {
        let bytes = Self::signed_bytes(owner, self.created_ms, &self.public);
        key.verifies(SIG_SIGNED_PREKEY, &[&bytes], &self.signature)
    }
}

impl OneTimePair {
    /// Id of the X25519 half.
    #[must_use]
    pub fn dh_id(&self) -> PreKeyId {
        prekey_id(PreKeyKind::OneTime, &self.dh.0)
    }

    /// Id of the ML-KEM half.
    #[must_use]
    pub fn kem_id(&self) -> PreKeyId {
        prekey_id(PreKeyKind::OneTimeKem, &self.kem.0)
    }

    /// The parts that the signature covers, after the label.
    #[must_use]
    pub fn signed_bytes(owner: &DeviceAddress, dh: &DhKey, kem: &KemKey) -> Vec<u8> {
        [&owner.account.0[..], &owner.device.0.to_be_bytes(), &dh.0, &kem.0].concat()
    }

    /// Whether the device signed it.
    #[must_use]
    pub fn verifies(&self, owner: &DeviceAddress, key: &VerifyKey) -> bool {
        let bytes = Self::signed_bytes(owner, &self.dh, &self.kem);
        key.verifies(SIG_ONE_TIME_PAIR, &[&bytes], &self.signature)
    }
}

impl LastResortKey {
    /// Id of this prekey.
    #[must_use]
    pub fn id(&self) -> PreKeyId {
        prekey_id(PreKeyKind::LastResortKem, &self.kem.0)
    }

    /// The parts that the signature covers, after the label.
    #[must_use]
    pub fn signed_bytes(owner: &DeviceAddress, created_ms: u64, kem: &KemKey) -> Vec<u8> {
        [&owner.account.0[..], &owner.device.0.to_be_bytes(), &created_ms.to_be_bytes(), &kem.0].concat()
    }

    /// Whether the device signed it.
    #[must_use]
    pub fn verifies(&self, owner: &DeviceAddress, key: &VerifyKey) -> bool {
        let bytes = Self::signed_bytes(owner, self.created_ms, &self.kem);
        key.verifies(SIG_LAST_RESORT, &[&bytes], &self.signature)
    }
}
