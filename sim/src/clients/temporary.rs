//! Makes topics and deletes them again.

use forebay_model::admin::{CreateTopics, DeleteTopics, NewTopic};
use forebay_model::{Refusal, Reply, Request, TopicName, TopicRef, TopicSettings};

use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check};

/// One topic after the other.
pub struct Temporary {
    number: u32,
    exists: bool,
    route: Route,
    waits: Option<u64>,
    stops: bool,
}

impl Temporary {
    /// None yet.
    pub fn new(desk: &mut Desk<'_>) -> Temporary {
        Temporary {
            number: 0,
            exists: false,
            route: Route::any(desk.rng, desk.cluster.plan.nodes),
            waits: None,
            stops: false,
        }
    }

    fn name(&self) -> String {
        format!("temporary-{}", self.number)
    }

    fn go_on(&mut self, desk: &mut Desk<'_>) {
        if self.stops || self.waits.is_some() {
            return;
        }
        let request = if self.exists {
            let name = TopicName::parse(&self.name()).expect("our own names are names");
            Request::DeleteTopics(DeleteTopics { topics: vec![TopicRef::Name(name)], timeout_ms: 1000 })
        } else {
            let topic = NewTopic {
                name: self.name(),
                partitions: Some(desk.rng.between(1, 4) as u32),
                replicas: None,
                assignment: Vec::new(),
                settings: Ok(TopicSettings::default()),
            };
            Request::CreateTopics(CreateTopics { topics: vec![topic], dry_run: false, timeout_ms: 1000 })
        };
        let token = desk.call(self.route.node(), request);
        self.waits = Some(token);
        desk.ring_after(4_000, token);
    }

    fn heard(&mut self, desk: &mut Desk<'_>, result: Result<(), Refusal>) -> Check {
        match (result, self.exists) {
            (Ok(()) | Err(Refusal::TopicExists), false) => {
                desk.cluster.counters.hit("topics created");
                self.exists = true;
            }
            (Ok(()) | Err(Refusal::UnknownTopic), true) => {
                desk.cluster.counters.hit("topics deleted");
                self.exists = false;
                self.number += 1;
            }
            (Err(refusal), _) if may_retry(&refusal) => self.route.refused(desk.rng, &refusal),
            (result, _) => {
                let what = format!("{}: {result:?}", self.name());
                return Err(Broken { promise: "a topic can be created and deleted", what });
            }
        }
        Ok(())
    }
}

impl Client for Temporary {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.go_on(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.waits != Some(token) {
            return Ok(());
        }
        self.waits = None;
        let result = match reply {
            Some(Reply::CreateTopics(mut created)) => created.remove(0).topic.map(|_| ()),
            Some(Reply::DeleteTopics(mut deleted)) => deleted.remove(0).result.map(|_| ()),
            _ => Err(Refusal::Unknown),
        };
        self.heard(desk, result)?;
        let after = desk.rng.between(100, 1500);
        desk.ring_after(after, 0);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            0 => self.go_on(desk),
            token if self.waits == Some(token) => desk.hang_up(self.route.node()),
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, _desk: &mut Desk<'_>) {
        self.stops = true;
    }

    fn waits_for(&self) -> Option<String> {
        None
    }
}
