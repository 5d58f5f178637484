//! Several workers, each with some of the lanes.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::lane::Lane;
use super::worker::{self, Endurance, Shared};
use crate::client::ClusterOptions;
use crate::output::progress::Progress;

/// How often it is looked whether the work is over.
const LOOK: Duration = Duration::from_millis(50);

/// Carries lanes over: until all are done, or `is_over` says so.
pub fn carry(
    (source, target): (&ClusterOptions, &ClusterOptions),
    lanes: Vec<Lane>,
    workers: u16,
    endurance: Endurance,
    progress: &mut Progress,
    mut is_over: impl FnMut() -> bool,
) -> Vec<Lane> {
    let shared = Shared::default();
    let mut carried = thread::scope(|scope| {
        let hired: Vec<_> = shares(lanes, usize::from(workers))
            .into_iter()
            .map(|lanes| scope.spawn(|| worker::run(source, target, lanes, endurance, &shared)))
            .collect();
        while hired.iter().any(|worker| !worker.is_finished()) {
            if is_over() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            progress.tick(shared.records.load(Ordering::Relaxed), shared.bytes.load(Ordering::Relaxed));
            thread::sleep(LOOK);
        }
        let lanes = hired.into_iter().map(|worker| match worker.join() {
            Ok(lanes) => lanes,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        lanes.flatten().collect::<Vec<Lane>>()
    });
    carried.sort_by(|a, b| a.place.cmp(&b.place));
    carried
}

/// The lanes in as many shares as there are workers; none is empty.
fn shares(lanes: Vec<Lane>, workers: usize) -> Vec<Vec<Lane>> {
    let count = workers.min(lanes.len());
    let mut shares: Vec<Vec<Lane>> = (0..count).map(|_| Vec::new()).collect();
    for (at, lane) in lanes.into_iter().enumerate() {
        shares[at % count].push(lane);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Place;

    #[test]
    fn every_worker_gets_some_and_every_lane_goes_to_one() {
        let lane = |number| Lane::new(Place::new("t", number), "there".into(), None);
        let lens = |count| shares((0..count).map(lane).collect(), 3).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lens(7), [3, 2, 2]);
        assert_eq!(lens(2), [1, 1]);
        assert_eq!(lens(0), [0usize; 0]);
    }
}
