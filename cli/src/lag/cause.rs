//! Why a group is behind.

use std::time::Duration;

use super::row::{Motion, Row};
use crate::client::Place;
use crate::client::admin::{GroupDescription, Visibility};

/// One reason, or that there is none to worry about.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// Everything was read.
    CaughtUp,
    /// Everything that was there when the watch began was read: what is left is under way.
    KeepsUp,
    /// The group has no members.
    NobodyConsumes,
    /// No member has this partition.
    Unassigned {
        /// Which partition.
        place: Place,
    },
    /// The members are being given new shares, and read nothing meanwhile.
    Rebalancing,
    /// A member has records before it and does not advance.
    StandsStill {
        /// Index of the member; `None` when it cannot be seen which one has the partition.
        member: Option<usize>,
        /// In which partition.
        place: Place,
        /// At which offset.
        offset: i64,
    },
    /// One partition gets far more than the others of its topic, and its reader cannot keep up.
    HotPartition {
        /// Which partition.
        place: Place,
        /// What moves there.
        motion: Motion,
        /// Records written per second to each of the others, on average.
        others_written: f64,
    },
    /// The members advance, but more is written than they read.
    ProducersFaster {
        /// What moves, in all partitions that are read.
        motion: Motion,
    },
    /// More is read than is written.
    CatchingUp {
        /// What moves, in all partitions that are read.
        motion: Motion,
        /// When it will be done, if it goes on like this, milliseconds.
        done_in_ms: i64,
    },
    /// As much is read as is written.
    KeepsItsDistance,
    /// Who has which partition is not known: the members speak a protocol whose shares we cannot see.
    SharesUnknown,
    /// It was looked at once, so nobody knows what moves.
    NotWatched,
}

/// A partition is hot when it gets so many times what the others of its topic get, on average.
const HOT_TIMES: f64 = 2.0;
/// What is read and written counts as equal within this share of it.
const EQUAL_WITHIN: f64 = 0.02;

/// Every reason that can be seen.
pub fn explain(group: &GroupDescription, rows: &[Row], watched: Option<Duration>) -> Vec<Cause> {
    let behind: Vec<&Row> = rows.iter().filter(|row| row.lag > 0).collect();
    if behind.is_empty() {
        return vec![Cause::CaughtUp];
    }
    let members_seen = group.visibility == Visibility::Members;
    if group.members.is_empty() && (members_seen || group.state == "Empty") {
        return vec![Cause::NobodyConsumes];
    }
    if ["PreparingRebalance", "CompletingRebalance"].contains(&group.state.as_str()) {
        return vec![Cause::Rebalancing];
    }
    let mut causes = Vec::new();
    let shares_known = group.members.iter().any(|member| !member.share.is_empty());
    if shares_known {
        let unassigned = behind.iter().filter(|row| row.member.is_none());
        causes.extend(unassigned.map(|row| Cause::Unassigned { place: row.place.clone() }));
    } else {
        causes.push(Cause::SharesUnknown);
    }
    if watched.is_none() {
        causes.push(Cause::NotWatched);
        return causes;
    }
    let read = |row: &&&Row| row.member.is_some() || !shares_known;
    let late = |row: &&&Row| row.motion.is_some_and(|motion| !motion.keeps_up);
    let late: Vec<&Row> = behind.iter().filter(read).filter(late).copied().collect();
    causes.extend(late.iter().filter_map(|row| stands_still(row)));
    let advancing: Vec<&Row> =
        late.into_iter().filter(|row| row.motion.is_some_and(|motion| motion.read > 0.0)).collect();
    if !advancing.is_empty() {
        causes.push(hot(&advancing, rows).unwrap_or_else(|| balance(&advancing)));
    }
    if causes.is_empty() {
        causes.push(Cause::KeepsUp);
    }
    causes
}

fn stands_still(row: &Row) -> Option<Cause> {
    let still = row.motion?.read == 0.0;
    still.then(|| Cause::StandsStill {
        member: row.member,
        place: row.place.clone(),
        offset: row.next_read(),
    })
}

/// The partition with the most lag, when it falls further behind because it gets so much more than the others.
fn hot(advancing: &[&Row], rows: &[Row]) -> Option<Cause> {
    let worst = advancing.iter().max_by_key(|row| row.lag)?;
    let motion = worst.motion?;
    let others: Vec<Motion> = rows
        .iter()
        .filter(|row| row.place.topic == worst.place.topic && row.place != worst.place)
        .filter_map(|row| row.motion)
        .collect();
    if others.is_empty() {
        return None;
    }
    let others_written = others.iter().map(|other| other.written).sum::<f64>() / others.len() as f64;
    let lag_in_all: i64 =
        rows.iter().filter(|row| row.place.topic == worst.place.topic).map(|row| row.lag).sum();
    let grows = motion.written > motion.read * (1.0 + EQUAL_WITHIN);
    let hot = grows && worst.lag * 2 > lag_in_all && motion.written > others_written * HOT_TIMES;
    hot.then(|| Cause::HotPartition { place: worst.place.clone(), motion, others_written })
}

