//! Many topics and many partitions.

use crate::story::{Case, Clients, Scale, Settings, Step, Work};

pub(super) fn topics(scale: Scale) -> Vec<Case> {
    let case = |topics: u32, name: &str| {
        // The same number of records in all, so that the rates can be held against each other.
        let each = (scale.pick(20_000, 100_000, 200_000) / topics).max(1);
        let case = Case::new(name, Work::Topics { topics, bytes: 1024, each });
        let case = if scale == Scale::Quick { case.in_settings(Settings::First) } else { case };
        case.by(Clients::First).fresh()
    };
    vec![case(1, "1 topic"), case(1_000, "1,000 topics"), case(10_000, "10,000 topics")]
}

pub(super) fn interleaved(scale: Scale) -> Vec<Case> {
    let topics = scale.pick(100, 1_000, 1_000);
    let records_each = scale.pick(1_600, 1_600, 16_000);
    let case = |batch: u32, name: &str| {
        let work = Work::Interleaved { topics, batch, records_each, readings: scale.pick(50, 100, 20) };
        let steps = vec![Step::Load(work.clone()), Step::ColdRestart, Step::Again(work)];
        let name = format!("{name} among {topics} topics");
        Case::of_steps(name, steps).in_settings(Settings::First).by(Clients::First).fresh()
    };
    vec![case(1, "batches of 1"), case(16, "batches of 16")]
}

pub(super) fn segments(scale: Scale) -> Vec<Case> {
    const PARTITIONS: u32 = 10_000;
    let case = |segments: u64, each: u32, name: &str| {
        // The cold pass, the second and the warm one write the same again.
        let stored = u64::from(PARTITIONS) * u64::from(each) * 1024 * 3;
        let steps = vec![
            Step::Load(Work::Topics { topics: PARTITIONS, bytes: 1024, each }),
            Step::Idle { seconds: 3 },
            Step::Restart,
            Step::Idle { seconds: 3 },
        ];
        let options = ["--segment-bytes".to_string(), (stored / segments).to_string()];
        let case = Case::of_steps(name, steps).only(&["forebay"]).with(&options);
        case.in_settings(Settings::First).by(Clients::First)
    };
    // As much as fits so many segments, which can have from 1 to 64 MiB.
    match scale {
        Scale::Quick => vec![case(10, 10, "10 segments"), case(250, 10, "250 segments")],
        Scale::Standard | Scale::Full => vec![case(10, 20, "10 segments"), case(1_000, 36, "1,000 segments")],
    }
}
