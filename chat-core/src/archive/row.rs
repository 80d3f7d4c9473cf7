//! Messages as rows (SPEC 14.2): CBOR maps with short keys behind their length. Unknown keys are dropped, so that a later version
//! may say more; what is over a limit of this version is refused.

use chat_wire::codec::{Reader, Writer};
use chat_wire::ids::{AccountId, MessageId, RoomId, RoomName, UserName};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::limits::{CONTENT_BYTES_MAX, REACTIONS_PER_ROW_MAX, SIGN_BYTES_MAX, TEXT_BYTES_MAX};
use crate::store::{Conversation, FileInfo, Message, MessageStatus, Reaction};

/// Bytes of one row: the longest content that this version keeps, and what stands around it.
pub const ROW_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a file's name and of its media type, as in the message about it (SPEC 13.4.1).
const FILE_NAME_BYTES_MAX: usize = 1_024;
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// Rows that are none, or that no version so far would have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rows of a history are damaged")]
pub struct HistoryFault;

/// Whose history it is.
///
/// ```
/// # use chat_fixtures::person::{NOW, Person};
/// use chat_core::archive::HistoryOwner;
/// let alice = Person::new(1);
/// let owner = HistoryOwner { account: alice.account.id(), name: alice.list.body().name.clone(), at_ms: NOW.as_ms() };
/// assert_eq!(HistoryOwner::decode(&owner.encode()?)?, owner);
/// assert!(HistoryOwner::decode(b"something else").is_err());
/// # Ok::<(), chat_core::archive::HistoryFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryOwner {
    /// The account.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Its name.
    #[serde(rename = "n")]
    pub name: UserName,
    /// When it was written out, milliseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub at_ms: u64,
}

impl HistoryOwner {
    /// As it stands in an archive.
    ///
    /// # Errors
    /// [`HistoryFault`] when it can't be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, HistoryFault> {
        minicbor_serde::to_vec(self).map_err(|_| HistoryFault)
    }

    /// Out of an archive.
    ///
    /// # Errors
    /// [`HistoryFault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HistoryFault> {
        minicbor_serde::from_slice(bytes).map_err(|_| HistoryFault)
    }
}

const DIRECT: u8 = 1;
const ROOM: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(rename = "i")]
    id: MessageId,
    /// Kind of the conversation.
    #[serde(rename = "k")]
    kind: u8,
    /// Id of the conversation: an account's or a room's.
    #[serde(rename = "c")]
    conversation: ByteBuf,
    #[serde(rename = "f")]
    from: UserName,
    #[serde(rename = "t")]
    to: String,
    #[serde(rename = "x", default)]
    text: Option<String>,
    #[serde(rename = "F", default)]
    file: Option<FileRow>,
    #[serde(rename = "u", default)]
    unknown: Option<ByteBuf>,
    #[serde(rename = "r", default)]
    reply_to: Option<MessageId>,
    #[serde(rename = "o")]
    outgoing: bool,
    /// 0 queued, 1 failed, 2 sent, 3 delivered, 4 read.
    #[serde(rename = "s")]
    status: u8,
    #[serde(rename = "m")]
    time_ms: u64,
    #[serde(rename = "e", default)]
    edited: bool,
    #[serde(rename = "d", default)]
    deleted: bool,
    #[serde(rename = "l", default)]
    direct: bool,
    #[serde(rename = "R", default)]
    reactions: Vec<(UserName, String)>,
}

#[derive(Serialize, Deserialize)]
struct FileRow {
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "s")]
    size: u64,
    #[serde(rename = "m", default)]
    media_type: Option<String>,
    #[serde(rename = "p")]
    sha256: ByteArray<32>,
    #[serde(rename = "x")]
    expires_ms: u64,
}

