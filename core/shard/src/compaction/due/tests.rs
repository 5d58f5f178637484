use forebay_commitlog::Generation;
use forebay_machine::{Command, Effects, Machine, Meta, OpenPartition, PartitionSettings};
use forebay_model::{LeaderEpoch, PartitionId, Ratio, ShardId, Term, TimestampType, TopicId};

use super::*;
use crate::compaction::found::{Left, NEVER};
use crate::reclaim::dead::DeadSet;

const ID: PartitionId = PartitionId(1);

fn compaction() -> Compaction {
    Compaction {
        tombstone_ms: 6_000,
        lag_ms_min: 0,
        lag_ms_max: 8_000,
        dirty_ratio_min: Ratio::HALF,
        fresh_bytes: 0,
        fresh_ms: 0,
    }
}

/// A compacted partition with records up to `end`, of so many bytes.
fn partition(end: u64, bytes: u64) -> Partition {
    let mut machine = Machine::new(ShardId(0));
    let meta = Meta { index: LogIndex(5), term: Term(1), time: LogTime(1) };
    let settings = PartitionSettings {
        retention_ms: None,
        retention_bytes: None,
        message_bytes_max: 1_000,
        timestamp_type: TimestampType::Create,
        compaction: Some(compaction()),
        queue: None,
    };
    let open = OpenPartition {
        catalogue_version: 1,
        partition: ID,
        topic: TopicId([1; 16]),
        number: 0,
        settings,
        base_epoch: LeaderEpoch(0),
    };
    for command in [Command::SetMachineVersion { version: 3 }, Command::OpenPartition(open)] {
        machine.apply(meta, command, &mut Effects::default()).expect("it is known");
    }
    let opened = machine.partition(ID).expect("just opened").clone();
    Partition { end: Offset(end), bytes, ..opened }
}

const NOTHING: Left = Left { bytes: 0, why: Why::End, since: None };

fn found(end: u64) -> Found {
    Found {
        partition: ID,
        start: Offset(0),
        end: Offset(end),
        dead: BTreeMap::new(),
        clean_end: None,
        is_unclean: false,
        left: NOTHING,
    }
}

fn left(bytes: u64, why: Why) -> Left {
    Left { bytes, why, since: Some(Timestamp(900)) }
}

/// A partition over which a pass went at time 1,000, when it ended at 10 and had 100 bytes.
fn passed_with(found: Found, compaction: &Compaction) -> Known {
    passed_where_stable(10, found, compaction)
}

/// The same, of which what was stable ended there.
fn passed_where_stable(end: u64, found: Found, compaction: &Compaction) -> Known {
    let mut known = Known::default();
    known.written(100, LogTime(500));
    let begun = known.begin_pass(Offset(end));
    known.passed_over(found, begun, compaction, 100, LogTime(1_000));
    known
}

fn passed(found: Found) -> Known {
    passed_with(found, &compaction())
}

fn is_due(known: &Known, partition: &Partition, now: i64) -> bool {
    known.is_due(partition, &compaction(), LogTime(now))
}

#[test]
fn what_nobody_passed_over_is_due_unless_it_is_empty() {
    let known = Known::default();
    assert!(!is_due(&known, &partition(0, 0), 1_000));
    assert!(is_due(&known, &partition(1, 100), 1_000));
}

#[test]
fn a_pass_comes_when_enough_was_written_or_it_waited_long_enough() {
    let mut known = passed(found(10));
    assert!(!is_due(&known, &partition(10, 100), 1_000_000), "nothing was written");
    known.written(40, LogTime(2_000));
    assert!(!is_due(&known, &partition(14, 140), 2_000));
    assert!(!is_due(&known, &partition(14, 140), 8_999), "up to an eighth sooner than it has to");
    assert!(is_due(&known, &partition(14, 140), 10_000), "it waited for a time that is set");
    known.written(60, LogTime(3_000));
    assert!(is_due(&known, &partition(20, 200), 3_000), "half of it is new");
}

#[test]
fn a_pass_that_did_not_see_the_end_is_not_repeated_at_once() {
    let mut many = passed(Found { left: left(30, Why::End), ..found(7) });
    assert!(!is_due(&many, &partition(10, 100), 2_000), "it has too many entries in memory");
    many.written(100, LogTime(2_000));
    assert!(!is_due(&many, &partition(20, 200), 3_000));
    assert!(is_due(&many, &partition(20, 200), 1_000 + AGAIN_MS));
    let young = passed(Found { left: left(60, Why::Young(LogTime(5_000))), ..found(7) });
    assert!(!is_due(&young, &partition(10, 100), 4_999));
    assert!(is_due(&young, &partition(10, 100), 5_000), "most of it was not looked at");
    let few = passed(Found { left: left(40, Why::Young(LogTime(5_000))), ..found(7) });
    assert!(!is_due(&few, &partition(10, 100), 5_000));
    assert!(is_due(&few, &partition(10, 100), 8_900), "written at 900, it waited long enough");
}

/// A producer that writes in transactions nearly always has one open: what is behind its begin is not held against the next pass.
#[test]
fn a_pass_that_came_during_a_transaction_is_followed_by_others() {
    let left = Left { bytes: 30, why: Why::End, since: None };
    let mut open = passed_where_stable(7, Found { left, ..found(7) }, &compaction());
    assert!(!is_due(&open, &partition(7, 100), 1_000_000), "it is still open");
    assert!(!is_due(&open, &partition(10, 100), 2_000), "not enough was committed");
    assert!(is_due(&open, &partition(10, 100), 9_000), "it waited for a time that is set");
    open.written(100, LogTime(2_000));
    assert!(is_due(&open, &partition(20, 200), 3_000), "more than half of it was not looked at");
}

