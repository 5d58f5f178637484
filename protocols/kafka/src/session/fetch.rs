//! Fetch: records by reference, within sessions or without.

use std::collections::BTreeMap;

use forebay_kit::model::fetch::{Fetch, FetchItem, Fetched, FetchedRecords, Isolation};
use forebay_kit::model::quota::QuotaKind;
use forebay_kit::model::{LeaderEpoch, Offset, Reply, Request};
use forebay_kit::record::batch::{BatchHeader, Batches, Codec};
use forebay_kit::{Bytes, SessionError};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::fetch_session::{Changes, Mode, PartitionKey, Telling, Wanted};
use super::hold_back::Client;
use super::names::milliseconds;
use super::open::{Replies, strange};
use crate::limits::FETCH_RESPONSE_BYTES_MAX;
use crate::wire::messages::fetch::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use crate::wire::messages::{FetchRequest, FetchResponse};
use crate::wire::{ErrorCode, Records};

/// First version whose readers may get zstd.
const ZSTD_FROM: i16 = 10;
/// First version that names topics by id.
const IDS_FROM: i16 = 13;

/// The partitions of the response, those that were asked for of the broker in the same order.
pub(super) struct Asked {
    partitions: Vec<AskedPartition>,
    mode: Mode,
    isolation: Isolation,
    /// Whose bytes are counted, if anybody's are.
    client: Option<Client>,
}

struct AskedPartition {
    key: PartitionKey,
    /// Set when the broker was not asked.
    refused: Option<ErrorCode>,
}

pub(super) fn ask(asking: &mut Asking<'_>, request: FetchRequest) -> Step<FetchResponse> {
    if request.replica_id >= 0 || request.replica_state.replica_id >= 0 {
        return Step::Close("a follower's Fetch: replication is not Kafka's here".into());
    }
    let Some(isolation) = isolation(request.isolation_level) else {
        return Step::Close(format!("isolation level {} does not exist", request.isolation_level));
    };
    let changes = changes(asking, &request);
    let begun = asking.connection.fetch_sessions.begin(request.session_id, request.session_epoch, changes);
    let (mode, reading) = match begun {
        Ok(begun) => begun,
        Err(error_code) => return Step::Answer(FetchResponse { error_code, ..Default::default() }),
    };
    let mut items = Vec::with_capacity(reading.len());
    let mut partitions = Vec::with_capacity(reading.len());
    for (key, wanted) in reading {
        let refused = match item(&key, wanted) {
            Ok(item) => {
                items.push(item);
                None
            }
            Err(code) => Some(code),
        };
        partitions.push(AskedPartition { key, refused });
    }
    let hold_back = &asking.connection.hold_back;
    let client = hold_back.client(&asking.client);
    // No more than a client may get without being held back for longer than it takes to count (KIP-13).
    let burst = hold_back.burst(QuotaKind::ReadBytes, client.as_ref()).unwrap_or(u32::MAX);
    let bytes_max = number(request.max_bytes).min(FETCH_RESPONSE_BYTES_MAX).min(burst);
    // What is refused here is told at once; nobody waits for records beside it.
    let is_refused = items.len() < partitions.len();
    let fetch = Fetch {
        bytes_min: number(request.min_bytes).min(bytes_max),
        bytes_max,
        wait_ms_max: if is_refused { 0 } else { milliseconds(request.max_wait_ms) },
        isolation,
        items,
    };
    Step::One(Request::Fetch(fetch), Asked { partitions, mode, isolation, client }.into())
}

pub(super) fn isolation(level: i8) -> Option<Isolation> {
    match level {
        0 => Some(Isolation::Uncommitted),
        1 => Some(Isolation::Committed),
        _ => None,
    }
}

/// The epoch a reader believes in; -1 says that it does not.
pub(super) fn leader_epoch(epoch: i32) -> Option<LeaderEpoch> {
    u32::try_from(epoch).ok().map(LeaderEpoch)
}

fn changes(asking: &mut Asking<'_>, request: &FetchRequest) -> Changes {
    let has_ids = asking.version() >= IDS_FROM;
    let names = &mut asking.connection.names;
    let mut wanted = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in &request.topics {
        let key = names.key_in(has_ids, &topic.topic, topic.topic_id);
        let of_topic = |partition: &_| (key_of(&key, partition), Wanted::from(partition));
        wanted.extend(topic.partitions.iter().map(of_topic));
    }
    let wanted = once_each(wanted);
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = names.key_in(has_ids, &topic.topic, topic.topic_id);
        forgotten
            .extend(topic.partitions.iter().map(|index| PartitionKey { topic: key.clone(), index: *index }));
    }
    Changes { wanted, forgotten, has_ids }
}

