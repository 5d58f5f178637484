//! Exchanges, queues and what goes through them, asked of a node through its front desk.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::path::Path;

use bytes::Bytes;
use forebay_kit::record::message_batch::MessageBatch;
use forebay_model::acl::Right;
use forebay_model::admin::{DescribeTopics, TopicSelection};
use forebay_model::exchange::{
    Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, ExchangeRefusal, QueueName,
    RoutingKey,
};
use forebay_model::post::{Post, PostItem, PostRefusal, PostRouting, Posted, PostedTo};
use forebay_model::publish::{Confirm, PayloadKind};
use forebay_model::queue::{
    NamespaceName, QUEUE_SUBSCRIPTION, QueueDeclaration, QueueSettings, QueueView, RouteAnswer, RouteAsk,
    RouteRefusal, RouteReply, RouteRequest,
};
use forebay_model::subscription::{
    ConsumerNumber, Join, Receive, ReceiveForm, ReceivedRecords, SettleDeliveries, SettleItem, Settlement,
    SubscriptionReply, SubscriptionRequest, Verdict,
};
use forebay_model::{Attempts, GroupId, PartitionRef, Refusal, Reply, Request, TopicRef};
use forebay_server::node::NodeConfig;

use common::{Running, config, wait_for};

const ORIGIN: u8 = 2;

fn open(dir: &Path) -> Running {
    let config = NodeConfig { shards_sync: 2, ..config(dir) };
    let (running, ()) = Running::open(&forebay_env::real::env(), &config, |_| ());
    wait_for("the catalogue", || {
        let found = ask(&running, RouteAsk::FindNamespace);
        found.is_ok().then_some(())
    });
    running
}

