//! What is sealed (SPEC 8.6): an envelope of list states and a place in the sender's stream around a
//! body, and in the body one content. CBOR maps with short keys; unknown keys are dropped,
//! unknown kinds stay raw. The author is the session, never a field.

mod amend;
pub(in crate::engine) mod file;
#[cfg(test)]
mod grammar;
mod handover;
mod heal;

use chat_wire::device_list::DeviceList;
use chat_wire::domain::{labelled_hash, plain_hash};
use chat_wire::ids::{AccountId, DeviceAddress, MessageId, RequestKey, UserName};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::context::{Work, encode};
use super::error::EngineError;
pub(super) use amend::{Deletion, Edit, Hiding, Reaction};
pub(super) use file::{File, commitment as file_commitment};
pub(super) use handover::{HistoryAsk, HistoryPart, HistoryRefusal, Token};
pub(super) use heal::{Probe, Resend};

/// Label of message ids.
const MESSAGE_ID: &str = "msg-id";

/// Which version of a device list somebody works with: gossip that makes a withheld list visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListGossip {
    /// Sequence number; 0 for none.
    #[serde(rename = "q")]
    pub(super) seq: u64,
    /// First half of the list's hash.
    #[serde(rename = "h")]
    pub(super) hash: ByteArray<16>,
}

impl ListGossip {
    pub(super) fn of(list: Option<&DeviceList>) -> Self {
        match list {
            Some(list) => Self { seq: list.body().seq, hash: ByteArray::new(first_half(&list.hash().0)) },
            None => Self { seq: 0, hash: ByteArray::new([0; 16]) },
        }
    }
}

/// The sealed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    #[serde(rename = "i")]
    pub(super) id: MessageId,
    /// Goes into the id, so that equal contents have different ids.
    #[serde(rename = "n")]
    pub(super) nonce: RequestKey,
    /// The sender's own list.
    #[serde(rename = "o")]
    pub(super) own_list: ListGossip,
    /// The recipient's list as the sender last saw it.
    #[serde(rename = "p")]
    pub(super) peer_list: ListGossip,
    #[serde(rename = "c")]
    counter: u64,
    #[serde(rename = "h")]
    previous: ByteArray<16>,
    /// A [`Body`]: bytes, because its hash goes into the id.
    #[serde(rename = "b")]
    pub(super) body: ByteBuf,
}

/// What a message id is made of and names, and its place. The id does not depend on the place: what
/// was never accepted gets another place when its store turns out to be an old copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identified {
    #[serde(rename = "i")]
    pub(super) id: MessageId,
    #[serde(rename = "n")]
    pub(super) nonce: RequestKey,
    /// Place in the stream of this device in this conversation, from 1. Contents that are not part of
    /// the stream (receipts, typing) carry the place of the last one that is.
    #[serde(rename = "c")]
    pub(super) counter: u64,
    /// Chain hash of the place before in the stream, zero in the first.
    #[serde(rename = "h")]
    pub(super) previous: ByteArray<16>,
    #[serde(rename = "b")]
    pub(super) body: ByteBuf,
}

/// A content and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body {
    /// Sender's time, milliseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub(super) time_ms: u64,
    /// Number of the kind.
    #[serde(rename = "k")]
    pub(super) kind: u32,
    /// The content, by kind.
    #[serde(rename = "d")]
    pub(super) data: ByteBuf,
}

