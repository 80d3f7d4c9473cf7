//! Frames and device lists.
#![allow(clippy::unwrap_used, reason = "a bench stops where it fails")]

use bytes::Bytes;
use chat_fixtures::person::Person;
use chat_wire::device_list::DeviceList;
use chat_wire::frame::{ClientFrame, Frame};
use chat_wire::ids::{DeviceAddress, RequestKey};
use chat_wire::limits::FRAME_BYTES_MAX;
use chat_wire::message::{ClientMessage, ListState, PacketHead};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn send(to: DeviceAddress) -> ClientFrame {
    let lists = vec![ListState { account: to.account, seq: 3 }];
    let message =
        ClientMessage::Send { key: RequestKey([7; 16]), step: 9, lists, packets: vec![PacketHead { to, len: 622 }] };
    Frame::with_body(7, message, Bytes::from(vec![7; 622]))
}

#[divan::bench]
fn encode_a_send(bencher: Bencher) {
    let frame = send(Person::new(1).device.address());
    bencher.bench_local(|| black_box(&frame).encode(FRAME_BYTES_MAX).unwrap());
}

#[divan::bench]
fn decode_a_send(bencher: Bencher) {
    let bytes = send(Person::new(1).device.address()).encode(FRAME_BYTES_MAX).unwrap().slice(4..);
    bencher.with_inputs(|| bytes.clone()).bench_local_values(|bytes| ClientFrame::decode(black_box(bytes)).unwrap());
}

#[divan::bench]
fn verify_a_device_list(bencher: Bencher) {
    let list = Person::new(1).list;
    bencher.bench_local(|| DeviceList::decode(black_box(list.as_bytes())).unwrap());
}
