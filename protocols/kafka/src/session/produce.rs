//! Produce: one batch per partition, checked here, stored as it came.

use forebay_kit::model::publish::{Appended, Confirm, PayloadKind, Publish, PublishItem, Published};
use forebay_kit::model::quota::QuotaKind;
use forebay_kit::model::transaction::{InTransaction, Joining, TransactionalId};
use forebay_kit::model::{ProducerEpoch, ProducerId, Refusal, Reply, Request};
use forebay_kit::record::batch::{self, BatchError, BatchHeader, CheckLimits, Codec, Depth, Fault};
use forebay_kit::record::limits::INFLATED_BYTES_MAX_DEFAULT;
use forebay_kit::{Bytes, SessionError};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::import;
use super::names::{TopicKey, milliseconds};
use super::open::{Replies, strange};
use crate::limits::RECORD_ERRORS_PER_RESPONSE_MAX;
use crate::wire::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, TopicProduceResponse,
};
use crate::wire::messages::{ProduceRequest, ProduceResponse};
use crate::wire::{ErrorCode, Str};

/// First version that we append from.
const VERSION_MIN: i16 = 3;
/// First version whose clients may write zstd.
const ZSTD_FROM: i16 = 7;
/// First version by which partitions become part of a transaction (KIP-890); before, AddPartitionsToTxn comes first.
const JOINS_FROM: i16 = 12;
/// First version that names the records because of which a batch is refused (KIP-467).
const RECORD_ERRORS_FROM: i16 = 8;
/// First version that names topics by id.
pub(super) const IDS_FROM: i16 = 13;

/// The frame's own limit bounds a batch before the topic's does.
const LIMITS: CheckLimits = CheckLimits {
    batch_bytes_max: usize::MAX,
    inflated_bytes_max: INFLATED_BYTES_MAX_DEFAULT,
    depth: Depth::Records,
};

/// The response to be: partitions without an error wait for their item, in order.
pub(super) struct Asked(ProduceResponse);

/// Why a partition's batch goes no further.
struct Refused {
    code: ErrorCode,
    why: Str,
}

pub(super) fn ask(asking: &mut Asking<'_>, request: ProduceRequest) -> Step<ProduceResponse> {
    let version = asking.version();
    if import::is_one(&request) {
        return import::ask(asking, request);
    }
    let confirm = match request.acks {
        0 => Confirm::None,
        1 => Confirm::Leader,
        _ => Confirm::Quorum,
    };
    let all_refused = refuse_all(version, &request);
    let timeout_ms = milliseconds(request.timeout_ms);
    let id = request.transactional_id.as_ref().filter(|id| !id.is_empty());
    let id = id.map(|id| TransactionalId(id.as_str().into()));
    let (mut items, mut writer, mut first_refused) = (Vec::new(), None, None);
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let key = asking.connection.names.key_in(version >= IDS_FROM, &topic.name, topic.topic_id);
        let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
        for partition in topic.partition_data {
            let index = partition.index;
            let item = match &all_refused {
                Some(refused) => Err(refused.clone()),
                None => item(version, id.is_some(), &key, partition),
            };
            partition_responses.push(match item {
                Ok((item, by)) => {
                    items.push(item);
                    writer = writer.or(by);
                    PartitionProduceResponse { index, base_offset: -1, ..Default::default() }
                }
                Err(refused) => {
                    let response = refused.response(index);
                    first_refused.get_or_insert(refused);
                    response
                }
            });
        }
        responses.push(TopicProduceResponse { name: key.text(), topic_id: key.id(), partition_responses });
    }
    let joining = if version >= JOINS_FROM { Joining::Now } else { Joining::Before };
    let transaction = id.zip(writer);
    let transaction =
        transaction.map(|(id, (producer, epoch))| InTransaction { id, producer, epoch, joining });
    let request = Request::Publish(Publish { items, confirm, transaction, timeout_ms });
    let is_empty = matches!(&request, Request::Publish(publish) if publish.items.is_empty());
    asking.connection.hold_back.count(QuotaKind::PublishBytes, &asking.client, asking.bytes);
    let response = ProduceResponse { responses, ..Default::default() };
    if confirm == Confirm::None {
        let why = first_refused.map(|refused| format!("a publish with acks=0 was refused: {}", refused.why));
        Step::Unconfirmed((!is_empty).then_some(request), why)
    } else if is_empty {
        Step::Answer(response)
    } else {
        Step::One(request, Asked(response).into())
    }
}

/// Why no batch of this request is looked at.
fn refuse_all(version: i16, request: &ProduceRequest) -> Option<Refused> {
    if version < VERSION_MIN {
        return Some(Refused::new(ErrorCode::UnsupportedVersion, "record layouts before v2 are not served"));
    }
    if !matches!(request.acks, -1..=1) {
        return Some(Refused::new(ErrorCode::InvalidRequiredAcks, "acks is -1, 0 or 1"));
    }
    None
}

/// Who wrote a transactional batch.
type Writer = (ProducerId, ProducerEpoch);

