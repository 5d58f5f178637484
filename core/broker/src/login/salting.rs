//! Passwords that came as they are, and are being salted: some milliseconds of work each, on the threads of cold reads. So a few go at
//! once, and a few more wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use forebay_env::{IoClass, Job, Spawn};

use crate::broker::lock;

/// Threads that salt at once; the others are left to reads.
const SALTINGS_GOING_MAX: usize = 2;
/// Passwords that wait for one of them.
const SALTINGS_WAITING_MAX: usize = 256;

/// What is being salted on this node.
#[derive(Default)]
pub(crate) struct Saltings {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    going: usize,
    waiting: VecDeque<Job>,
}

/// The right to salt; given back when there is nothing more to salt, or a job panicked.
struct Going {
    saltings: Arc<Saltings>,
    is_over: bool,
}

impl Saltings {
    /// Does this when its turn comes. Where too many wait it is `false`, and nothing is done.
    pub(crate) fn begin(self: &Arc<Saltings>, spawn: &Arc<dyn Spawn>, job: Job) -> bool {
        let mut state = lock(&self.state);
        if state.waiting.len() >= SALTINGS_WAITING_MAX {
            return false;
        }
        state.waiting.push_back(job);
        if state.going < SALTINGS_GOING_MAX {
            state.going += 1;
            drop(state);
            Going { saltings: Arc::clone(self), is_over: false }.go_on(Arc::clone(spawn));
        }
        true
    }
}

impl Going {
    /// Does one job, and then the next, behind the reads that came meanwhile.
    fn go_on(mut self, spawn: Arc<dyn Spawn>) {
        let again = Arc::clone(&spawn);
        let one = move || {
            if let Some(job) = self.next() {
                job();
                self.go_on(again);
            }
        };
        spawn.spawn(IoClass::Read, Box::new(one));
    }

    /// Whether there is no more is decided under the same lock as whether somebody has to begin again.
    fn next(&mut self) -> Option<Job> {
        let mut state = lock(&self.saltings.state);
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.going -= 1;
            self.is_over = true;
        }
        next
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if !self.is_over {
            lock(&self.saltings.state).going -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs nothing by itself.
    #[derive(Default)]
    struct Later(Mutex<VecDeque<Job>>);

    impl Spawn for Later {
        fn spawn(&self, _: IoClass, job: Job) {
            lock(&self.0).push_back(job);
        }
    }

    impl Later {
        fn run_one(&self) -> bool {
            let job = lock(&self.0).pop_front();
            job.map(|job| job()).is_some()
        }
    }

    #[test]
    fn a_few_go_at_once_some_wait_and_all_are_done() {
        let (later, saltings, done) =
            (Arc::new(Later::default()), Arc::<Saltings>::default(), Arc::new(AtomicUsize::new(0)));
        let spawn: Arc<dyn Spawn> = later.clone();
        let job = || -> Job {
            let done = Arc::clone(&done);
            Box::new(move || {
                done.fetch_add(1, Ordering::Relaxed);
            })
        };
        for _ in 0..SALTINGS_WAITING_MAX {
            assert!(saltings.begin(&spawn, job()));
        }
        assert!(!saltings.begin(&spawn, job()), "one more waits for ever");
        assert_eq!(lock(&later.0).len(), SALTINGS_GOING_MAX);
        assert!(later.run_one());
        assert!(saltings.begin(&spawn, job()), "there is room again");
        while later.run_one() {}
        assert_eq!(done.load(Ordering::Relaxed), SALTINGS_WAITING_MAX + 1);
        // Nobody goes now, so somebody begins again.
        assert!(saltings.begin(&spawn, job()));
        while later.run_one() {}
        assert_eq!(done.load(Ordering::Relaxed), SALTINGS_WAITING_MAX + 2);
    }

    #[test]
    fn who_panics_gives_its_right_back() {
        let (later, saltings) = (Arc::new(Later::default()), Arc::<Saltings>::default());
        let spawn: Arc<dyn Spawn> = later.clone();
        for _ in 0..2 * SALTINGS_GOING_MAX {
            assert!(saltings.begin(&spawn, Box::new(|| panic!("a bug"))));
            let job = lock(&later.0).pop_front().unwrap();
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err());
        }
        assert_eq!(lock(&saltings.state).going, 0);
    }
}
