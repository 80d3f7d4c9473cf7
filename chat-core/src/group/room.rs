//! One room's MLS group: every operation reads and writes through a [`Shelf`], takes its randomness as a seed,
//! and leaves nothing behind when it fails.

use chat_wire::ids::RoomId;
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::Deserialize as _;
use openmls::prelude::{
    CommitMessageBundle, Extension, ExtensionType, Extensions, GroupContext, GroupId, KeyPackage, LeafNodeIndex,
    MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider as _,
    PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, PastEpochDeletion, PreSharedKeyProposal, ProcessedMessageContent, Proposal,
    ProposalType, ProtocolMessage, QueuedProposal, RequiredCapabilitiesExtension, Sender, SenderRatchetConfiguration,
    StagedCommit, StagedWelcome, UnknownExtension, Welcome,
};
use openmls::schedule::PreSharedKeyId;
use openmls_traits::random::OpenMlsRand as _;
use openmls_traits::storage::StorageProvider as _;
use zeroize::Zeroizing;

use super::chance::Chance;
use super::credential::CREDENTIAL_TYPE;
use super::crypto::{Crypto, SUITE};
use super::keys::{LeafKey, POLICY_TYPE, capabilities, fresh};
use super::leaf::{GroupError, Leaf, seen};
use super::overlay::Provider;
use super::policy::{Change, Policy};
use super::shelf::Shelf;
use super::values::{Added, Back, Elsewhere, MadeCommit, OwnLeaf, Processed, StagedChange, WelcomeCard};
use super::whisper::{self, Whisper};
use super::witness::{Base, Witness, authenticator, evidence_of, with_evidence};
use crate::secret::Secret;

/// Epochs back for which messages still open (SPEC 12.5.2).
const PAST_EPOCHS_MAX: usize = 5;
/// Messages of one sender that may come late, and how far one may be ahead.
const GENERATIONS_LATE_MAX: u32 = 1_024;
const GENERATIONS_AHEAD_MAX: u32 = 2_000;
/// Messages are padded to multiples of this many bytes: short ones look alike.
const PADDING_BYTES: usize = 512;
/// Epochs whose secrets let a member come back (SPEC 12.4.6).
const RESUMPTIONS_MAX: u64 = 16;
/// What these secrets are exported for.
const RESUMPTION: &str = "chat/resume";
/// What the secret of an epoch is exported for under which members tell in passing that they write.
const PASSING: &str = "chat/passing";

/// A group that was joined by a Welcome.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) group: Group,
}

/// One room's group with its signing key.
pub(crate) struct Group {
    mls: MlsGroup,
    key: LeafKey,
    /// Where in the log the epoch began.
    base: Base,
    /// What this leaf says of its epoch, once it was signed.
    stated: Option<Vec<u8>>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING_BYTES)
        .max_past_epochs(PAST_EPOCHS_MAX)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(ratchet())
        .build()
}

fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(GENERATIONS_LATE_MAX, GENERATIONS_AHEAD_MAX)
}

fn context_extensions(policy: &Policy) -> Result<Extensions<GroupContext>, GroupError> {
    let required = RequiredCapabilitiesExtension::new(&[ExtensionType::Unknown(POLICY_TYPE)], &[], &[CREDENTIAL_TYPE]);
    let policy = UnknownExtension(policy.encode().ok_or(GroupError::Broken)?);
    Extensions::from_vec(vec![Extension::RequiredCapabilities(required), Extension::Unknown(POLICY_TYPE, policy)])
        .map_err(|_| GroupError::Broken)
}

/// The policy of a context; required capabilities as ours, and no door for outsiders.
fn policy_of(context: &GroupContext) -> Result<Policy, GroupError> {
    let extensions = context.extensions();
    let required = extensions.required_capabilities().ok_or(GroupError::Malformed)?;
    let ours = required.extension_types() == [ExtensionType::Unknown(POLICY_TYPE)]
        && required.credential_types() == [CREDENTIAL_TYPE];
    if !ours || extensions.external_senders().is_some() || context.ciphersuite() != SUITE {
        return Err(GroupError::Malformed);
    }
    let bytes = extensions.unknown(POLICY_TYPE).ok_or(GroupError::Malformed)?;
    Policy::decode(&bytes.0).ok_or(GroupError::Malformed)
}

