//! Contradictions that the relay was caught in: told loudly, once each, and kept with their evidence.

use chat_wire::domain::labelled_hash;
use chat_wire::ids::{AccountId, UserName};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::State;
use crate::engine::context::{Work, decode};
use crate::engine::error::{Bug, EngineError};
use crate::engine::io::{Alarm, AlarmKind, NoticeKind};
use crate::engine::limits::ALARMS_MAX;
use crate::store::{Records, Table};

/// Label of the keys in the table.
const EVIDENCE: &str = "evidence";

#[derive(Serialize, Deserialize)]
struct AlarmRecord {
    #[serde(rename = "n")]
    subject: UserName,
    #[serde(rename = "k")]
    kind: String,
    #[serde(rename = "e")]
    evidence: Vec<ByteBuf>,
    #[serde(rename = "t")]
    at_ms: u64,
}

impl State {
    /// The relay contradicted itself about an account.
    pub(in crate::engine) fn alarm(
        &mut self,
        work: &mut Work<'_>,
        subject: &UserName,
        kind: AlarmKind,
        evidence: Vec<Vec<u8>>,
    ) -> Result<(), EngineError> {
        let parts: Vec<&[u8]> = evidence.iter().map(Vec::as_slice).chain([kind.word().as_bytes()]).collect();
        let key = labelled_hash(EVIDENCE, &parts);
        let known = work.get(Table::Evidence, &key).is_some();
        if known || work.scan(Table::Evidence, &[], None, ALARMS_MAX).len() >= ALARMS_MAX {
            return Ok(());
        }
        let at_ms = work.now.as_ms();
        let kept = evidence.iter().map(|object| ByteBuf::from(object.clone())).collect();
        let record = AlarmRecord { subject: subject.clone(), kind: kind.word().to_owned(), evidence: kept, at_ms };
        work.save(Table::Evidence, &key, &record)?;
        work.notice(NoticeKind::TrustAlarm(Alarm { subject: subject.clone(), kind, evidence, at_ms })).map(|_| ())
    }

    /// … about the own account.
    pub(in crate::engine) fn alarm_own(
        &mut self,
        work: &mut Work<'_>,
        kind: AlarmKind,
        evidence: Vec<Vec<u8>>,
    ) -> Result<(), EngineError> {
        let name = self.me.as_ref().map(|me| me.name.clone()).ok_or(EngineError::Broken(Bug::OwnKeys))?;
        self.alarm(work, &name, kind, evidence)
    }

    /// … with a list, of an account whose list is known.
    pub(in crate::engine) fn alarm_list(
        &mut self,
        work: &mut Work<'_>,
        account: &AccountId,
        (kind, shown): (AlarmKind, &[u8]),
    ) -> Result<(), EngineError> {
        let Some(known) = self.list_of(work, account)? else { return Ok(()) };
        let name = known.list.body().name.clone();
        self.alarm(work, &name, kind, vec![known.list.as_bytes().to_vec(), shown.to_vec()])
    }
}

/// All that are kept, oldest first.
pub(in crate::engine) fn all(records: &dyn Records) -> Vec<Alarm> {
    let kept = records.scan(Table::Evidence, &[], None, ALARMS_MAX);
    let mut alarms: Vec<Alarm> = kept.iter().filter_map(|(_, bytes)| read(bytes)).collect();
    alarms.sort_by_key(|alarm| alarm.at_ms);
    alarms
}

fn read(bytes: &[u8]) -> Option<Alarm> {
    let record: AlarmRecord = decode(Table::Evidence, bytes).ok()?;
    let kind = AlarmKind::of_word(&record.kind)?;
    let evidence = record.evidence.into_iter().map(ByteBuf::into_vec).collect();
    Some(Alarm { subject: record.subject, kind, evidence, at_ms: record.at_ms })
}
