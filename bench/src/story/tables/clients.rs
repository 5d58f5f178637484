//! Clients beside each other, and shards beside each other.

use crate::story::{Case, Clients, Scale, Settings, Step, Work};

pub(super) fn noisy(scale: Scale) -> Vec<Case> {
    let work = Work::Noisy {
        small_clients: scale.pick(200, 1_000, 1_000),
        small_rate: 10,
        seconds: scale.pick(5, 20, 60),
    };
    let case = Case::new("1,000 small clients beside a full one", work);
    let case = if scale == Scale::Quick {
        Case { name: "200 small clients beside a full one".into(), ..case }
    } else {
        case
    };
    vec![case.in_settings(Settings::First).by(Clients::First).fresh()]
}

/// Partitions that the load is spread over: enough for each shard to have one.
const PARTITIONS: u32 = 64;

pub(super) fn shards(scale: Scale) -> Vec<Case> {
    let words = |text: String| text.split(' ').map(String::from).collect();
    let seconds = scale.seconds();
    let case = |shards: u32| {
        let name = format!("{shards} sync shard{}", if shards == 1 { "" } else { "s" });
        let closed = format!("--connections 64 --bytes 124 --seconds {seconds} --partitions {PARTITIONS}");
        let paced = format!(
            "--small-clients 50 --small-rate 100 --small-bytes 1024 --seconds {seconds} --partitions {PARTITIONS}"
        );
        let read = format!("--rate 5000 --bytes 1024 --seconds {seconds} --partitions {PARTITIONS}");
        let steps = vec![
            Step::Load(Work::Own { name: "classic", words: words(closed), fills_s: 0 }),
            Step::Load(Work::Own { name: "paced", words: words(paced), fills_s: 0 }),
            Step::Load(Work::Own { name: "latency", words: words(read), fills_s: 0 }),
        ];
        let options = ["--shards-sync".to_string(), shards.to_string()];
        let case = Case::of_steps(name, steps).only(&["forebay"]).with(&options);
        case.in_settings(Settings::First).by(Clients::First)
    };
    [1, 4, 16, 64].map(case).into()
}
