//! OpenMLS's storage over a [`Shelf`]: values in CBOR under `kind u8 ‖ CBOR of the key`. Nothing is written
//! but into the batch that the shelf collects.

use std::cell::RefCell;

use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::{CURRENT_VERSION, Entity, Key, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chance::Chance;
use super::crypto::Crypto;
use super::shelf::Shelf;
use crate::secret::Secret;

const V: u16 = CURRENT_VERSION;

/// What is stored; the numbers are part of the store's format.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Kind {
    JoinConfig = 1,
    OwnLeaves = 2,
    Proposal = 3,
    ProposalRefs = 4,
    Tree = 5,
    Transcript = 6,
    Context = 7,
    ConfirmationTag = 8,
    State = 9,
    MessageSecrets = 10,
    ResumptionPsks = 11,
    OwnLeafIndex = 12,
    EpochSecrets = 13,
    SignatureKeys = 14,
    EncryptionKeys = 15,
    EpochKeys = 16,
    KeyPackage = 17,
    Psk = 18,
}

/// Whether a key's value belongs to no room: key packages are made before anybody knows where they lead.
pub(crate) fn is_roomless(key: &[u8]) -> bool {
    key.first() == Some(&(Kind::KeyPackage as u8))
}

/// A stored value that can't be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored value of the group is unreadable")]
pub(super) struct Damaged;

/// The storage of one call.
pub(super) struct Overlay<'a> {
    shelf: RefCell<&'a mut dyn Shelf>,
}

/// Everything that OpenMLS is lent for one call.
pub(super) struct Provider<'a> {
    overlay: Overlay<'a>,
    crypto: Crypto,
    chance: Chance,
}

impl<'a> Provider<'a> {
    pub(super) fn new(shelf: &'a mut dyn Shelf, seed: &Secret<32>) -> Self {
        Self { overlay: Overlay { shelf: RefCell::new(shelf) }, crypto: Crypto::new(seed), chance: Chance::new(seed) }
    }
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = Crypto;
    type RandProvider = Chance;
    type StorageProvider = Overlay<'a>;

    fn storage(&self) -> &Overlay<'a> {
        &self.overlay
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Chance {
        &self.chance
    }
}

fn bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Damaged> {
    minicbor_serde::to_vec(value).map_err(|_| Damaged)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    minicbor_serde::from_slice(bytes).map_err(|_| Damaged)
}

fn key_of<K: Serialize + ?Sized>(kind: Kind, key: &K) -> Result<Vec<u8>, Damaged> {
    let mut out = vec![kind as u8];
    out.extend(bytes(key)?);
    Ok(out)
}

impl Overlay<'_> {
    fn put<K: Serialize + ?Sized, T: Serialize + ?Sized>(&self, kind: Kind, key: &K, value: &T) -> Result<(), Damaged> {
        self.shelf.borrow_mut().put(&key_of(kind, key)?, bytes(value)?);
        Ok(())
    }

    fn get<K: Serialize + ?Sized, T: DeserializeOwned>(&self, kind: Kind, key: &K) -> Result<Option<T>, Damaged> {
        self.shelf.borrow().get(&key_of(kind, key)?).map(|bytes| read(&bytes)).transpose()
    }

    fn delete<K: Serialize + ?Sized>(&self, kind: Kind, key: &K) -> Result<(), Damaged> {
        self.shelf.borrow_mut().delete(&key_of(kind, key)?);
        Ok(())
    }

    /// Entities of a list, each as bytes of its own: nothing has to know their type.
    fn list<T: Entity<V>>(&self, kind: Kind, key: &impl Key<V>) -> Result<Vec<T>, Damaged> {
        let raw: Vec<serde_bytes::ByteBuf> = self.get(kind, key)?.unwrap_or_default();
        raw.iter().map(|bytes| read(bytes)).collect()
    }

    fn change_list(
        &self,
        kind: Kind,
        key: &impl Key<V>,
        change: impl FnOnce(&mut Vec<serde_bytes::ByteBuf>),
    ) -> Result<(), Damaged> {
        let mut raw: Vec<serde_bytes::ByteBuf> = self.get(kind, key)?.unwrap_or_default();
        change(&mut raw);
        self.put(kind, key, &raw)
    }
}

/// Setter, getter and deleter of a value that lies under its group: macros, because the trait has one of each
/// for each of eleven types.
macro_rules! set {
    ($name:ident, $trait:ident, $kind:ident) => {
        fn $name<G: traits::GroupId<V>, T: traits::$trait<V>>(&self, group: &G, value: &T) -> Result<(), Damaged> {
            self.put(Kind::$kind, group, value)
        }
    };
}

macro_rules! get {
    ($name:ident, $trait:ident, $kind:ident) => {
        fn $name<G: traits::GroupId<V>, T: traits::$trait<V>>(&self, group: &G) -> Result<Option<T>, Damaged> {
            self.get(Kind::$kind, group)
        }
    };
}

macro_rules! delete {
    ($name:ident, $kind:ident) => {
        fn $name<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), Damaged> {
            self.delete(Kind::$kind, group)
        }
    };
}

