//! Values of every message, made at random.

use chat_wire::bundle::{LastResortKey, OneTimePair, PreKeyBundle, SignedPreKey};
use chat_wire::error::{Refusal, RefusalKind};
use chat_wire::ids::{AccountId, BootId, DeviceAddress, DeviceId, RequestKey, UserName};
use chat_wire::keys::{DhKey, KemKey, Signature, VerifyKey};
use chat_wire::message::{
    AccountAnswer, AccountAsk, ClientMessage, FoundUser, ListState, LogoutReason, NewDevice, PacketHead,
    PresenceStatus, ServerMessage, Verdict,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_bytes::ByteBuf;

use crate::arbitrary_blob::{blob_answer, blob_ask};
use crate::arbitrary_room::{room_answer, room_ask, room_push};

pub(crate) fn blob() -> impl Strategy<Value = ByteBuf> {
    vec(any::<u8>(), 0..40).prop_map(ByteBuf::from)
}

fn filled<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    any::<u8>().prop_map(|byte| [byte; N])
}

pub(crate) fn account() -> impl Strategy<Value = AccountId> {
    any::<[u8; 32]>().prop_map(AccountId)
}

fn boot() -> impl Strategy<Value = BootId> {
    any::<[u8; 16]>().prop_map(BootId)
}

pub(crate) fn device() -> impl Strategy<Value = DeviceId> {
    (1..=u32::MAX).prop_map(DeviceId)
}

pub(crate) fn address() -> impl Strategy<Value = DeviceAddress> {
    (account(), device()).prop_map(|(account, device)| DeviceAddress { account, device })
}

fn name() -> impl Strategy<Value = UserName> {
    "[a-zA-Z0-9_.-]{3,32}".prop_map(|text| UserName::parse(&text).unwrap())
}

fn signature() -> impl Strategy<Value = Signature> {
    filled().prop_map(Signature)
}

fn dh() -> impl Strategy<Value = DhKey> {
    filled().prop_map(DhKey)
}

fn kem() -> impl Strategy<Value = KemKey> {
    filled().prop_map(KemKey)
}

fn status() -> impl Strategy<Value = PresenceStatus> {
    prop_oneof![Just(PresenceStatus::Online), Just(PresenceStatus::Away), Just(PresenceStatus::Invisible)]
}

fn signed() -> impl Strategy<Value = SignedPreKey> {
    (dh(), any::<u64>(), signature()).prop_map(|(public, created_ms, signature)| SignedPreKey {
        public,
        created_ms,
        signature,
    })
}

fn last_resort() -> impl Strategy<Value = LastResortKey> {
    (kem(), any::<u64>(), signature()).prop_map(|(kem, created_ms, signature)| LastResortKey {
        kem,
        created_ms,
        signature,
    })
}

fn pair() -> impl Strategy<Value = OneTimePair> {
    (dh(), kem(), signature()).prop_map(|(dh, kem, signature)| OneTimePair { dh, kem, signature })
}

fn bundle() -> impl Strategy<Value = PreKeyBundle> {
    (address(), signed(), option::of(pair()), option::of(last_resort()))
        .prop_map(|(owner, signed, one_time, last_resort)| PreKeyBundle { owner, signed, one_time, last_resort })
}

pub(crate) fn packets() -> impl Strategy<Value = Vec<PacketHead>> {
    vec((address(), any::<u32>()).prop_map(|(to, len)| PacketHead { to, len }), 0..4)
}

fn login_message() -> BoxedStrategy<ClientMessage> {
    let invite = || option::of("[a-z]{0,9}");
    prop_oneof![
        (vec(any::<u16>(), 0..4), vec("[a-z]{1,8}", 0..3))
            .prop_map(|(versions, features)| ClientMessage::Hello { versions, features }),
        (name(), blob(), invite()).prop_map(|(name, request, invite)| ClientMessage::Register1 {
            name,
            request,
            invite
        }),
        (name(), blob(), any::<u8>(), blob(), blob(), invite(), boot()).prop_map(
            |(name, record, kp, list, vault, invite, boot)| ClientMessage::Register2 {
                name,
                record,
                kp,
                list,
                vault,
                invite,
                boot
            }
        ),
        (name(), blob()).prop_map(|(name, ke1)| ClientMessage::Ke1 { name, ke1 }),
        blob().prop_map(|ke3| ClientMessage::Ke3 { ke3 }),
        (address(), any::<u32>(), signature()).prop_map(|(device, incarnation, signature)| ClientMessage::Proof {
            device,
            incarnation,
            signature
        }),
        (option::of(boot()), boot()).prop_map(|(expected, new)| ClientMessage::PutBoot { expected, new }),
    ]
    .boxed()
}

