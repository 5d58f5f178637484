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
    ConsumerNumber, Receive, ReceiveForm, ReceivedRecords, SettleDeliveries, SettleItem, Settlement,
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
    let settings = QueueSettings { attempts_max: Some(Attempts(3)), lease_ms: None };
    QueueDeclaration { name: queue(name), durable: true, arguments: Arguments::default(), settings }
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
    assert_eq!((found(&running, "stock").ready, found(&running, "stock").consumers), (1, 1));
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
    let one = receive(&running, &view, 1, 1);
    assert_eq!(delete(true, false).unwrap_err(), RouteRefusal::QueueInUse);
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