/// Contents by kind. The numbers are part of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(Text),
    Receipt(Receipt),
    Typing(Typing),
    /// The sender accepted the recipient's request.
    Accepted,
    Profile(Profile),
    /// Says nothing: turns the ratchet.
    Empty,
    /// From one own device to another: what it sent elsewhere.
    Sync(Sync),
    File(Box<File>),
    /// From one own device to another: which account record stands, and its key.
    OwnState(OwnState),
    /// From one own device to another: how far a conversation was read.
    OwnRead(OwnRead),
    /// The sender's account is about to be deleted.
    Gone,
    /// Whether the recipient can open this.
    Probe(Probe),
    /// It can.
    Echo(Probe),
    /// What the sender lacks of the recipient's stream.
    Resend(Resend),
    /// Another text of a message.
    Edit(Edit),
    /// A message is taken back.
    Deletion(Deletion),
    /// What the sender thinks of a message.
    Reaction(Reaction),
    /// From one own device to another: a message is shown no longer.
    Hiding(Hiding),
    /// From one own device to another: it wants the history.
    HistoryAsk(HistoryAsk),
    /// A part of it.
    HistoryPart(Box<HistoryPart>),
    /// It is not given.
    HistoryRefusal(HistoryRefusal),
    /// A kind that this version does not know, or one of its own that does not fit its shape.
    Unknown,
}

const KIND_TEXT: u32 = 1;
const KIND_RECEIPT: u32 = 2;
const KIND_TYPING: u32 = 3;
const KIND_ACCEPTED: u32 = 4;
const KIND_PROFILE: u32 = 5;
const KIND_EMPTY: u32 = 6;
const KIND_SYNC: u32 = 7;
const KIND_FILE: u32 = 16;
const KIND_OWN_STATE: u32 = 20;
const KIND_OWN_READ: u32 = 21;
const KIND_GONE: u32 = 22;
const KIND_PROBE: u32 = 8;
const KIND_ECHO: u32 = 9;
const KIND_RESEND: u32 = 10;
const KIND_HISTORY_ASK: u32 = 23;
const KIND_HISTORY_PART: u32 = 24;
const KIND_HISTORY_REFUSAL: u32 = 25;
const KIND_EDIT: u32 = 30;
const KIND_DELETION: u32 = 31;
const KIND_REACTION: u32 = 32;
const KIND_HIDING: u32 = 33;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text {
    #[serde(rename = "t")]
    pub(super) text: String,
    #[serde(rename = "r", default)]
    pub(super) reply_to: Option<MessageId>,
    /// Milliseconds that a device shows it.
    #[serde(rename = "e", default)]
    pub(super) expires_in_ms: Option<u64>,
}

/// How far the sender got with the recipient's streams. Cumulative: a lost one is made up for by the
/// next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    #[serde(rename = "s")]
    pub(super) streams: Vec<StreamMark>,
}

/// How far one stream was received and read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StreamMark {
    /// The device whose stream it is.
    #[serde(rename = "d")]
    pub(super) device: u32,
    /// Everything up to here is stored, but for the gaps.
    #[serde(rename = "c")]
    pub(super) delivered: u64,
    /// Chain hash of that place: a stream that was continued twice has two of them.
    #[serde(rename = "h")]
    pub(super) hash: ByteArray<16>,
    /// Everything up to here was read, but for the gaps.
    #[serde(rename = "r")]
    pub(super) read: u64,
    /// Ranges that are not there, both ends included.
    #[serde(rename = "g", default)]
    pub(super) gaps: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Typing {
    #[serde(rename = "a")]
    pub(super) active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    #[serde(rename = "n", default)]
    pub(super) display_name: Option<String>,
}

/// A content of an own other device in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sync {
    /// The other side of the conversation.
    #[serde(rename = "a")]
    pub(super) with: AccountId,
    /// Its name, as the sender's verified list of it says: this device may not have met it yet.
    #[serde(rename = "n", default)]
    pub(super) name: Option<UserName>,
    /// What was sent there.
    #[serde(rename = "m")]
    pub(super) message: Identified,
}

/// Which account record stands (SPEC 10.6.3).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnState {
    #[serde(rename = "q")]
    pub(super) version: u64,
    /// First half of its hash.
    #[serde(rename = "h")]
    pub(super) hash: ByteArray<16>,
    /// Generation of the sync key.
    #[serde(rename = "g")]
    pub(super) sgen: u32,
    /// The key, when it is new.
    #[serde(rename = "k", default)]
    pub(super) key: Option<ByteBuf>,
}

impl std::fmt::Debug for OwnState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnState({}, {})", self.version, self.sgen)
    }
}