/// The checked batch of one partition, and who wrote it if it belongs to a transaction.
fn item(
    version: i16,
    has_id: bool,
    key: &TopicKey,
    partition: PartitionProduceData,
) -> Result<(PublishItem, Option<Writer>), Refused> {
    let place =
        key.partition(partition.index).map_err(|code| Refused::new(code, "no such topic or partition"))?;
    let bytes = partition.records.unwrap_or_default().into_bytes();
    let (payload, writer) = admit(version, has_id, bytes)?;
    Ok((PublishItem { partition: place, kind: PayloadKind::RecordBatch, payload, import: None }, writer))
}

fn admit(version: i16, has_id: bool, bytes: Bytes) -> Result<(Bytes, Option<Writer>), Refused> {
    if bytes.is_empty() {
        return Err(Refused::new(ErrorCode::InvalidRecord, "a partition needs exactly one batch"));
    }
    let (header, payload) = batch::admit(bytes, &LIMITS).map_err(|error| Refused::batch(&error))?;
    let writer = (header.producer_id, header.producer_epoch);
    let writer = header.attributes.is_transactional().then_some(writer);
    refuse_header(version, has_id, &header).map_or(Ok((payload, writer)), Err)
}

fn refuse_header(version: i16, has_id: bool, header: &BatchHeader) -> Option<Refused> {
    if header.codec == Codec::Zstd && version < ZSTD_FROM {
        let why = "zstd needs Produce version 7";
        return Some(Refused::new(ErrorCode::UnsupportedCompressionType, why));
    }
    // Without one nobody could be asked whether the producer may: it has no right to.
    let nameless = header.attributes.is_transactional() && !has_id;
    nameless.then(|| {
        let code = ErrorCode::TransactionalIdAuthorizationFailed;
        Refused::new(code, "a transactional batch needs a transactional id")
    })
}

impl Refused {
    fn new(code: ErrorCode, why: &'static str) -> Refused {
        Refused { code, why: Str::from_static(why) }
    }

    fn clone(&self) -> Refused {
        Refused { code: self.code, why: self.why.clone() }
    }

    fn batch(error: &BatchError) -> Refused {
        Refused { code: batch_code(error), why: Str::from(error.to_string()) }
    }

    fn response(&self, index: i32) -> PartitionProduceResponse {
        PartitionProduceResponse {
            index,
            error_code: self.code,
            base_offset: -1,
            error_message: Some(self.why.clone()),
            ..Default::default()
        }
    }
}

pub(super) fn batch_code(error: &BatchError) -> ErrorCode {
    match error {
        // Producers send again after CORRUPT_MESSAGE; these would be the same the next time.
        BatchError::Truncated { .. } | BatchError::TrailingBytes { .. } | BatchError::Undecodable { .. } => {
            ErrorCode::InvalidRecord
        }
        error => match error.fault() {
            Fault::Corrupt => ErrorCode::CorruptMessage,
            Fault::Invalid => ErrorCode::InvalidRecord,
            Fault::UnsupportedLayout => ErrorCode::UnsupportedForMessageFormat,
            Fault::UnsupportedCodec => ErrorCode::UnsupportedCompressionType,
            Fault::TooLarge => ErrorCode::MessageTooLarge,
            Fault::Timestamp => ErrorCode::InvalidTimestamp,
        },
    }
}

impl Answer for Asked {
    type Response = ProduceResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ProduceResponse, SessionError> {
        let Reply::Publish(published) = replies.one()? else { return Err(strange("Publish")) };
        let Asked(mut response) = self;
        let mut nameable = if version >= RECORD_ERRORS_FROM { RECORD_ERRORS_PER_RESPONSE_MAX } else { 0 };
        let mut published = published.into_iter();
        let topics = response.responses.iter_mut();
        for partition in topics.flat_map(|topic| &mut topic.partition_responses) {
            if partition.error_code.is_none() {
                let published = published.next().ok_or_else(|| strange("Publish of this length"))?;
                told(partition, published, &mut nameable);
            }
        }
        Ok(response)
    }
}

/// `nameable` is how many records at fault may still be named.
fn told(partition: &mut PartitionProduceResponse, published: Published, nameable: &mut usize) {
    match published {
        Ok(Appended { base_offset, start_offset, append_time }) => {
            partition.base_offset = base_offset.0.cast_signed();
            partition.log_start_offset = start_offset.0.cast_signed();
            partition.log_append_time_ms = append_time.map_or(-1, |time| time.0);
        }
        Err(refusal) => {
            partition.error_code = errors::code(&refusal, Area::Publish);
            partition.error_message = errors::message(&refusal);
            let (places, why) = match &refusal {
                Refusal::MissingKeys(places) => {
                    (places, Str::from_static("a record of a compacted topic needs a key"))
                }
                Refusal::InvalidTimestamp { records, why } => (records, Str::from(why.clone())),
                _ => return,
            };
            partition.record_errors =
                places.iter().take(*nameable).map(|place| at_fault(*place, &why)).collect();
            *nameable -= partition.record_errors.len();
        }
    }
}

/// What is said of a record because of which its batch is refused.
fn at_fault(place: u32, why: &Str) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage {
        batch_index: i32::try_from(place).unwrap_or(i32::MAX),
        batch_index_error_message: Some(why.clone()),
    }
}
