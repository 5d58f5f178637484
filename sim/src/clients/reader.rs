//! Readers: from the start to the tail, along the tail, or anywhere; and in the end over everything.

use forebay_model::fetch::{Fetch, FetchItem, Fetched, Isolation};
use forebay_model::{Offset, PartitionRef, Refusal, Reply, Request, TopicRef};

use super::{Client, Desk, Route, may_retry};
use crate::checkers::{self, Broken, Check};
use crate::history::Place;

/// A client gives up waiting for one answer.
const CALL_MS_MAX: u64 = 3_000;
/// The timer of the next fetch.
const NEXT: u64 = 1 << 62;

/// How it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    /// From the start on, and then along the tail.
    Follows,
    /// Anywhere.
    Jumps,
    /// Once over everything, from the start to the end.
    Sweeps,
}

/// A reader of one partition.
pub struct Reader {
    kind: ReaderKind,
    place: Place,
    pace_ms: u64,
    route: Route,
    next: u64,
    /// Whether the offset asked for was known to exist when the question was sent: it may come to exist while the answer is
    /// on its way.
    existed: bool,
    end: u64,
    waits: Option<u64>,
    stops: bool,
    over: bool,
}

impl Reader {
    /// A reader of `place`.
    pub fn new(kind: ReaderKind, place: Place, pace_ms: u64, desk: &mut Desk<'_>) -> Reader {
        let route = Route::any(desk.rng, desk.cluster.plan.nodes);
        Reader {
            kind,
            place,
            pace_ms,
            route,
            next: 0,
            existed: false,
            end: 0,
            waits: None,
            stops: false,
            over: false,
        }
    }

    fn fetch(&mut self, desk: &mut Desk<'_>) {
        if self.waits.is_some() || self.stops {
            return;
        }
        if self.kind == ReaderKind::Jumps {
            self.next = desk.rng.below(self.end + 2);
        }
        self.existed = desk.cluster.history.known(self.place).facts.contains_key(&self.next);
        let bytes_max = desk.rng.pick(&[200, 2_000, 50_000]);
        let item = FetchItem {
            partition: PartitionRef { topic: TopicRef::Id(self.place.topic), number: self.place.number },
            offset: Offset(self.next),
            bytes_max,
            leader_epoch: None,
        };
        let wait_ms_max = if self.kind == ReaderKind::Sweeps { 0 } else { desk.rng.pick(&[0, 50, 500]) };
        let request = Fetch {
            items: vec![item],
            bytes_min: 1,
            bytes_max,
            wait_ms_max,
            isolation: Isolation::Uncommitted,
        };
        let token = desk.call(self.route.node(), Request::Fetch(request));
        self.waits = Some(token);
        desk.ring_after(CALL_MS_MAX, token);
    }

    fn fetched(&mut self, desk: &mut Desk<'_>, fetched: Fetched) -> Check {
        let now_ms = desk.now_ms();
        let history = &mut desk.cluster.history;
        let refusal = match fetched {
            Ok(records) => {
                checkers::read(history, self.place, self.next, &records, now_ms)?;
                desk.cluster.counters.hit("reads");
                desk.cluster.trace.note(&[self.next, records.high_watermark.0, records.bytes() as u64]);
                let behind = checkers::end_of(&records).unwrap_or(self.next);
                return self.served(desk, behind, records.high_watermark.0);
            }
            Err(refused) => refused.refusal,
        };
        match refusal {
            Refusal::OffsetOutOfRange { start, end } => {
                let wanted = Some(self.next).filter(|_| self.existed);
                checkers::out_of_range(history, self.place, wanted, start.0, end.0, now_ms)?;
                desk.cluster.counters.hit("reads out of range");
                self.end = end.0;
                if self.next < start.0 {
                    self.next = start.0;
                } else {
                    // A leader that does not know yet that it is none: another one will.
                    self.route.elsewhere(desk.rng);
                }
            }
            refusal if may_retry(&refusal) => self.route.refused(desk.rng, &refusal),
            refusal => {
                let what = format!("{:?} at {}: {refusal:?}", self.place, self.next);
                return Err(Broken { promise: "a partition can be read", what });
            }
        }
        desk.ring_after(30, NEXT);
        Ok(())
    }

    fn served(&mut self, desk: &mut Desk<'_>, behind: u64, high_watermark: u64) -> Check {
        self.end = self.end.max(high_watermark);
        self.next = behind;
        if self.kind == ReaderKind::Sweeps && self.next >= high_watermark {
            (self.over, self.stops) = (true, true);
            return checkers::read_to_the_end(&mut desk.cluster.history, self.place, self.next);
        }
        let caught_up = self.next >= self.end;
        let after = match self.kind {
            ReaderKind::Sweeps => 0,
            _ if caught_up => desk.rng.between(1, 2 * self.pace_ms),
            _ => desk.rng.between(1, self.pace_ms),
        };
        desk.ring_after(after, NEXT);
        Ok(())
    }
}

impl Client for Reader {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.fetch(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.waits != Some(token) {
            return Ok(());
        }
        self.waits = None;
        match reply {
            Some(Reply::Fetch(mut fetched)) => self.fetched(desk, fetched.remove(0)),
            _ => {
                self.route.elsewhere(desk.rng);
                desk.ring_after(30, NEXT);
                Ok(())
            }
        }
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => self.fetch(desk),
            token if self.waits == Some(token) => desk.hang_up(self.route.node()),
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, _desk: &mut Desk<'_>) {
        if self.kind != ReaderKind::Sweeps {
            self.stops = true;
        }
    }

    fn waits_for(&self) -> Option<String> {
        (self.kind == ReaderKind::Sweeps && !self.over)
            .then(|| format!("a read of {:?} to its end", self.place))
    }
}
