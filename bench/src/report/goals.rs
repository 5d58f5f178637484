//! The list of goals: what the side-by-side figures must show.

use super::goal::{Against, Bound, By, Goal, Pick};
use super::metric::Metric;
use super::results::{AS_IT_COMES, FLUSHED};

/// Every goal, in the order of the page. Our side is always flushed before the confirm.
pub fn all() -> Vec<Goal> {
    [
        synchronous_sends(),
        batching_and_streams(),
        latency(),
        many_topics(),
        fairness_and_shards(),
        interleaved_and_log(),
        transactions_and_commits(),
        share_groups(),
        memory_and_start(),
        an_hour(),
    ]
    .concat()
}

const KAFKA: Against = Against::Peer { peer: "kafka", setting: AS_IT_COMES };

fn pick(story: &'static str, case: &'static str, measure: &'static str, metric: Metric) -> Pick {
    Pick { story, case, measure, metric, by: By::Public }
}

fn goal(case: &'static str, ours: Pick, bound: Bound, against: Against) -> Goal {
    Goal { case, ours, against, bound }
}

fn synchronous_sends() -> Vec<Goal> {
    let name = "124 B synchronous sends, 64 and 200 connections";
    let at = |case, metric| pick("classic", case, "", metric);
    let light = |case, metric| Pick { by: By::Light, ..at(case, metric) };
    let cpu = |case, most, peer, setting| {
        goal(name, at(case, Metric::BrokerCpu), Bound::AtMost(most), Against::Peer { peer, setting })
    };
    vec![
        cpu("64 connections", 0.5, "kafka", AS_IT_COMES),
        cpu("64 connections", 0.5, "rocketmq", AS_IT_COMES),
        cpu("64 connections", 0.25, "rocketmq", FLUSHED),
        cpu("64 connections", 0.8, "nats", AS_IT_COMES),
        cpu("64 connections", 0.16, "rabbitmq", FLUSHED),
        cpu("200 connections", 0.4, "kafka", AS_IT_COMES),
        goal(name, light("64 connections", Metric::Rate), Bound::AtLeast(2.0), KAFKA),
        goal(name, light("200 connections", Metric::Rate), Bound::AtLeast(2.0), KAFKA),
        goal(name, at("64 connections", Metric::P99), Bound::AtMost(1.0), KAFKA),
        goal(name, at("200 connections", Metric::P99), Bound::AtMost(1.0), KAFKA),
    ]
}

fn batching_and_streams() -> Vec<Goal> {
    let batching = "the same, 64 threads over one connection (client batching)";
    let threads = |metric| pick("classic", "64 threads on 1 connection", "", metric);
    let kib = "produce 1 KiB, one partition, idempotent, large batches";
    let small = "produce 124 B, same";
    let produce = |case, metric| pick("produce", case, "", metric);
    let catch_up = "catch-up consume 1 KiB and 124 B";
    let consume = |case, metric| pick("consume", case, "", metric);
    vec![
        goal(batching, threads(Metric::Rate), Bound::AtLeast(1.5), KAFKA),
        goal(batching, threads(Metric::BrokerCpu), Bound::AtMost(1.0 / 1.5), KAFKA),
        goal(kib, produce("1 KiB, 1 partition, 1 client", Metric::Rate), Bound::AtLeast(1.5), KAFKA),
        goal(
            kib,
            produce("1 KiB, 1 partition, 1 client", Metric::BrokerCpu),
            Bound::AtMost(1.0 / 3.0),
            KAFKA,
        ),
        goal(small, produce("124 B, 1 partition, 1 client", Metric::Rate), Bound::AtLeast(1.0), KAFKA),
        goal(small, produce("124 B, 1 partition, 1 client", Metric::BrokerCpu), Bound::AtMost(0.5), KAFKA),
        goal(catch_up, consume("1 KiB, 1 group", Metric::Rate), Bound::AtLeast(1.0), KAFKA),
        goal(catch_up, consume("1 KiB, 1 group", Metric::BrokerCpu), Bound::AtMost(0.7), KAFKA),
        goal(catch_up, consume("124 B, 1 group", Metric::Rate), Bound::AtLeast(1.0), KAFKA),
        goal(catch_up, consume("124 B, 1 group", Metric::BrokerCpu), Bound::AtMost(0.7), KAFKA),
    ]
}

fn latency() -> Vec<Goal> {
    let name = "end to end at 5,000/s, 1 KiB";
    let at = |metric, most| {
        goal(name, pick("latency", "5,000/s of 1 KiB", "", metric), Bound::AtMost(most), KAFKA)
    };
    vec![at(Metric::P50, 1.0), at(Metric::P99, 0.5), at(Metric::P999, 0.25)]
}

fn many_topics() -> Vec<Goal> {
    let name = "1,000 and 10,000 topics";
    let rate = |case, measure| pick("topics", case, measure, Metric::Rate);
    let of_one = |case, measure, least| {
        goal(name, rate(case, measure), Bound::AtLeast(least), Against::Ours(rate("1 topic", "warm")))
    };
    vec![
        of_one("1,000 topics", "warm", 0.8),
        of_one("1,000 topics", "cold", 0.5),
        of_one("10,000 topics", "warm", 0.8),
        of_one("10,000 topics", "cold", 0.5),
        goal(
            "10,000 partitions over 1,000 segments",
            pick("segments", "1,000 segments", "idle (2)", Metric::Rss),
            Bound::AtMost(1.1),
            Against::Ours(pick("segments", "10 segments", "idle (2)", Metric::Rss)),
        ),
    ]
}

