//! What ties a login to one connection (SPEC 7.1).

use crate::ids::{DeviceAddress, RelayId};

/// What `Proof` signs after the label.
#[must_use]
pub fn proof_bytes(relay: &RelayId, binding: &ChannelBinding, device: &DeviceAddress, incarnation: u32) -> Vec<u8> {
    [
        &relay.0[..],
        &binding.challenge,
        &binding.exporter,
        &device.account.0,
        &device.device.0.to_be_bytes(),
        &incarnation.to_be_bytes(),
    ]
    .concat()
}

/// What `Ready` signs after the label.
#[must_use]
pub fn ready_bytes(binding: &ChannelBinding, version: u16) -> Vec<u8> {
    [&binding.challenge[..], &binding.exporter, &version.to_be_bytes()].concat()
}

/// What ties a signature to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelBinding {
    /// The challenge of `Ready`.
    pub challenge: [u8; 32],
    /// TLS exporter, label `EXPORTER-chat-v1`, no context, 32 bytes.
    pub exporter: [u8; 32],
}

/// Label of the TLS exporter.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-chat-v1";
