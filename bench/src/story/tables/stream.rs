//! Streams: produce, catch up, keep up, and end to end.

use crate::story::{Case, Clients, Codec, Scale, Settings, Work};

/// One point of the produce story.
#[derive(Clone, Copy)]
struct Shape {
    bytes: u32,
    codec: Codec,
    partitions: u32,
    clients: u32,
}

const PLAIN: Shape = Shape { bytes: 1024, codec: Codec::None, partitions: 1, clients: 1 };

impl Shape {
    fn name(self) -> String {
        let codec = match self.codec {
            Codec::None => String::new(),
            codec => format!(", {}", codec.name()),
        };
        let plural =
            |count: u32, what: &str| format!(", {count} {what}{}", if count == 1 { "" } else { "s" });
        let (partitions, clients) = (plural(self.partitions, "partition"), plural(self.clients, "client"));
        format!("{}{codec}{partitions}{clients}", size(self.bytes))
    }
}

fn size(bytes: u32) -> String {
    if bytes.is_multiple_of(1024) { format!("{} KiB", bytes / 1024) } else { format!("{bytes} B") }
}

/// The plain shape and what differs from it in one way; at full length every combination.
fn shapes(scale: Scale) -> Vec<Shape> {
    if scale == Scale::Full {
        let mut all = Vec::new();
        for bytes in [1024, 124, 16 * 1024] {
            for codec in Codec::ALL {
                for partitions in [1, 16] {
                    all.extend([1, 8].map(|clients| Shape { bytes, codec, partitions, clients }));
                }
            }
        }
        return all;
    }
    let codecs = if scale == Scale::Quick { &[Codec::Zstd][..] } else { &Codec::ALL[1..] };
    let mut some = vec![PLAIN, Shape { bytes: 124, ..PLAIN }, Shape { bytes: 16 * 1024, ..PLAIN }];
    some.extend(codecs.iter().map(|&codec| Shape { codec, ..PLAIN }));
    some.extend([Shape { partitions: 16, ..PLAIN }, Shape { clients: 8, ..PLAIN }]);
    some.push(Shape { partitions: 16, clients: 8, ..PLAIN });
    some
}

/// Short runs take the first setting and the public client.
fn for_scale(case: Case, scale: Scale) -> Case {
    match scale {
        Scale::Quick => case.in_settings(Settings::First).by(Clients::First),
        _ => case,
    }
}

pub(super) fn produce(scale: Scale) -> Vec<Case> {
    let case = |shape: Shape| {
        let Shape { bytes, codec, partitions, clients } = shape;
        let work = Work::Produce { bytes, codec, partitions, clients, seconds: scale.seconds() };
        for_scale(Case::new(shape.name(), work), scale)
    };
    shapes(scale).into_iter().map(case).collect()
}

pub(super) fn consume(scale: Scale) -> Vec<Case> {
    let case = |groups: u32, bytes: u32, records: u64| {
        let name = format!("{}, {groups} group{}", size(bytes), if groups == 1 { "" } else { "s" });
        for_scale(Case::new(name, Work::Consume { groups, bytes, records }), scale)
    };
    let gigabytes = scale.pick(1, 4, 10);
    vec![
        case(1, 1024, gigabytes * 1_000_000),
        case(1, 124, gigabytes * 8_000_000),
        case(10, 1024, scale.pick(300_000, 1_000_000, 4_000_000)),
    ]
}

pub(super) fn tail(scale: Scale) -> Vec<Case> {
    let case = |groups| {
        let work = Work::Tail { groups, rate: 5_000, bytes: 1024, seconds: scale.seconds() };
        let name = format!("5,000/s of 1 KiB, {groups} group{}", if groups == 1 { "" } else { "s" });
        for_scale(Case::new(name, work), scale)
    };
    vec![case(1), case(10)]
}

pub(super) fn latency(scale: Scale) -> Vec<Case> {
    let case = |rate: u32, rate_name: &str, bytes: u32| {
        let work = Work::Latency { rate, bytes, seconds: scale.pick(5, 30, 60), kept_bytes: None };
        for_scale(Case::new(format!("{rate_name}/s of {}", size(bytes)), work), scale)
    };
    let mut cases = vec![case(5_000, "5,000", 1024)];
    if scale != Scale::Quick {
        cases.extend([case(500, "500", 1024), case(20_000, "20,000", 1024), case(5_000, "5,000", 124)]);
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_differ_from_the_plain_one_in_one_way_but_for_the_last() {
        let names: Vec<String> = shapes(Scale::Standard).into_iter().map(Shape::name).collect();
        assert_eq!(names[0], "1 KiB, 1 partition, 1 client");
        assert_eq!(names[1], "124 B, 1 partition, 1 client");
        assert_eq!(names[3], "1 KiB, gzip, 1 partition, 1 client");
        assert_eq!(names.last().unwrap(), "1 KiB, 16 partitions, 8 clients");
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn at_full_length_every_combination_is_there() {
        assert_eq!(shapes(Scale::Full).len(), 3 * 5 * 2 * 2);
    }
}
