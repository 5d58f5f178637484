//! Produce that imports.

use super::*;
use crate::wire::messages::ProduceResponse;
use crate::wire::messages::produce::PartitionProduceResponse;
use crate::wire::{ErrorCode, ImportOrder};
use forebay_kit::model::publish::{Confirm, Import, Publish, PublishItem};
use forebay_kit::model::{LeaderEpoch, Refusal};
use forebay_kit::record::batch::stamp;

fn items(request: Request) -> Vec<PublishItem> {
    match request {
        Request::Publish(Publish { items, confirm: Confirm::Quorum, .. }) => items,
        other => panic!("not a publish: {other:?}"),
    }
}

fn partitions(response: ProduceResponse) -> Vec<PartitionProduceResponse> {
    response.responses.into_iter().flat_map(|topic| topic.partition_responses).collect()
}

/// A batch of one record as the leader of the source hands it out.
fn stored(offset: u64) -> Bytes {
    let mut bytes = batch(Codec::None, "v").to_vec();
    stamp(&mut bytes, Offset(offset), LeaderEpoch(7)).unwrap();
    bytes.into()
}

fn orders(orders: &[ImportOrder]) -> ProduceRequest {
    produce(-1, "t", orders.iter().map(|order| order.to_records().into_bytes()).collect())
}

fn batches(after: i64, batches: &[Bytes]) -> ImportOrder {
    ImportOrder::Batches { after, batches: Bytes::from(batches.concat()).into() }
}

#[test]
fn orders_become_items_that_hang_together() {
    let request = orders(&[
        ImportOrder::Begin { source: "there".into(), start: 4 },
        batches(10, &[stored(10), stored(15), stored(16)]),
        ImportOrder::End { end: 9 },
    ]);
    let response = Pair::new().exchange(12, &request, |call| {
        let items = items(call);
        let imports: Vec<_> = items.iter().map(|item| *item.import.clone().expect("it imports")).collect();
        let batch = |after| Import::Batch { after: Offset(after) };
        let begin = Import::Begin { source: "there".into(), start: Offset(4) };
        assert_eq!(imports, [begin, batch(10), batch(11), batch(16), Import::End { end: Offset(9) }]);
        let places: Vec<_> = items.iter().map(|item| item.partition.number).collect();
        assert_eq!(places, [0, 1, 1, 1, 2]);
        assert_eq!((&items[1].payload, &items[3].payload), (&stored(10), &stored(16)));
        assert!(items[0].payload.is_empty() && items[4].payload.is_empty());
        Reply::Publish([4, 10, 15, 16, 9].map(|base| Ok(appended(base))).into())
    });
    let ends: Vec<_> = partitions(response).iter().map(|p| (p.base_offset, p.log_start_offset)).collect();
    assert_eq!(ends, [(4, 3), (17, 3), (9, 3)]);
}

#[test]
fn the_first_refusal_is_told_and_no_offset() {
    let request = orders(&[batches(0, &[stored(0), stored(1)]), batches(5, &[stored(5)])]);
    let response = Pair::new().exchange(12, &request, |_| {
        let outside = || Refusal::OffsetOutOfRange { start: Offset(0), end: Offset(1) };
        Reply::Publish(vec![Err(Refusal::Busy), Err(outside()), Err(outside())])
    });
    let partitions = partitions(response);
    let codes: Vec<_> = partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [ErrorCode::NotEnoughReplicas, ErrorCode::OffsetOutOfRange]);
    assert!(partitions.iter().all(|partition| partition.base_offset == -1));
    assert!(partitions[1].error_message.as_ref().unwrap().as_str().contains("0..1"));
}

#[test]
fn what_is_damaged_is_refused_whole() {
    let mut torn = stored(1).to_vec();
    *torn.last_mut().unwrap() ^= 1;
    let cut = stored(1);
    for (batch, code) in [
        (Bytes::from(torn), ErrorCode::CorruptMessage),
        (cut.slice(..cut.len() - 1), ErrorCode::InvalidRecord),
        (Bytes::from_static(&[1; 90]), ErrorCode::InvalidRecord),
    ] {
        let request = orders(&[batches(0, &[stored(0), batch])]);
        let partition = partitions(Pair::new().answer(12, &request)).remove(0);
        assert_eq!(partition.error_code, code, "{:?}", partition.error_message);
    }
}

#[test]
fn marks_and_compacted_batches_of_the_source_are_let_in_and_only_there() {
    let mark = forebay_kit::record::batch::transaction_mark(
        forebay_kit::model::ProducerId(7),
        forebay_kit::model::ProducerEpoch(0),
        forebay_kit::model::transaction::Decision::Abort,
        forebay_kit::model::Timestamp(5),
    );
    let taken = Pair::new().exchange(12, &orders(&[batches(0, std::slice::from_ref(&mark))]), |call| {
        assert_eq!(items(call)[0].payload, mark);
        Reply::Publish(vec![Ok(appended(0))])
    });
    assert_eq!(partitions(taken)[0].error_code, ErrorCode::None);
    let refused = Pair::new().answer(12, &produce(-1, "t", vec![mark]));
    assert_eq!(partitions(refused)[0].error_code, ErrorCode::InvalidRecord);
}

#[test]
fn an_order_among_batches_is_no_batch_and_a_batch_among_orders_no_order() {
    let order = ImportOrder::End { end: 0 }.to_records().into_bytes();
    let among_batches = produce(-1, "t", vec![batch(Codec::None, "v"), order.clone()]);
    let response = Pair::new().exchange(12, &among_batches, |_| Reply::Publish(vec![Ok(appended(0))]));
    assert_eq!(partitions(response)[1].error_code, ErrorCode::UnsupportedForMessageFormat);
    let among_orders = produce(-1, "t", vec![order, batch(Codec::None, "v")]);
    let response = Pair::new().exchange(12, &among_orders, |_| Reply::Publish(vec![Ok(appended(0))]));
    assert_eq!(partitions(response)[1].error_code, ErrorCode::InvalidRequest);
}

#[test]
fn an_import_without_a_confirm_ends_the_connection() {
    let mut pair = Pair::new();
    let request = ProduceRequest { acks: 0, ..orders(&[ImportOrder::End { end: 0 }]) };
    pair.ask(12, &request);
    assert!(matches!(&pair.closed, Some(CloseReason::Protocol(why)) if why.contains("confirm")));
}
