//! Transactions: who asks what of the broker, and what clients of each version hear.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::add_partitions_to_txn::AddPartitionsToTxnTopic;
use crate::wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    InitProducerIdRequest, ListTransactionsRequest, TxnOffsetCommitRequest,
};
use forebay_kit::model::group::{GroupReply, GroupRequest};
use forebay_kit::model::transaction::{
    Decision, JoinRefused, Joining, TransactionListing, TransactionPhase, TransactionReply,
    TransactionRequest, TransactionalId,
};
use forebay_kit::model::{BatchSequence, ProducerEpoch, ProducerId, Refusal};
use forebay_kit::record::batch::{BatchBuilder, Producer};

fn id() -> TransactionalId {
    TransactionalId("tx".into())
}

fn instance(epoch: i16) -> (ProducerId, ProducerEpoch) {
    (ProducerId(7), ProducerEpoch(epoch))
}

fn transaction_of(request: Request) -> TransactionRequest {
    match request {
        Request::Transaction(request) => request,
        other => panic!("not of a transaction: {other:?}"),
    }
}

fn transactional() -> Bytes {
    let producer = Producer { id: ProducerId(7), epoch: ProducerEpoch(0), base_sequence: BatchSequence(0) };
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(producer).transactional();
    builder.push(&NewRecord::default()).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_transactional_producer_is_opened_by_its_id() {
    let request = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 60_000,
        producer_id: 7,
        producer_epoch: 3,
    };
    let response = Pair::new().exchange(5, &request, |call| {
        let TransactionRequest::Open(open) = transaction_of(call) else { panic!("not an opening") };
        assert_eq!((open.id, open.timeout_ms, open.present), (id(), 60_000, Some(instance(3))));
        Reply::Transaction(TransactionReply::Open(Ok(instance(4))))
    });
    assert_eq!((response.producer_id, response.producer_epoch), (7, 4));
    let errors = [
        (Refusal::ProducerFenced, 3, ErrorCode::InvalidProducerEpoch),
        (Refusal::ProducerFenced, 4, ErrorCode::ProducerFenced),
        (Refusal::NotLeader { leader: None }, 4, ErrorCode::NotCoordinator),
        (Refusal::Unknown, 4, ErrorCode::CoordinatorNotAvailable),
        (Refusal::ConcurrentTransaction, 4, ErrorCode::ConcurrentTransactions),
        (Refusal::InvalidTransactionTimeout, 4, ErrorCode::InvalidTransactionTimeout),
        (Refusal::Unsupported("several shards"), 4, ErrorCode::TransactionalIdAuthorizationFailed),
    ];
    for (refusal, version, code) in errors {
        let refused = Reply::Transaction(TransactionReply::Open(Err(refusal)));
        let response = Pair::new().exchange(version, &request, |_| refused);
        assert_eq!((response.error_code, response.producer_id, response.producer_epoch), (code, -1, -1));
    }
    let nameless = InitProducerIdRequest { transactional_id: Some("".into()), ..Default::default() };
    assert_eq!(Pair::new().answer(4, &nameless).error_code, ErrorCode::InvalidRequest);
    let long = "x".repeat(forebay_kit::model::limits::TRANSACTIONAL_ID_BYTES_MAX + 1);
    let long = InitProducerIdRequest { transactional_id: Some(long.as_str().into()), ..nameless };
    assert_eq!(Pair::new().answer(4, &long).error_code, ErrorCode::InvalidRequest);
}

fn codes(response: AddPartitionsToTxnResponse) -> Vec<ErrorCode> {
    let topics = response.results_by_topic_v3_and_below.into_iter();
    topics.flat_map(|topic| topic.results_by_partition).map(|result| result.partition_error_code).collect()
}

