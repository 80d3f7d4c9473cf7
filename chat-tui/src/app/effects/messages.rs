//! Messages that are there already: changing, taking back, reacting.

use chat_client::Change;

use super::Hands;
use crate::app::intake;
use crate::model::MessageAsk;

impl Hands {
    /// Carries out what is asked about a message. What comes of it is told like a change by anybody else.
    pub(super) fn message(&self, asked: MessageAsk) {
        let (id, change, what) = match asked {
            MessageAsk::Edit { id, text } => (id, Change::Edit(text), "Not changed"),
            MessageAsk::Delete { id, for_everyone: true } => (id, Change::Delete, "Not taken back"),
            MessageAsk::Delete { id, for_everyone: false } => (id, Change::Hide, "Not hidden"),
            MessageAsk::React { id, sign } => (id, Change::React(sign), "Not told"),
        };
        self.deed(what, self.client.amend(intake::message_id(id), change));
    }
}
