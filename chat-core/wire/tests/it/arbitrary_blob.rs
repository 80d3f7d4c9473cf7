//! Values of every message about blobs, made at random.

use chat_wire::ids::BlobId;
use chat_wire::message::{BlobAnswer, BlobAsk, BlobPass, BlobToken};
use proptest::prelude::*;

use crate::arbitrary::account;

fn id() -> impl Strategy<Value = BlobId> {
    any::<[u8; 16]>().prop_map(BlobId)
}

fn token() -> impl Strategy<Value = BlobToken> {
    any::<[u8; 32]>().prop_map(BlobToken)
}

fn pass() -> impl Strategy<Value = BlobPass> {
    (account(), any::<u64>(), any::<[u8; 16]>()).prop_map(|(account, expires_ms, nonce)| BlobPass {
        account,
        expires_ms,
        nonce,
    })
}

pub(crate) fn blob_ask() -> BoxedStrategy<BlobAsk> {
    prop_oneof![
        Just(BlobAsk::Ticket {}),
        (pass(), any::<[u8; 32]>()).prop_map(|(pass, proof)| BlobAsk::Enter { pass, proof }),
        (id(), any::<u64>(), token()).prop_map(|(blob, bytes, token)| BlobAsk::Create { blob, bytes, token }),
        (id(), any::<u64>(), token()).prop_map(|(blob, at, token)| BlobAsk::Put { blob, at, token }),
        (id(), token()).prop_map(|(blob, token)| BlobAsk::Finish { blob, token }),
        (id(), any::<u64>(), any::<u32>()).prop_map(|(blob, at, count)| BlobAsk::Get { blob, at, count }),
        (id(), token()).prop_map(|(blob, token)| BlobAsk::Delete { blob, token }),
    ]
    .boxed()
}

pub(crate) fn blob_answer() -> BoxedStrategy<BlobAnswer> {
    prop_oneof![
        (pass(), any::<[u8; 32]>()).prop_map(|(pass, secret)| BlobAnswer::Ticket { pass, secret }),
        Just(BlobAnswer::Entered {}),
        (any::<u64>(), any::<bool>()).prop_map(|(bytes, finished)| BlobAnswer::Held { bytes, finished }),
        any::<u64>().prop_map(|expires_ms| BlobAnswer::Finished { expires_ms }),
        any::<u64>().prop_map(|bytes| BlobAnswer::Part { bytes }),
        Just(BlobAnswer::Deleted {}),
    ]
    .boxed()
}
