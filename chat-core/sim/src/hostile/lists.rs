//! What a relay that lies does to signed device lists: it shows those that were true once, or bends them.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_wire::device_list::DeviceList;
use chat_wire::frame::ServerFrame;
use chat_wire::ids::AccountId;
use chat_wire::message::{RoomAnswer, ServerMessage};
use serde_bytes::ByteBuf;

use super::bend;
use crate::chance::Dice;
use crate::report::Report;

/// Every list that went by, by account and number.
#[derive(Debug, Default)]
pub(super) struct OldLists {
    known: BTreeMap<AccountId, BTreeMap<u64, ByteBuf>>,
}

impl OldLists {
    /// Notes the lists of a frame, and shows others in their place, if it is to lie.
    pub(super) fn tamper(&mut self, frame: &mut ServerFrame, lies: bool, dice: &mut Dice, report: &mut Report) {
        let lists: &mut [ByteBuf] = match &mut frame.message {
            ServerMessage::Lists { lists } | ServerMessage::StaleDevices { lists } => lists,
            ServerMessage::Room(RoomAnswer::Lists { lists }) => lists,
            ServerMessage::Claimed { list, .. } => std::slice::from_mut(list),
            ServerMessage::Room(RoomAnswer::KeyPackages { list, .. }) => std::slice::from_mut(list),
            _ => return,
        };
        for list in lists {
            let Ok(read) = DeviceList::decode(list) else { continue };
            let (account, seq) = (read.body().account_id, read.body().seq);
            let known = self.known.entry(account).or_default();
            known.insert(seq, list.clone());
            if !lies {
                continue;
            }
            let older: Vec<&ByteBuf> = known.range(..seq).map(|(_, old)| old).collect();
            match older.get(dice.index(older.len())) {
                Some(old) if dice.permille(700) => {
                    report.count("fault: old device list", 1);
                    *list = (*old).clone();
                }
                _ => {
                    report.count("fault: mangled device list", 1);
                    *list = ByteBuf::from(bend(&Bytes::copy_from_slice(list), dice).to_vec());
                }
            }
        }
    }
}
