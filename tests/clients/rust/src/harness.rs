//! The driver's surroundings, waiting for conditions, and asking the harness for a crash.

use std::env::var;
use std::io::{BufRead, stdin};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Past this a wait has failed. The harness has limits of its own; this one names what was waited for.
pub const WAIT: Duration = Duration::from_secs(40);

/// Where the broker listens.
pub fn bootstrap() -> String {
    var("BOOTSTRAP").expect("BOOTSTRAP is set")
}

/// A topic or group name of this case's own.
pub fn name(part: &str) -> String {
    format!("{}{part}", var("PREFIX").expect("PREFIX is set"))
}

/// Checks a condition until it holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < end, "timed out waiting until {what}");
        sleep(Duration::from_millis(5));
    }
}

/// kill -9 and a new start of the broker; returns when it answers again.
pub fn kill_broker() {
    println!("@kill9");
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).expect("the harness answers");
    assert_eq!(answer.trim(), "ok", "the harness's answer");
}
