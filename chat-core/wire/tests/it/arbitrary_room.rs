//! Values of every message about rooms, made at random.

use chat_wire::ids::{KeyPackageId, RequestKey, RoomId, RoomName};
use chat_wire::message::{
    CommitHead, EntryKind, KeyPackageUpload, ListState, OfferedKeyPackage, RoomAnswer, RoomAsk, RoomCard, RoomEnd,
    RoomPush,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::arbitrary::{account, address, blob, device, packets};

fn room() -> impl Strategy<Value = RoomId> {
    any::<[u8; 16]>().prop_map(RoomId)
}

fn room_name() -> impl Strategy<Value = RoomName> {
    "#?[a-zA-Z0-9_.-]{3,32}".prop_map(|text| RoomName::parse(&text).unwrap())
}

fn key() -> impl Strategy<Value = RequestKey> {
    any::<[u8; 16]>().prop_map(RequestKey)
}

fn topic() -> impl Strategy<Value = Option<String>> {
    option::of(".{0,20}")
}

fn key_package() -> impl Strategy<Value = KeyPackageUpload> {
    (any::<[u8; 32]>(), any::<u64>(), blob()).prop_map(|(id, expires_ms, package)| KeyPackageUpload {
        id: KeyPackageId(id),
        expires_ms,
        package,
    })
}

fn room_card() -> impl Strategy<Value = RoomCard> {
    (room(), room_name(), any::<bool>(), any::<u32>(), topic(), any::<bool>(), any::<u64>(), any::<u64>()).prop_map(
        |(room, name, public, members, topic, joined, epoch, created_ms)| RoomCard {
            room,
            name,
            public,
            members,
            topic,
            joined,
            epoch,
            created_ms,
        },
    )
}

fn commit() -> impl Strategy<Value = RoomAsk> {
    let who = (vec(address(), 0..3), vec(address(), 0..3), topic(), option::of(account()));
    (key(), room(), any::<u64>(), any::<bool>(), who, any::<[u32; 2]>(), packets()).prop_map(
        |(key, room, base, contest, (added, removed, topic, owner), [commit_len, group_info_len], welcomes)| {
            RoomAsk::Commit(CommitHead {
                key,
                room,
                base,
                contest,
                added,
                removed,
                topic,
                owner,
                commit_len,
                group_info_len,
                welcomes,
            })
        },
    )
}

/// Anything asked about rooms.
pub(crate) fn room_ask() -> BoxedStrategy<RoomAsk> {
    let state = || (account(), any::<u64>()).prop_map(|(account, seq)| ListState { account, seq });
    prop_oneof![
        (key(), room(), room_name(), any::<bool>(), any::<bool>(), topic()).prop_map(
            |(key, room, name, public, owned, topic)| RoomAsk::Create { key, room, name, public, owned, topic }
        ),
        (any::<bool>(), option::of(room_name()), any::<u16>()).prop_map(|(joined, after, limit)| RoomAsk::List {
            joined,
            after,
            limit
        }),
        room_name().prop_map(|name| RoomAsk::Info { name }),
        room().prop_map(|room| RoomAsk::GroupInfo { room }),
        commit(),
        (key(), room(), any::<u64>()).prop_map(|(key, room, epoch)| RoomAsk::Post { key, room, epoch }),
        (key(), room()).prop_map(|(key, room)| RoomAsk::Leave { key, room }),
        room().prop_map(|room| RoomAsk::Delete { room }),
        (room(), any::<u64>()).prop_map(|(room, after)| RoomAsk::Open { room, after }),
        (room(), any::<u64>()).prop_map(|(room, seq)| RoomAsk::Ack { room, seq }),
        (vec(key_package(), 0..3), option::of(key_package()))
            .prop_map(|(packages, last_resort)| RoomAsk::PutKeyPackages { packages, last_resort }),
        (account(), vec(device(), 0..3)).prop_map(|(account, devices)| RoomAsk::ClaimKeyPackages { account, devices }),
        room().prop_map(|room| RoomAsk::Typing { room }),
        room().prop_map(|room| RoomAsk::WhoIsHere { room }),
        (room(), vec(state(), 0..3)).prop_map(|(room, wanted)| RoomAsk::Lists { room, wanted }),
    ]
    .boxed()
}

fn room_end() -> impl Strategy<Value = RoomEnd> {
    prop_oneof![Just(RoomEnd::Deleted), Just(RoomEnd::Closed)]
}

/// Anything answered about rooms.
pub(crate) fn room_answer() -> BoxedStrategy<RoomAnswer> {
    let offered = || (address(), blob()).prop_map(|(owner, package)| OfferedKeyPackage { owner, package });
    prop_oneof![
        any::<[u64; 3]>().prop_map(|[seq, epoch, at_ms]| RoomAnswer::Appended { seq, epoch, at_ms }),
        any::<[u64; 2]>().prop_map(|[epoch, seq]| RoomAnswer::Behind { epoch, seq }),
        vec(room_card(), 0..3).prop_map(|rooms| RoomAnswer::Rooms { rooms }),
        room_card().prop_map(RoomAnswer::Info),
        any::<[u64; 2]>().prop_map(|[epoch, seq]| RoomAnswer::GroupInfo { epoch, seq }),
        any::<[u64; 3]>().prop_map(|[first, last, epoch]| RoomAnswer::Opened { first, last, epoch }),
        any::<u32>().prop_map(|left| RoomAnswer::KeyPackagesStored { left }),
        (blob(), vec(offered(), 0..3)).prop_map(|(list, packages)| RoomAnswer::KeyPackages { list, packages }),
        vec(blob(), 0..3).prop_map(|lists| RoomAnswer::Lists { lists }),
        vec(account(), 0..3).prop_map(|accounts| RoomAnswer::Present { accounts }),
        room_end().prop_map(|reason| RoomAnswer::Gone { reason }),
    ]
    .boxed()
}

/// Anything pushed about rooms.
pub(crate) fn room_push() -> BoxedStrategy<RoomPush> {
    let kind = [EntryKind::Commit, EntryKind::Message, EntryKind::Leave, EntryKind::Departed];
    let kind = proptest::sample::select(kind.to_vec());
    prop_oneof![
        (room(), any::<u64>(), option::of(address()), any::<u64>(), kind)
            .prop_map(|(room, seq, from, at_ms, kind)| RoomPush::Entry { room, seq, from, at_ms, kind }),
        (room(), any::<u64>()).prop_map(|(room, seq)| RoomPush::CaughtUp { room, seq }),
        (room(), room_end()).prop_map(|(room, reason)| RoomPush::Gone { room, reason }),
        room().prop_map(|room| RoomPush::Typing { room }),
        any::<u32>().prop_map(|left| RoomPush::KeyPackagesLow { left }),
    ]
    .boxed()
}
