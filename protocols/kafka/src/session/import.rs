//! Produce that imports: orders instead of batches, by which the records of a partition are taken over at their offsets. See
//! [`ImportOrder`].

use forebay_kit::model::publish::{Appended, Confirm, Import, PayloadKind, Publish, PublishItem};
use forebay_kit::model::quota::QuotaKind;
use forebay_kit::model::{Offset, PartitionRef, Reply, Request};
use forebay_kit::record::batch::{self, Batches};
use forebay_kit::{Bytes, SessionError};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::names::milliseconds;
use super::open::{Replies, strange};
use super::produce::{IDS_FROM, batch_code};
use crate::limits::IMPORT_BATCHES_PER_REQUEST_MAX;
use crate::wire::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceResponse};
use crate::wire::messages::{ProduceRequest, ProduceResponse};
use crate::wire::{ErrorCode, ImportOrder, Str};

/// The response to be, and what is asked for each of its partitions, in order.
pub(super) struct Asked {
    response: ProduceResponse,
    orders: Vec<Ordered>,
}

/// What an order became.
struct Ordered {
    /// How many items; none for one that is refused already.
    items: usize,
    /// Where the partition ends behind its batches; the broker knows it for what brings none.
    end: Option<Offset>,
}

/// Why an order goes no further.
struct Refused {
    code: ErrorCode,
    why: String,
}

/// Whether a request imports: its first records are an order.
pub(super) fn is_one(request: &ProduceRequest) -> bool {
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let records = partitions.next().and_then(|partition| partition.records.as_ref());
    records.and_then(|records| records.pieces().next()).is_some_and(|piece| ImportOrder::begins(piece))
}

pub(super) fn ask(asking: &mut Asking<'_>, request: ProduceRequest) -> Step<ProduceResponse> {
    if request.acks == 0 {
        return Step::Close("an import without a confirm".into());
    }
    let version = asking.version();
    let timeout_ms = milliseconds(request.timeout_ms);
    let (mut items, mut orders) = (Vec::new(), Vec::new());
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let key = asking.connection.names.key_in(version >= IDS_FROM, &topic.name, topic.topic_id);
        let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
        for PartitionProduceData { index, records } in topic.partition_data {
            let place = key.partition(index).map_err(|code| Refused::new(code, "no such topic or partition"));
            let records = records.unwrap_or_default().into_bytes();
            let ordered = place.and_then(|place| order(&place, &records, &mut items));
            let mut response = PartitionProduceResponse { index, base_offset: -1, ..Default::default() };
            orders.push(ordered.unwrap_or_else(|refused| refused.tell(&mut response)));
            partition_responses.push(response);
        }
        responses.push(TopicProduceResponse { name: key.text(), topic_id: key.id(), partition_responses });
    }
    asking.connection.hold_back.count(QuotaKind::PublishBytes, &asking.client, asking.bytes);
    let response = ProduceResponse { responses, ..Default::default() };
    if items.is_empty() {
        return Step::Answer(response);
    }
    let publish = Publish { items, confirm: Confirm::Quorum, transaction: None, timeout_ms };
    Step::One(Request::Publish(publish), Asked { response, orders }.into())
}

/// Adds the items of an order.
fn order(place: &PartitionRef, records: &Bytes, items: &mut Vec<PublishItem>) -> Result<Ordered, Refused> {
    let order = ImportOrder::read(records).map_err(|bad| Refused::new(ErrorCode::InvalidRequest, bad.0))?;
    let before = items.len();
    let item = |payload, import| PublishItem {
        partition: place.clone(),
        kind: PayloadKind::RecordBatch,
        payload,
        import: Some(Box::new(import)),
    };
    let end = match order {
        ImportOrder::Begin { source, start } => {
            items.push(item(Bytes::new(), Import::Begin { source, start: Offset(start.cast_unsigned()) }));
            None
        }
        ImportOrder::End { end } => {
            items.push(item(Bytes::new(), Import::End { end: Offset(end.cast_unsigned()) }));
            None
        }
        ImportOrder::Batches { after, batches } => {
            let mut after = Offset(after.cast_unsigned());
            let batches = batches.into_bytes();
            for (payload, end) in checked(batches, IMPORT_BATCHES_PER_REQUEST_MAX.saturating_sub(before))? {
                items.push(item(payload, Import::Batch { after }));
                after = end;
            }
            Some(after)
        }
    };
    Ok(Ordered { items: items.len() - before, end })
}

/// The batches of an order, each with the offset behind it: all are sound, or none is taken.
fn checked(batches: Bytes, limit: usize) -> Result<Vec<(Bytes, Offset)>, Refused> {
    let mut taken = Vec::new();
    let mut batches = Batches::new(batches);
    for batch in batches.by_ref() {
        let checked = batch.and_then(|batch| batch::check_stored(&batch).map(|header| (batch, header)));
        let (batch, header) =
            checked.map_err(|error| Refused::new(batch_code(&error), &error.to_string()))?;
        if taken.len() == limit {
            return Err(Refused::new(ErrorCode::InvalidRequest, "too many batches in one request"));
        }
        // The check found it not negative.
        let end = header.base_offset.cast_unsigned().saturating_add(header.offset_count());
        taken.push((batch, Offset(end)));
    }
    if taken.is_empty() || !batches.rest().is_empty() {
        return Err(Refused::new(ErrorCode::InvalidRecord, "the last batch is not whole"));
    }
    Ok(taken)
}

impl Refused {
    fn new(code: ErrorCode, why: &str) -> Refused {
        Refused { code, why: why.to_owned() }
    }

    fn tell(self, response: &mut PartitionProduceResponse) -> Ordered {
        response.error_code = self.code;
        response.error_message = Some(Str::from(self.why));
        Ordered { items: 0, end: None }
    }
}

impl Answer for Asked {
    type Response = ProduceResponse;

    fn answer(self, _: i16, replies: Replies, _: &mut Connection) -> Result<ProduceResponse, SessionError> {
        let Reply::Publish(published) = replies.one()? else { return Err(strange("Publish")) };
        let Asked { mut response, orders } = self;
        let mut published = published.into_iter();
        let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
        for (partition, Ordered { items, end }) in partitions.zip(orders) {
            let mut last: Option<Appended> = None;
            for _ in 0..items {
                match published.next().ok_or_else(|| strange("Publish of this length"))? {
                    Ok(appended) => last = Some(appended),
                    // Those behind it are refused because it was: the first one says why.
                    Err(refusal) if partition.error_code.is_none() => {
                        partition.error_code = errors::code(&refusal, Area::Publish);
                        partition.error_message = errors::message(&refusal);
                    }
                    Err(_) => {}
                }
            }
            if let Some(last) = last.filter(|_| partition.error_code.is_none()) {
                partition.base_offset = end.unwrap_or(last.base_offset).0.cast_signed();
                partition.log_start_offset = last.start_offset.0.cast_signed();
            }
        }
        Ok(response)
    }
}
