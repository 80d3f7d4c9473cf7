//! Messages that change, in the history, the search and the notices.

use chat_client::{Ack, Change, ClientEvent, FailureKind, HistoryPage, HistoryPart, Message, MessageId, MessageSearch};
use chat_client::{Notice, NoticeKind};

use crate::world::{Person, Relay, friends};

impl Person {
    async fn updated(&mut self, is: impl Fn(&Message) -> bool) -> (u64, Message) {
        self.wait(|event| match event {
            ClientEvent::Notice(Notice { seq, kind: NoticeKind::MessageUpdated(message) }) if is(&message) => {
                Some((seq, message))
            }
            _ => None,
        })
        .await
    }

    async fn newest(&self, with: &str) -> Message {
        let page = HistoryPage { with: with.to_owned(), part: HistoryPart::Newest, limit: 1 };
        self.client.history(page).await.unwrap().messages.pop().unwrap()
    }

    async fn found(&self, query: &str) -> Vec<MessageId> {
        let search = MessageSearch { query: query.to_owned(), with: None, limit: 10 };
        self.client.search_messages(search).await.unwrap().into_iter().map(|message| message.id).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_message_is_told_shown_and_found_by_its_new_words_only() {
    let relay = Relay::start();
    let (mut alice, mut bob) = friends(&relay).await;
    let id = alice.send("bob", "the weather is dreadful").await;
    assert_eq!(bob.text().await, "the weather is dreadful");
    alice.client.amend(id, Change::Edit("the weather is splendid".to_owned())).await.unwrap();
    for person in [&mut alice, &mut bob] {
        let (_, message) = person.updated(|message| message.id == id).await;
        assert_eq!((message.text.as_deref(), message.edited), (Some("the weather is splendid"), true));
        assert_eq!(person.found("splendid").await, [id]);
        assert!(person.found("dreadful").await.is_empty(), "nobody finds what is no longer said");
    }
    assert_eq!(bob.newest("alice").await.text.as_deref(), Some("the weather is splendid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_and_deletions_survive_a_restart_and_are_told_again_until_acknowledged() {
    let relay = Relay::start();
    let (mut alice, bob) = friends(&relay).await;
    let mut bob = bob.reopened(&relay, Ack::Manual).await;
    let id = alice.send("bob", "lunch at noon").await;
    let (_, message) = bob.message().await;
    bob.client.amend(message.id, Change::React("👍".to_owned())).await.unwrap();
    let (_, message) = alice.updated(|message| !message.reactions.is_empty()).await;
    assert_eq!((message.reactions[0].from.as_str(), message.reactions[0].sign.as_str()), ("bob", "👍"));
    alice.client.amend(id, Change::Delete).await.unwrap();
    let (seq, gone) = bob.updated(|message| message.deleted).await;
    assert_eq!((gone.text, gone.reactions), (None, Vec::new()));
    assert!(bob.found("noon").await.is_empty());

    let mut bob = bob.reopened(&relay, Ack::Manual).await;
    assert!(bob.updated(|message| message.deleted).await.0 <= seq, "told again under its number");
    bob.client.ack(seq).await.unwrap();
    let bob = bob.reopened(&relay, Ack::Manual).await;
    assert!(bob.newest("alice").await.deleted);
    let unknown = bob.client.amend(MessageId([9; 16]), Change::Hide).await.unwrap_err();
    assert_eq!(unknown.kind, FailureKind::UnknownMessage);
    let foreign = bob.client.amend(id, Change::Edit("mine".to_owned())).await.unwrap_err();
    assert_eq!(foreign.kind, FailureKind::Forbidden);
}