/// Everything up to a message was read on an own device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnRead {
    /// The other side of the conversation.
    #[serde(rename = "a")]
    pub(super) with: AccountId,
    #[serde(rename = "i")]
    pub(super) id: MessageId,
}

impl Content {
    /// Whether this content is part of the stream that receipts count.
    pub(super) fn is_in_stream(&self) -> bool {
        !matches!(
            self,
            Self::Receipt(_)
                | Self::Typing(_)
                | Self::Empty
                | Self::Sync(_)
                | Self::OwnState(_)
                | Self::OwnRead(_)
                | Self::Probe(_)
                | Self::Echo(_)
                | Self::Resend(_)
                | Self::Hiding(_)
                | Self::HistoryAsk(_)
                | Self::HistoryPart(_)
                | Self::HistoryRefusal(_)
        )
    }

    /// Number of the kind and the encoded content.
    pub(super) fn encode(&self) -> Result<(u32, ByteBuf), EngineError> {
        let (kind, data) = match self {
            Self::Text(text) => (KIND_TEXT, encode(text)?),
            Self::Receipt(receipt) => (KIND_RECEIPT, encode(receipt)?),
            Self::Typing(typing) => (KIND_TYPING, encode(typing)?),
            Self::Accepted => (KIND_ACCEPTED, Vec::new()),
            Self::Profile(profile) => (KIND_PROFILE, encode(profile)?),
            Self::Empty | Self::Unknown => (KIND_EMPTY, Vec::new()),
            Self::Sync(sync) => (KIND_SYNC, encode(sync)?),
            Self::File(file) => (KIND_FILE, encode(file.as_ref())?),
            Self::OwnState(state) => (KIND_OWN_STATE, encode(state)?),
            Self::OwnRead(read) => (KIND_OWN_READ, encode(read)?),
            Self::Gone => (KIND_GONE, Vec::new()),
            Self::Probe(probe) => (KIND_PROBE, encode(probe)?),
            Self::Echo(probe) => (KIND_ECHO, encode(probe)?),
            Self::Resend(lacking) => (KIND_RESEND, encode(lacking)?),
            Self::Edit(edit) => (KIND_EDIT, encode(edit)?),
            Self::Deletion(deletion) => (KIND_DELETION, encode(deletion)?),
            Self::Reaction(reaction) => (KIND_REACTION, encode(reaction)?),
            Self::Hiding(hiding) => (KIND_HIDING, encode(hiding)?),
            Self::HistoryAsk(wanted) => (KIND_HISTORY_ASK, encode(wanted)?),
            Self::HistoryPart(part) => (KIND_HISTORY_PART, encode(part.as_ref())?),
            Self::HistoryRefusal(refusal) => (KIND_HISTORY_REFUSAL, encode(refusal)?),
        };
        Ok((kind, ByteBuf::from(data)))
    }
}

impl Body {
    /// The content, by its kind.
    pub(super) fn content(&self) -> Content {
        fn read<'de, T: Deserialize<'de>>(data: &'de [u8], make: impl FnOnce(T) -> Content) -> Content {
            minicbor_serde::from_slice(data).map_or(Content::Unknown, make)
        }
        match self.kind {
            KIND_TEXT => read(&self.data, Content::Text),
            KIND_RECEIPT => read(&self.data, Content::Receipt),
            KIND_TYPING => read(&self.data, Content::Typing),
            KIND_ACCEPTED => Content::Accepted,
            KIND_PROFILE => read(&self.data, Content::Profile),
            KIND_EMPTY => Content::Empty,
            KIND_SYNC => read(&self.data, Content::Sync),
            KIND_FILE => read(&self.data, |file: File| match file.is_sound() {
                true => Content::File(Box::new(file)),
                false => Content::Unknown,
            }),
            KIND_OWN_STATE => read(&self.data, Content::OwnState),
            KIND_OWN_READ => read(&self.data, Content::OwnRead),
            KIND_GONE => Content::Gone,
            KIND_PROBE => read(&self.data, Content::Probe),
            KIND_ECHO => read(&self.data, Content::Echo),
            KIND_RESEND => read(&self.data, Content::Resend),
            KIND_EDIT => read(&self.data, Content::Edit),
            KIND_DELETION => read(&self.data, Content::Deletion),
            KIND_REACTION => read(&self.data, Content::Reaction),
            KIND_HIDING => read(&self.data, Content::Hiding),
            KIND_HISTORY_ASK => read(&self.data, Content::HistoryAsk),
            KIND_HISTORY_PART => read(&self.data, |part| Content::HistoryPart(Box::new(part))),
            KIND_HISTORY_REFUSAL => read(&self.data, Content::HistoryRefusal),
            _ => Content::Unknown,
        }
    }
}