fn partitions(names: &[&str]) -> AddPartitionsToTxnRequest {
    let topic = |name: &&str| AddPartitionsToTxnTopic { name: (*name).into(), partitions: vec![0, 1] };
    AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "tx".into(),
        v3_and_below_producer_id: 7,
        v3_and_below_producer_epoch: 0,
        v3_and_below_topics: names.iter().map(topic).collect(),
        ..Default::default()
    }
}

#[test]
fn partitions_join_together_or_not_at_all() {
    let both = partitions(&["a"]);
    let response = Pair::new().exchange(3, &both, |call| {
        let TransactionRequest::Join(join) = transaction_of(call) else { panic!("nothing joins") };
        assert_eq!((join.id, (join.producer, join.epoch)), (id(), instance(0)));
        assert_eq!(join.partitions, [place("a", 0), place("a", 1)]);
        Reply::Transaction(TransactionReply::Join(Ok(())))
    });
    assert_eq!(codes(response), [ErrorCode::None; 2]);
    let refused = vec![None, Some(Refusal::UnknownPartition)];
    let refused = Reply::Transaction(TransactionReply::Join(Err(JoinRefused::Partitions(refused))));
    let response = Pair::new().exchange(3, &both, |_| refused);
    assert_eq!(codes(response), [ErrorCode::OperationNotAttempted, ErrorCode::UnknownTopicOrPartition]);
    for (version, code) in [(1, ErrorCode::InvalidProducerEpoch), (2, ErrorCode::ProducerFenced)] {
        let refused = JoinRefused::All(Refusal::ProducerFenced);
        let refused = Reply::Transaction(TransactionReply::Join(Err(refused)));
        assert_eq!(codes(Pair::new().exchange(version, &both, |_| refused)), [code; 2]);
    }
    // A name that nobody can have: the broker need not be asked.
    let response = Pair::new().answer(3, &partitions(&["a", "no/topic"]));
    let (no, unknown) = (ErrorCode::OperationNotAttempted, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(codes(response), [no, no, unknown, unknown]);
    let nobody = AddPartitionsToTxnRequest { v3_and_below_producer_id: -1, ..partitions(&["a"]) };
    assert_eq!(codes(Pair::new().answer(3, &nobody)), [ErrorCode::InvalidProducerIdMapping; 2]);
}

#[test]
fn a_group_joins() {
    let request = AddOffsetsToTxnRequest {
        transactional_id: "tx".into(),
        producer_id: 7,
        producer_epoch: 0,
        group_id: "g".into(),
    };
    let response = Pair::new().exchange(4, &request, |call| {
        let TransactionRequest::Join(join) = transaction_of(call) else { panic!("nothing joins") };
        assert_eq!(join.groups, [forebay_kit::model::GroupId("g".into())]);
        Reply::Transaction(TransactionReply::Join(Err(JoinRefused::All(Refusal::UnknownTransaction))))
    });
    assert_eq!(response.error_code, ErrorCode::InvalidProducerIdMapping);
}

#[test]
fn cursors_are_committed_in_the_transaction_and_join_it_from_version_5() {
    let partition = TxnOffsetCommitRequestPartition { committed_offset: 5, ..Default::default() };
    let topic = TxnOffsetCommitRequestTopic { name: "a".into(), partitions: vec![partition] };
    let request = TxnOffsetCommitRequest {
        transactional_id: "tx".into(),
        group_id: "g".into(),
        producer_id: 7,
        producer_epoch: 1,
        topics: vec![topic],
        ..Default::default()
    };
    for (version, joining, code) in
        [(3, Joining::Before, ErrorCode::ProducerFenced), (5, Joining::Now, ErrorCode::ProducerFenced)]
    {
        let response = Pair::new().exchange(version, &request, |call| {
            let Request::Group(GroupRequest::CommitOffsets(commit)) = call else { panic!("{call:?}") };
            let transaction = commit.transaction.expect("within one");
            assert_eq!((transaction.id, transaction.joining), (id(), joining));
            assert_eq!((transaction.producer, transaction.epoch), instance(1));
            assert_eq!((commit.generation, commit.member.as_str()), (-1, ""));
            let refused = vec![(place("a", 0), Err(Refusal::ProducerFenced))];
            Reply::Group(GroupReply::CommitOffsets(refused))
        });
        assert_eq!(response.topics[0].partitions[0].error_code, code);
    }
}

#[test]
fn an_end_raises_the_instance_from_version_5() {
    for (version, committed) in [(4, true), (5, true), (5, false)] {
        let request =
            EndTxnRequest { transactional_id: "tx".into(), producer_id: 7, producer_epoch: 0, committed };
        let response = Pair::new().exchange(version, &request, |call| {
            let TransactionRequest::End(end) = transaction_of(call) else { panic!("nothing ends") };
            let decision = if committed { Decision::Commit } else { Decision::Abort };
            assert_eq!((end.decision, end.raise), (decision, version == 5));
            Reply::Transaction(TransactionReply::End(Ok(instance(1))))
        });
        assert_eq!(response.error_code, ErrorCode::None);
        let told = (response.producer_id, response.producer_epoch);
        assert_eq!(told, if version == 5 { (7, 1) } else { (-1, -1) });
        let refused = Reply::Transaction(TransactionReply::End(Err(Refusal::InvalidTransactionState)));
        let response = Pair::new().exchange(version, &request, |_| refused);
        assert_eq!(response.error_code, ErrorCode::InvalidTxnState);
    }
}

#[test]
fn a_transactional_batch_needs_an_id_and_joins_from_version_12() {
    let nameless = Pair::new().answer(9, &produce(-1, "t", vec![transactional()]));
    let refused = &nameless.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, ErrorCode::TransactionalIdAuthorizationFailed);
    for (version, expected) in [(11, Joining::Before), (12, Joining::Now)] {
        let request =
            ProduceRequest { transactional_id: Some("tx".into()), ..produce(-1, "t", vec![transactional()]) };
        let response = Pair::new().exchange(version, &request, |call| {
            let Request::Publish(publish) = call else { panic!("{call:?}") };
            let transaction = publish.transaction.as_ref().expect("the batch belongs to one");
            assert_eq!((transaction.id.0.as_ref(), transaction.joining), ("tx", expected));
            Reply::Publish(vec![Err(Refusal::InvalidTransactionState)])
        });
        let answered = &response.responses[0].partition_responses[0];
        assert_eq!(answered.error_code, ErrorCode::InvalidTxnState);
    }
}

