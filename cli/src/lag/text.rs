//! A group's lag in words and as JSON.

use serde_json::{Value, json};

use super::Lag;
use super::cause::Cause;
use super::row::{Motion, Row};
use crate::client::admin::{GroupMember, Visibility};
use crate::output::number::{grouped, rate};
use crate::output::table::Table;
use crate::output::time;

/// For people.
pub fn as_text(lag: &Lag) -> String {
    let group = &lag.group;
    let members = group.members.len();
    let mut text = format!("group {}: {}", group.group, group.state);
    match group.visibility {
        Visibility::Members => text.push_str(&format!(", {members} member{}", plural(members))),
        Visibility::StateOnly => text.push_str(", members of a protocol that cannot be seen from here"),
    }
    if !group.strategy.is_empty() {
        text.push_str(&format!(", shared out by {}", group.strategy));
    }
    text.push_str(&format!(", kept by node {}\n", group.coordinator));
    text.push_str(&headline(lag));
    for cause in &lag.causes {
        text.push_str(&format!("  {}\n", sentence(lag, cause)));
    }
    let lost: i64 = lag.rows.iter().map(|row| row.lost).sum();
    if lost > 0 {
        text.push_str(&format!("  {} records were deleted before the group read them\n", grouped(lost)));
    }
    if lag.rows.is_empty() {
        return text;
    }
    text + "\n" + &table(lag)
}

fn headline(lag: &Lag) -> String {
    let records = lag.records();
    let mut text = format!("lag: {} record{}", grouped(records), plural(records.unsigned_abs() as usize));
    if let Some(age) = lag.age_ms() {
        text.push_str(&format!(", the oldest written {} ago", time::span(age)));
    }
    if let Some(growth) = lag.growth() {
        text.push_str(&match growth {
            growth if growth > 0.0 => format!(", growing by {}", rate(growth)),
            growth if growth < 0.0 => format!(", shrinking by {}", rate(-growth)),
            _ => ", neither growing nor shrinking".into(),
        });
    }
    text + "\n"
}

fn table(lag: &Lag) -> String {
    let headings = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "AGE", "WRITTEN", "READ", "MEMBER"];
    let mut table = Table::new(&headings, &[1, 2, 3, 4, 5, 6, 7]);
    let none = || "-".to_owned();
    for row in &lag.rows {
        let member = row.member.and_then(|member| lag.group.members.get(member));
        table.row([
            row.place.topic.to_string(),
            row.place.partition.to_string(),
            row.committed.map_or_else(none, grouped),
            grouped(row.end),
            grouped(row.lag),
            row.age_ms.map_or_else(none, time::span),
            row.motion.map_or_else(none, |motion| rate(motion.written)),
            row.motion.map_or_else(none, |motion| rate(motion.read)),
            member.map_or_else(none, |member| member.id.clone()),
        ]);
    }
    table.text()
}

fn sentence(lag: &Lag, cause: &Cause) -> String {
    let watched = lag.watched.map_or_else(String::new, |watched| time::span(watched.as_millis() as i64));
    let speeds = |motion: &Motion| format!("{} written, {} read", rate(motion.written), rate(motion.read));
    match cause {
        Cause::CaughtUp => "everything was read".into(),
        Cause::KeepsUp => format!("the group keeps up: all that was there {watched} ago was read"),
        Cause::NobodyConsumes => "nobody consumes: the group has no members".into(),
        Cause::Unassigned { place } => format!("nobody consumes {place}: no member has it"),
        Cause::Rebalancing => "the members are being given new shares, and nothing is read meanwhile".into(),
        Cause::StandsStill { member, place, offset } => format!(
            "{} stands still at offset {offset} of {place}: no commit in {watched}",
            member.and_then(|member| lag.group.members.get(member)).map_or_else(|| "a member".into(), name)
        ),
        Cause::HotPartition { place, motion, others_written } => format!(
            "{place} is hot: {}, while the topic's other partitions get {} each",
            speeds(motion),
            rate(*others_written)
        ),
        Cause::ProducersFaster { motion } => {
            format!("the producers are faster than the group: {}", speeds(motion))
        }
        Cause::CatchingUp { motion, done_in_ms } => format!(
            "the group is catching up: {}; at this pace it is done in {}",
            speeds(motion),
            time::span(*done_in_ms)
        ),
        Cause::KeepsItsDistance => "as much is read as is written".into(),
        Cause::SharesUnknown => "which member has which partition cannot be seen".into(),
        Cause::NotWatched => "what moves was not watched: give an --interval above 0 to see".into(),
    }
}