impl Identified {
    /// Encodes a body and gives it its id (key-schedule C, SPEC 3.4); a file's was given before. The
    /// place is the counter and the chain hash before it.
    pub(super) fn new(
        author: &DeviceAddress,
        (counter, previous): (u64, ByteArray<16>),
        (body, content): (&Body, &Content),
        work: &mut Work<'_>,
    ) -> Result<Self, EngineError> {
        let body = encode(body)?;
        let (nonce, commitment) = match content {
            Content::File(file) => (file.nonce, file.commitment()),
            _ => (None, plain_hash(&[&body])),
        };
        let nonce = nonce.unwrap_or_else(|| RequestKey(work.random()));
        let id = message_id(author, &nonce, &commitment);
        Ok(Self { id, nonce, counter, previous, body: ByteBuf::from(body) })
    }

    /// The id of a message whose file is still to be uploaded, and what it was made with.
    pub(super) fn reserve(
        author: &DeviceAddress,
        commitment: &[u8; 32],
        work: &mut Work<'_>,
    ) -> (MessageId, RequestKey) {
        let nonce = RequestKey(work.random());
        (message_id(author, &nonce, commitment), nonce)
    }

    /// The body, if the id belongs to it and to this author: nobody can make a content under the id of
    /// somebody else's.
    pub(super) fn verified_body(&self, author: &DeviceAddress) -> Option<Body> {
        let body: Body = minicbor_serde::from_slice(&self.body).ok()?;
        let commitment = match body.content() {
            Content::File(file) => file.commitment(),
            _ => plain_hash(&[&self.body]),
        };
        (message_id(author, &self.nonce, &commitment) == self.id).then_some(body)
    }

    /// What the next place of the stream names as the one before, and what receipts and resend requests
    /// name: first half of `H(counter ‖ previous ‖ H(body))`.
    pub(super) fn chain_hash(&self) -> [u8; 16] {
        let body = plain_hash(&[&self.body]);
        first_half(&plain_hash(&[&self.counter.to_be_bytes(), &*self.previous, &body]))
    }
}

impl Envelope {
    pub(super) fn new(message: Identified, own_list: ListGossip, peer_list: ListGossip) -> Self {
        let Identified { id, nonce, counter, previous, body } = message;
        Self { id, nonce, own_list, peer_list, counter, previous, body }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        minicbor_serde::from_slice(bytes).ok()
    }

    pub(super) fn into_identified(self) -> Identified {
        let Self { id, nonce, counter, previous, body, .. } = self;
        Identified { id, nonce, counter, previous, body }
    }
}

/// `H(L("msg-id") ‖ account ‖ device ‖ nonce 16 ‖ commitment)[..16]` (key-schedule C): the commitment is
/// the hash of the body, or what names a file.
fn message_id(author: &DeviceAddress, nonce: &RequestKey, commitment: &[u8; 32]) -> MessageId {
    let parts = [&author.account.0[..], &author.device.0.to_be_bytes(), &nonce.0, commitment];
    MessageId(first_half(&labelled_hash(MESSAGE_ID, &parts)))
}

fn first_half(hash: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(hash) {
        *to = *from;
    }
    half
}

#[cfg(test)]
mod tests;