#[test]
fn passes_for_what_grows_old_come_in_eighths_of_its_time() {
    let compaction = Compaction { lag_ms_min: 4_000, ..compaction() };
    let young = passed_with(Found { left: left(60, Why::Young(LogTime(1_001))), ..found(7) }, &compaction);
    let due = |now| young.is_due(&partition(10, 100), &compaction, LogTime(now));
    assert!(!due(1_499) && due(1_500));
}

#[test]
fn what_is_fresh_calls_for_a_pass_when_more_is_written_or_it_has_grown_old() {
    let compaction = Compaction { fresh_bytes: 80, fresh_ms: 4_000, lag_ms_max: 1 << 40, ..compaction() };
    let fresh =
        || passed_with(Found { left: left(80, Why::Fresh(Some(LogTime(4_900)))), ..found(2) }, &compaction);
    let due =
        |known: &Known, end, bytes, now| known.is_due(&partition(end, bytes), &compaction, LogTime(now));
    let mut known = fresh();
    assert!(!due(&known, 10, 100, 4_899), "nothing of it may be looked at");
    assert!(due(&known, 10, 100, 4_900), "all of it may");
    known.written(15, LogTime(1_100));
    assert!(!due(&known, 11, 115, 1_100), "15 of 35 bytes that are not fresh");
    known.written(5, LogTime(1_100));
    assert!(due(&known, 12, 120, 1_100), "20 of 40");
    // Without a time only more bytes help.
    let timeless = passed_with(Found { left: left(80, Why::Fresh(None)), ..found(2) }, &compaction);
    assert!(!due(&timeless, 10, 100, 1 << 30));
}

#[test]
fn what_no_pass_has_looked_at_is_told_to_the_next() {
    let mut known = passed(Found { left: left(30, Why::Fresh(None)), ..found(7) });
    known.written(5, LogTime(2_000));
    let told = |known: &Known, start| match known.ahead(Offset(start)) {
        Some(Ahead::Known { from, bytes }) => Some((from.0, bytes)),
        _ => None,
    };
    assert_eq!(told(&known, 3), Some((7, 35)));
    assert_eq!(known.replaced_since(), Some(LogTime(900)));
    assert_eq!(told(&known, 8), None, "some of that was trimmed, nobody knows how much");
    assert_eq!((told(&Known::default(), 0), Known::default().replaced_since()), (None, None));
}

#[test]
fn what_is_dead_has_to_go_in_time_where_there_is_enough_of_it_and_no_later_than_was_said_before() {
    let dead = |bytes, due| {
        let set = DeadSet::default();
        BTreeMap::from([(LogIndex(1), Arc::new(SegmentDead { generation: Generation(0), set, bytes, due }))])
    };
    let compaction = Compaction { fresh_ms: 5_000_000, ..compaction() };
    let due = |known: &Known| known.passed.as_ref().expect("there was one").dead[&LogIndex(1)].due;
    let few = passed_with(Found { dead: dead(49, NEVER), ..found(10) }, &compaction);
    assert_eq!(due(&few), NEVER);
    let mut enough = passed_with(Found { dead: dead(50, NEVER), ..found(10) }, &compaction);
    assert_eq!(due(&enough), LogTime(5_001_000));
    let quick = Compaction { fresh_ms: 1, ..compaction };
    let at_once = passed_with(Found { dead: dead(50, NEVER), ..found(10) }, &quick);
    assert_eq!(due(&at_once), LogTime(1_000 + SETTLE_MS_MIN as i64), "others are in that segment");
    let begun = enough.begin_pass(Offset(10));
    enough.passed_over(Found { dead: dead(1, NEVER), ..found(10) }, begun, &compaction, 100, LogTime(9_000));
    assert_eq!(due(&enough), LogTime(5_001_000), "said before");
}

#[test]
fn tombstones_call_for_a_pass_when_they_may_go_or_may_have_become_clean() {
    let mut unclean = passed(Found { is_unclean: true, ..found(10) });
    assert!(!is_due(&unclean, &partition(10, 100), 1_000_000));
    let trimmed = Partition { start: Offset(3), ..partition(10, 100) };
    assert!(is_due(&unclean, &trimmed, 2_000));
    unclean.rewritten();
    assert!(is_due(&unclean, &partition(10, 100), 2_000));
    unclean.begin_pass(Offset(10));
    assert!(!is_due(&unclean, &partition(10, 100), 2_000));
}

#[test]
fn what_was_found_in_a_segment_goes_with_it() {
    let dead = |generation| {
        let (set, bytes) = (DeadSet::default(), 10);
        Arc::new(SegmentDead { generation: Generation(generation), set, bytes, due: NEVER })
    };
    let mut segments = Segments::behind(LogIndex(0));
    segments.seal(LogIndex(10));
    segments.seal(LogIndex(20));
    let found_in = [(LogIndex(1), dead(0)), (LogIndex(11), dead(7)), (LogIndex(21), dead(0))];
    let mut known = passed(Found { dead: found_in.into(), ..found(10) });
    let passed = known.passed.as_mut().expect("there was one");
    passed.forget_what_went(&segments);
    let left: Vec<_> = passed.dead.keys().map(|first| first.0).collect();
    assert_eq!(left, [1, 21], "11 was looked at in another generation, 21 is being written");
}