/// A partition that is named more than once is read once: where it was named first, as it was wanted last.
fn once_each(wanted: Vec<(PartitionKey, Wanted)>) -> Vec<(PartitionKey, Wanted)> {
    let last: BTreeMap<PartitionKey, Wanted> = wanted.iter().cloned().collect();
    if last.len() == wanted.len() {
        return wanted;
    }
    let mut left = last;
    wanted.into_iter().filter_map(|(key, _)| left.remove_entry(&key)).collect()
}

fn key_of(
    topic: &super::names::TopicKey,
    partition: &crate::wire::messages::fetch::FetchPartition,
) -> PartitionKey {
    PartitionKey { topic: topic.clone(), index: partition.partition }
}

fn item(key: &PartitionKey, wanted: Wanted) -> Result<FetchItem, ErrorCode> {
    Ok(FetchItem {
        partition: key.topic.partition(key.index)?,
        offset: u64::try_from(wanted.offset).map(Offset).map_err(|_| ErrorCode::OffsetOutOfRange)?,
        bytes_max: number(wanted.bytes_max),
        leader_epoch: leader_epoch(wanted.leader_epoch),
    })
}

/// A negative number of bytes is none.
fn number(bytes: i32) -> u32 {
    u32::try_from(bytes).unwrap_or(0)
}

impl Answer for Asked {
    type Response = FetchResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        connection: &mut Connection,
    ) -> Result<FetchResponse, SessionError> {
        let Reply::Fetch(fetched) = replies.one()? else { return Err(strange("Fetch")) };
        if let Some(client) = self.client {
            let bytes = fetched.iter().flatten().map(FetchedRecords::bytes).sum();
            connection.hold_back.count_response(QuotaKind::ReadBytes, &client, bytes);
        }
        let mut fetched = fetched.into_iter();
        let mut responses: Vec<FetchableTopicResponse> = Vec::new();
        for AskedPartition { key, refused } in self.partitions {
            let data = match refused {
                Some(code) => unreadable(code),
                None => {
                    let fetched = fetched.next().ok_or_else(|| strange("Fetch of this length"))?;
                    data(version, self.isolation, fetched)
                }
            };
            let data = PartitionData { partition_index: key.index, ..data };
            if connection.fetch_sessions.tell(self.mode, &key, &data) == Telling::Say {
                add(&mut responses, &key, data);
            }
        }
        Ok(FetchResponse { session_id: self.mode.session_id(), responses, ..Default::default() })
    }
}

/// Neighbours of one topic share its entry.
fn add(responses: &mut Vec<FetchableTopicResponse>, key: &PartitionKey, data: PartitionData) {
    if let Some(last) = responses.last_mut().filter(|last| key.shares_topic(&last.topic, last.topic_id)) {
        last.partitions.push(data);
        return;
    }
    responses.push(FetchableTopicResponse {
        topic: key.topic.text(),
        topic_id: key.topic.id(),
        partitions: vec![data],
    });
}

fn data(version: i16, isolation: Isolation, fetched: Fetched) -> PartitionData {
    let records = match fetched {
        Ok(records) => records,
        Err(refused) => return unreadable(errors::code(&refused.refusal, Area::Read)),
    };
    if version < ZSTD_FROM && has_zstd(&records) {
        return unreadable(ErrorCode::UnsupportedCompressionType);
    }
    let aborted = records.aborted.iter().map(|(producer, first)| AbortedTransaction {
        producer_id: producer.0,
        first_offset: first.0.cast_signed(),
    });
    let aborted = aborted.collect();
    let mut pieces = Records::new();
    for piece in records.records {
        pieces.push(piece);
    }
    PartitionData {
        high_watermark: records.high_watermark.0.cast_signed(),
        last_stable_offset: records.last_stable_offset.0.cast_signed(),
        log_start_offset: records.start_offset.0.cast_signed(),
        aborted_transactions: (isolation == Isolation::Committed).then_some(aborted),
        records: Some(pieces),
        ..Default::default()
    }
}

fn unreadable(error_code: ErrorCode) -> PartitionData {
    PartitionData { error_code, high_watermark: -1, records: Some(Records::new()), ..Default::default() }
}

/// Whether a reader too old for zstd would get some. Copies, which only such readers pay for.
fn has_zstd(records: &FetchedRecords) -> bool {
    let is_zstd = |batch: Bytes| BatchHeader::peek(&batch).is_ok_and(|header| header.codec == Codec::Zstd);
    Batches::new(records.records.concat().into()).any(|batch| batch.is_ok_and(is_zstd))
}
