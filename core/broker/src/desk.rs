//! How the exchanges of every namespace route at this node, and where their queues are: an index that follows the copy of the catalogue.

use std::collections::HashMap;

use forebay_machine::{Catalog, Exchanges, Namespaces, RoutingChange};
use forebay_model::exchange::QueueId;
use forebay_model::queue::NamespaceName;
use forebay_model::{PartitionId, ShardId};

use crate::routing::Router;

/// Every namespace.
#[derive(Default)]
pub(crate) struct Desks {
    seen: Option<Namespaces>,
    by_name: HashMap<NamespaceName, Desk>,
}

/// One namespace.
#[derive(Default)]
pub(crate) struct Desk {
    seen: Option<Exchanges>,
    router: Router,
    places: HashMap<QueueId, QueuePlace>,
}

/// Where a queue is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueuePlace {
    pub(crate) partition: PartitionId,
    pub(crate) shard: ShardId,
}

impl Desks {
    /// Takes a version of the catalogue over. What has not changed since the last costs next to nothing.
    pub(crate) fn follow(&mut self, catalogue: &Catalog) {
        let namespaces = catalogue.namespaces();
        if self.seen.as_ref().is_some_and(|seen| seen.is_shared_with(namespaces)) {
            return;
        }
        self.by_name.retain(|name, _| namespaces.get(name).is_some());
        for (name, exchanges) in namespaces.iter() {
            let desk = self.by_name.entry(name.clone()).or_default();
            desk.follow(name, exchanges, catalogue);
        }
        self.seen = Some(namespaces.clone());
    }

    /// A namespace; `None` if there is no such one.
    pub(crate) fn get(&self, name: &NamespaceName) -> Option<&Desk> {
        self.by_name.get(name)
    }
}

impl Desk {
    fn follow(&mut self, name: &NamespaceName, exchanges: &Exchanges, catalogue: &Catalog) {
        let changes = match &self.seen {
            Some(seen) if seen.is_shared_with(exchanges) => return,
            Some(seen) => exchanges.changes_since(seen),
            None => exchanges.all().collect(),
        };
        for change in &changes {
            match change {
                RoutingChange::QueueRemoved(queue) => {
                    let id = self.seen.as_ref().and_then(|seen| seen.queue(queue));
                    id.map(|id| self.places.remove(&id));
                }
                RoutingChange::QueueAdded(queue, id) => {
                    let topic = catalogue.queue(name, queue);
                    let written = topic.and_then(|topic| topic.partitions.first());
                    let place = written.map(|at| QueuePlace { partition: at.id, shard: at.shard });
                    self.places.extend(place.map(|place| (*id, place)));
                }
                _ => {}
            }
            self.router.apply(change);
        }
        self.seen = Some(exchanges.clone());
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Where a queue that was routed to is.
    pub(crate) fn place(&self, queue: QueueId) -> Option<QueuePlace> {
        self.places.get(&queue).copied()
    }
}

#[cfg(test)]
mod tests {
    use forebay_machine::{
        Command, CreateQueue, Effects, MACHINE_VERSION_QUEUES, Machine, Meta, Outcome, Route, RouteChange,
        Stay,
    };
    use forebay_model::exchange::{
        Arguments, Binding, Destination, ExchangeName, ExchangeRefusal, QueueName, RoutingKey,
    };
    use forebay_model::queue::QueueDeclaration;
    use forebay_model::{LogIndex, LogTime, Term, TopicId};

    use super::*;
    use crate::routing::{Routed, Scratch};

    struct World {
        machine: Machine,
        index: u64,
        desks: Desks,
    }

    impl World {
        fn new() -> World {
            let machine = Machine::new(ShardId(0));
            let mut world = World { machine, index: 0, desks: Desks::default() };
            world.apply(Command::SetMachineVersion { version: MACHINE_VERSION_QUEUES });
            world
        }

        fn apply(&mut self, command: Command) -> Outcome {
            self.index += 1;
            let meta = Meta { index: LogIndex(self.index), term: Term(1), time: LogTime(0) };
            self.machine.apply(meta, command, &mut Effects::default()).unwrap()
        }

        fn route(&mut self, change: RouteChange) -> Outcome {
            self.apply(Command::Route(Route { namespace: NamespaceName::default(), change }))
        }

        fn create(&mut self, name: &str, id: u8, shard: u32) -> PartitionId {
            let declaration = QueueDeclaration::of(QueueName::parse(name).unwrap());
            let (id, shard) = (TopicId([id; 16]), ShardId(shard));
            let create = CreateQueue { declaration, id, shard, stay: Stay::ForEver };
            let Outcome::TopicCreated(topic) = self.route(RouteChange::CreateQueue(create)) else {
                panic!("not created")
            };
            topic.partitions[0].id
        }

        fn bind(&mut self, queue: &str) {
            let binding = Binding {
                source: ExchangeName::parse("amq.fanout").unwrap(),
                destination: Destination::Queue(QueueName::parse(queue).unwrap()),
                key: RoutingKey::default(),
                arguments: Arguments::default(),
            };
            assert_eq!(self.route(RouteChange::Bind(binding)), Outcome::Routed(Ok::<_, ExchangeRefusal>(())));
        }

        /// Where a message goes once the catalogue is heard of.
        fn places(&mut self, exchange: &str, key: &str) -> Vec<(u64, u32)> {
            self.desks.follow(self.machine.catalog());
            let desk = self.desks.get(&NamespaceName::default()).unwrap();
            let mut scratch = Scratch::default();
            let message = Routed { keys: &[key.as_bytes()], ..Routed::default() };
            desk.router().publish(exchange, &message, &mut scratch).unwrap();
            let place = |queue: &QueueId| desk.place(*queue).expect("a queue that was found has a place");
            scratch.queues().iter().map(place).map(|place| (place.partition.0, place.shard.0)).collect()
        }
    }

    #[test]
    fn it_follows_the_catalogue_and_knows_where_queues_are() {
        let mut world = World::new();
        assert_eq!(world.places("", "a"), []);
        let a = world.create("a", 1, 1);
        let b = world.create("b", 2, 2);
        assert_eq!(world.places("", "a"), [(a.0, 1)]);
        world.bind("a");
        world.bind("b");
        assert_eq!(world.places("amq.fanout", ""), [(a.0, 1), (b.0, 2)]);
        // Gone, and there again as another one, before anybody heard.
        world.apply(Command::DeleteTopic { id: TopicId([1; 16]) });
        let again = world.create("a", 3, 3);
        world.bind("a");
        assert_eq!(world.places("amq.fanout", ""), [(b.0, 2), (again.0, 3)]);
        world.apply(Command::DeleteTopic { id: TopicId([2; 16]) });
        assert_eq!(world.places("amq.fanout", ""), [(again.0, 3)]);
        assert_eq!(world.places("", "b"), []);
        let desk = world.desks.get(&NamespaceName::default()).unwrap();
        assert_eq!(desk.places.len(), 1, "what went is forgotten");
        assert!(world.desks.get(&NamespaceName::parse("elsewhere").unwrap()).is_none());
    }
}
