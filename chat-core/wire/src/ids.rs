//! Identifiers (SPEC 3). Each is a type of its own, so that none stands in for another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{NAME_CHARS_MAX, NAME_CHARS_MIN};

/// Makes a fixed-width byte identifier: a macro, because a function cannot make types.
macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Bytes of this identifier on the wire.
            pub const BYTES: usize = $len;

            /// The bytes as they stand on the wire.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the identifier from exactly its own width.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "("))?;
                for byte in self.0.iter().take(4) {
                    write!(f, "{byte:02x}")?;
                }
                write!(f, "…)")
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

byte_id!(
    /// An account, self-certifying: the hash of the suite and the first account key (SPEC 3.1).
    AccountId, 32
);
byte_id!(
    /// A relay: the hash of its identity key (SPEC 3.2).
    RelayId, 32
);
byte_id!(
    /// A prekey: the first bytes of the hash of its kind and its public key (SPEC 3.3).
    PreKeyId, 8
);
byte_id!(
    /// A message, the same for its sender and every recipient (SPEC 3.4).
    MessageId, 16
);
byte_id!(
    /// One opening of a client's store; written to the relay by compare-and-set (SPEC 7.2).
    BootId, 16
);
byte_id!(
    /// Idempotency key of a request: a repeat returns the first one's answer (SPEC 7.3).
    RequestKey, 16
);
byte_id!(
    /// SHA-256 of a signed device list, as bytes received.
    ListHash, 32
);
byte_id!(
    /// A sealed file on the relay: random, and all that a reader needs to know of it (SPEC 13.3).
    BlobId, 16
);
byte_id!(
    /// A room: the id of its MLS group, random, never used again.
    RoomId, 16
);
byte_id!(
    /// An MLS key package, by its reference.
    KeyPackageId, 32
);

/// A device inside its account: random, never zero, never used again after removal (SPEC 3.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct DeviceId(pub u32);

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Zero is the account key's mark in a device list.
        let id = std::num::NonZeroU32::deserialize(deserializer)?;
        Ok(Self(id.get()))
    }
}

/// One device of one account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DeviceAddress {
    /// The account.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Its device.
    #[serde(rename = "d")]
    pub device: DeviceId,
}

/// A user name in its normal form: ASCII letters (lower case), digits, `_`, `-`, `.`; 3–32 long
/// (SPEC 3.6).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct UserName(String);

/// Why a text is no user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserNameError {
    /// Shorter than 3 or longer than 32 characters.
    #[error("a name has {NAME_CHARS_MIN} to {NAME_CHARS_MAX} characters")]
    Length,
    /// A character outside the alphabet.
    #[error("a name has only ASCII letters, digits, '_', '-' and '.'")]
    Character,
}

impl UserName {
    /// Checks a text and folds it to lower case.
    ///
    /// # Errors
    /// [`UserNameError`] when the length or a character is outside SPEC 3.6.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        if !(NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&text.len()) {
            return Err(UserNameError::Length);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
            return Err(UserNameError::Character);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = Self::parse(&text).map_err(serde::de::Error::custom)?;
        // Only the normal form crosses the wire, so that two spellings are never two keys.
        if name.as_str() == text { Ok(name) } else { Err(serde::de::Error::custom("name is not in normal form")) }
    }
}

/// A room's name in its normal form, without the `#` that it is shown with; the alphabet of user names
/// (SPEC 12.1.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct RoomName(String);

impl RoomName {
    /// Checks a text, with or without its `#`, and folds it to lower case.
    ///
    /// # Errors
    /// [`UserNameError`] when the length or a character is outside SPEC 3.6.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let name = UserName::parse(text.strip_prefix('#').unwrap_or(text))?;
        Ok(Self(name.0))
    }

    /// The name in its normal form, without `#`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UserName::deserialize(deserializer).map(|name| Self(name.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_folded_and_a_foreign_character_is_refused() {
        assert_eq!(UserName::parse("Alice_9.x-").map(|n| n.to_string()), Ok("alice_9.x-".to_owned()));
        assert_eq!(UserName::parse("al"), Err(UserNameError::Length));
        assert_eq!(UserName::parse(&"a".repeat(33)), Err(UserNameError::Length));
        for bad in ["ali ce", "älice", "alice\n", "#lobby", "a/b"] {
            assert_eq!(UserName::parse(bad), Err(UserNameError::Character), "{bad:?}");
        }
    }
}