/// A message as a row: `length u32 ‖ CBOR`.
///
/// ```
/// # use chat_fixtures::person::Person;
/// # use chat_core::store::{Conversation, Message, MessageStatus};
/// use chat_core::archive::{decode_rows, encode_row};
/// # let alice = Person::new(1);
/// # let name = alice.list.body().name.clone();
/// let message = Message {
///     conversation: Conversation::Direct(alice.account.id()),
///     text: Some("hello".into()),
///     # id: chat_wire::ids::MessageId([1; 16]), from: name.clone(), to: name.to_string(), file: None, unknown: None,
///     # reply_to: None, outgoing: true, status: MessageStatus::Read, timestamp_ms: 7, edited: false, deleted: false,
///     # reactions: Vec::new(), direct: false, imported: false,
/// };
/// let rows = [encode_row(&message)?, encode_row(&message)?].concat();
/// let read = decode_rows(&rows)?;
/// assert_eq!(read.len(), 2);
/// assert_eq!(read[0].text, message.text);
/// assert!(decode_rows(&rows[1..]).is_err());
/// # Ok::<(), chat_core::archive::HistoryFault>(())
/// ```
///
/// # Errors
/// [`HistoryFault`] for a message that does not fit a row.
pub fn encode_row(message: &Message) -> Result<Vec<u8>, HistoryFault> {
    let row = minicbor_serde::to_vec(Row::of(message)?).map_err(|_| HistoryFault)?;
    let length = u32::try_from(row.len()).map_err(|_| HistoryFault)?;
    if row.len() > ROW_BYTES_MAX {
        return Err(HistoryFault);
    }
    let mut writer = Writer::with_capacity(row.len().saturating_add(4));
    writer.u32(length).put(&row);
    Ok(writer.finish())
}

/// The messages of consecutive rows, marked as imported.
///
/// # Errors
/// [`HistoryFault`].
pub fn decode_rows(bytes: &[u8]) -> Result<Vec<Message>, HistoryFault> {
    let (mut reader, mut messages) = (Reader::new(bytes), Vec::new());
    while !reader.rest().is_empty() {
        let length = usize::try_from(reader.u32().map_err(|_| HistoryFault)?).map_err(|_| HistoryFault)?;
        if length > ROW_BYTES_MAX {
            return Err(HistoryFault);
        }
        let row = reader.take(length).map_err(|_| HistoryFault)?;
        let row: Row = minicbor_serde::from_slice(row).map_err(|_| HistoryFault)?;
        messages.push(row.message().ok_or(HistoryFault)?);
    }
    Ok(messages)
}

impl Row {
    fn of(message: &Message) -> Result<Self, HistoryFault> {
        let (kind, conversation) = match &message.conversation {
            Conversation::Direct(account) => (DIRECT, &account.0[..]),
            Conversation::Room(room) => (ROOM, &room.0[..]),
        };
        Ok(Self {
            id: message.id,
            kind,
            conversation: ByteBuf::from(conversation.to_vec()),
            from: message.from.clone(),
            to: message.to.clone(),
            text: message.text.clone(),
            file: message.file.as_ref().map(FileRow::of),
            unknown: message.unknown.clone().map(ByteBuf::from),
            reply_to: message.reply_to,
            outgoing: message.outgoing,
            status: rank(message.status),
            time_ms: message.timestamp_ms,
            edited: message.edited,
            deleted: message.deleted,
            direct: message.direct,
            reactions: message.reactions.iter().map(|one| (one.from.clone(), one.sign.clone())).collect(),
        })
    }

    /// Checked against the limits (SPEC 14.2.3).
    fn message(self) -> Option<Message> {
        let conversation = match self.kind {
            DIRECT => Conversation::Direct(AccountId(self.conversation.as_slice().try_into().ok()?)),
            ROOM => Conversation::Room(RoomId(self.conversation.as_slice().try_into().ok()?)),
            _ => return None,
        };
        let fits = self.text.as_ref().is_none_or(|text| text.len() <= TEXT_BYTES_MAX)
            && self.unknown.as_ref().is_none_or(|raw| raw.len() <= CONTENT_BYTES_MAX)
            && self.reactions.len() <= REACTIONS_PER_ROW_MAX
            && self.reactions.iter().all(|(_, sign)| is_sign(sign));
        let to = normal_name(&self.to)?;
        if !fits || (self.kind == ROOM) != to.starts_with('#') {
            return None;
        }
        let file = match self.file {
            Some(file) => Some(file.info()?),
            None => None,
        };
        Some(Message {
            id: self.id,
            conversation,
            from: self.from,
            to,
            text: self.text,
            file,
            unknown: self.unknown.map(ByteBuf::into_vec),
            reply_to: self.reply_to,
            outgoing: self.outgoing,
            status: ranked(self.status)?,
            timestamp_ms: self.time_ms,
            edited: self.edited,
            deleted: self.deleted,
            direct: self.direct,
            imported: true,
            reactions: self.reactions.into_iter().map(|(from, sign)| Reaction { from, sign }).collect(),
        })
    }
}

