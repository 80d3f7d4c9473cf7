//! The closed table of Argon2id profiles (SPEC 9.2; key-schedule E): a relay names one, it never
//! sets parameters, so it can neither weaken a password nor make a client work without end.

use std::fmt;

/// How a password is stretched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// 64 MiB, 3 passes, 4 lanes: the second profile of RFC 9106.
    Standard,
    /// 256 MiB, 3 passes, 4 lanes.
    Strong,
}

/// The number names no profile of the table; nothing was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("password profile {0} is unknown to this version")]
pub struct UnknownProfile(pub u8);

/// What Argon2id is run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Costs {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Profile {
    /// What new accounts use, and what the relay names for a name that does not exist.
    pub const DEFAULT: Self = Self::Standard;

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Standard => 1,
            Self::Strong => 2,
        }
    }

    pub(crate) const fn costs(self) -> Costs {
        match self {
            Self::Standard => Costs { memory_kib: 64 * 1024, passes: 3, lanes: 4 },
            Self::Strong => Costs { memory_kib: 256 * 1024, passes: 3, lanes: 4 },
        }
    }
}

impl TryFrom<u8> for Profile {
    type Error = UnknownProfile;

    fn try_from(number: u8) -> Result<Self, UnknownProfile> {
        match number {
            1 => Ok(Self::Standard),
            2 => Ok(Self::Strong),
            other => Err(UnknownProfile(other)),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_exactly_the_two_published_profiles() {
        for number in 0..=u8::MAX {
            let known = Profile::try_from(number);
            assert_eq!(known.is_ok(), matches!(number, 1 | 2), "{number}");
            assert!(known.is_err() || known.map(Profile::number) == Ok(number));
        }
        assert_eq!(Profile::Standard.costs(), Costs { memory_kib: 65_536, passes: 3, lanes: 4 });
        assert_eq!(Profile::Strong.costs(), Costs { memory_kib: 262_144, passes: 3, lanes: 4 });
        assert_eq!(Profile::DEFAULT, Profile::Standard);
    }
}