impl StorageProvider<V> for Overlay<'_> {
    type Error = Damaged;

    set!(write_mls_join_config, MlsGroupJoinConfig, JoinConfig);
    get!(mls_group_join_config, MlsGroupJoinConfig, JoinConfig);
    delete!(delete_group_config, JoinConfig);

    set!(write_tree, TreeSync, Tree);
    get!(tree, TreeSync, Tree);
    delete!(delete_tree, Tree);

    set!(write_interim_transcript_hash, InterimTranscriptHash, Transcript);
    get!(interim_transcript_hash, InterimTranscriptHash, Transcript);
    delete!(delete_interim_transcript_hash, Transcript);

    set!(write_context, GroupContext, Context);
    get!(group_context, GroupContext, Context);
    delete!(delete_context, Context);

    set!(write_confirmation_tag, ConfirmationTag, ConfirmationTag);
    get!(confirmation_tag, ConfirmationTag, ConfirmationTag);
    delete!(delete_confirmation_tag, ConfirmationTag);

    set!(write_message_secrets, MessageSecrets, MessageSecrets);
    get!(message_secrets, MessageSecrets, MessageSecrets);
    delete!(delete_message_secrets, MessageSecrets);

    set!(write_resumption_psk_store, ResumptionPskStore, ResumptionPsks);
    get!(resumption_psk_store, ResumptionPskStore, ResumptionPsks);
    delete!(delete_all_resumption_psk_secrets, ResumptionPsks);

    set!(write_own_leaf_index, LeafNodeIndex, OwnLeafIndex);
    get!(own_leaf_index, LeafNodeIndex, OwnLeafIndex);
    delete!(delete_own_leaf_index, OwnLeafIndex);

    set!(write_group_epoch_secrets, GroupEpochSecrets, EpochSecrets);
    get!(group_epoch_secrets, GroupEpochSecrets, EpochSecrets);
    delete!(delete_group_epoch_secrets, EpochSecrets);

    delete!(delete_group_state, State);
    delete!(delete_own_leaf_nodes, OwnLeaves);

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(
        &self,
        group: &G,
        value: &T,
    ) -> Result<(), Damaged> {
        self.put(Kind::State, group, value)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G) -> Result<Option<T>, Damaged> {
        self.get(Kind::State, group)
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, T: traits::LeafNode<V>>(
        &self,
        group: &G,
        leaf: &T,
    ) -> Result<(), Damaged> {
        let leaf = bytes(leaf)?;
        self.change_list(Kind::OwnLeaves, group, |list| list.push(leaf.into()))
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, group: &G) -> Result<Vec<T>, Damaged> {
        self.list(Kind::OwnLeaves, group)
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        group: &G,
        reference: &R,
        proposal: &P,
    ) -> Result<(), Damaged> {
        self.put(Kind::Proposal, &(group, reference), proposal)?;
        let reference = bytes(reference)?;
        self.change_list(Kind::ProposalRefs, group, |list| list.push(reference.into()))
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
    ) -> Result<Vec<R>, Damaged> {
        self.list(Kind::ProposalRefs, group)
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        group: &G,
    ) -> Result<Vec<(R, P)>, Damaged> {
        let references: Vec<R> = self.list(Kind::ProposalRefs, group)?;
        let pair = |reference: R| {
            let proposal = self.get(Kind::Proposal, &(group, &reference))?.ok_or(Damaged)?;
            Ok((reference, proposal))
        };
        references.into_iter().map(pair).collect()
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
        reference: &R,
    ) -> Result<(), Damaged> {
        self.delete(Kind::Proposal, &(group, reference))?;
        let reference = bytes(reference)?;
        self.change_list(Kind::ProposalRefs, group, |list| list.retain(|other| *other != reference))
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group: &G) -> Result<(), Damaged> {
        let references: Vec<R> = self.list(Kind::ProposalRefs, group)?;
        for reference in &references {
            self.delete(Kind::Proposal, &(group, reference))?;
        }
        self.delete(Kind::ProposalRefs, group)
    }

    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        public: &K,
        pair: &T,
    ) -> Result<(), Damaged> {
        self.put(Kind::SignatureKeys, public, pair)
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        public: &K,
    ) -> Result<Option<T>, Damaged> {
        self.get(Kind::SignatureKeys, public)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, public: &K) -> Result<(), Damaged> {
        self.delete(Kind::SignatureKeys, public)
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        public: &K,
        pair: &T,
    ) -> Result<(), Damaged> {
        self.put(Kind::EncryptionKeys, public, pair)
    }

    fn encryption_key_pair<T: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(
        &self,
        public: &K,
    ) -> Result<Option<T>, Damaged> {
        self.get(Kind::EncryptionKeys, public)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<(), Damaged> {
        self.delete(Kind::EncryptionKeys, public)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[T],
    ) -> Result<(), Damaged> {
        self.put(Kind::EpochKeys, &(group, epoch, leaf), pairs)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<T>, Damaged> {
        Ok(self.get(Kind::EpochKeys, &(group, epoch, leaf))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), Damaged> {
        self.delete(Kind::EpochKeys, &(group, epoch, leaf))
    }

    fn write_key_package<R: traits::HashReference<V>, T: traits::KeyPackage<V>>(
        &self,
        reference: &R,
        package: &T,
    ) -> Result<(), Damaged> {
        self.put(Kind::KeyPackage, reference, package)
    }

    fn key_package<R: traits::HashReference<V>, T: traits::KeyPackage<V>>(
        &self,
        reference: &R,
    ) -> Result<Option<T>, Damaged> {
        self.get(Kind::KeyPackage, reference)
    }

    fn delete_key_package<R: traits::HashReference<V>>(&self, reference: &R) -> Result<(), Damaged> {
        self.delete(Kind::KeyPackage, reference)
    }

    fn write_psk<P: traits::PskId<V>, T: traits::PskBundle<V>>(&self, id: &P, psk: &T) -> Result<(), Damaged> {
        self.put(Kind::Psk, id, psk)
    }

    fn psk<T: traits::PskBundle<V>, P: traits::PskId<V>>(&self, id: &P) -> Result<Option<T>, Damaged> {
        self.get(Kind::Psk, id)
    }

    fn delete_psk<P: traits::PskId<V>>(&self, id: &P) -> Result<(), Damaged> {
        self.delete(Kind::Psk, id)
    }
}
