//! Threads that run blocking jobs, a pool per [`IoClass`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{IoClass, Job, Spawn};

/// Threads of one pool end after this long without work.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// More flushes than this at once only queue inside the kernel.
const FLUSH_THREADS_MAX: usize = 16;
const READ_THREADS_MAX: usize = 4;
const BACKGROUND_THREADS_MAX: usize = 1;

pub(crate) struct Threads {
    flush: Arc<Pool>,
    read: Arc<Pool>,
    background: Arc<Pool>,
}

impl Threads {
    pub(crate) fn new() -> Threads {
        Threads {
            flush: Pool::new("flush", FLUSH_THREADS_MAX),
            read: Pool::new("read", READ_THREADS_MAX),
            background: Pool::new("background", BACKGROUND_THREADS_MAX),
        }
    }
}

impl Spawn for Threads {
    fn spawn(&self, class: IoClass, job: Job) {
        match class {
            IoClass::Flush => self.flush.spawn(job),
            IoClass::Read => self.read.spawn(job),
            IoClass::Background => self.background.spawn(job),
        }
    }
}

struct Pool {
    name: &'static str,
    threads_max: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    fn new(name: &'static str, threads_max: usize) -> Arc<Pool> {
        Arc::new(Pool { name, threads_max, state: Mutex::default(), work: Condvar::new() })
    }

    fn spawn(self: &Arc<Self>, job: Job) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.work.notify_one();
        } else if state.threads < self.threads_max {
            state.threads += 1;
            drop(state);
            let pool = Arc::clone(self);
            std::thread::Builder::new()
                .name(format!("fb-{}", self.name))
                .spawn(move || pool.run())
                .expect("the operating system grants a few threads");
        }
    }

    fn run(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A job reports its own failure; its panic must not take the pool with it.
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                    eprintln!("forebay: a {} job panicked", self.name);
                }
                state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.idle += 1;
            let (next, waited) =
                self.work.wait_timeout(state, IDLE_MAX).unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn every_job_runs_in_every_class() {
        let threads = Threads::new();
        let (tx, rx) = mpsc::channel();
        for class in [IoClass::Flush, IoClass::Read, IoClass::Background] {
            for _ in 0..100 {
                let tx = tx.clone();
                threads.spawn(class, Box::new(move || tx.send(class).expect("the test listens")));
            }
        }
        drop(tx);
        assert_eq!(rx.iter().count(), 300);
    }
}