fn ask_in(running: &Running, namespace: &str, ask: RouteAsk) -> RouteReply {
    let namespace = NamespaceName::parse(namespace).unwrap();
    match running.ask(Request::Route(RouteRequest { namespace, ask, timeout_ms: 10_000 })) {
        Reply::Route(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Shards that do not lead yet are asked again.
fn ask(running: &Running, ask: RouteAsk) -> RouteReply {
    wait_for("the shards", || match ask_in(running, "/", ask.clone()) {
        Err(RouteRefusal::Broker(Refusal::Loading | Refusal::NotLeader { .. })) => None,
        reply => Some(reply),
    })
}

fn exchange(name: &str) -> ExchangeName {
    ExchangeName::parse(name).unwrap()
}

fn queue(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn declaration(name: &str) -> QueueDeclaration {
    let settings = QueueSettings { attempts_max: Some(Attempts(3)), ..QueueSettings::default() };
    QueueDeclaration { settings, ..QueueDeclaration::of(queue(name)) }
}

fn declare(running: &Running, name: &str) -> QueueView {
    match ask(running, RouteAsk::DeclareQueue(declaration(name))) {
        Ok(RouteAnswer::Queue(view)) => view,
        other => panic!("{other:?}"),
    }
}

fn found(running: &Running, name: &str) -> QueueView {
    match ask(running, RouteAsk::FindQueue(queue(name))) {
        Ok(RouteAnswer::Queue(view)) => view,
        other => panic!("{other:?}"),
    }
}

fn bind(running: &Running, source: &str, name: &str, key: &str) {
    let binding = Binding {
        source: exchange(source),
        destination: Destination::Queue(queue(name)),
        key: RoutingKey::from(key.as_bytes()),
        arguments: Arguments::default(),
    };
    assert!(matches!(ask(running, RouteAsk::Bind(binding)), Ok(RouteAnswer::Done)));
}

fn item(exchange_name: &str, key: &str, body: &str) -> PostItem {
    PostItem {
        exchange: exchange(exchange_name),
        keys: vec![Bytes::copy_from_slice(key.as_bytes())],
        routing: PostRouting::default(),
        is_transient: false,
        priority: 0,
        ttl_ms: None,
        origin: ORIGIN,
        properties: Bytes::from_static(b"properties"),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn post(running: &Running, items: Vec<PostItem>) -> Vec<Posted> {
    let post =
        Post { namespace: NamespaceName::default(), items, confirm: Confirm::Quorum, timeout_ms: 10_000 };
    match running.ask(Request::Post(post)) {
        Reply::Post(posted) => posted,
        other => panic!("{other:?}"),
    }
}

fn place(view: &QueueView) -> PartitionRef {
    PartitionRef { topic: TopicRef::Id(view.topic), number: 0 }
}

fn receive(running: &Running, view: &QueueView, consumer: u32, records_max: u32) -> ReceivedRecords {
    let receive = Receive {
        subscription: GroupId(QUEUE_SUBSCRIPTION.into()),
        consumer: ConsumerNumber(consumer),
        partitions: vec![place(view)],
        records_max,
        whole_batches: false,
        form: ReceiveForm::Payloads,
        bytes_min: 1,
        bytes_max: 1 << 20,
        wait_ms_max: 10_000,
    };
    match running.ask(Request::Subscription(SubscriptionRequest::Receive(receive))) {
        Reply::Subscription(SubscriptionReply::Receive(mut received)) => {
            received.partitions.remove(0).expect("it is there")
        }
        other => panic!("{other:?}"),
    }
}

/// A connection beside the one that all else is asked over.
const OTHER: u64 = 77;

fn join(
    running: &Running,
    connection: u64,
    view: &QueueView,
    consumer: u32,
    exclusive: bool,
) -> Result<(), Refusal> {
    let join = Join {
        subscription: GroupId(QUEUE_SUBSCRIPTION.into()),
        consumer: ConsumerNumber(consumer),
        partition: place(view),
        exclusive,
        priority: 0,
    };
    match running.ask_over(connection, Request::Subscription(SubscriptionRequest::Join(join))) {
        Reply::Subscription(SubscriptionReply::Join(joined)) => joined,
        other => panic!("{other:?}"),
    }
}

fn leave(running: &Running, connection: u64, consumer: u32) {
    let leave = SubscriptionRequest::Leave(ConsumerNumber(consumer));
    let left = running.ask_over(connection, Request::Subscription(leave));
    assert!(matches!(left, Reply::Subscription(SubscriptionReply::Leave)));
}

fn is_there(running: &Running, name: &str) -> bool {
    match ask(running, RouteAsk::FindQueue(queue(name))) {
        Ok(_) | Err(RouteRefusal::LockedQueue(_)) => true,
        Err(RouteRefusal::Exchange(ExchangeRefusal::UnknownQueue(_))) => false,
        other => panic!("{other:?}"),
    }
}

fn settle(running: &Running, view: &QueueView, consumer: u32, received: &ReceivedRecords, how: Settlement) {
    let verdicts = received.deliveries.iter().map(|delivery| (delivery.range, Verdict::End(how))).collect();
    let settle = SettleDeliveries {
        subscription: GroupId(QUEUE_SUBSCRIPTION.into()),
        consumer: ConsumerNumber(consumer),
        items: vec![SettleItem { partition: place(view), verdicts }],
    };
    match running.ask(Request::Subscription(SubscriptionRequest::Settle(settle))) {
        Reply::Subscription(SubscriptionReply::Settle(settled)) => assert_eq!(settled.items, [Ok(())]),
        other => panic!("{other:?}"),
    }
}

/// The bodies that were delivered, with their attempts.
fn bodies(received: &ReceivedRecords) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    for delivery in &received.deliveries {
        for offset in delivery.range.first.0..=delivery.range.last.0 {
            let payload =
                received.payloads.iter().rfind(|payload| payload.first.0 <= offset).expect("its payload");
            assert_eq!(payload.kind, PayloadKind::MessageBatch);
            let batch = MessageBatch::open(payload.bytes.clone()).expect("our own batch");
            let at = u32::try_from(offset - payload.first.0).unwrap();
            let message = batch.get(at).expect("a message at every offset");
            assert_eq!(
                (message.envelope.origin.0.get(), &message.properties[..]),
                (ORIGIN, &b"properties"[..])
            );
            let body = String::from_utf8(message.body.expect("a body").to_vec()).unwrap();
            found.push((body, delivery.attempt.0));
        }
    }
    found
}

fn some(bodies: &[(&str, u16)]) -> Vec<(String, u16)> {
    bodies.iter().map(|(body, attempt)| ((*body).to_owned(), *attempt)).collect()
}

#[test]
fn messages_find_their_queues_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let (stock, texts) = (declare(&running, "stock"), declare(&running, "text messages"));
    bind(&running, "amq.topic", "stock", "order.*");
    bind(&running, "amq.topic", "text messages", "order.paid");
    let posted = post(
        &running,
        vec![
            item("amq.topic", "order.paid", "1"),
            item("amq.topic", "order.placed", "2"),
            item("amq.topic", "nothing", "3"),
            item("", "stock", "4"),
            item("nowhere", "stock", "5"),
        ],
    );
    let unknown = Err(PostRefusal::UnknownExchange(exchange("nowhere")));
    let expected = [
        Ok(PostedTo::Queues(2)),
        Ok(PostedTo::Queues(1)),
        Ok(PostedTo::Nowhere),
        Ok(PostedTo::Queues(1)),
        unknown,
    ];
    assert_eq!(posted, expected);
    assert_eq!((found(&running, "stock").ready, found(&running, "text messages").ready), (3, 1));

    let first = receive(&running, &stock, 1, 2);
    assert_eq!(bodies(&first), some(&[("1", 1), ("2", 1)]));
    assert_eq!(
        (found(&running, "stock").ready, found(&running, "stock").consumers),
        (1, 0),
        "it did not join"
    );
    assert_eq!(bodies(&receive(&running, &texts, 1, 10)), some(&[("1", 1)]));
    settle(&running, &stock, 1, &first, Settlement::Release { counts: true });
    running.close();

    // Routes, queues and messages are there, and who had messages without settling them has them no more.
    let running = open(dir.path());
    assert_eq!(found(&running, "stock").ready, 3);
    let posted = post(&running, vec![item("amq.topic", "order.paid", "6")]);
    assert_eq!(posted, [Ok(PostedTo::Queues(2))]);
    let again = receive(&running, &texts, 7, 10);
    assert_eq!(bodies(&again), some(&[("1", 2), ("6", 1)]));
    settle(&running, &texts, 7, &again, Settlement::Accept);
    assert_eq!(found(&running, "text messages").ready, 0);
    running.close();
}

#[test]
fn what_is_declared_is_found_and_what_differs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let declared = declare(&running, "q");
    assert_eq!(declare(&running, "q"), declared);
    let mut other = declaration("q");
    other.durable = false;
    let refused = ask(&running, RouteAsk::DeclareQueue(other));
    assert!(matches!(refused, Err(RouteRefusal::InequivalentQueue { .. })), "{refused:?}");
    running.create("topic", 1);
    let refused = ask(&running, RouteAsk::DeclareQueue(declaration("topic")));
    assert!(matches!(refused, Err(RouteRefusal::InequivalentQueue { .. })), "{refused:?}");

    let unknown = ask(&running, RouteAsk::FindQueue(queue("no")));
    let expected = RouteRefusal::Exchange(ExchangeRefusal::UnknownQueue(queue("no")));
    assert_eq!(unknown.unwrap_err(), expected);
    let unknown = ask(&running, RouteAsk::FindExchange(exchange("no")));
    let expected = RouteRefusal::Exchange(ExchangeRefusal::UnknownExchange(exchange("no")));
    assert_eq!(unknown.unwrap_err(), expected);
    let elsewhere = ask_in(&running, "elsewhere", RouteAsk::FindNamespace);
    assert_eq!(elsewhere.unwrap_err(), RouteRefusal::UnknownNamespace);

    let x = Declaration {
        name: exchange("x"),
        kind: ExchangeKind::Direct,
        durable: true,
        auto_delete: true,
        internal: false,
        arguments: Arguments::default(),
    };
    for _ in 0..2 {
        assert!(matches!(ask(&running, RouteAsk::DeclareExchange(x.clone())), Ok(RouteAnswer::Done)));
    }
    let refused = ask(&running, RouteAsk::DeclareExchange(Declaration { auto_delete: false, ..x }));
    assert!(matches!(refused, Err(RouteRefusal::Exchange(ExchangeRefusal::Inequivalent { .. }))));
    bind(&running, "x", "q", "key");
    assert_eq!(post(&running, vec![item("x", "key", "1")]), [Ok(PostedTo::Queues(1))]);
    // The exchange goes with its last binding, and that with the queue.
    let removed = ask(&running, RouteAsk::DeleteQueue { name: queue("q"), if_unused: true, if_empty: false });
    assert!(matches!(removed, Ok(RouteAnswer::Removed { messages: 1 })), "{removed:?}");
    let gone = Err(PostRefusal::UnknownExchange(exchange("x")));
    assert_eq!(
        post(&running, vec![item("x", "key", "2"), item("", "q", "3")]),
        [gone, Ok(PostedTo::Nowhere)]
    );
    let again = ask(&running, RouteAsk::DeleteQueue { name: queue("q"), if_unused: false, if_empty: false });
    assert!(matches!(again, Ok(RouteAnswer::Removed { messages: 0 })), "{again:?}");
    running.close();
}

#[test]
fn clients_of_topics_see_queues_that_could_be_topics() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    declare(&running, "orders");
    declare(&running, "text messages");
    let all = DescribeTopics { topics: TopicSelection::All, create: false, right: Right::Describe };
    let Reply::DescribeTopics(_, described) = running.ask(Request::DescribeTopics(all)) else { panic!() };
    let names: Vec<_> =
        described.iter().map(|topic| topic.topic.as_ref().unwrap().name.to_string()).collect();
    assert_eq!(names, ["orders"]);
    running.close();
}

#[test]
fn a_queue_in_use_or_not_empty_is_deleted_only_if_that_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let view = declare(&running, "q");
    let delete =
        |if_unused, if_empty| ask(&running, RouteAsk::DeleteQueue { name: queue("q"), if_unused, if_empty });
    post(&running, vec![item("", "q", "1"), item("", "q", "2")]);
    assert_eq!(delete(false, true).unwrap_err(), RouteRefusal::QueueNotEmpty);
    running.connect(OTHER);
    assert_eq!(join(&running, OTHER, &view, 1, false), Ok(()));
    let one = receive(&running, &view, 1, 1);
    assert_eq!(delete(true, false).unwrap_err(), RouteRefusal::QueueInUse);
    leave(&running, OTHER, 1);
    let purge = || ask(&running, RouteAsk::PurgeQueue(queue("q")));
    assert!(matches!(purge(), Err(RouteRefusal::Broker(Refusal::Unsupported(_)))), "somebody has a message");
    settle(&running, &view, 1, &one, Settlement::Release { counts: false });
    assert!(matches!(purge(), Ok(RouteAnswer::Removed { messages: 2 })));
    assert_eq!(found(&running, "q").ready, 0);
    post(&running, vec![item("", "q", "3")]);
    assert_eq!(bodies(&receive(&running, &view, 2, 10)), some(&[("3", 1)]));
    assert!(matches!(delete(false, false), Ok(RouteAnswer::Removed { .. })));
    running.close();
}

#[test]
fn a_message_that_is_tried_too_often_is_given_up_and_a_receive_can_be_ended() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let view = declare(&running, "q");
    post(&running, vec![item("", "q", "poison"), item("", "q", "well")]);
    for attempt in 1..=3 {
        let received = receive(&running, &view, 1, 1);
        assert_eq!(bodies(&received), some(&[("poison", attempt)]));
        settle(&running, &view, 1, &received, Settlement::Release { counts: true });
    }
    let received = receive(&running, &view, 1, 10);
    assert_eq!(bodies(&received), some(&[("well", 1)]));
    // Nothing more comes; who no longer wants to wait says so. What the consumer has stays its own.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| receive(&running, &view, 1, 10));
        wait_for("the receive to wait and its end", || {
            let end = SubscriptionRequest::EndReceive(ConsumerNumber(1));
            let ended = running.ask(Request::Subscription(end));
            assert!(matches!(ended, Reply::Subscription(SubscriptionReply::EndReceive)));
            waiting.is_finished().then_some(())
        });
        assert!(waiting.join().unwrap().deliveries.is_empty());
    });
    settle(&running, &view, 1, &received, Settlement::Accept);
    running.close();
}

