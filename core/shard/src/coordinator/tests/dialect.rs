//! A way to write what members of classic groups say: `topic topic;topic:0,1 topic:2`, and a share as what is behind the semicolon.

use bytes::Bytes;
use forebay_model::group::{Dialect, NamedPartitions, Subscription};

pub(super) static DIALECT: Dialect = Dialect { kind: "consumer", subscription, share, write_share };

fn subscription(metadata: &Bytes) -> Option<Subscription> {
    let text = std::str::from_utf8(metadata).ok()?;
    let (topics, owned) = text.split_once(';')?;
    let topics = topics.split_whitespace().map(str::to_owned).collect();
    Some(Subscription { topics, owned: places(owned)?, rack: None })
}

fn share(assignment: &Bytes, _: &Bytes) -> Option<Vec<(String, Vec<u32>)>> {
    places(std::str::from_utf8(assignment).ok()?)
}

fn places(text: &str) -> Option<Vec<(String, Vec<u32>)>> {
    let topic = |text: &str| {
        let (name, numbers) = text.split_once(':')?;
        let numbers = numbers.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some((name.to_owned(), numbers))
    };
    text.split_whitespace().map(topic).collect()
}

fn write_share(_: &Bytes, share: &[NamedPartitions]) -> Option<Bytes> {
    let topic = |named: &NamedPartitions| write(&named.name, &named.numbers);
    Some(share.iter().map(topic).collect::<String>().into())
}

/// Some partitions of a topic, as they are written.
pub(super) fn write(name: &str, numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    format!("{name}:{} ", numbers.join(","))
}
