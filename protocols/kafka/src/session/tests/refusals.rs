//! Every refusal has a code that its askers can live with.

use super::super::any_broker::refusals;
use super::super::errors::{Area, code};
use crate::wire::ErrorCode;
use forebay_kit::model::Refusal;

/// What "not now" means: the broker itself says that all of these may be tried again.
fn passing() -> Vec<Refusal> {
    vec![
        Refusal::NotLeader { leader: None },
        Refusal::Loading,
        Refusal::Busy,
        Refusal::TimedOut,
        Refusal::Unknown,
        Refusal::DiskFull,
        Refusal::Storage,
        Refusal::ShuttingDown,
    ]
}

const AREAS: [Area; 9] = [
    Area::Publish,
    Area::Read,
    Area::Metadata,
    Area::Catalogue,
    Area::Producer,
    Area::FindCoordinator,
    Area::Group,
    Area::Membership,
    Area::Cursors,
];

#[test]
fn no_refusal_becomes_no_error_or_an_unknown_one() {
    for refusal in refusals() {
        for area in AREAS {
            let code = code(&refusal, area);
            let is_named = !matches!(code, ErrorCode::Other(_) | ErrorCode::UnknownServerError);
            assert!(!code.is_none() && is_named, "{refusal:?} in {area:?}");
        }
    }
}

#[test]
fn what_passes_is_tried_again_by_every_client() {
    for refusal in passing() {
        for area in AREAS {
            assert!(code(&refusal, area).is_retriable(), "{refusal:?} in {area:?}");
        }
    }
}

/// Codes outside these lists end a Java consumer's poll with an exception, also where they are retriable.
#[test]
fn readers_and_members_get_only_codes_they_know() {
    let read = [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::KafkaStorageError,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownLeaderEpoch,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicId,
        ErrorCode::OffsetOutOfRange,
    ];
    let member = [ErrorCode::NotCoordinator, ErrorCode::CoordinatorNotAvailable];
    let cursors = [ErrorCode::NotCoordinator, ErrorCode::CoordinatorLoadInProgress];
    for refusal in passing() {
        assert!(read.contains(&code(&refusal, Area::Read)), "{refusal:?}");
        assert!(member.contains(&code(&refusal, Area::Membership)), "{refusal:?}");
        assert!(cursors.contains(&code(&refusal, Area::Cursors)), "{refusal:?}");
    }
}

#[test]
fn a_producer_is_never_told_that_nothing_was_stored_when_that_is_not_known() {
    // After these, producers without idempotence count the batch as not stored.
    let not_stored =
        [ErrorCode::NotEnoughReplicas, ErrorCode::NotLeaderOrFollower, ErrorCode::LeaderNotAvailable];
    for refusal in [Refusal::TimedOut, Refusal::Unknown] {
        assert!(!not_stored.contains(&code(&refusal, Area::Publish)));
    }
}

#[test]
fn not_leading_is_said_in_each_apis_own_words() {
    let not_leader = Refusal::NotLeader { leader: None };
    assert_eq!(code(&not_leader, Area::Publish), ErrorCode::NotLeaderOrFollower);
    assert_eq!(code(&not_leader, Area::Group), ErrorCode::NotCoordinator);
    assert_eq!(code(&not_leader, Area::Catalogue), ErrorCode::NotController);
    assert_eq!(code(&not_leader, Area::Metadata), ErrorCode::LeaderNotAvailable);
}