#[test]
fn a_post_larger_than_a_batch_is_cut_and_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let view = declare(&running, "q");
    let bodies_sent: Vec<String> = (0..40).map(|n| format!("{n:05}{}", "x".repeat(50_000))).collect();
    let posted = post(&running, bodies_sent.iter().map(|body| item("", "q", body)).collect());
    assert!(posted.iter().all(|fate| *fate == Ok(PostedTo::Queues(1))));
    let mut came = Vec::new();
    while came.len() < bodies_sent.len() {
        let received = receive(&running, &view, 1, 100);
        came.extend(bodies(&received).into_iter().map(|(body, _)| body));
        settle(&running, &view, 1, &received, Settlement::Accept);
    }
    assert_eq!(came, bodies_sent);
    let large = "y".repeat(18 << 20);
    let refused = post(&running, vec![item("", "q", &large), item("", "q", "small")]);
    assert!(matches!(refused[0], Err(PostRefusal::NotTaken(_))), "larger than any batch");
    assert_eq!(refused[1], Ok(PostedTo::Queues(1)));
    running.close();
}

/// Opens with a shard for what goes with the process.
fn open_with_temporary(dir: &Path) -> Running {
    let config = NodeConfig { temporary_shard: true, ..config(dir) };
    let (running, ()) = Running::open(&forebay_env::real::env(), &config, |_| ());
    running
}

