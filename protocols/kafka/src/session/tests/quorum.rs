//! DescribeQuorum, UpdateFeatures.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::describe_quorum::{RequestedPartition, RequestedTopic};
use crate::wire::messages::update_features::FeatureUpdateKey;
use crate::wire::messages::{DescribeQuorumRequest, UpdateFeaturesRequest};
use forebay_kit::model::quorum::{QuorumView, ReplicaView};
use forebay_kit::model::{LogIndex, Refusal, Term};

fn quorum_of(topic: &str, partitions: &[i32]) -> DescribeQuorumRequest {
    let partition = |index: &i32| RequestedPartition { partition_index: *index };
    let partitions = partitions.iter().map(partition).collect();
    DescribeQuorumRequest { topics: vec![RequestedTopic { topic_name: topic.into(), partitions }] }
}

#[test]
fn the_catalogues_replicas_stand_for_the_metadata_quorum() {
    let view = QuorumView {
        leader: NodeId(2),
        term: Term(7),
        uncommitted: LogIndex(41),
        voters: vec![
            ReplicaView { node: NodeId(2), end: Some(LogIndex(43)) },
            ReplicaView { node: NodeId(3), end: None },
        ],
        learners: vec![ReplicaView { node: NodeId(4), end: Some(LogIndex(9)) }],
    };
    for version in 0..=2 {
        let request = quorum_of("__cluster_metadata", &[0]);
        let response = Pair::new().exchange(version, &request, |call| {
            assert!(matches!(call, Request::DescribeQuorum));
            Reply::DescribeQuorum(Ok(view.clone()))
        });
        let partition = &response.topics[0].partitions[0];
        assert_eq!((response.error_code, partition.error_code), (ErrorCode::None, ErrorCode::None));
        assert_eq!((partition.leader_id, partition.leader_epoch, partition.high_watermark), (2, 7, 41));
        let ends = |replicas: &[crate::wire::messages::describe_quorum::ReplicaState]| -> Vec<_> {
            replicas.iter().map(|replica| (replica.replica_id, replica.log_end_offset)).collect()
        };
        assert_eq!(ends(&partition.current_voters), [(2, 43), (3, -1)]);
        assert_eq!(ends(&partition.observers), [(4, 9)]);
    }
}

#[test]
fn no_other_partition_has_a_quorum_and_only_the_leader_knows_it() {
    for request in [quorum_of("orders", &[0]), quorum_of("__cluster_metadata", &[0, 1])] {
        let response = Pair::new().answer(2, &request);
        let partitions = &response.topics[0].partitions;
        assert!(partitions.iter().all(|p| p.error_code == ErrorCode::UnknownTopicOrPartition));
        assert_eq!(partitions.len(), request.topics[0].partitions.len());
    }
    let request = quorum_of("__cluster_metadata", &[0]);
    let response = Pair::new()
        .exchange(2, &request, |_| Reply::DescribeQuorum(Err(Refusal::NotLeader { leader: None })));
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NotLeaderOrFollower);
}

fn update(feature: &str, max_version_level: i16, upgrade_type: i8) -> FeatureUpdateKey {
    FeatureUpdateKey { feature: feature.into(), max_version_level, upgrade_type, ..Default::default() }
}

#[test]
fn a_feature_stays_at_its_level() {
    let ask = |version, feature_updates| {
        let request = UpdateFeaturesRequest { feature_updates, ..Default::default() };
        Pair::new().answer(version, &request)
    };
    let granted = ask(1, vec![update("transaction.version", 2, 1)]);
    assert_eq!((granted.error_code, granted.results.len()), (ErrorCode::None, 1));
    assert_eq!(granted.results[0].feature.as_str(), "transaction.version");
    assert!(ask(2, vec![update("transaction.version", 2, 1)]).results.is_empty());
    let refused = [
        (update("transaction.version", 3, 1), "only supports versions 0-2"),
        (update("transaction.version", 1, 1), "without setting the upgrade type"),
        (update("transaction.version", 1, 2), "cannot be changed"),
        (update("transaction.version", 1, 9), "does not support the given upgrade type"),
        (update("transaction.version", -1, 1), "cannot be less than 0"),
        (update("metadata.version", 25, 1), "does not support this feature"),
    ];
    for (wrong, why) in refused {
        let response = ask(2, vec![update("transaction.version", 2, 1), wrong]);
        assert_eq!(response.error_code, ErrorCode::InvalidUpdateVersion);
        let message = response.error_message.expect("a reason");
        assert!(message.as_str().starts_with("The update failed for all features since"), "{message:?}");
        assert!(message.as_str().contains(why), "{message:?}");
    }
}
