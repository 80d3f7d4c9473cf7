//! Secrets: on the heap, filled where they live, wiped when dropped (STYLE 3.4).
//!
//! Absent on purpose: `Clone`, `Copy`, `PartialEq`, `serde` and a `Debug` that shows anything. A state
//! that keeps a secret over several of its own versions holds it behind an `Arc`: one copy in memory.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

/// Bytes that are wiped where they lie.
struct Wiped<const N: usize>([u8; N]);

impl<const N: usize> Drop for Wiped<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites bytes with zeros that the compiler must not leave out: in one run, where writing each byte
/// by itself takes ten times as long.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// `N` secret bytes.
///
/// ```
/// use chat_core::secret::{Secret, burn_stack};
/// let key = Secret::<32>::fill(|bytes| bytes.fill(7)); // where it stays, so that no copy is left
/// let same = Secret::try_fill(|bytes: &mut [u8; 32]| Ok::<(), ()>(bytes.fill(7))).unwrap();
/// assert!(key.ct_eq(&same));
/// assert_eq!(format!("{key:?}"), "Secret<32>");
/// burn_stack(); // what primitives left behind
/// ```
pub struct Secret<const N: usize>(Box<Wiped<N>>);

impl<const N: usize> Secret<N> {
    /// Makes a secret by filling zeros in place, so that no copy stays behind on the stack.
    pub fn fill(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new(Wiped([0; N])));
        fill(&mut secret.0.0);
        secret
    }

    /// As [`Secret::fill`], for a source that can fail; what was filled is then wiped.
    ///
    /// # Errors
    /// Whatever the source says.
    pub fn try_fill<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new(Wiped([0; N])));
        fill(&mut secret.0.0)?;
        Ok(secret)
    }

    /// Copies a secret out of bytes that are wiped elsewhere; none when the length differs.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; N] = bytes.try_into().ok()?;
        Some(Self::fill(|out| out.copy_from_slice(bytes)))
    }

    /// The bytes, for a primitive or an encoded record; never for anything else.
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0.0
    }

    /// Whether two secrets are equal, in time that does not depend on where they differ.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.expose().as_slice().ct_eq(other.expose().as_slice()).into()
    }
}

impl<const N: usize> ZeroizeOnDrop for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>")
    }
}

/// `N` secret bytes that several versions of a state have together: one copy in memory, wiped with the last
/// that has it.
pub(crate) struct SharedSecret<const N: usize>(Arc<Wiped<N>>);

impl<const N: usize> SharedSecret<N> {
    /// As [`Secret::fill`].
    pub(crate) fn fill(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Arc::new(Wiped([0; N]));
        if let Some(bytes) = Arc::get_mut(&mut secret) {
            fill(&mut bytes.0);
        }
        Self(secret)
    }

    /// As [`Secret::from_slice`].
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; N] = bytes.try_into().ok()?;
        Some(Self::fill(|out| out.copy_from_slice(bytes)))
    }

    /// As [`Secret::expose`].
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0.0
    }

    /// The same bytes, held once more.
    pub(crate) fn held(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Makes a newtype over [`Secret`] for one role: a macro, because a function cannot make types.
macro_rules! secret_role {
    ($(#[$doc:meta])* $vis:vis $name:ident, $len:literal) => {
        $(#[$doc])*
        $vis struct $name($crate::secret::Secret<$len>);

        #[allow(dead_code, reason = "each role uses what it needs of the common shape")]
        impl $name {
            pub(crate) fn new(secret: $crate::secret::Secret<$len>) -> Self {
                Self(secret)
            }

            pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
                $crate::secret::Secret::from_slice(bytes).map(Self)
            }

            pub(crate) fn expose(&self) -> &[u8; $len] {
                self.0.expose()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
pub(crate) use secret_role;

/// As [`secret_role`], for keys of states of which a next version is made with every message: a copy of the
/// state holds the same bytes.
macro_rules! shared_role {
    ($(#[$doc:meta])* $vis:vis $name:ident, $len:literal) => {
        $(#[$doc])*
        $vis struct $name($crate::secret::SharedSecret<$len>);

        impl $name {
            pub(crate) fn new(secret: $crate::secret::SharedSecret<$len>) -> Self {
                Self(secret)
            }

            pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
                $crate::secret::SharedSecret::from_slice(bytes).map(Self)
            }

            pub(crate) fn expose(&self) -> &[u8; $len] {
                self.0.expose()
            }
        }

        impl Clone for $name {
            fn clone(&self) -> Self {
                Self(self.0.held())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
pub(crate) use shared_role;

/// Bytes of stack that [`burn_stack`] overwrites. A whole accepted handshake, whose ML-KEM-1024 goes
/// deepest, ran on a stack of 80 KB and overflowed one of 60 KB (measured on x86-64).
const BURNT_STACK_BYTES: usize = 96 * 1024;

/// Overwrites the dead part of the stack, where primitives leave pieces of keys. The engine calls it
/// once on the way out of every step; an embedder of the lower floors calls it when it likes.
#[inline(never)]
pub fn burn_stack() {
    // Lent out to be changed, the zeros have to be written here and not taken from a constant.
    let mut pad = [0_u8; BURNT_STACK_BYTES];
    std::hint::black_box(&mut pad);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_its_type_only_and_compares_by_content() {
        let secret = Secret::<4>::fill(|b| b.copy_from_slice(b"key!"));
        let same = Secret::<4>::from_slice(b"key!").unwrap();
        let other = Secret::<4>::from_slice(b"kez!").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret<4>");
        assert!(secret.ct_eq(&same));
        assert!(!secret.ct_eq(&other));
        assert!(Secret::<4>::from_slice(b"short key").is_none());
    }

    #[test]
    fn a_failed_source_gives_no_secret() {
        let made = Secret::<4>::try_fill(|b| {
            b.fill(7);
            Err("no")
        });
        assert_eq!(made.err(), Some("no"));
    }
}