fn fairness_and_shards() -> Vec<Goal> {
    let beside = pick("noisy", "1,000 small clients beside a full one", "beside", Metric::P99);
    let alone = pick("noisy", "1,000 small clients beside a full one", "alone", Metric::P99);
    let shards = |metric: Metric| {
        let one = Against::Ours(pick("shards", "1 sync shard", "paced", metric.clone()));
        goal(
            "1, 4, 16, 64 sync shards",
            pick("shards", "64 sync shards", "paced", metric),
            Bound::AtMost(2.0),
            one,
        )
    };
    vec![
        goal(
            "one client at full rate beside 1,000 clients at 10/s",
            beside,
            Bound::AtMost(2.0),
            Against::Ours(alone),
        ),
        shards(Metric::P50),
        shards(Metric::P99),
    ]
}

fn interleaved_and_log() -> Vec<Goal> {
    let one_of_many = "catch-up of one topic interleaved with 999 others";
    let rate = |case, measure, least| {
        goal(one_of_many, pick("interleaved", case, measure, Metric::Rate), Bound::AtLeast(least), KAFKA)
    };
    let log = |case| {
        goal(
            "log alone against fio, fdatasync after each write",
            pick("log", case, "", Metric::Throughput),
            Bound::AtLeast(0.8),
            Against::Peer { peer: "fio", setting: FLUSHED },
        )
    };
    vec![
        rate("batches of 1 among 1000 topics", "consume", 1.0),
        rate("batches of 16 among 1000 topics", "consume", 1.0),
        rate("batches of 1 among 1000 topics", "again", 0.5),
        rate("batches of 16 among 1000 topics", "again", 0.5),
        log("64 KiB"),
        log("1 MiB"),
    ]
}

fn transactions_and_commits() -> Vec<Goal> {
    let copy = "consume, transform, produce: exactly once, transactions of 100 ms";
    let copied = |metric| pick("eos", "copy 1 KiB in transactions of 100 ms", "", metric);
    let committed = |case| pick("commits", case, "", Metric::Rate);
    let commits = |case| goal("commits of 10,000 groups", committed(case), Bound::AtLeast(3.0), KAFKA);
    vec![
        goal(copy, copied(Metric::Rate), Bound::AtLeast(1.5), KAFKA),
        goal(copy, copied(Metric::BrokerCpu), Bound::AtMost(0.5), KAFKA),
        commits("10,000 groups in turn, 16 connections"),
        commits("10,000 groups in turn, 64 connections"),
        commits("10,000 groups in turn, 512 connections"),
    ]
}

fn share_groups() -> Vec<Goal> {
    let rate = |case| {
        let ours = pick("share", case, "", Metric::Rate);
        goal("share groups, 1, 8 and 64 members", ours, Bound::AtLeast(3.0), KAFKA)
    };
    vec![rate("1 KiB, 1 member"), rate("1 KiB, 8 members"), rate("1 KiB, 64 members")]
}

fn idle() -> Pick {
    pick("start", "empty", "idle", Metric::Rss)
}

fn memory_and_start() -> Vec<Goal> {
    let backlog = "20 million records, 10 GB";
    let at = |measure, metric| pick("backlog", "20 million records", measure, metric);
    let resident =
        |measure| goal(backlog, at(measure, Metric::RssPeak), Bound::AtMost(128.0), Against::Nothing);
    let all = "resident memory under all of the above";
    let after = at("idle", Metric::Rss);
    vec![
        goal(all, pick("", "", "", Metric::RssPeak), Bound::AtMost(0.1), KAFKA),
        goal("resident memory, back down after work", after, Bound::AtMost(2.0), Against::Ours(idle())),
        goal("resident memory, idle", idle(), Bound::AtMost(20.0), Against::Nothing),
        resident("fill"),
        resident("beside"),
        resident("read"),
        goal(
            backlog,
            at("beside", Metric::Rate),
            Bound::AtLeast(0.9),
            Against::Ours(at("fill", Metric::Rate)),
        ),
        goal(backlog, at("restart", Metric::Restart), Bound::AtMost(2000.0), Against::Nothing),
        goal(
            "start, empty",
            pick("start", "empty", "idle", Metric::Start),
            Bound::AtMost(100.0),
            Against::Nothing,
        ),
    ]
}

fn an_hour() -> Vec<Goal> {
    let name = "an hour at half of our peak";
    let at = |metric| pick("hour", "half of the peak", "latency", metric);
    let more = |name: &str| Metric::More(name.to_owned());
    vec![
        goal(
            name,
            at(more("worst_second_rate")),
            Bound::AtLeast(0.9),
            Against::Ours(at(more("median_second_rate"))),
        ),
        goal(name, at(more("worst_second_p99_us")), Bound::AtMost(3.0), Against::Ours(at(Metric::P99))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{STORIES, Scale};

    #[test]
    fn every_goal_names_a_case_that_the_stories_have() {
        let cases: Vec<(&str, String)> = STORIES
            .iter()
            .flat_map(|story| (story.cases)(Scale::Full).into_iter().map(|case| (story.name, case.name)))
            .collect();
        for goal in all() {
            let compared = match &goal.against {
                Against::Ours(pick) => Some(pick),
                Against::Peer { .. } | Against::Nothing => None,
            };
            for Pick { story, case, .. } in [Some(&goal.ours), compared].into_iter().flatten() {
                let known = story.is_empty()
                    || cases.iter().any(|known| (known.0, known.1.as_str()) == (story, case));
                assert!(known, "{}: no case '{case}' in the story '{story}'", goal.case);
            }
        }
    }
}