#[test]
fn transactions_are_listed_by_what_their_ids_match_as_a_whole() {
    let listed = |pattern: Option<&str>| {
        let transactional_id_pattern = pattern.map(Into::into);
        let request = ListTransactionsRequest { transactional_id_pattern, ..Default::default() };
        let response = Pair::new().exchange(2, &request, |call| {
            assert!(matches!(call, Request::ListTransactions));
            let listing = |id: &str| TransactionListing {
                id: TransactionalId(id.into()),
                producer: ProducerId(1),
                phase: TransactionPhase::Open,
                open_ms: Some(5),
            };
            Reply::ListTransactions(Ok(["a1", "a2", "b1"].map(listing).into()))
        });
        let ids = response.transaction_states.iter().map(|state| state.transactional_id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(listed(None), ["a1", "a2", "b1"]);
    assert_eq!(listed(Some("")), ["a1", "a2", "b1"]);
    assert_eq!(listed(Some("a.")), ["a1", "a2"]);
    assert_eq!(listed(Some("1|b1")), ["b1"], "not a part of an id");
    for broken in ["a(", "a)|(b", &"a".repeat(5_000), "\\w{100}{100}{100}"] {
        let transactional_id_pattern = Some(broken.into());
        let request = ListTransactionsRequest { transactional_id_pattern, ..Default::default() };
        assert_eq!(Pair::new().answer(2, &request).error_code, ErrorCode::InvalidRegularExpression);
    }
}