fn device_message() -> BoxedStrategy<ClientMessage> {
    let state = || (account(), any::<u64>()).prop_map(|(account, seq)| ListState { account, seq });
    prop_oneof![
        (blob(), option::of(blob())).prop_map(|(list, vault)| ClientMessage::PutDeviceList { list, vault }),
        (account(), any::<u64>()).prop_map(|(account, after_seq)| ClientMessage::FetchLists { account, after_seq }),
        (option::of(signed()), option::of(last_resort()), vec(pair(), 0..3)).prop_map(
            |(signed, last_resort, pairs)| ClientMessage::PutPreKeys {
                signed,
                last_resort: last_resort.map(Box::new),
                pairs
            }
        ),
        (option::of(account()), option::of(name()), vec(device(), 0..3))
            .prop_map(|(account, name, devices)| ClientMessage::Claim { account, name, devices }),
        (any::<[u8; 16]>(), any::<u64>(), vec(state(), 0..3), packets()).prop_map(|(key, step, lists, packets)| {
            ClientMessage::Send { key: RequestKey(key), step, lists, packets }
        }),
        packets().prop_map(|packets| ClientMessage::Ephemeral { packets }),
        any::<u64>().prop_map(|seq| ClientMessage::Ack { seq }),
        Just(ClientMessage::Heartbeat {}),
        status().prop_map(|status| ClientMessage::SetPresence { status }),
        vec(account(), 0..4).prop_map(|accounts| ClientMessage::SetContacts { accounts }),
        ("[a-zA-Z0-9_.# -]{0,40}", any::<u16>()).prop_map(|(query, limit)| ClientMessage::Find { query, limit }),
        Just(ClientMessage::GetRecord {}),
        (any::<u64>(), any::<u64>()).prop_map(|(expected, version)| ClientMessage::PutRecord { expected, version }),
        Just(ClientMessage::GetVault {}),
        Just(ClientMessage::Logout {}),
    ]
    .boxed()
}

/// Any message of a client.
pub(crate) fn client_message() -> BoxedStrategy<ClientMessage> {
    prop_oneof![
        login_message(),
        device_message(),
        account_ask().prop_map(ClientMessage::Account),
        blob_ask().prop_map(ClientMessage::Blob),
        room_ask().prop_map(ClientMessage::Room)
    ]
    .boxed()
}

fn verify_key() -> impl Strategy<Value = VerifyKey> {
    any::<[u8; 32]>().prop_map(VerifyKey)
}

fn account_ask() -> BoxedStrategy<AccountAsk> {
    let new_device = || (device(), boot()).prop_map(|(device, boot)| NewDevice { device, boot });
    prop_oneof![
        (blob(), device(), boot()).prop_map(|(list, device, boot)| AccountAsk::Enroll { list, device, boot }),
        name().prop_map(|name| AccountAsk::Recover1 { name }),
        (name(), signature()).prop_map(|(name, signature)| AccountAsk::Recover2 { name, signature }),
        blob().prop_map(|request| AccountAsk::NewPassword1 { request }),
        (blob(), any::<u8>(), blob(), blob(), any::<u64>(), any::<u64>(), option::of(new_device())).prop_map(
            |(login, kp, list, vault, expected, version, device)| AccountAsk::NewPassword2 {
                login,
                kp,
                list,
                vault,
                expected,
                version,
                device
            }
        ),
        signature().prop_map(|signature| AccountAsk::Delete { signature }),
        (device(), verify_key()).prop_map(|(device, key)| AccountAsk::AskIn { device, key }),
        (device(), verify_key(), any::<bool>()).prop_map(|(device, key, allow)| AccountAsk::AnswerIn {
            device,
            key,
            allow
        }),
    ]
    .boxed()
}

fn account_answer() -> BoxedStrategy<AccountAnswer> {
    prop_oneof![
        any::<u32>().prop_map(|generation| AccountAnswer::RecoveryCodeOf { generation }),
        (account(), blob(), blob()).prop_map(|(account, list, vault)| AccountAnswer::RecoveryOk {
            account,
            list,
            vault
        }),
        blob().prop_map(|response| AccountAnswer::NewPasswordReply { response }),
        prop_oneof![Just(Verdict::Open), Just(Verdict::Allowed), Just(Verdict::Denied)]
            .prop_map(|verdict| AccountAnswer::Waits { verdict }),
        (device(), verify_key(), any::<u64>()).prop_map(|(device, key, at_ms)| AccountAnswer::Wants {
            device,
            key,
            at_ms
        }),
        device().prop_map(|device| AccountAnswer::Settled { device }),
    ]
    .boxed()
}

