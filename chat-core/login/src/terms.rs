//! What both ends must agree on before a password means anything (SPEC 9.3; key-schedule E).

/// Who logs in where. Both stand inside OPAQUE's envelope, so a record is of no use elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identities<'a> {
    /// The user name in its normal form.
    pub name: &'a str,
    /// The relay's id.
    pub relay_id: &'a [u8; 32],
}

/// What a login is bound to: when one word differs between the ends, it fails.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Who logs in where.
    pub identities: Identities<'a>,
    /// Version of the protocol that was agreed on.
    pub protocol: u16,
    /// 32 bytes of the TLS exporter: a login relayed over another connection fails.
    pub exporter: &'a [u8; 32],
    /// Number of the Argon2id profile that stretches the password.
    pub kp: u8,
}

/// Length of the context in bytes: label, version, profile, relay, exporter.
const CONTEXT_BYTES: usize = LABEL.len() + 2 + 1 + 32 + 32;
const LABEL: &[u8] = b"CHAT-v1 opaque\0";

impl Terms<'_> {
    /// `L("opaque") ‖ proto u16 ‖ kp u8 ‖ relay_id ‖ exporter`.
    #[must_use]
    pub fn context(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CONTEXT_BYTES);
        bytes.extend_from_slice(LABEL);
        bytes.extend_from_slice(&self.protocol.to_be_bytes());
        bytes.push(self.kp);
        bytes.extend_from_slice(self.identities.relay_id);
        bytes.extend_from_slice(self.exporter);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_has_the_specified_layout() {
        let identities = Identities { name: "alice", relay_id: &[0xaa; 32] };
        let terms = Terms { identities, protocol: 0x0102, exporter: &[0xbb; 32], kp: 7 };
        let mut expected = b"CHAT-v1 opaque\0\x01\x02\x07".to_vec();
        expected.extend_from_slice(&[0xaa; 32]);
        expected.extend_from_slice(&[0xbb; 32]);
        assert_eq!(terms.context(), expected);
        assert_eq!(expected.len(), CONTEXT_BYTES);
    }
}