#[test]
fn queues_go_with_the_process_or_stay() {
    let dir = tempfile::tempdir().unwrap();
    let running = open_with_temporary(dir.path());
    declare(&running, "stays");
    let goes = QueueDeclaration { durable: false, ..declaration("goes") };
    let Ok(RouteAnswer::Queue(goes)) = ask(&running, RouteAsk::DeclareQueue(goes)) else { panic!() };
    bind(&running, "amq.fanout", "stays", "");
    bind(&running, "amq.fanout", "goes", "");
    let many: Vec<PostItem> = (0..100).map(|n| item("amq.fanout", "", &n.to_string())).collect();
    assert!(post(&running, many).iter().all(|posted| *posted == Ok(PostedTo::Queues(2))));
    assert_eq!(receive(&running, &goes, 1, 7).deliveries.len(), 1, "seven in a row");
    assert_eq!(found(&running, "goes").ready, 93);
    running.close();

    for _ in 0..2 {
        let running = open_with_temporary(dir.path());
        assert!(!is_there(&running, "goes"));
        assert_eq!(found(&running, "stays").ready, 100);
        assert_eq!(post(&running, vec![item("", "goes", "late")]), [Ok(PostedTo::Nowhere)]);
        // There may be another one of that name, in which nothing is.
        let again = QueueDeclaration { durable: false, auto_delete: true, ..declaration("goes") };
        let Ok(RouteAnswer::Queue(again)) = ask(&running, RouteAsk::DeclareQueue(again)) else { panic!() };
        assert_eq!(again.ready, 0);
        assert_eq!(post(&running, vec![item("", "goes", "new")]), [Ok(PostedTo::Queues(1))]);
        assert_eq!(bodies(&receive(&running, &again, 1, 7)), some(&[("new", 1)]));
        running.close();
    }
}

