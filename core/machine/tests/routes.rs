//! Exchanges, bindings and queues in the replicated state: what changes the catalogue, what goes with what, and what a checkpoint keeps.

use forebay_machine::*;
use forebay_model::exchange::{
    Argument, Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, ExchangeRefusal,
    Float, HeaderValue, QueueId, QueueName, RoutingKey,
};
use forebay_model::limits::ARGUMENT_DEPTH_MAX;
use forebay_model::queue::{NamespaceName, QueueDeclaration, QueueSettings};
use forebay_model::{
    Attempts, LogIndex, LogTime, NodeId, Refusal, ShardId, Term, Timestamp, TopicId, TopicName,
};

struct Shard {
    machine: Machine,
    index: u64,
}

impl Shard {
    fn new(version: u32) -> Shard {
        let mut shard = Shard { machine: Machine::new(CATALOGUE_SHARD), index: 0 };
        shard.apply(Command::SetMachineVersion { version });
        shard
    }

    /// Each command goes the way that it goes in a log.
    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let meta = Meta { index: LogIndex(self.index), term: Term(1), time: LogTime(5) };
        let before = self.machine.catalog().version();
        let mut effects = Effects::default();
        let stored =
            decode_commands(&encode_commands(std::slice::from_ref(&command))).expect("it was encoded");
        assert_eq!(stored, [command]);
        let command = stored.into_iter().next().expect("one command");
        let outcome = self.machine.apply(meta, command, &mut effects).expect("a known version");
        let after = self.machine.catalog().version();
        assert_eq!(effects.catalogue_version, (before != after).then_some(after));
        outcome
    }

    fn change(&mut self, change: RouteChange) -> Outcome {
        self.apply(Command::Route(Route { namespace: NamespaceName::default(), change }))
    }

    /// Whether it changed the catalogue.
    fn changes(&mut self, change: RouteChange) -> bool {
        let before = self.version();
        assert_eq!(self.change(change), Outcome::Routed(Ok(())));
        self.version() != before
    }

    fn refused(&mut self, change: RouteChange) -> ExchangeRefusal {
        let before = self.version();
        let Outcome::Routed(Err(refusal)) = self.change(change) else { panic!("it was not refused") };
        assert_eq!(self.version(), before);
        refusal
    }

    fn version(&self) -> u64 {
        self.machine.catalog().version()
    }

    fn exchanges(&self) -> &Exchanges {
        self.machine.catalog().namespaces().get(&NamespaceName::default()).expect("it is always there")
    }

    fn restored(&self) -> Shard {
        let machine =
            Machine::decode_checkpoint(&self.machine.encode_checkpoint()).expect("our own checkpoint");
        assert_eq!(machine.encode_checkpoint(), self.machine.encode_checkpoint());
        Shard { machine, index: self.index }
    }
}

fn exchange(name: &str) -> Declaration {
    Declaration {
        name: ExchangeName::parse(name).unwrap(),
        kind: ExchangeKind::Topic,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Arguments::default(),
    }
}

fn queue(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn create(name: &str, id: u8) -> RouteChange {
    create_for(name, id, Stay::ForEver)
}

fn create_for(name: &str, id: u8, stay: Stay) -> RouteChange {
    let settings = QueueSettings {
        attempts_max: Some(Attempts(20)),
        lease_ms: Some(1_800_000),
        expires_ms: Some(60_000),
        single_active: true,
    };
    let arguments = Arguments::new(&[Argument::new("x-queue-type", HeaderValue::text("quorum"))]).unwrap();
    let declaration = QueueDeclaration { arguments, settings, ..QueueDeclaration::of(queue(name)) };
    RouteChange::CreateQueue(CreateQueue { declaration, id: TopicId([id; 16]), shard: ShardId(1), stay })
}

fn bind(source: &str, destination: &str, arguments: &[Argument]) -> Binding {
    Binding {
        source: ExchangeName::parse(source).unwrap(),
        destination: Destination::Queue(queue(destination)),
        key: RoutingKey::from(&b"a.*.\xff"[..]),
        arguments: Arguments::new(arguments).unwrap(),
    }
}

#[test]
fn what_is_as_asked_already_is_no_change() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES);
    assert!(shard.changes(RouteChange::DeclareExchange(exchange("x"))));
    assert!(!shard.changes(RouteChange::DeclareExchange(exchange("x"))));
    assert!(matches!(shard.change(create("q", 1)), Outcome::TopicCreated(_)));
    let bound = bind("x", "q", &[]);
    assert!(shard.changes(RouteChange::Bind(bound.clone())));
    assert!(!shard.changes(RouteChange::Bind(bound.clone())));
    assert!(shard.changes(RouteChange::Unbind(bound.clone())));
    assert!(!shard.changes(RouteChange::Unbind(bound)));
    let name = ExchangeName::parse("x").unwrap();
    let delete = || RouteChange::DeleteExchange { name: name.clone(), if_unused: true };
    assert!(shard.changes(delete()));
    assert!(!shard.changes(delete()));
    let refused = shard.refused(RouteChange::Bind(bind("x", "q", &[])));
    assert_eq!(refused, ExchangeRefusal::UnknownExchange(name));
}

