//! A story with its own process, because it takes all descriptors away.

mod toy;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use toy::{Answering, Desk, Hall, config};

#[test]
fn without_descriptors_new_clients_wait_until_one_is_free() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let (mut first, mut staying) = (hall.client(), hall.client());
    first.echo(b"while there are descriptors");
    staying.echo(b"while there are descriptors");
    // The lowest free descriptor becomes the last one that may be opened, and the next client takes it.
    let lowest_free = File::open("/dev/null").unwrap();
    let before = getrlimit(Resource::Nofile);
    let last = lowest_free.as_raw_fd() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(last + 1), maximum: before.maximum }).unwrap();
    drop(lowest_free);
    let mut waiting = hall.client();
    hall.wait_metric("accept_errors_total", 1);
    // It rests instead of asking the kernel again and again, and everyone else is served.
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(100) {
        staying.echo(b"during the shortage");
    }
    assert!(hall.metric("accept_errors_total") <= 3, "{}", hall.metric("accept_errors_total"));
    drop(first);
    waiting.echo(b"after somebody left");
    setrlimit(Resource::Nofile, before).unwrap();
}