#[test]
fn only_its_connection_may_use_an_exclusive_queue_and_it_goes_with_that() {
    let dir = tempfile::tempdir().unwrap();
    let running = open_with_temporary(dir.path());
    running.connect(OTHER);
    let over = |connection: u64, ask: RouteAsk| {
        let namespace = NamespaceName::default();
        match running
            .ask_over(connection, Request::Route(RouteRequest { namespace, ask, timeout_ms: 10_000 }))
        {
            Reply::Route(reply) => reply,
            other => panic!("{other:?}"),
        }
    };
    assert!(ask(&running, RouteAsk::FindNamespace).is_ok());
    let mine = QueueDeclaration { exclusive: true, ..declaration("mine") };
    let Ok(RouteAnswer::Queue(view)) = over(OTHER, RouteAsk::DeclareQueue(mine.clone())) else { panic!() };
    assert!(over(OTHER, RouteAsk::DeclareQueue(mine.clone())).is_ok());
    let locked = RouteRefusal::LockedQueue(queue("mine"));
    let shared = RouteAsk::DeclareQueue(declaration("mine"));
    assert_eq!(over(OTHER, shared).unwrap_err(), locked, "it was declared otherwise");
    let binding = Binding {
        source: exchange("amq.fanout"),
        destination: Destination::Queue(queue("mine")),
        key: RoutingKey::from(&b""[..]),
        arguments: Arguments::default(),
    };
    let asks = [
        RouteAsk::DeclareQueue(mine),
        RouteAsk::FindQueue(queue("mine")),
        RouteAsk::PurgeQueue(queue("mine")),
        RouteAsk::DeleteQueue { name: queue("mine"), if_unused: false, if_empty: false },
        RouteAsk::Bind(binding.clone()),
        RouteAsk::Unbind(binding.clone()),
    ];
    for of_another in asks {
        assert_eq!(ask(&running, of_another.clone()).unwrap_err(), locked, "{of_another:?}");
    }
    assert!(over(OTHER, RouteAsk::Bind(binding)).is_ok());
    // Whoever knows where it is may send to it.
    let posted = post(&running, vec![item("amq.fanout", "", "1"), item("", "mine", "2")]);
    assert_eq!(posted, [Ok(PostedTo::Queues(1)), Ok(PostedTo::Queues(1))]);
    assert_eq!(join(&running, OTHER, &view, 1, false), Ok(()));

    running.disconnect(OTHER);
    wait_for("the end of its queue", || (!is_there(&running, "mine")).then_some(()));
    assert_eq!(post(&running, vec![item("amq.fanout", "", "3")]), [Ok(PostedTo::Nowhere)]);

    // One that says so beforehand hears when they are gone.
    running.connect(OTHER + 1);
    let again = QueueDeclaration { exclusive: true, ..declaration("mine") };
    assert!(over(OTHER + 1, RouteAsk::DeclareQueue(again)).is_ok());
    assert!(over(OTHER + 1, RouteAsk::LeaveQueues).is_ok());
    assert!(!is_there(&running, "mine"));
    running.close();
}