fn made(provider: &Provider<'_>, policy: &Policy, bundle: CommitMessageBundle) -> Result<MadeCommit, GroupError> {
    let (commit, welcome, group_info) = bundle.into_messages();
    let commit = commit.to_bytes().map_err(|_| GroupError::Broken)?;
    let group_info = group_info.ok_or(GroupError::Broken)?.to_bytes().map_err(|_| GroupError::Broken)?;
    let group_info = at_door(provider, policy, group_info)?;
    let welcome = welcome.map(|welcome| welcome.to_bytes()).transpose().map_err(|_| GroupError::Broken)?;
    Ok(MadeCommit { commit, group_info, welcome })
}

/// A GroupInfo as the relay keeps it.
fn at_door(provider: &Provider<'_>, policy: &Policy, info: Vec<u8>) -> Result<Vec<u8>, GroupError> {
    let Some(door) = &policy.door else { return Ok(info) };
    let nonce = provider.rand().random_array().map_err(|_| GroupError::Broken)?;
    Ok(door.seal(&nonce, &info))
}

/// A GroupInfo as the relay gave it; a member opens what is sealed.
fn info_of(bytes: &[u8], policy: Option<&Policy>) -> Result<VerifiableGroupInfo, GroupError> {
    let door = policy.and_then(|policy| policy.door.as_ref());
    let opened = door.map(|door| door.open(bytes).ok_or(GroupError::Malformed)).transpose()?;
    match body(opened.as_deref().unwrap_or(bytes))? {
        MlsMessageBodyIn::GroupInfo(info) => Ok(info),
        _ => Err(GroupError::Malformed),
    }
}

/// What proves that somebody was in an epoch of a room.
fn resumption(room: &GroupId, epoch: u64, nonce: Vec<u8>) -> PreSharedKeyId {
    let id = [RESUMPTION.as_bytes(), room.as_slice(), &epoch.to_be_bytes()].concat();
    PreSharedKeyId::external(id, nonce)
}

fn body(bytes: &[u8]) -> Result<MlsMessageBodyIn, GroupError> {
    MlsMessageIn::tls_deserialize_exact(bytes).map(MlsMessageIn::extract).map_err(|_| GroupError::Malformed)
}

fn room_of(group_id: &GroupId) -> Result<RoomId, GroupError> {
    RoomId::from_slice(group_id.as_slice()).ok_or(GroupError::Malformed)
}

fn welcome_of(bytes: &[u8]) -> Result<Welcome, GroupError> {
    match body(bytes)? {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(GroupError::Malformed),
    }
}

fn stage(provider: &Provider<'_>, bytes: &[u8]) -> Result<StagedWelcome, GroupError> {
    use openmls::prelude::WelcomeError;
    let builder = StagedWelcome::build_from_welcome(provider, &join_config(), welcome_of(bytes)?);
    let builder = builder.map_err(|error| match error {
        WelcomeError::NoMatchingKeyPackage => GroupError::NoKeyPackage,
        WelcomeError::StorageError(_) => GroupError::Damaged,
        _ => GroupError::Malformed,
    })?;
    // Key packages of the tree may be long used: their owners are checked by their lists instead.
    let builder = builder.skip_lifetime_validation().replace_old_group();
    builder.build().map_err(|_| GroupError::Malformed)
}

fn card(staged: &StagedWelcome) -> Result<WelcomeCard, GroupError> {
    let context = staged.group_context();
    let sender = staged.welcome_sender().map_err(|_| GroupError::Malformed)?;
    let own = staged.own_leaf_node().ok_or(GroupError::Malformed)?;
    let others = staged.members().filter(|member| member.index != staged.own_leaf_index());
    let others = others.map(|member| Leaf::of_member(&member)).collect::<Result<Vec<_>, _>>()?;
    Ok(WelcomeCard {
        room: room_of(context.group_id())?,
        epoch: context.epoch().as_u64(),
        inviter: Leaf::of_node(staged.welcome_sender_index().u32(), sender)?,
        own_key: Leaf::of_node(staged.own_leaf_index().u32(), own)?.key,
        others,
        policy: policy_of(context)?,
    })
}

/// Reads a Welcome. What it uses up on the shelf must be dropped by the caller, unless the group is joined.
pub(crate) fn peek_welcome(shelf: &mut dyn Shelf, seed: &Secret<32>, bytes: &[u8]) -> Result<WelcomeCard, GroupError> {
    let provider = Provider::new(shelf, seed);
    card(&stage(&provider, bytes)?)
}

