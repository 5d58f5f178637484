//! What only Kafka's protocol has: transactions, the cursors of groups, share groups, and topics that are compacted.

use crate::story::{Case, Clients, Scale, Settings, Work};

/// Who speaks the protocol that they are asked for in.
const PEERS: &[&str] = &["kafka", "forebay"];

/// About how many records of 1 KiB a second are written where nothing else is done.
const RECORDS_PER_SECOND: u64 = 100_000;

fn case(name: &str, work: &'static str, words: &str) -> Case {
    filling(name, work, words, 0)
}

/// What fills the page cache for so many seconds.
fn filling(name: &str, work: &'static str, words: &str, fills_s: u32) -> Case {
    let words = words.split(' ').map(String::from).collect();
    let case = Case::new(name, Work::Own { name: work, words, fills_s }).only(PEERS).fresh();
    case.in_settings(Settings::First).by(Clients::First)
}

pub(super) fn exactly_once(scale: Scale) -> Vec<Case> {
    let seconds = scale.seconds();
    let records: u64 = scale.pick(500_000, 2_000_000, 5_000_000);
    let stream = format!("--transaction-ms 100 --bytes 1024 --seconds {seconds}");
    let copy = format!("--transaction-ms 100 --bytes 1024 --records {records}");
    // What is copied is written first: that falls into this time, too.
    let copies_s = u32::try_from(records / RECORDS_PER_SECOND).unwrap_or(u32::MAX);
    vec![
        filling("produce 1 KiB in transactions of 100 ms", "transactions", &stream, seconds),
        filling("copy 1 KiB in transactions of 100 ms", "copy", &copy, copies_s),
    ]
}

pub(super) fn commits(scale: Scale) -> Vec<Case> {
    let seconds = scale.seconds();
    let case = |connections: u32| {
        let name = format!("10,000 groups in turn, {connections} connections");
        let words = format!("--groups 10000 --connections {connections} --seconds {seconds}");
        case(&name, "commits", &words)
    };
    // A group has at least one member, and with it a connection: few have many groups' commits in common.
    [16, 64, 512].map(case).into()
}

pub(super) fn share(scale: Scale) -> Vec<Case> {
    let records: u64 = scale.pick(200_000, 2_000_000, 5_000_000);
    let case = |members: u32| {
        let name = format!("1 KiB, {members} member{}", if members == 1 { "" } else { "s" });
        let words = format!("--connections {members} --bytes 1024 --records {records} --partitions 4");
        case(&name, "share", &words)
    };
    [1, 8, 64].map(case).into()
}

/// What is compacted at once wherever it can be: the rest is how a broker comes, with the pauses that it makes.
const AT_ONCE: &str = "--topic-config cleanup.policy=compact --topic-config min.cleanable.dirty.ratio=0.01 \
    --topic-config max.compaction.lag.ms=1000 --topic-config segment.bytes=67108864";

pub(super) fn compaction(scale: Scale) -> Vec<Case> {
    // We look every half minute, and act upon what was found the next time; Kafka's cleaner rests for a quarter of one.
    let settle = scale.pick(75, 90, 90);
    let note = "'update' is measured while the topic is compacted, 'settle' is the time behind it, and 'read' is of what is left";
    let updates = |name: &str, rate: u32, seconds: u32| {
        let words = format!(
            "--keys 10000 --bytes 1024 --rate {rate} --seconds {seconds} --settle {settle} {AT_ONCE}"
        );
        case(name, "compaction", &words).noted(note)
    };
    vec![
        // Long enough for either to compact more than once meanwhile.
        updates("updates of 10,000 keys, 1 KiB, 30,000/s", 30_000, scale.pick(20, 120, 120)),
        // As fast as they are confirmed: the disk holds all of them, so it is not for long.
        updates("updates of 10,000 keys, 1 KiB", 10_000_000, scale.pick(5, 15, 30)),
    ]
}
