//! What one thread does until the time is over: keeps its lanes as full as they may be.

use std::time::{Duration, Instant};

use forebay_kafka::model::Timestamp;
use mio::{Events, Poll, Token};

use super::lane::{Flight, Lane, Load, Outcome};
use super::link::Drained;
use crate::client::deadline::NAP;
use crate::client::{ClientError, Interrupt};
use crate::output::time;

/// Sockets that are told of at a time.
const EVENTS_MAX: usize = 1024;

/// What is sent, and what becomes of it.
pub trait Feed {
    /// What goes out next on an open lane, if anything does now.
    fn next(&mut self, id: usize, lane: &Lane, now: Instant) -> Option<Load>;

    /// A request was answered.
    fn came(&mut self, id: usize, flight: &Flight, outcome: &Outcome<'_>, now: Instant);

    /// Whether nothing more will be sent.
    fn is_over(&self, now: Instant) -> bool;
}

/// How long the broker is waited for, and whether the user still wants it.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How long an answer may take.
    pub answer: Duration,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
}

/// Sends and reads until the feed is over, or the user wants to stop, and everything that was sent is answered.
///
/// # Errors
/// The lanes'.
pub fn pump(lanes: &mut [Lane], feed: &mut impl Feed, patience: &Patience) -> Result<(), ClientError> {
    let mut poll = Poll::new().map_err(of_the_system)?;
    for (id, lane) in lanes.iter_mut().enumerate() {
        lane.link().register(poll.registry(), Token(id)).map_err(of_the_system)?;
    }
    let mut events = Events::with_capacity(EVENTS_MAX);
    let mut looked = None;
    loop {
        let now = Instant::now();
        let is_over = feed.is_over(now) || patience.interrupt.is_raised();
        if is_over && lanes.iter().all(Lane::is_idle) {
            return Ok(());
        }
        if looked.is_none_or(|looked| now >= looked + NAP) {
            looked = Some(now);
            look_after(lanes, feed, patience, is_over, now)?;
        }
        match poll.poll(&mut events, Some(NAP)) {
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled.map_err(of_the_system)?,
        }
        for event in &events {
            let Token(id) = event.token();
            let lane = &mut lanes[id];
            if event.is_writable() {
                lane.write_on()?;
            }
            if event.is_readable() {
                while lane.read(|flight, outcome, now| feed.came(id, flight, outcome, now))? == Drained::No {}
            }
            fill(id, lane, feed, is_over)?;
        }
    }
}

/// Once in a while: lanes that nothing happens on. At first all of them.
fn look_after(
    lanes: &mut [Lane],
    feed: &mut impl Feed,
    patience: &Patience,
    is_over: bool,
    now: Instant,
) -> Result<(), ClientError> {
    for (id, lane) in lanes.iter_mut().enumerate() {
        lane.check_patience(patience.answer, now)?;
        fill(id, lane, feed, is_over)?;
    }
    Ok(())
}

fn fill(id: usize, lane: &mut Lane, feed: &mut impl Feed, is_over: bool) -> Result<(), ClientError> {
    if is_over {
        return Ok(());
    }
    let mut now = Instant::now();
    while lane.is_open(now) {
        let Some(load) = feed.next(id, lane, now) else { return Ok(()) };
        lane.send(load, now, Timestamp(time::now_ms()))?;
        now = Instant::now();
    }
    Ok(())
}

/// The system's own failure to poll: nobody else's fault.
pub fn of_the_system(why: std::io::Error) -> ClientError {
    ClientError::Invalid(format!("sockets cannot be polled: {why}"))
}
