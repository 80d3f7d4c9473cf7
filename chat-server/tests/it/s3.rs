//! The relay as a program whose files lie in S3.

use bytes::Bytes;
use chat_wire::error::RefusalKind;
use chat_wire::ids::BlobId;
use chat_wire::limits::BLOB_PART_BYTES_MAX;
use chat_wire::message::{BlobAnswer, BlobAsk, BlobToken, ClientMessage, ServerMessage, ticket_proof};

use crate::client::{Client, Place};
use crate::kit::Person;
use crate::program::Running;

const BLOB: BlobId = BlobId([0xab; 16]);
const TOKEN: BlobToken = BlobToken([7; 32]);

/// Three objects' parts, and a little.
const BYTES: usize = 17 * 1024 * 1024 + 5;

/// A connection for files.
async fn bulk(place: Place, own: &mut Client) -> Client {
    let ServerMessage::Blob(BlobAnswer::Ticket { pass, secret }) =
        own.ask(ClientMessage::Blob(BlobAsk::Ticket {})).await
    else {
        panic!("no ticket")
    };
    let mut bulk = Client::connect(place).await;
    let proof = ticket_proof(&secret, &bulk.exporter);
    assert_eq!(asked(&mut bulk, BlobAsk::Enter { pass, proof }).await, BlobAnswer::Entered {});
    bulk
}

async fn asked(bulk: &mut Client, ask: BlobAsk) -> BlobAnswer {
    match bulk.ask(ClientMessage::Blob(ask)).await {
        ServerMessage::Blob(answer) => answer,
        other => panic!("{other:?}"),
    }
}

async fn part(bulk: &mut Client, at: usize, count: usize) -> Bytes {
    let get = BlobAsk::Get { blob: BLOB, at: at as u64, count: count as u32 };
    let frame = bulk.try_ask(ClientMessage::Blob(get), Bytes::new()).await.unwrap();
    assert_eq!(frame.message, ServerMessage::Blob(BlobAnswer::Part { bytes: BYTES as u64 }));
    frame.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_keeps_files_in_s3_over_a_restart_and_removes_them_there() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.toml");
    std::fs::write(&config, "[files]\nobjects = \"s3://blobs/of/the/relay\"\n").unwrap();
    let options = ["--config", config.to_str().unwrap()];
    let relay = Running::start_with_options(&dir.path().join("data"), "127.0.0.1:0", &options);
    let alice = Person::new("alice", Client::relay_id(relay.place).await);
    let mut own = Client::register(relay.place, &alice).await;
    let mut up = bulk(relay.place, &mut own).await;
    let content: Vec<u8> = (0..BYTES).map(|at| (at.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    let create = BlobAsk::Create { blob: BLOB, bytes: BYTES as u64, token: TOKEN };
    assert_eq!(asked(&mut up, create).await, BlobAnswer::Held { bytes: 0, finished: false });
    for (number, piece) in content.chunks(BLOB_PART_BYTES_MAX).enumerate() {
        let put = BlobAsk::Put { blob: BLOB, at: (number * BLOB_PART_BYTES_MAX) as u64, token: TOKEN };
        let frame = up.try_ask(ClientMessage::Blob(put), Bytes::copy_from_slice(piece)).await.unwrap();
        assert!(matches!(frame.message, ServerMessage::Blob(BlobAnswer::Held { .. })), "{:?}", frame.message);
    }
    let finish = BlobAsk::Finish { blob: BLOB, token: TOKEN };
    assert!(matches!(asked(&mut up, finish).await, BlobAnswer::Finished { .. }));
    assert_eq!(part(&mut up, 8 * 1024 * 1024 - 3, 6).await, content[8 * 1024 * 1024 - 3..][..6]);
    drop(relay);
    let relay = Running::start_with_options(&dir.path().join("data"), "127.0.0.1:0", &options);
    let mut own = Client::login(relay.place, &alice).await;
    let mut down = bulk(relay.place, &mut own).await;
    let mut got = Vec::new();
    while got.len() < BYTES {
        got.extend_from_slice(&part(&mut down, got.len(), BLOB_PART_BYTES_MAX).await);
    }
    assert!(got == content);
    let delete = BlobAsk::Delete { blob: BLOB, token: TOKEN };
    assert_eq!(asked(&mut down, delete).await, BlobAnswer::Deleted {});
    let get = BlobAsk::Get { blob: BLOB, at: 0, count: 1 };
    let refused = down.ask(ClientMessage::Blob(get)).await;
    assert!(matches!(refused, ServerMessage::Refused(refusal) if refusal.kind == RefusalKind::UnknownBlob));
}
