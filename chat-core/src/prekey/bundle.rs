//! From a bundle that the relay handed out to one that may be used.

use chat_wire::bundle::PreKeyBundle;
use chat_wire::ids::PreKeyId;
use chat_wire::keys::{DhKey, KemKey};

use crate::identity::Party;

/// A bundle whose every key was signed by the device that a verified list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBundle {
    pub(crate) owner: Party,
    pub(crate) signed: DhKey,
    pub(crate) signed_id: PreKeyId,
    pub(crate) kem: KemChoice,
}

/// What comes with the medium-term prekey: a one-time pair, or the last resort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KemChoice {
    /// A one-time pair.
    OneTime { dh: DhKey, dh_id: PreKeyId, kem: Box<KemKey>, kem_id: PreKeyId },
    /// The last-resort key.
    LastResort { kem: Box<KemKey>, kem_id: PreKeyId },
}

/// Why a bundle is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It is another device's.
    #[error("the bundle belongs to another device")]
    Owner,
    /// Not exactly one of pair and last resort.
    #[error("the bundle holds no key, or two kinds of keys")]
    Shape,
    /// A signature is wrong.
    #[error("a prekey was not signed by its device")]
    Signature,
}

impl VerifiedBundle {
    /// Verifies every signature against the device's key in a verified list (SPEC 6.3.2).
    ///
    /// ```
    /// # use chat_fixtures::person::Person;
    /// use chat_core::prekey::{BundleError, VerifiedBundle};
    /// let (bob, mallory) = (Person::new(1), Person::new(2));
    /// let bundle = bob.stock(true, 3).bundle;
    /// assert!(VerifiedBundle::verify(&bundle, &bob.party).is_ok());
    /// let mut swapped = bundle.clone();
    /// swapped.signed = mallory.stock(true, 4).bundle.signed;
    /// assert_eq!(VerifiedBundle::verify(&swapped, &bob.party).err(), Some(BundleError::Signature));
    /// ```
    ///
    /// # Errors
    /// [`BundleError`]; the bundle must then not be used at all.
    pub fn verify(bundle: &PreKeyBundle, owner: &Party) -> Result<Self, BundleError> {
        let address = owner.address();
        if bundle.owner != address {
            return Err(BundleError::Owner);
        }
        if !bundle.signed.verifies(&address, owner.sig_key()) {
            return Err(BundleError::Signature);
        }
        let (kem, genuine) = match (&bundle.one_time, &bundle.last_resort) {
            (Some(pair), None) => {
                let kem = Box::new(pair.kem);
                let choice = KemChoice::OneTime { dh: pair.dh, dh_id: pair.dh_id(), kem, kem_id: pair.kem_id() };
                (choice, pair.verifies(&address, owner.sig_key()))
            }
            (None, Some(last)) => {
                let choice = KemChoice::LastResort { kem: Box::new(last.kem), kem_id: last.id() };
                (choice, last.verifies(&address, owner.sig_key()))
            }
            _ => return Err(BundleError::Shape),
        };
        if !genuine {
            return Err(BundleError::Signature);
        }
        Ok(Self { owner: owner.clone(), signed: bundle.signed.public, signed_id: bundle.signed.id(), kem })
    }

    /// Whose keys these are.
    ///
    /// ```
    /// # let couple = chat_fixtures::pair::Couple::new(2, true);
    /// assert_eq!(couple.verified().owner(), &couple.bob.party);
    /// ```
    #[must_use]
    pub fn owner(&self) -> &Party {
        &self.owner
    }
}