impl Group {
    /// A new room with this leaf alone; also its GroupInfo.
    pub(crate) fn create(
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        room: &RoomId,
        leaf: OwnLeaf<'_>,
        policy: &Policy,
    ) -> Result<(Self, Vec<u8>), GroupError> {
        let provider = Provider::new(shelf, seed);
        let OwnLeaf { key, credential, at_ms } = leaf;
        let config = MlsGroupCreateConfig::builder()
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(PADDING_BYTES)
            .max_past_epochs(PAST_EPOCHS_MAX)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(ratchet())
            .ciphersuite(SUITE)
            .capabilities(capabilities())
            .with_group_context_extensions(context_extensions(policy)?)
            .with_leaf_node_extensions(seen(at_ms)?)
            .map_err(|_| GroupError::Broken)?
            .build();
        let id = GroupId::from_slice(&room.0);
        let mls = MlsGroup::new_with_group_id(&provider, &key, &config, id, key.with_credential(credential))
            .map_err(|_| GroupError::Broken)?;
        let info = mls.export_group_info(provider.crypto(), &key, true).map_err(|_| GroupError::Broken)?;
        let info = at_door(&provider, policy, info.to_bytes().map_err(|_| GroupError::Broken)?)?;
        let group = Self::of(mls, key);
        group.keep_resumption(&provider)?;
        Ok((group, info))
    }

