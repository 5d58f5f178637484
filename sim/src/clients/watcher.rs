//! A reader of completed transactions beside the producer that makes them: it reads at any time, so that it meets those that are open.

use forebay_model::{Refusal, Reply};

use super::completed::{PARTITIONS, Reading};
use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check};

/// A client gives up waiting for one answer.
const CALL_MS_MAX: u64 = 3_000;
/// The timer of the next step.
const NEXT: u64 = 1 << 62;

/// See the module.
pub struct Watcher {
    route: Route,
    reading: Reading,
    waits: Option<u64>,
    stops: bool,
}

impl Watcher {
    /// One that has read nothing yet.
    pub fn new(desk: &mut Desk<'_>) -> Watcher {
        let route = Route::any(desk.rng, desk.cluster.plan.nodes);
        Watcher { route, reading: Reading::default(), waits: None, stops: false }
    }

    fn go_on(&mut self, desk: &mut Desk<'_>) {
        if self.stops || self.waits.is_some() {
            return;
        }
        let token = desk.call(self.route.node(), self.reading.request());
        self.waits = Some(token);
        desk.ring_after(CALL_MS_MAX, token);
    }

    fn heard(&mut self, desk: &mut Desk<'_>, reply: Reply) -> Check {
        let Reply::Fetch(mut fetched) = reply else {
            let what = format!("an answer to something else: {reply:?}");
            return Err(Broken { promise: "a request is answered once", what });
        };
        let records = match fetched.remove(0) {
            Ok(records) => records,
            Err(refused) => return self.refused(desk, &refused.refusal),
        };
        self.reading.take(&records);
        desk.cluster.ends.seen(self.reading.partition, &self.reading.numbers)?;
        if desk.cluster.ends.is_open() {
            desk.cluster.counters.hit("reads of completed transactions beside an open one");
        }
        if records.records.is_empty() {
            // The other one, or the same again, or from where it is.
            match desk.rng.below(3) {
                0 => {}
                1 => self.reading = Reading::of(self.reading.partition),
                _ => self.reading = Reading::of((self.reading.partition + 1) % PARTITIONS),
            }
        }
        Ok(())
    }

    fn refused(&mut self, desk: &mut Desk<'_>, refusal: &Refusal) -> Check {
        match refusal {
            refusal if may_retry(refusal) => self.route.refused(desk.rng, refusal),
            // Not made yet; or a node that is behind.
            Refusal::UnknownTopic | Refusal::UnknownPartition | Refusal::OffsetOutOfRange { .. } => {
                self.route.elsewhere(desk.rng);
            }
            refusal => {
                let what = format!("{:?}: {refusal:?}", self.reading);
                return Err(Broken { promise: "what is there can be read", what });
            }
        }
        Ok(())
    }
}

impl Client for Watcher {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.go_on(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.waits != Some(token) {
            return Ok(());
        }
        self.waits = None;
        match reply {
            Some(reply) => self.heard(desk, reply)?,
            None => self.route.elsewhere(desk.rng),
        }
        let after = desk.rng.between(5, 200);
        desk.ring_after(after, NEXT);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => self.go_on(desk),
            token if self.waits == Some(token) => desk.hang_up(self.route.node()),
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, _: &mut Desk<'_>) {
        self.stops = true;
    }

    fn waits_for(&self) -> Option<String> {
        None
    }
}