#[test]
fn a_queue_comes_and_goes_with_its_topic() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES);
    let Outcome::TopicCreated(topic) = shard.change(create("orders", 1)) else { panic!("not created") };
    assert_eq!(topic.name, TopicName::parse("orders").unwrap());
    assert_eq!((topic.settings.retention_ms, topic.settings.retention_bytes), (Some(None), Some(None)));
    assert_eq!(topic.queue.as_ref().map(|queue| queue.declaration.name.as_str()), Some("orders"));
    let id = shard.exchanges().queue(&queue("orders"));
    assert_eq!(id, Some(QueueId(topic.partitions[0].id.0)));
    assert_eq!(shard.change(create("orders", 2)), Outcome::Refused(Refusal::TopicExists));

    shard.changes(RouteChange::Bind(bind("amq.topic", "orders", &[])));
    let grow = AddPartitions { id: topic.id, total: 2, shards: vec![ShardId(1)] };
    assert!(matches!(shard.apply(Command::AddPartitions(grow)), Outcome::Refused(_)));
    shard.apply(Command::DeleteTopic { id: topic.id });
    assert_eq!((shard.exchanges().queue(&queue("orders")), shard.exchanges().bindings_len()), (None, 0));
    // A new one of the name is another queue.
    let Outcome::TopicCreated(again) = shard.change(create("orders", 3)) else { panic!("not created") };
    assert_ne!(shard.exchanges().queue(&queue("orders")), id);
    assert_ne!(again.partitions[0].id, topic.partitions[0].id);
}

#[test]
fn queues_that_stay_for_somebody_go_with_it() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES);
    let process = |node, run| Process { node: NodeId(node), run };
    let stays = [
        ("for ever", Stay::ForEver),
        ("this run", Stay::Process(process(1, 7))),
        ("before", Stay::Process(process(1, 6))),
        ("mine", Stay::Connection(process(1, 7), 3)),
        ("yours", Stay::Connection(process(1, 7), 4)),
        ("mine before", Stay::Connection(process(1, 6), 3)),
        ("elsewhere", Stay::Connection(process(2, 6), 3)),
    ];
    for (id, (name, stay)) in (1..).zip(stays) {
        shard.apply(Command::Route(Route {
            namespace: NamespaceName::default(),
            change: create_for(name, id, stay),
        }));
    }
    shard.change(RouteChange::Bind(bind("amq.topic", "mine", &[])));
    let left = |shard: &Shard| -> Vec<String> {
        shard.exchanges().queues().map(|(name, _)| name.as_str().to_owned()).collect()
    };
    assert_eq!(left(&shard).len(), 7);

    let end = |end| RouteChange::EndStays(end);
    assert!(!shard.changes(end(EndOfStay::Connection(process(1, 7), 5))), "it had none");
    assert!(shard.changes(end(EndOfStay::Connection(process(1, 7), 3))));
    assert_eq!(left(&shard), ["before", "elsewhere", "for ever", "mine before", "this run", "yours"]);
    assert_eq!(shard.exchanges().bindings_len(), 0, "bindings go with their queue");

    let mut restored = shard.restored();
    for shard in [&mut shard, &mut restored] {
        assert!(shard.changes(end(EndOfStay::Before(process(1, 7)))));
        assert_eq!(left(shard), ["elsewhere", "for ever", "this run", "yours"]);
        assert!(!shard.changes(end(EndOfStay::Before(process(1, 7)))));
        // Deleted by somebody, it is nobody's any more.
        shard.apply(Command::DeleteTopic { id: TopicId([5; 16]) });
        assert!(!shard.changes(end(EndOfStay::Connection(process(1, 7), 4))));
    }
}

#[test]
fn the_name_of_a_topic_is_taken_for_queues_too() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES);
    let topic = CreateTopic {
        name: TopicName::parse("orders").unwrap(),
        id: TopicId([9; 16]),
        settings: Default::default(),
        shards: vec![ShardId(1), ShardId(1)],
    };
    shard.apply(Command::CreateTopic(topic));
    assert_eq!(shard.change(create("orders", 1)), Outcome::Refused(Refusal::TopicExists));
    assert!(matches!(shard.change(create("no topic's name", 1)), Outcome::TopicCreated(_)));
}

