//! An input that never comes back is a finding too: a thread looks on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::findings;

/// Longest time for one input: far above what any needs, on a busy machine and in a build without optimisation.
const LIMIT: Duration = Duration::from_secs(20);

/// What runs now.
struct Running {
    target: &'static str,
    input: Vec<u8>,
    since: Instant,
}

/// Knows what runs, and ends the process when it runs too long.
#[derive(Clone, Default)]
pub struct Watchdog(Arc<Mutex<Option<Running>>>);

impl Watchdog {
    /// Starts to look on; findings go to this folder.
    pub fn start(folder: PathBuf) -> Watchdog {
        let watchdog = Watchdog::default();
        let watched = watchdog.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                watched.look(&folder);
            }
        });
        watchdog
    }

    fn look(&self, folder: &std::path::Path) {
        let running = self.0.lock().expect("no one panics with it");
        if let Some(running) = running.as_ref()
            && running.since.elapsed() > LIMIT
        {
            let what = format!("runs for more than {} s", LIMIT.as_secs());
            findings::report(folder, running.target, &running.input, &what);
            std::process::exit(1);
        }
    }

    /// An input begins. Its bytes are copied, without a new allocation as a rule.
    pub fn begin(&self, target: &'static str, input: &[u8]) {
        let mut running = self.0.lock().expect("no one panics with it");
        let mut copy = running.take().map_or_else(Vec::new, |before| before.input);
        copy.clear();
        copy.extend_from_slice(input);
        *running = Some(Running { target, input: copy, since: Instant::now() });
    }

    /// Nothing runs until the next input begins.
    pub fn rest(&self) {
        *self.0.lock().expect("no one panics with it") = None;
    }
}