impl FileRow {
    fn of(file: &FileInfo) -> Self {
        Self {
            name: file.name.clone(),
            size: file.size,
            media_type: file.media_type.clone(),
            sha256: ByteArray::new(file.sha256),
            expires_ms: file.expires_ms,
        }
    }

    fn info(self) -> Option<FileInfo> {
        let media_type_bytes = self.media_type.as_ref().map_or(0, String::len);
        if self.name.len() > FILE_NAME_BYTES_MAX || media_type_bytes > MEDIA_TYPE_BYTES_MAX {
            return None;
        }
        let Self { name, size, media_type, sha256, expires_ms } = self;
        Some(FileInfo { name, size, media_type, sha256: *sha256, expires_ms })
    }
}

/// A conversation's name in its normal form.
fn normal_name(name: &str) -> Option<String> {
    if name.starts_with('#') {
        return RoomName::parse(name).ok().map(|name| name.to_string());
    }
    UserName::parse(name).ok().map(|name| name.to_string())
}

/// The store keeps signs in lines of their own.
fn is_sign(sign: &str) -> bool {
    !sign.is_empty() && sign.len() <= SIGN_BYTES_MAX && !sign.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn rank(status: MessageStatus) -> u8 {
    match status {
        MessageStatus::Queued => 0,
        MessageStatus::Failed => 1,
        MessageStatus::Sent => 2,
        MessageStatus::Delivered => 3,
        MessageStatus::Read => 4,
    }
}

/// What is queued elsewhere is not queued here: nobody knows whether it went out.
fn ranked(rank: u8) -> Option<MessageStatus> {
    Some(match rank {
        0 | 1 => MessageStatus::Failed,
        2 => MessageStatus::Sent,
        3 => MessageStatus::Delivered,
        4 => MessageStatus::Read,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn message(n: u8) -> Message {
        Message {
            id: MessageId([n; 16]),
            conversation: Conversation::Direct(AccountId([7; 32])),
            from: UserName::parse("bob").unwrap(),
            to: "alice".to_owned(),
            text: Some("grüße".to_owned()),
            file: Some(FileInfo {
                name: "a.png".to_owned(),
                size: 9,
                media_type: Some("image/png".to_owned()),
                sha256: [3; 32],
                expires_ms: 5,
            }),
            unknown: None,
            reply_to: Some(MessageId([1; 16])),
            outgoing: false,
            status: MessageStatus::Read,
            timestamp_ms: 1_234,
            edited: true,
            deleted: false,
            direct: true,
            imported: false,
            reactions: vec![Reaction { from: UserName::parse("carol").unwrap(), sign: "👍".to_owned() }],
        }
    }

    #[test]
    fn a_row_reads_back_as_what_it_was_but_marked_as_imported() {
        let mut room = message(2);
        room.conversation = Conversation::Room(RoomId([9; 16]));
        room.to = "#lobby".to_owned();
        let rows = [encode_row(&message(1)).unwrap(), encode_row(&room).unwrap()].concat();
        let expected = [message(1), room].map(|message| Message { imported: true, ..message });
        assert_eq!(decode_rows(&rows).unwrap(), expected);
    }

    #[test]
    fn a_row_that_the_store_could_not_hold_is_refused() {
        let refused = |change: &dyn Fn(&mut Message)| {
            let mut bad = message(1);
            change(&mut bad);
            assert_eq!(encode_row(&bad).and_then(|row| decode_rows(&row)), Err(HistoryFault));
        };
        refused(&|m| m.text = Some("x".repeat(TEXT_BYTES_MAX + 1)));
        refused(&|m| m.to = "../x".to_owned());
        refused(&|m| m.to = "#room".to_owned());
        refused(&|m| m.reactions[0].sign = "two words".to_owned());
        refused(&|m| m.reactions[0].sign = "a\nb".to_owned());
        refused(&|m| m.reactions = vec![m.reactions[0].clone(); REACTIONS_PER_ROW_MAX + 1]);
    }

    #[test]
    fn what_was_queued_elsewhere_is_not_queued_here() {
        let queued = Message { status: MessageStatus::Queued, ..message(1) };
        let rows = encode_row(&queued).unwrap();
        assert_eq!(decode_rows(&rows).unwrap()[0].status, MessageStatus::Failed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..400, flip in any::<u8>()) {
            let _ = decode_rows(&bytes);
            let mut row = encode_row(&message(1)).unwrap();
            let at = at % row.len();
            row[at] ^= flip;
            let _ = decode_rows(&row);
        }
    }
}