fn refusal() -> impl Strategy<Value = Refusal> {
    use RefusalKind as Kind;
    let kinds = [
        Kind::Malformed,
        Kind::OutOfPlace,
        Kind::Version,
        Kind::BadCredentials,
        Kind::NotEnrolled,
        Kind::NameTaken,
        Kind::RegistrationClosed,
        Kind::BadInvite,
        Kind::UnknownUser,
        Kind::UnknownRoom,
        Kind::RoomExists,
        Kind::BadList,
        Kind::Conflict,
        Kind::TooLarge,
        Kind::RateLimited,
        Kind::MailboxFull,
        Kind::Forbidden,
        Kind::Unavailable,
        Kind::AccountDeleted,
        Kind::UnknownBlob,
        Kind::QuotaFull,
        Kind::Unsupported,
    ];
    (prop::sample::select(kinds.to_vec()), any::<u64>()).prop_map(|(kind, retry_ms)| Refusal { kind, retry_ms })
}

fn answer() -> BoxedStrategy<ServerMessage> {
    prop_oneof![
        (any::<u16>(), vec("[a-z]{1,8}", 0..3), filled(), any::<[u8; 32]>(), signature(), any::<u64>()).prop_map(
            |(version, features, key, challenge, signature, now_ms)| ServerMessage::Ready {
                version,
                features,
                relay_key: VerifyKey(key),
                challenge,
                signature,
                now_ms
            }
        ),
        blob().prop_map(|response| ServerMessage::Register1Reply { response }),
        (blob(), any::<u8>()).prop_map(|(ke2, kp)| ServerMessage::Ke2 { ke2, kp }),
        (account(), blob(), blob()).prop_map(|(account, list, vault)| ServerMessage::PasswordOk {
            account,
            list,
            vault
        }),
        (address(), option::of(boot()), any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
            |(device, boot, step, pairs_left, list_seq, now_ms)| ServerMessage::LoggedIn {
                device,
                boot,
                step,
                pairs_left,
                list_seq,
                now_ms
            }
        ),
        Just(ServerMessage::Done {}),
        refusal().prop_map(ServerMessage::Refused),
        vec(blob(), 0..4).prop_map(|lists| ServerMessage::Lists { lists }),
        any::<u32>().prop_map(|pairs_left| ServerMessage::PreKeysStored { pairs_left }),
        (blob(), vec(bundle(), 0..3)).prop_map(|(list, bundles)| ServerMessage::Claimed { list, bundles }),
        (any::<u64>(), any::<u64>()).prop_map(|(now_ms, step)| ServerMessage::Accepted { now_ms, step }),
        vec(blob(), 0..4).prop_map(|lists| ServerMessage::StaleDevices { lists }),
    ]
    .boxed()
}

fn push() -> BoxedStrategy<ServerMessage> {
    let user =
        || (name(), account(), any::<bool>()).prop_map(|(name, account, online)| FoundUser { name, account, online });
    let reason = prop_oneof![
        Just(LogoutReason::Removed),
        Just(LogoutReason::Deleted),
        Just(LogoutReason::Replaced),
        Just(LogoutReason::Draining),
    ];
    prop_oneof![
        (any::<u64>(), option::of(address()), any::<u64>()).prop_map(|(seq, from, sent_ms)| ServerMessage::Deliver {
            seq,
            from,
            sent_ms
        }),
        Just(ServerMessage::Drained {}),
        option::of(address()).prop_map(|from| ServerMessage::DeliverEphemeral { from }),
        Just(ServerMessage::Heartbeat {}),
        (account(), any::<bool>(), status(), any::<u64>())
            .prop_map(|(account, online, status, at_ms)| ServerMessage::Presence { account, online, status, at_ms }),
        any::<u32>().prop_map(|left| ServerMessage::PreKeysLow { left }),
        vec(user(), 0..4).prop_map(|users| ServerMessage::Found { users }),
        any::<u64>().prop_map(|version| ServerMessage::Record { version }),
        blob().prop_map(|vault| ServerMessage::Vault { vault }),
        account_answer().prop_map(ServerMessage::Account),
        (reason, option::of(blob())).prop_map(|(reason, list)| ServerMessage::LoggedOut { reason, list }),
    ]
    .boxed()
}

/// Any message of a relay.
pub(crate) fn server_message() -> BoxedStrategy<ServerMessage> {
    prop_oneof![
        answer(),
        push(),
        blob_answer().prop_map(ServerMessage::Blob),
        room_answer().prop_map(ServerMessage::Room),
        room_push().prop_map(ServerMessage::RoomPush)
    ]
    .boxed()
}
