//! Messages on their way into the history, of people and of rooms: what each says, and everything that is
//! kept with it.

use chat_wire::ids::{MessageId, UserName};
use serde_bytes::ByteBuf;

use super::State;
use super::changes::Target;
use super::files::KeptFile;
use crate::engine::content::{Body, Content, File};
use crate::engine::context::Work;
use crate::engine::error::EngineError;
use crate::engine::io::{Conversation, Message, MessageStatus, NoticeKind};
use crate::engine::limits::EXPIRY_MS_MAX;
use crate::store::HistoryChange;

/// What a message says.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Saying {
    pub(in crate::engine) text: Option<String>,
    /// A content that this version can't show (SPEC 8.6.2).
    pub(in crate::engine) unknown: Option<ByteBuf>,
    pub(in crate::engine) reply_to: Option<MessageId>,
    pub(in crate::engine) file: Option<Box<File>>,
    pub(in crate::engine) expires_in_ms: Option<u64>,
}

impl Saying {
    /// What a content says; none if it is not one that is said.
    pub(in crate::engine) fn own(content: Content) -> Option<Self> {
        match content {
            Content::Text(text) => Some(Self {
                text: Some(text.text),
                reply_to: text.reply_to,
                // What is longer than a message may live counts as staying.
                expires_in_ms: text.expires_in_ms.filter(|ms| *ms <= EXPIRY_MS_MAX),
                ..Self::default()
            }),
            Content::File(file) => {
                Some(Self { text: file.caption.clone(), reply_to: file.reply_to, file: Some(file), ..Self::default() })
            }
            _ => None,
        }
    }

    /// What somebody's content says; what is not understood is kept raw.
    pub(in crate::engine) fn heard(content: Content, body: &Body) -> Self {
        Self::own(content).unwrap_or_else(|| Self { unknown: Some(body.data.clone()), ..Self::default() })
    }
}

/// A message with its place, its people and its time.
#[derive(Debug)]
pub(in crate::engine) struct Entered {
    pub(in crate::engine) target: Target,
    pub(in crate::engine) from: UserName,
    pub(in crate::engine) to: String,
    pub(in crate::engine) outgoing: bool,
    pub(in crate::engine) status: MessageStatus,
    pub(in crate::engine) time_ms: u64,
    /// It came from elsewhere, and is announced.
    pub(in crate::engine) announced: bool,
    pub(in crate::engine) saying: Saying,
}

impl State {
    /// Puts a message into the history, with all that belongs to it; its place among all comes back.
    pub(in crate::engine) fn enter(&mut self, work: &mut Work<'_>, entered: Entered) -> Result<u64, EngineError> {
        let Entered { target, from, to, outgoing, status, time_ms, announced, saying } = entered;
        let Saying { text, unknown, reply_to, file, expires_in_ms } = saying;
        let message = Message {
            id: target.id,
            conversation: target.conversation,
            from,
            to,
            text,
            file: file.as_ref().map(|file| file.info()),
            unknown: unknown.map(ByteBuf::into_vec),
            reply_to,
            outgoing,
            status,
            timestamp_ms: time_ms,
            edited: false,
            deleted: false,
            direct: false,
            imported: false,
            reactions: Vec::new(),
        };
        work.history(HistoryChange::Insert(message.clone()));
        if let Some(file) = file {
            let kept = KeptFile { conversation: target.conversation, outgoing, file: *file };
            self.keep_file(work, &target.id, &kept)?;
        }
        let order = if announced { work.notice(NoticeKind::Message(message))? } else { work.next_order()? };
        target.remember(work, order)?;
        self.arrived(work, &target, expires_in_ms)?;
        Ok(order)
    }

    /// Puts an own message into the history, as it was written here.
    pub(in crate::engine) fn enter_own(
        &mut self,
        work: &mut Work<'_>,
        (conversation, to): (Conversation, String),
        (id, content): (MessageId, Content),
        status: MessageStatus,
    ) -> Result<(), EngineError> {
        let Some(me) = &self.me else { return Ok(()) };
        let Some(saying) = Saying::own(content) else { return Ok(()) };
        let (target, from) = (Target { conversation, author: me.account(), id }, me.name.clone());
        let time_ms = work.now.as_ms();
        let entered = Entered { target, from, to, outgoing: true, status, time_ms, announced: false, saying };
        self.enter(work, entered).map(|_| ())
    }
}