fn name(member: &GroupMember) -> String {
    let instance = member.instance.as_ref().map_or_else(String::new, |name| format!(", instance {name}"));
    format!("member {} (client {}{instance}, {})", member.id, member.client, member.host)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// For scripts.
pub fn as_json(lag: &Lag) -> Value {
    let group = &lag.group;
    let places = |member: &GroupMember| -> Value {
        let place = |p: &crate::client::Place| json!({ "topic": &*p.topic, "partition": p.partition });
        member.share.iter().map(place).collect()
    };
    let member = |member: &GroupMember| {
        json!({
            "id": member.id,
            "instance": member.instance,
            "client": member.client,
            "host": member.host,
            "partitions": places(member),
        })
    };
    json!({
        "group": group.group,
        "state": group.state,
        "strategy": group.strategy,
        "coordinator": group.coordinator,
        "members": group.members.iter().map(member).collect::<Vec<_>>(),
        "members_visible": group.visibility == Visibility::Members,
        "lag": lag.records(),
        "age_ms": lag.age_ms(),
        "growth_per_second": lag.growth(),
        "watched_ms": lag.watched.map(|watched| watched.as_millis() as u64),
        "causes": lag.causes.iter().map(|cause| cause_as_json(lag, cause)).collect::<Vec<_>>(),
        "partitions": lag.rows.iter().map(|row| row_as_json(lag, row)).collect::<Vec<_>>(),
    })
}

fn row_as_json(lag: &Lag, row: &Row) -> Value {
    json!({
        "topic": &*row.place.topic,
        "partition": row.place.partition,
        "committed": row.committed,
        "start": row.start,
        "end": row.end,
        "lag": row.lag,
        "lost": row.lost,
        "age_ms": row.age_ms,
        "member": row.member.and_then(|member| lag.group.members.get(member)).map(|member| &member.id),
        "written_per_second": row.motion.map(|motion| motion.written),
        "read_per_second": row.motion.map(|motion| motion.read),
    })
}

fn cause_as_json(lag: &Lag, cause: &Cause) -> Value {
    let (kind, place, motion) = match cause {
        Cause::CaughtUp => ("caught_up", None, None),
        Cause::KeepsUp => ("keeps_up", None, None),
        Cause::NobodyConsumes => ("nobody_consumes", None, None),
        Cause::Unassigned { place } => ("nobody_consumes", Some(place), None),
        Cause::Rebalancing => ("rebalancing", None, None),
        Cause::StandsStill { place, .. } => ("member_stands_still", Some(place), None),
        Cause::HotPartition { place, motion, .. } => ("hot_partition", Some(place), Some(motion)),
        Cause::ProducersFaster { motion } => ("producers_faster", None, Some(motion)),
        Cause::CatchingUp { motion, .. } => ("catching_up", None, Some(motion)),
        Cause::KeepsItsDistance => ("keeps_its_distance", None, None),
        Cause::SharesUnknown => ("shares_unknown", None, None),
        Cause::NotWatched => ("not_watched", None, None),
    };
    let (member, offset) = match cause {
        Cause::StandsStill { member, offset, .. } => {
            (member.and_then(|member| lag.group.members.get(member)), Some(*offset))
        }
        _ => (None, None),
    };
    let done_in_ms = if let Cause::CatchingUp { done_in_ms, .. } = cause { Some(*done_in_ms) } else { None };
    json!({
        "kind": kind,
        "topic": place.map(|place| &*place.topic),
        "partition": place.map(|place| place.partition),
        "member": member.map(|member| &member.id),
        "offset": offset,
        "written_per_second": motion.map(|motion| motion.written),
        "read_per_second": motion.map(|motion| motion.read),
        "done_in_ms": done_in_ms,
        "text": sentence(lag, cause),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Place;
    use crate::client::admin::GroupDescription;
    use std::time::Duration;

    fn lag() -> Lag {
        let place = Place::new("flights", 2);
        let motion = Motion { written: 12.0, read: 0.0, keeps_up: false };
        Lag {
            group: GroupDescription {
                group: "counters".into(),
                state: "Stable".into(),
                strategy: "range".into(),
                coordinator: 1,
                members: vec![GroupMember {
                    id: "m-1".into(),
                    client: "app".into(),
                    host: "10.0.0.7".into(),
                    share: vec![place.clone()],
                    ..GroupMember::default()
                }],
                visibility: Visibility::Members,
            },
            rows: vec![Row {
                place: place.clone(),
                committed: Some(512),
                start: 0,
                end: 1712,
                lag: 1200,
                lost: 0,
                age_ms: Some(250_000),
                member: Some(0),
                motion: Some(motion),
            }],
            causes: vec![Cause::StandsStill { member: Some(0), place, offset: 512 }],
            watched: Some(Duration::from_secs(6)),
        }
    }

    #[test]
    fn a_person_is_told_how_far_and_why() {
        let expected = "\
group counters: Stable, 1 member, shared out by range, kept by node 1
lag: 1,200 records, the oldest written 4m 10s ago, growing by 12/s
  member m-1 (client app, 10.0.0.7) stands still at offset 512 of flights partition 2: no commit in 6s

TOPIC    PARTITION  COMMITTED    END    LAG     AGE  WRITTEN  READ  MEMBER
flights          2        512  1,712  1,200  4m 10s     12/s   0/s  m-1
";
        assert_eq!(as_text(&lag()), expected);
    }

    #[test]
    fn a_script_is_told_the_same() {
        let json = as_json(&lag());
        assert_eq!(json["lag"], 1200);
        assert_eq!(json["causes"][0]["kind"], "member_stands_still");
        assert_eq!(json["causes"][0]["member"], "m-1");
        assert_eq!(json["causes"][0]["offset"], 512);
        assert_eq!(json["partitions"][0]["age_ms"], 250_000);
        assert_eq!(json["growth_per_second"], 12.0);
    }
}