    /// The group as it is stored.
    pub(crate) fn load(shelf: &mut dyn Shelf, room: &RoomId, key: LeafKey) -> Result<Option<Self>, GroupError> {
        let provider = Provider::new(shelf, &Secret::fill(|_| ()));
        let mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&room.0)).map_err(|_| GroupError::Damaged)?;
        Ok(mls.map(|mls| Self::of(mls, key)))
    }

    fn of(mls: MlsGroup, key: LeafKey) -> Self {
        Self { mls, key, base: Base::default(), stated: None }
    }

    /// Keeps what lets this leaf come back to the epoch it is in, and drops the oldest of those.
    fn keep_resumption(&self, provider: &Provider<'_>) -> Result<(), GroupError> {
        let epoch = self.epoch();
        let secret = self.mls.export_secret(provider.crypto(), RESUMPTION, &[], 32).map_err(|_| GroupError::Broken)?;
        let id = resumption(self.mls.group_id(), epoch, Vec::new());
        id.store(provider, &secret).map_err(|_| GroupError::Damaged)?;
        let Some(over) = epoch.checked_sub(RESUMPTIONS_MAX) else { return Ok(()) };
        let over = resumption(self.mls.group_id(), over, Vec::new());
        provider.storage().delete_psk(over.psk()).map_err(|_| GroupError::Damaged)
    }

    /// Enters a public room by its GroupInfo, with nobody's help, or comes back into the place of its own leaf:
    /// a commit that the relay has yet to take.
    pub(crate) fn enter(
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        group_info: &[u8],
        leaf: OwnLeaf<'_>,
        back: Option<&Back>,
    ) -> Result<(Self, MadeCommit), GroupError> {
        let provider = Provider::new(shelf, seed);
        let OwnLeaf { key, credential, at_ms } = leaf;
        let info = info_of(group_info, back.map(|back| &back.policy))?;
        let policy = policy_of(info.group_context())?;
        if back.is_some_and(|back| !back.policy.may_become(&policy)) {
            return Err(GroupError::Malformed);
        }
        let room = info.group_context().group_id().clone();
        let mut builder = MlsGroup::external_commit_builder()
            .with_config(join_config())
            .skip_lifetime_validation()
            .build_group(&provider, info, key.with_credential(credential))
            .map_err(|_| GroupError::Malformed)?;
        if let Some(epoch) = back.and_then(|back| back.epoch) {
            let nonce = provider.rand().random_vec(SUITE.hash_length()).map_err(|_| GroupError::Broken)?;
            let psk = resumption(&room, epoch, nonce);
            builder = builder.add_psk_proposal(PreSharedKeyProposal::new(psk));
        }
        let (mls, bundle) = builder
            .leaf_node_parameters(fresh(at_ms)?)
            .load_psks(provider.storage())
            .map_err(|_| GroupError::Malformed)?
            .build(provider.rand(), provider.crypto(), &key, |_| true)
            .map_err(|_| GroupError::Malformed)?
            .finalize(&provider)
            .map_err(|_| GroupError::Malformed)?;
        let group = Self::of(mls, key);
        group.keep_resumption(&provider)?;
        let made = made(&provider, &policy, bundle)?;
        Ok((group, made))
    }

    /// Whether the room that a GroupInfo tells of is not where this leaf is. An earlier epoch counts only from where
    /// another branch is proven to begin.
    pub(crate) fn compare(&self, group_info: &[u8], branch: Option<u64>) -> Result<Elsewhere, GroupError> {
        let policy = self.policy()?;
        let info = info_of(group_info, Some(&policy))?;
        let (theirs, ours) = (info.group_context(), self.mls.public_group().group_context());
        if theirs.group_id() != ours.group_id() {
            return Err(GroupError::Malformed);
        }
        let earlier = theirs.epoch() < ours.epoch();
        let here = theirs == ours || (earlier && branch.is_none_or(|branch| theirs.epoch().as_u64() < branch));
        Ok(if here { Elsewhere::No } else { Elsewhere::Yes })
    }

    /// Joins by a Welcome, whose inviter the caller has verified.
    pub(crate) fn join(
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        welcome: &[u8],
        key: LeafKey,
    ) -> Result<Joined, GroupError> {
        let provider = Provider::new(shelf, seed);
        let staged = stage(&provider, welcome)?;
        let mls = staged.into_group(&provider).map_err(|_| GroupError::Damaged)?;
        let group = Self::of(mls, key);
        group.keep_resumption(&provider)?;
        Ok(Joined { group })
    }

    /// Takes everything of the group off the shelf.
    pub(crate) fn erase(&mut self, shelf: &mut dyn Shelf) -> Result<(), GroupError> {
        let provider = Provider::new(shelf, &Secret::fill(|_| ()));
        self.mls.delete(provider.storage()).map_err(|_| GroupError::Damaged)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.mls.epoch().as_u64()
    }

    pub(crate) fn key(&self) -> &LeafKey {
        &self.key
    }

    pub(crate) fn policy(&self) -> Result<Policy, GroupError> {
        policy_of(self.mls.public_group().group_context())
    }

    /// All leaves, by index.
    pub(crate) fn leaves(&self) -> Result<Vec<Leaf>, GroupError> {
        self.mls.members().map(|member| self.leaf(member.index).ok_or(GroupError::Malformed)?).collect()
    }

    fn leaf(&self, index: LeafNodeIndex) -> Option<Result<Leaf, GroupError>> {
        self.mls.public_group().leaf(index).map(|node| Leaf::of_node(index.u32(), node))
    }

    pub(crate) fn own_index(&self) -> u32 {
        self.mls.own_leaf_index().u32()
    }

    /// The epoch of this leaf, for its statements.
    pub(crate) fn witness(&self) -> Witness {
        let authenticator = authenticator(self.mls.epoch_authenticator().as_slice());
        Witness { epoch: self.epoch(), authenticator, base: self.base }
    }

    /// Where in the log this epoch began.
    pub(crate) fn begin_at(&mut self, base: Base) {
        self.base = base;
        self.stated = None;
    }

    /// Whatever is sealed next says where this leaf is.
    fn state_epoch(&mut self, evidence: &[Vec<u8>]) -> Result<(), GroupError> {
        let stated = match self.stated.take() {
            Some(stated) => stated,
            None => self.witness().state(&room_of(self.mls.group_id())?, &self.key),
        };
        self.mls.set_aad(with_evidence(&stated, evidence));
        self.stated = Some(stated);
        Ok(())
    }

    /// Forgets the secrets of all past epochs but the last few (SPEC 12.5.2).
    pub(crate) fn forget_epochs(&mut self, shelf: &mut dyn Shelf, keep: usize) -> Result<(), GroupError> {
        let provider = Provider::new(shelf, &Secret::fill(|_| ()));
        let those = PastEpochDeletion::delete_all_without_timestamps().max_past_epochs(keep);
        self.mls.delete_past_epoch_secrets(&provider, those).map_err(|_| GroupError::Damaged)
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.mls.pending_commit().is_some()
    }

    /// Makes a commit; it is pending until the relay's log holds it.
    pub(crate) fn commit(
        &mut self,
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        what: Added,
    ) -> Result<MadeCommit, GroupError> {
        self.state_epoch(&what.evidence)?;
        let policy = what.policy.clone().map_or_else(|| self.policy(), Ok)?;
        let provider = Provider::new(shelf, seed);
        let packages: Vec<KeyPackage> = what.members.into_iter().map(|member| member.package).collect();
        let removed: Vec<LeafNodeIndex> = what.removed.into_iter().map(LeafNodeIndex::new).collect();
        let mut builder = self.mls.commit_builder().propose_adds(packages).propose_removals(removed);
        if let Some(policy) = &what.policy {
            let extensions = context_extensions(policy)?;
            builder = builder.propose_group_context_extensions(extensions).map_err(|_| GroupError::Broken)?;
        }
        let bundle = builder
            .force_self_update(true)
            .leaf_node_parameters(fresh(what.at_ms)?)
            .load_psks(provider.storage())
            .map_err(|_| GroupError::Broken)?
            .build(provider.rand(), provider.crypto(), &self.key, |_| true)
            .map_err(|_| GroupError::Malformed)?
            .stage_commit(&provider)
            .map_err(|_| GroupError::Broken)?;
        made(&provider, &policy, bundle)
    }

    /// The log holds our commit.
    pub(crate) fn merge_pending(&mut self, shelf: &mut dyn Shelf, seed: &Secret<32>) -> Result<(), GroupError> {
        let provider = Provider::new(shelf, seed);
        self.mls.merge_pending_commit(&provider).map_err(|_| GroupError::Damaged)?;
        self.stated = None;
        self.keep_resumption(&provider)
    }

    /// The log never will.
    pub(crate) fn drop_pending(&mut self, shelf: &mut dyn Shelf) -> Result<(), GroupError> {
        let provider = Provider::new(shelf, &Secret::fill(|_| ()));
        self.mls.clear_pending_commit(provider.storage()).map_err(|_| GroupError::Damaged)
    }

    /// Seals a content.
    pub(crate) fn seal(
        &mut self,
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        content: &[u8],
    ) -> Result<Vec<u8>, GroupError> {
        self.state_epoch(&[])?;
        let provider = Provider::new(shelf, seed);
        let message = self.mls.create_message(&provider, &self.key, content).map_err(|_| GroupError::Broken)?;
        message.to_bytes().map_err(|_| GroupError::Broken)
    }

    /// Tells in passing that this device's person writes, or stopped.
    pub(crate) fn whisper(&self, seed: &Secret<32>, (active, at_ms): (bool, u64)) -> Result<Vec<u8>, GroupError> {
        let crypto = Crypto::new(seed);
        let room = room_of(self.mls.group_id())?;
        let nonce = Chance::new(seed).random_array().map_err(|_| GroupError::Broken)?;
        let secret = self.passing_secret(&crypto)?;
        Ok(Whisper::seal(&self.key, (&room, self.epoch()), (&secret, &nonce), (active, at_ms)))
    }

    /// What a member of this epoch told in passing.
    pub(crate) fn overhear(&self, bytes: &[u8]) -> Option<Whisper> {
        let (epoch, sealed) = whisper::split(bytes).filter(|(epoch, _)| *epoch == self.epoch())?;
        let secret = self.passing_secret(&Crypto::new(&Secret::fill(|_| ()))).ok()?;
        let whisper = Whisper::open((&room_of(self.mls.group_id()).ok()?, epoch), &secret, sealed)?;
        Some(whisper)
    }

    fn passing_secret(&self, crypto: &Crypto) -> Result<Secret<32>, GroupError> {
        let secret = self.mls.export_secret(crypto, PASSING, &[], 32).map_err(|_| GroupError::Broken)?;
        let secret: Zeroizing<Vec<u8>> = Zeroizing::new(secret);
        let bytes: &[u8; 32] = secret.as_slice().try_into().map_err(|_| GroupError::Broken)?;
        Ok(Secret::fill(|out| out.copy_from_slice(bytes)))
    }

    /// Opens an entry of the log. A commit changes nothing before it is merged.
    pub(crate) fn process(
        &mut self,
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        bytes: &[u8],
    ) -> Result<Processed, GroupError> {
        let message = match body(bytes)? {
            MlsMessageBodyIn::PrivateMessage(message) => ProtocolMessage::from(message),
            MlsMessageBodyIn::PublicMessage(message) => ProtocolMessage::from(message),
            _ => return Err(GroupError::Malformed),
        };
        if message.group_id() != self.mls.group_id() {
            return Err(GroupError::Malformed);
        }
        if message.epoch() > self.mls.epoch() {
            return Err(GroupError::Ahead);
        }
        if message.is_handshake_message() && message.epoch() != self.mls.epoch() {
            return Err(GroupError::OtherEpoch);
        }
        let provider = Provider::new(shelf, seed);
        let processed = self.mls.process_message(&provider, message).map_err(|error| why(&error))?;
        let sender = processed.sender().clone();
        let evidence = evidence_of(processed.aad());
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                let Sender::Member(index) = sender else { return Err(GroupError::Malformed) };
                let leaf = self.leaf(index).ok_or(GroupError::OtherEpoch)??;
                Ok(Processed::Message(Box::new(leaf), message.into_bytes()))
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let staged = self.staged(&sender, *staged)?;
                Ok(Processed::Commit(Box::new(StagedChange { evidence, ..staged })))
            }
            ProcessedMessageContent::OwnPrivateMessage | ProcessedMessageContent::OwnPendingCommit => {
                Ok(Processed::Own)
            }
            _ => Ok(Processed::Foreign),
        }
    }

    /// Takes a commit over, whose rights and owners the caller has checked.
    pub(crate) fn merge(
        &mut self,
        shelf: &mut dyn Shelf,
        seed: &Secret<32>,
        staged: StagedChange,
    ) -> Result<(), GroupError> {
        let provider = Provider::new(shelf, seed);
        self.mls.merge_staged_commit(&provider, staged.staged).map_err(|_| GroupError::Damaged)?;
        self.stated = None;
        self.keep_resumption(&provider)
    }

    /// What a staged commit does, from what MLS authenticated and nothing else.
    fn staged(&self, sender: &Sender, staged: StagedCommit) -> Result<StagedChange, GroupError> {
        const KNOWN: [ProposalType; 4] =
            [ProposalType::Add, ProposalType::Remove, ProposalType::GroupContextExtensions, ProposalType::ExternalInit];
        let resumes = staged.psk_proposals().count();
        let known = |queued: &QueuedProposal| KNOWN.contains(&queued.proposal().proposal_type());
        let strange = staged.queued_proposals().filter(|queued| !known(queued)).count();
        // The one secret that is shared with a commit proves that its maker was in an epoch of this room.
        if strange != resumes || resumes > usize::from(matches!(sender, Sender::NewMemberCommit)) {
            return Err(GroupError::Malformed);
        }
        let leaves = self.leaves()?;
        let path = staged.update_path_leaf_node().map(|node| Leaf::of_node(u32::MAX, node)).transpose()?;
        let (committer, external) = match sender {
            Sender::Member(index) => (leaves.iter().find(|leaf| leaf.index == index.u32()).cloned(), false),
            Sender::NewMemberCommit => (path.clone(), true),
            _ => (None, false),
        };
        let committer = committer.ok_or(GroupError::Malformed)?;
        // A member keeps its owner and its key for as long as its leaf stands (SPEC 12.3.3).
        let same = |leaf: &Leaf| leaf.credential == committer.credential && leaf.key == committer.key;
        if path.as_ref().is_some_and(|leaf| !same(leaf)) {
            return Err(GroupError::Malformed);
        }
        let mut added = Vec::new();
        let mut removed = Vec::new();
        for queued in staged.queued_proposals() {
            match queued.proposal() {
                Proposal::Add(add) => added.push(Leaf::of_node(u32::MAX, add.key_package().leaf_node())?),
                Proposal::Remove(remove) => {
                    let index = remove.removed().u32();
                    removed.push(leaves.iter().find(|leaf| leaf.index == index).cloned().ok_or(GroupError::Malformed)?);
                }
                _ => {}
            }
        }
        let change = Change {
            committer: committer.owner(),
            external,
            resumes: resumes > 0,
            added: added.iter().map(Leaf::owner).collect(),
            removed: removed.iter().map(Leaf::owner).collect(),
            staying: leaves.iter().filter(|leaf| !removed.contains(leaf)).map(Leaf::owner).collect(),
            policy: policy_of(staged.group_context())?,
        };
        if external {
            added.push(committer);
        }
        let removes_us = staged.self_removed();
        Ok(StagedChange { staged, change, added, removed, evidence: Vec::new(), removes_us })
    }
}

/// Why MLS did not open something.
fn why<E>(error: &openmls::prelude::ProcessMessageError<E>) -> GroupError {
    use openmls::prelude::{ProcessMessageError as E0, ValidationError};
    match error {
        E0::StorageError(_) => GroupError::Damaged,
        E0::ValidationError(ValidationError::WrongEpoch | ValidationError::NoPastEpochData) => GroupError::OtherEpoch,
        E0::ValidationError(ValidationError::UnableToDecrypt(_)) => GroupError::Again,
        _ => GroupError::Malformed,
    }
}
