//! Makes the topics that every other client works with.

use std::collections::VecDeque;

use forebay_model::acl::Right;
use forebay_model::admin::{CreateTopics, DescribeTopics, NewTopic, TopicSelection};
use forebay_model::{
    FlushClass, Refusal, Reply, Request, TimestampType, TopicName, TopicRef, TopicSettings, TopicView,
};

use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check};
use crate::history::TopicFacts;
use crate::plan::Plan;
use crate::random::Rng;

/// Creates, until all are there.
pub struct Creator {
    todo: VecDeque<NewTopic>,
    route: Route,
    waits: Option<u64>,
    describes: bool,
}

impl Creator {
    /// Will create the topics of a run, one of them on an async shard if there is one.
    pub fn new(rng: &mut Rng, plan: &Plan) -> Creator {
        let topic = |name: &str, partitions, settings| NewTopic {
            name: name.into(),
            partitions: Some(partitions),
            replicas: None,
            assignment: Vec::new(),
            settings: Ok(settings),
        };
        let plain = TopicSettings::default();
        let by_time = TopicSettings { retention_ms: Some(Some(12_000)), ..plain.clone() };
        let by_bytes = TopicSettings { retention_bytes: Some(Some(20_000)), ..plain.clone() };
        let by_log = TopicSettings { timestamp_type: Some(TimestampType::Append), ..plain.clone() };
        let quick = TopicSettings { flush: Some(FlushClass::Async), ..plain.clone() };
        let mut todo = VecDeque::from([
            topic("orders", 3, plain),
            topic("recent", 1, by_time),
            topic("small", 1, by_bytes),
            topic("stamped", 1, by_log),
        ]);
        if plan.sizes.shards_async > 0 {
            todo.push_back(topic("quick", 2, quick));
        }
        Creator { todo, route: Route::any(rng, plan.nodes), waits: None, describes: false }
    }

    fn go_on(&mut self, desk: &mut Desk<'_>) {
        let Some(topic) = self.todo.front() else { return };
        let request = if self.describes {
            let name = TopicName::parse(&topic.name).expect("our own names are names");
            let topics = TopicSelection::These(vec![TopicRef::Name(name)]);
            Request::DescribeTopics(DescribeTopics { topics, right: Right::Describe, create: false })
        } else {
            Request::CreateTopics(CreateTopics {
                topics: vec![topic.clone()],
                dry_run: false,
                timeout_ms: 1000,
            })
        };
        self.waits = Some(desk.call(self.route.node(), request));
    }

    fn created(&mut self, desk: &mut Desk<'_>, view: &TopicView) {
        let facts = TopicFacts {
            name: view.name.clone(),
            settings: view.settings.clone(),
            shards: view.partitions.iter().map(|partition| partition.shard).collect(),
        };
        desk.cluster.history.topics.insert(view.id, facts);
        self.todo.pop_front();
        self.describes = false;
        self.go_on(desk);
    }

    fn refused(&mut self, desk: &mut Desk<'_>, refusal: &Refusal) -> Check {
        match refusal {
            Refusal::TopicExists => self.describes = true,
            Refusal::UnknownTopic => self.describes = false,
            refusal if may_retry(refusal) => self.route.refused(desk.rng, refusal),
            refusal => {
                let what = format!("creating a topic: {refusal:?}");
                return Err(Broken { promise: "a topic can be created", what });
            }
        }
        desk.ring_after(50, 0);
        Ok(())
    }
}

impl Client for Creator {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.go_on(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.waits != Some(token) {
            return Ok(());
        }
        self.waits = None;
        let result = match reply {
            Some(Reply::CreateTopics(mut created)) => created.remove(0).topic,
            Some(Reply::DescribeTopics(_, mut described)) => described.remove(0).topic,
            _ => Err(Refusal::Unknown),
        };
        match result {
            Ok(view) => {
                self.created(desk, &view);
                Ok(())
            }
            Err(refusal) => self.refused(desk, &refusal),
        }
    }

    fn rang(&mut self, desk: &mut Desk<'_>, _timer: u64) -> Check {
        self.go_on(desk);
        Ok(())
    }

    fn wind_down(&mut self, _desk: &mut Desk<'_>) {}

    fn waits_for(&self) -> Option<String> {
        self.todo.front().map(|topic| format!("the creation of {}", topic.name))
    }
}