fn balance(advancing: &[&Row]) -> Cause {
    let motions = || advancing.iter().filter_map(|row| row.motion);
    let motion = Motion {
        written: motions().map(|m| m.written).sum(),
        read: motions().map(|m| m.read).sum(),
        keeps_up: false,
    };
    let gain = motion.read - motion.written;
    if gain.abs() <= motion.read.max(motion.written) * EQUAL_WITHIN {
        Cause::KeepsItsDistance
    } else if gain < 0.0 {
        Cause::ProducersFaster { motion }
    } else {
        let lag: i64 = advancing.iter().map(|row| row.lag).sum();
        Cause::CatchingUp { motion, done_in_ms: (lag as f64 / gain * 1000.0) as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::admin::GroupMember;

    const WATCHED: Option<Duration> = Some(Duration::from_secs(6));

    fn place(number: i32) -> Place {
        Place::new("t", number)
    }

    /// A stable group of which the one member has these partitions.
    fn group(share: &[i32]) -> GroupDescription {
        GroupDescription {
            state: "Stable".into(),
            members: vec![GroupMember {
                id: "m".into(),
                share: share.iter().map(|number| place(*number)).collect(),
                ..GroupMember::default()
            }],
            ..GroupDescription::default()
        }
    }

    fn row(number: i32, lag: i64, written: f64, read: f64) -> Row {
        Row {
            place: place(number),
            committed: Some(100),
            start: 0,
            end: 100 + lag,
            lag,
            lost: 0,
            age_ms: None,
            member: Some(0),
            motion: Some(Motion { written, read, keeps_up: false }),
        }
    }

    #[test]
    fn a_group_that_read_everything_has_caught_up() {
        assert_eq!(explain(&group(&[0]), &[row(0, 0, 5.0, 5.0)], WATCHED), [Cause::CaughtUp]);
        assert_eq!(explain(&GroupDescription::default(), &[], None), [Cause::CaughtUp]);
    }

    #[test]
    fn nobody_consumes() {
        let empty = GroupDescription { state: "Empty".into(), ..GroupDescription::default() };
        assert_eq!(explain(&empty, &[row(0, 5, 1.0, 0.0)], WATCHED), [Cause::NobodyConsumes]);
        let orphan = Row { member: None, ..row(1, 5, 1.0, 0.0) };
        assert_eq!(
            explain(&group(&[0]), &[row(0, 0, 1.0, 1.0), orphan], WATCHED),
            [Cause::Unassigned { place: place(1) }]
        );
    }

    #[test]
    fn a_group_that_is_shared_out_anew_reads_nothing() {
        let rebalancing = GroupDescription { state: "PreparingRebalance".into(), ..group(&[0]) };
        assert_eq!(explain(&rebalancing, &[row(0, 5, 1.0, 0.0)], WATCHED), [Cause::Rebalancing]);
    }

    #[test]
    fn a_member_stands_still_while_the_others_advance() {
        let rows = [row(0, 50, 1.0, 0.0), row(1, 10, 1.0, 9.0)];
        let causes = explain(&group(&[0, 1]), &rows, WATCHED);
        assert_eq!(causes[0], Cause::StandsStill { member: Some(0), place: place(0), offset: 100 });
        assert!(matches!(causes[1], Cause::CatchingUp { done_in_ms: 1250, .. }), "{causes:?}");
    }

    #[test]
    fn one_partition_is_hot() {
        let rows = [row(0, 900, 50.0, 20.0), row(1, 10, 2.0, 2.0), row(2, 10, 4.0, 4.0)];
        let [Cause::HotPartition { place: hot, others_written, .. }] =
            &explain(&group(&[0, 1, 2]), &rows, WATCHED)[..]
        else {
            panic!("not hot")
        };
        assert_eq!((hot, *others_written), (&place(0), 3.0));
    }

    #[test]
    fn the_producers_are_faster_than_the_group() {
        let rows = [row(0, 500, 50.0, 20.0), row(1, 400, 45.0, 25.0)];
        let causes = explain(&group(&[0, 1]), &rows, WATCHED);
        assert_eq!(
            causes,
            [Cause::ProducersFaster { motion: Motion { written: 95.0, read: 45.0, keeps_up: false } }]
        );
    }

    #[test]
    fn a_lag_that_stays_as_it_is_keeps_its_distance() {
        assert_eq!(explain(&group(&[0]), &[row(0, 5, 100.0, 101.0)], WATCHED), [Cause::KeepsItsDistance]);
    }

    #[test]
    fn members_of_a_newer_protocol_are_not_taken_for_nobody() {
        let state = |state: &str| GroupDescription {
            state: state.into(),
            visibility: Visibility::StateOnly,
            ..GroupDescription::default()
        };
        let moving = [Row { member: None, ..row(0, 500, 50.0, 20.0) }];
        assert_eq!(explain(&state("Stable"), &moving, WATCHED)[0], Cause::SharesUnknown);
        assert_eq!(explain(&state("Empty"), &moving, WATCHED), [Cause::NobodyConsumes]);
    }

    #[test]
    fn what_is_only_under_way_is_no_reason_to_worry() {
        let motion = Some(Motion { written: 50.0, read: 40.0, keeps_up: true });
        assert_eq!(
            explain(&group(&[0]), &[Row { motion, ..row(0, 5, 0.0, 0.0) }], WATCHED),
            [Cause::KeepsUp]
        );
    }

    #[test]
    fn one_look_says_nothing_about_motion() {
        let still = Row { motion: None, ..row(0, 5, 0.0, 0.0) };
        assert_eq!(explain(&group(&[0]), &[still], None), [Cause::NotWatched]);
    }

    #[test]
    fn members_whose_shares_cannot_be_seen_are_judged_by_what_moves() {
        let moving = Row { member: None, ..row(0, 500, 50.0, 20.0) };
        let causes = explain(&group(&[]), &[moving], WATCHED);
        assert_eq!(causes[0], Cause::SharesUnknown);
        assert!(matches!(causes[1], Cause::ProducersFaster { .. }));
    }
}
