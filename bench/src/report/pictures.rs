//! Which charts a story gets, and what stands in them.

use super::axis::Scale;
use super::chart::{Chart, Colour, Confirm, Group, Row, Shape};
use super::metric::Metric;
use super::results::{Line, Results, place_of};
use super::text::{duration_us, figure, peer_name};

/// One drawn chart.
pub struct Picture {
    /// Its file's name without the folder.
    pub file: String,
    /// What it shows.
    pub title: String,
    /// The file.
    pub svg: String,
}

/// One kind of chart.
struct Kind {
    name: &'static str,
    title: &'static str,
    subtitle: &'static str,
    scale: Scale,
    tick: fn(f64) -> String,
    shape: fn(&Line) -> Option<(Shape, String)>,
}

/// The kinds of charts; each file's name ends in one.
pub const KIND_NAMES: [&str; 4] = ["rate", "cpu", "latency", "memory"];

const KINDS: [Kind; 4] = [
    Kind {
        name: KIND_NAMES[0],
        title: "rate, records per second",
        subtitle: "Higher is better. Median of the rounds.",
        scale: Scale::Linear,
        tick: figure,
        shape: |line| bar(line, &Metric::Rate),
    },
    Kind {
        name: KIND_NAMES[1],
        title: "broker CPU, seconds per million records",
        subtitle: "Lower is better. User and system time of all the broker's processes; the scale is logarithmic.",
        scale: Scale::Logarithmic,
        tick: figure,
        shape: |line| bar(line, &Metric::BrokerCpu),
    },
    Kind {
        name: KIND_NAMES[2],
        title: "latency percentiles",
        subtitle: "Lower is better. p50, p99 and p99.9, each the median of the rounds; the scale is logarithmic.",
        scale: Scale::Logarithmic,
        tick: duration_us,
        shape: marks,
    },
    Kind {
        name: KIND_NAMES[3],
        title: "resident memory at most, MiB",
        subtitle: "Lower is better. The most since the broker's start; the scale is logarithmic.",
        scale: Scale::Logarithmic,
        tick: figure,
        shape: |line| bar(line, &Metric::RssPeak),
    },
];

/// Draws the charts of one story; a kind that nothing was measured for is left out.
pub fn of_story(results: &Results, story: &str) -> Vec<Picture> {
    KINDS.iter().filter_map(|kind| picture(results, story, kind)).collect()
}

fn picture(results: &Results, story: &str, kind: &Kind) -> Option<Picture> {
    let title = format!("{story}: {}", kind.title);
    let mut groups: Vec<Group> = Vec::new();
    let several_clients = results
        .story(story)
        .any(|line| results.story(story).any(|other| other.subject.client != line.subject.client));
    for line in results.story(story) {
        let Some((shape, figures)) = (kind.shape)(line) else { continue };
        let label = line.title();
        if groups.last().is_none_or(|group| group.label != label) {
            groups.push(Group { label, rows: Vec::new() });
        }
        let group = groups.last_mut().expect("one was pushed where there was none");
        group.rows.push(row(line, shape, figures, several_clients));
    }
    let chart = Chart { title, subtitle: kind.subtitle.into(), scale: kind.scale, tick: kind.tick, groups };
    let svg = chart.draw()?;
    Some(Picture { file: format!("{}-{}.svg", super::text::slug(story), kind.name), title: chart.title, svg })
}

fn row(line: &Line, shape: Shape, figures: String, with_client: bool) -> Row {
    let subject = &line.subject;
    let name = peer_name(&subject.peer);
    let mut label = name.to_owned();
    if !super::table::is_plain_setting(&subject.setting) {
        label = format!("{label}, {}", subject.setting);
    }
    label = format!("{label} ({})", super::table::confirm_words(line.flushed));
    if with_client {
        label = format!("{label}, {}", subject.client);
    }
    if !line.beside_ours {
        label.push_str(" *");
    }
    Row {
        label,
        colour: Colour(place_of(&subject.peer) as u8),
        peer: name.to_owned(),
        confirm: if line.flushed { Confirm::Flush } else { Confirm::PageCache },
        shape,
        figures,
    }
}

fn bar(line: &Line, metric: &Metric) -> Option<(Shape, String)> {
    let values = line.figure(metric)?;
    let median = values.median();
    let spread = values.width().map(|_| (values.min(), values.max()));
    let figures = metric.show_spread(values);
    Some((Shape::Bar { median, spread }, figures))
}

fn marks(line: &Line) -> Option<(Shape, String)> {
    let median = |metric: &Metric| Some(line.figure(metric)?.median());
    let percentiles = [Metric::P50, Metric::P99, Metric::P999].map(|metric| median(&metric));
    if percentiles.iter().all(Option::is_none) {
        return None;
    }
    let figures = percentiles.map(|value| value.map_or("?".to_owned(), duration_us)).join(" / ");
    Some((Shape::Marks { percentiles }, figures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{rounds, timed};

    #[test]
    fn a_story_gets_the_charts_that_it_has_figures_for() {
        let mut records = rounds("classic", "64 connections", "kafka", &[100.0, 110.0]);
        let files = |records: &[_]| {
            let results = Results::newest(records);
            of_story(&results, "classic").into_iter().map(|picture| picture.file).collect::<Vec<_>>()
        };
        assert_eq!(files(&records), ["classic-rate.svg", "classic-cpu.svg"]);
        for record in &mut records {
            record.measures = record.measures.drain(..).map(|m| timed(m, [1.0, 2.0, 3.0])).collect();
            record.measures[0].broker_rss_peak_mib = Some(1220.0);
        }
        assert_eq!(
            files(&records),
            ["classic-rate.svg", "classic-cpu.svg", "classic-latency.svg", "classic-memory.svg"]
        );
    }
}
