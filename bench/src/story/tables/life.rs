//! A broker's life: its start, its idleness, what piles up, and an hour of work.

use crate::story::{Case, Clients, Connections, Scale, Settings, Step, Work};

pub(super) fn start(scale: Scale) -> Vec<Case> {
    let idle = Step::Idle { seconds: scale.pick(3, 20, 60) };
    let steps = vec![idle.clone(), Step::Restart, idle];
    let case = Case::of_steps("empty", steps).fresh();
    vec![if scale == Scale::Quick { case.in_settings(Settings::First) } else { case }]
}

pub(super) fn backlog(scale: Scale) -> Vec<Case> {
    let records: u64 = scale.pick(1_000_000, 5_000_000, 20_000_000);
    let name = format!("{} million records", records / 1_000_000);
    let steps = vec![Step::Load(Work::Backlog { records }), Step::Idle { seconds: 3 }, Step::Restart];
    vec![Case::of_steps(name, steps).in_settings(Settings::First).by(Clients::First).fresh()]
}

/// What the hour's topic keeps: an hour of it would be a hundred gigabytes, and the space that is given back is part of the work.
const HOUR_KEPT: u64 = 4 << 30;

pub(super) fn hour(scale: Scale) -> Vec<Case> {
    if scale != Scale::Full {
        return vec![];
    }
    let peak = Work::Classic { senders: 64, connections: Connections::OneForAll, bytes: 1024, seconds: 30 };
    let steps = vec![
        Step::Load(peak),
        Step::AtHalf {
            work: Work::Latency { rate: 1, bytes: 1024, seconds: 3_600, kept_bytes: Some(HOUR_KEPT) },
        },
        Step::Idle { seconds: 60 },
    ];
    let case = Case::of_steps("half of the peak", steps).only(&["forebay"]).fresh();
    vec![case.in_settings(Settings::First).by(Clients::First)]
}