#[test]
fn queues_that_nobody_uses_go_if_they_are_to() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let last = QueueDeclaration { auto_delete: true, ..declaration("with its last") };
    let Ok(RouteAnswer::Queue(last)) = ask(&running, RouteAsk::DeclareQueue(last)) else { panic!() };
    let settings = QueueSettings { expires_ms: Some(300), ..QueueSettings::default() };
    let expires = |name: &str| QueueDeclaration { settings, ..declaration(name) };
    for name in ["unused", "used"] {
        assert!(ask(&running, RouteAsk::DeclareQueue(expires(name))).is_ok());
    }
    let used = found(&running, "used");
    running.connect(OTHER);
    assert_eq!(join(&running, OTHER, &used, 9, false), Ok(()));
    wait_for("the end of the queue that nobody uses", || {
        // To look would be to use it.
        let topics = DescribeTopics { topics: TopicSelection::All, create: false, right: Right::Describe };
        let Reply::DescribeTopics(_, all) = running.ask(Request::DescribeTopics(topics)) else { panic!() };
        let mut names = all.iter().map(|topic| topic.topic.as_ref().unwrap().name.to_string());
        (!names.any(|name| name == "unused")).then_some(())
    });
    assert!(is_there(&running, "used"));
    assert!(is_there(&running, "with its last"), "nobody has consumed from it yet");
    for consumer in [1, 2] {
        assert_eq!(join(&running, OTHER, &last, consumer, false), Ok(()));
    }
    assert_eq!(found(&running, "with its last").consumers, 2);
    leave(&running, OTHER, 1);
    assert!(is_there(&running, "with its last"));
    // The consumers of a connection leave with it.
    running.disconnect(OTHER);
    wait_for("the end of what had a consumer", || (!is_there(&running, "with its last")).then_some(()));
    running.close();

    // What had expired or gone does not come again, and what had not goes when its time is over.
    let running = open(dir.path());
    assert!(!is_there(&running, "unused") && !is_there(&running, "with its last"));
    running.close();
}
