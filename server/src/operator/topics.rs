//! What topics hold, put together from the summaries of shards.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_env::metrics::{Family, Kind, MetricsText};
use forebay_machine::{Catalog, Topic};
use forebay_model::{Offset, TopicId};
use forebay_shard::Summary;

use super::lag::GroupLag;

/// What a topic holds.
struct Held {
    topic: Arc<Topic>,
    records: u64,
    bytes: u64,
    appended: u64,
    /// Number and end of each partition.
    ends: Vec<(u32, Offset)>,
}

/// Name, help, kind and value of one metric.
type Row = (&'static str, &'static str, Kind, fn(&Held) -> u64);

/// Writes what the biggest topics hold.
pub(super) fn write_topics(catalogue: &Catalog, summaries: &[&Summary], out: &mut MetricsText) {
    let held = held(catalogue, summaries);
    let rows: &[Row] = &[
        ("forebay_topic_partitions", "Partitions of a topic that are led here.", Kind::Gauge, |held| {
            held.ends.len() as u64
        }),
        ("forebay_topic_records", "Offsets between start and end, of all partitions.", Kind::Gauge, |held| {
            held.records
        }),
        ("forebay_topic_bytes", "Bytes of record batches, of all partitions; about.", Kind::Gauge, |held| {
            held.bytes
        }),
        (
            "forebay_topic_records_appended_total",
            "Offsets given since the topic was created, of all partitions.",
            Kind::Counter,
            |held| held.appended,
        ),
    ];
    for (name, help, kind, value) in rows {
        capped(out, name, help, *kind, held.iter(), |family, held| {
            family.sample(&[("topic", held.topic.name.as_str())], value(held));
        });
    }
    let ends = held.iter().flat_map(|held| held.ends.iter().map(|(number, end)| (&held.topic, number, end)));
    let help = "The offset that the next record of a partition gets.";
    capped(out, "forebay_partition_end_offset", help, Kind::Gauge, ends, |family, (topic, number, end)| {
        family.sample(&[("topic", topic.name.as_str()), ("partition", &number.to_string())], end.0);
    });
}

/// Topics that are led here, the biggest first.
fn held(catalogue: &Catalog, summaries: &[&Summary]) -> Vec<Held> {
    let mut topics: BTreeMap<TopicId, Held> = BTreeMap::new();
    for partition in summaries.iter().flat_map(|summary| &summary.partitions) {
        // A partition whose topic is gone is about to go too.
        let Some(topic) = catalogue.topic_by_id(partition.topic) else { continue };
        let held = topics.entry(partition.topic).or_insert_with(|| Held {
            topic: Arc::clone(topic),
            records: 0,
            bytes: 0,
            appended: 0,
            ends: Vec::new(),
        });
        held.records += partition.end.0.saturating_sub(partition.start.0);
        held.bytes += partition.bytes;
        held.appended += partition.end.0;
        held.ends.push((partition.number, partition.end));
    }
    let mut held: Vec<Held> = topics.into_values().collect();
    held.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.topic.name.cmp(&b.topic.name)));
    held.iter_mut().for_each(|held| held.ends.sort_unstable());
    held
}

/// Writes how far groups are behind, those that are furthest first.
pub(super) fn write_groups(
    catalogue: &Catalog,
    summaries: &[&Summary],
    lags: Vec<GroupLag>,
    out: &mut MetricsText,
) {
    let groups = summaries.iter().flat_map(|summary| &summary.groups);
    let help = "Members of a group's last generation, of groups that have committed.";
    capped(out, "forebay_group_members", help, Kind::Gauge, groups, |family, group| {
        family.sample(&[("group", &group.group.0)], group.members as u64);
    });
    let named = |lag| {
        let GroupLag { topic, .. } = &lag;
        catalogue.topic_by_id(*topic).map(|topic| (Arc::clone(topic), lag))
    };
    let mut lags: Vec<(Arc<Topic>, GroupLag)> = lags.into_iter().filter_map(named).collect();
    lags.sort_by(|(_, a), (_, b)| {
        let names = || (&a.group, &a.topic).cmp(&(&b.group, &b.topic));
        b.records.cmp(&a.records).then_with(names)
    });
    let help = "Records of a topic that a group has not read.";
    capped(out, "forebay_group_lag_records", help, Kind::Gauge, lags.iter(), |family, (topic, lag)| {
        family.sample(&[("group", &lag.group.0), ("topic", topic.name.as_str())], lag.records);
    });
    let help = "Time that the oldest of these records waits; an estimate.";
    let timed = lags.iter().filter_map(|(topic, lag)| Some((topic, lag, lag.waits?)));
    capped(out, "forebay_group_lag_seconds", help, Kind::Gauge, timed, |family, (topic, lag, waits)| {
        let labels = [("group", lag.group.0.as_ref()), ("topic", topic.name.as_str())];
        family.sample(&labels, waits.as_secs_f64());
    });
}

/// Writes as many samples as the cap allows, and only counts the others.
fn capped<I>(
    out: &mut MetricsText,
    name: &'static str,
    help: &'static str,
    kind: Kind,
    items: impl Iterator<Item = I>,
    sample: impl Fn(&mut Family<'_>, I),
) {
    let series_max = out.series_max();
    let mut items = items;
    let mut family = out.capped_family(name, help, kind);
    items.by_ref().take(series_max).for_each(|item| sample(&mut family, item));
    out.count_dropped(items.count() as u64);
}