#[test]
fn nothing_is_in_a_namespace_that_is_not_there() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES);
    let namespace = NamespaceName::parse("shop").unwrap();
    for change in [create("q", 1), RouteChange::DeclareExchange(exchange("x"))] {
        let outcome = shard.apply(Command::Route(Route { namespace: namespace.clone(), change }));
        assert!(matches!(outcome, Outcome::Refused(_) | Outcome::Routed(Err(_))), "{outcome:?}");
    }
    assert_eq!((shard.version(), shard.machine.catalog().topics_len()), (0, 0));
}

#[test]
fn older_machine_versions_have_none_of_it() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES - 1);
    let change = RouteChange::DeclareExchange(exchange("x"));
    assert!(matches!(shard.change(change.clone()), Outcome::Refused(Refusal::Unsupported(_))));
    let route = Command::Route(Route { namespace: NamespaceName::default(), change });
    assert_eq!(route.since(), MACHINE_VERSION_QUEUES);
    assert!(
        shard.restored().machine.encode_checkpoint().iter().all(|(kind, _)| *kind != SectionKind::NAMESPACES)
    );
}

#[test]
fn a_checkpoint_keeps_all_of_it() {
    let mut shard = Shard::new(MACHINE_VERSION_QUEUES);
    let mut nested = HeaderValue::List(vec![HeaderValue::Void]);
    for _ in 2..ARGUMENT_DEPTH_MAX {
        nested = HeaderValue::Table(vec![Argument::new("inner", nested)]);
    }
    let arguments = [
        Argument::new("x-match", HeaderValue::text("any")),
        Argument::new("void", HeaderValue::Void),
        Argument::new("yes", HeaderValue::Bool(true)),
        Argument::new("no", HeaderValue::Bool(false)),
        Argument::new("number", HeaderValue::Integer(i128::from(u64::MAX) + 1)),
        Argument::new("negative", HeaderValue::Integer(i128::MIN)),
        Argument::new("float", HeaderValue::Float(Float::from(-0.0))),
        Argument::new("decimal", HeaderValue::Decimal { scale: 2, unscaled: -314 }),
        Argument::new("time", HeaderValue::Time(Timestamp(-1))),
        Argument::new("nested", nested),
    ];
    let alternate = [Argument::new("alternate-exchange", HeaderValue::text("elsewhere"))];
    let declaration = Declaration {
        kind: ExchangeKind::Headers,
        durable: false,
        auto_delete: true,
        internal: true,
        arguments: Arguments::new(&alternate).unwrap(),
        ..exchange("")
    };
    for name in ["h", "i"] {
        let name = ExchangeName::parse(name).unwrap();
        shard.changes(RouteChange::DeclareExchange(Declaration { name, ..declaration.clone() }));
    }
    for (name, id) in [("orders", 1), ("another queue", 2), ("\u{1}1:/orders", 3)] {
        assert!(matches!(shard.change(create(name, id)), Outcome::TopicCreated(_)), "{name:?}");
    }
    assert!(shard.changes(RouteChange::Bind(bind("h", "orders", &arguments))));
    let chain = Destination::Exchange(ExchangeName::parse("i").unwrap());
    assert!(
        shard.changes(RouteChange::Bind(Binding { destination: chain, ..bind("h", "orders", &arguments) }))
    );
    assert!(shard.changes(RouteChange::Bind(bind("amq.topic", "another queue", &[]))));

    let restored = shard.restored();
    assert_eq!(restored.exchanges().changes_since(shard.exchanges()), []);
    assert_eq!(restored.exchanges().bindings_len(), 3);
    let topics = |shard: &Shard| shard.machine.catalog().topics().cloned().collect::<Vec<_>>();
    assert_eq!(topics(&restored), topics(&shard));
    assert!(topics(&restored).iter().all(|topic| topic.queue.is_some()));
}

#[test]
fn a_value_deeper_than_any_that_was_taken_is_no_command() {
    // As nobody could have taken it in, it is put together byte by byte.
    let bound = bind("x", "q", &[Argument::new("n", HeaderValue::List(Vec::new()))]);
    let shallow = encode_commands(&[Command::Route(Route {
        namespace: NamespaceName::default(),
        change: RouteChange::Bind(bound),
    })]);
    let list = shallow.len() - 2;
    assert_eq!(shallow[list..], [8, 0], "it ends with a list of nothing");
    let mut deep = shallow[..list].to_vec();
    for _ in 0..100 {
        deep.extend([8, 1]);
    }
    deep.extend([8, 0]);
    // The command's length stands behind its number; both are below 128 in the shallow one.
    let body = shallow.len() - 4;
    assert_eq!(usize::from(shallow[3]), body);
    let length = deep.len() - 4;
    deep.splice(3..4, [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
    assert!(decode_commands(&deep).is_err());
}
