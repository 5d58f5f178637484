//! exchange.* and queue.*.

use forebay_kit::model::Attempts;
use forebay_kit::model::exchange::{Destination, ExchangeName, ExchangeRefusal, QueueName};
use forebay_kit::model::queue::{QueueSettings, RouteRefusal};

use super::*;
use crate::wire::method::{
    ConnectionClose, ExchangeBind, ExchangeDeclare, ExchangeDelete, ExchangeUnbind, QueueBind, QueueDeclare,
    QueueDelete, QueuePurge, QueueUnbind,
};

fn exchange(name: &str, kind: &str) -> ExchangeDeclare {
    ExchangeDeclare { exchange: short(name), kind: short(kind), durable: true, ..Default::default() }
}

fn queue(name: &str) -> QueueDeclare {
    QueueDeclare { queue: short(name), durable: true, ..Default::default() }
}

fn with(name: &str, argument: &str, value: Value<'_>) -> QueueDeclare {
    let arguments = TableBuilder::new().put(argument, value).finish().unwrap();
    QueueDeclare { arguments, ..queue(name) }
}

fn channel_error(method: impl WireMethod) -> (u16, String) {
    let mut pair = Pair::open();
    pair.desk.exchanges.insert("x".into());
    pair.say(1, method);
    let (code, text, _) = pair.channel_error();
    (code, text)
}

fn connection_error(method: impl WireMethod) -> (u16, String) {
    let mut pair = Pair::open();
    pair.say(1, method);
    pair.connection_error()
}

#[test]
fn exchanges_come_and_go() {
    let mut pair = Pair::open();
    pair.say(1, ExchangeDeclare { auto_delete: true, internal: true, ..exchange("x", "topic") });
    pair.say(1, exchange("y", "x-consistent-hash"));
    pair.say(1, ExchangeDeclare { passive: true, ..exchange("x", "") });
    let bind = ExchangeBind {
        source: short("x"),
        destination: short("y"),
        routing_key: short("a.*"),
        ..Default::default()
    };
    pair.say(1, bind);
    pair.say(1, ExchangeUnbind { source: short("x"), destination: short("y"), ..Default::default() });
    pair.say(1, ExchangeDelete { exchange: short("x"), if_unused: true, ..Default::default() });
    assert_eq!(
        pair.names(),
        [
            "exchange.declare-ok",
            "exchange.declare-ok",
            "exchange.declare-ok",
            "exchange.bind-ok",
            "exchange.unbind-ok",
            "exchange.delete-ok"
        ]
    );
    let routes = pair.routes();
    let RouteAsk::DeclareExchange(declared) = routes[1] else { panic!("{routes:?}") };
    assert!(declared.durable && declared.auto_delete && declared.internal);
    assert_eq!((declared.name.as_str(), declared.kind.name()), ("x", "topic"));
    let RouteAsk::Bind(binding) = routes[4] else { panic!("{routes:?}") };
    assert_eq!((binding.source.as_str(), binding.key.as_bytes()), ("x", &b"a.*"[..]));
    assert!(matches!(&binding.destination, Destination::Exchange(to) if to.as_str() == "y"));
    assert!(matches!(routes[6], RouteAsk::DeleteExchange { if_unused: true, .. }));
}

#[test]
fn nobody_hears_what_nobody_wants_to_hear() {
    let mut pair = Pair::open();
    let no_wait = true;
    pair.say(1, ExchangeDeclare { no_wait, ..exchange("x", "fanout") });
    pair.say(1, QueueDeclare { no_wait, ..queue("q") });
    pair.say(1, QueueBind { no_wait, exchange: short("x"), ..Default::default() });
    pair.say(1, QueuePurge { no_wait, ..Default::default() });
    pair.say(1, QueueDelete { no_wait, ..Default::default() });
    pair.say(1, ExchangeDelete { no_wait, exchange: short("x"), ..Default::default() });
    assert_eq!(pair.routes().len(), 7);
    assert!(pair.all().is_empty());
    pair.say(1, ExchangeDeclare { no_wait, passive: true, ..exchange("x", "") });
    assert_eq!(pair.channel_error().0, 404, "errors are told all the same");
}

#[test]
fn queues_are_bound_by_their_names_or_by_the_last_one() {
    let mut pair = Pair::open();
    pair.desk.exchanges.insert("x".into());
    pair.say(1, queue("q"));
    let Method::QueueDeclareOk(declared) = pair.one() else { panic!("it is declared") };
    assert_eq!((declared.queue, declared.message_count, declared.consumer_count), (short("q"), 0, 0));
    pair.say(1, QueueBind { exchange: short("x"), ..Default::default() });
    pair.say(1, QueueBind { exchange: short("x"), routing_key: short("k"), ..Default::default() });
    pair.say(1, QueueBind { queue: short("q"), exchange: short("x"), ..Default::default() });
    pair.say(1, QueueUnbind { exchange: short("x"), routing_key: short("k"), ..Default::default() });
    pair.publish(1, "", "q", "one");
    pair.say(1, QueuePurge::default());
    pair.say(1, QueueDelete { if_unused: true, if_empty: true, ..Default::default() });
    let keys = pair.routes().into_iter().filter_map(|ask| match ask {
        RouteAsk::Bind(binding) | RouteAsk::Unbind(binding) => Some(binding.key.as_bytes().to_vec()),
        _ => None,
    });
    assert_eq!(keys.collect::<Vec<_>>(), [&b"q"[..], b"k", b"", b"k"]);
    let heard = pair.all();
    assert!(matches!(&heard[4].1, Command::Plain(Method::QueuePurgeOk(purged)) if purged.message_count == 1));
    assert!(matches!(&heard[5].1, Command::Plain(Method::QueueDeleteOk(gone)) if gone.message_count == 0));
    assert!(matches!(
        pair.routes().last(),
        Some(RouteAsk::DeleteQueue { if_unused: true, if_empty: true, .. })
    ));
}

#[test]
fn a_queue_gets_a_name_where_it_has_none() {
    let mut pair = Pair::open();
    pair.say(1, queue(""));
    pair.say(1, queue(""));
    let names = pair.all().into_iter().map(|(_, command)| match command {
        Command::Plain(Method::QueueDeclareOk(declared)) => declared.queue,
        other => panic!("{other:?}"),
    });
    let names: Vec<_> = names.collect();
    assert!(names[0] != names[1] && names.iter().all(|name| name.as_str().unwrap().starts_with("amq.gen-")));
}

#[test]
fn what_is_missing_is_404() {
    let none = "NOT_FOUND - no queue 'q' in vhost '/'";
    assert_eq!(channel_error(QueueDeclare { passive: true, ..queue("q") }), (404, none.into()));
    assert_eq!(channel_error(QueuePurge { queue: short("q"), ..Default::default() }), (404, none.into()));
    let bind = QueueBind { queue: short("q"), exchange: short("x"), ..Default::default() };
    assert_eq!(channel_error(bind.clone()), (404, none.into()));
    let missing = "NOT_FOUND - no exchange 'nope' in vhost '/'";
    assert_eq!(channel_error(QueueBind { exchange: short("nope"), ..bind }), (404, missing.into()));
    let no_name = "NOT_FOUND - no previously declared queue";
    assert_eq!(
        channel_error(QueueBind { exchange: short("x"), ..Default::default() }),
        (404, no_name.into())
    );
    let mut pair = Pair::open();
    pair.say(1, QueueDelete { queue: short("q"), ..Default::default() });
    pair.say(1, ExchangeDelete { exchange: short("nope"), ..Default::default() });
    assert_eq!(pair.names(), ["queue.delete-ok", "exchange.delete-ok"], "that is no error");
}

#[test]
fn reserved_names_and_the_default_exchange_are_403() {
    let reserved = |what: &str, name: &str| {
        format!("ACCESS_REFUSED - {what} name '{name}' contains reserved prefix 'amq.*'")
    };
    assert_eq!(channel_error(queue("amq.foo")), (403, reserved("queue", "amq.foo")));
    let delete = |name| ExchangeDelete { exchange: short(name), ..Default::default() };
    assert_eq!(channel_error(delete("amq.topic")), (403, reserved("exchange", "amq.topic")));
    let default = (403, "ACCESS_REFUSED - operation not permitted on the default exchange".to_owned());
    assert_eq!(channel_error(exchange("", "direct")), default);
    assert_eq!(channel_error(delete("")), default);
    assert_eq!(channel_error(QueueBind { queue: short("q"), ..Default::default() }), default);
    assert_eq!(channel_error(QueueUnbind { queue: short("q"), ..Default::default() }), default);
    assert_eq!(channel_error(ExchangeBind { source: short("x"), ..Default::default() }), default);
    assert_eq!(channel_error(ExchangeUnbind { destination: short("x"), ..Default::default() }), default);
}

#[test]
fn kinds_and_arguments_that_make_no_sense_are_406() {
    let failed = |why: &str| (406, format!("PRECONDITION_FAILED - {why}"));
    assert_eq!(channel_error(exchange("y", "ZZ")), failed("unknown exchange type 'ZZ'"));
    assert_eq!(
        channel_error(exchange("y", "x-delayed-message")),
        failed("unknown exchange type 'x-delayed-message'")
    );
    let about = "for queue 'q' in vhost '/'";
    let invalid = |name: &str, why: &str| failed(&format!("invalid arg '{name}' {about}: {why}"));
    assert_eq!(
        channel_error(with("q", "x-queue-type", Value::text("nope"))),
        invalid("x-queue-type", "\"unsupported queue type 'nope'\"")
    );
    assert_eq!(
        channel_error(with("q", "x-queue-type", Value::I32(1))),
        invalid("x-queue-type", "{unacceptable_type,signedint}")
    );
    assert_eq!(
        channel_error(with("q", "x-delivery-limit", Value::I32(1))),
        failed(&format!("invalid arg 'x-delivery-limit' {about} of queue type rabbit_classic_queue"))
    );
    for (value, why) in [
        (Value::I32(0), "{value_zero,0}"),
        (Value::I64(-5), "{value_negative,-5}"),
        (Value::I64(1 << 40), "{value_too_large,1099511627776}"),
        (Value::text("5"), "{unacceptable_type,longstr}"),
    ] {
        assert_eq!(channel_error(with("q", "x-consumer-timeout", value)), invalid("x-consumer-timeout", why));
    }
}

#[test]
fn what_quorum_queues_cannot_be_is_406() {
    let quorum = |name| with(name, "x-queue-type", Value::text("quorum"));
    for (method, property) in [
        (QueueDeclare { durable: false, ..quorum("q") }, "non-durable"),
        (QueueDeclare { exclusive: true, ..quorum("q") }, "exclusive-owner"),
        (QueueDeclare { auto_delete: true, ..quorum("q") }, "auto-delete"),
    ] {
        let why = format!("PRECONDITION_FAILED - invalid property '{property}' for queue 'q' in vhost '/'");
        assert_eq!(channel_error(method), (406, why));
    }
    let why = "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue";
    assert_eq!(channel_error(quorum("")), (406, why.into()));
}

#[test]
fn what_this_broker_does_not_do_is_540() {
    let refused = |why: &str| (540, format!("NOT_IMPLEMENTED - {why} for queue 'q' in vhost '/'"));
    assert_eq!(
        connection_error(with("q", "x-queue-type", Value::text("stream"))),
        refused("argument 'x-queue-type' with value 'stream'")
    );
    for name in ["x-message-ttl", "x-dead-letter-exchange", "x-max-length", "x-max-priority", "x-overflow"] {
        assert_eq!(connection_error(with("q", name, Value::I32(1))), refused(&format!("argument '{name}'")));
    }
}

#[test]
fn a_queue_is_what_its_arguments_say() {
    let settings = |method: QueueDeclare| {
        let mut pair = Pair::open();
        pair.say(1, method);
        assert_eq!(pair.names(), ["queue.declare-ok"]);
        let declaration = &pair.desk.queues["q"].declaration;
        let kept: Vec<_> = declaration.arguments.iter().map(|one| one.name.clone()).collect();
        (declaration.settings.attempts_max, declaration.settings.lease_ms, kept)
    };
    assert_eq!(settings(queue("q")), (None, None, vec![Bytes::from_static(b"x-queue-type")]));
    let classic = with("q", "x-queue-type", Value::text("classic"));
    assert_eq!(settings(classic), settings(queue("q")), "it is the same to say nothing");
    assert_eq!(settings(with("q", "x-nobody-knows", Value::Void)), settings(queue("q")));
    let quorum = with("q", "x-queue-type", Value::text("quorum"));
    assert_eq!(settings(quorum).0, Some(Attempts(21)), "twenty times more than once");
    for (limit, attempts) in [(0, Some(Attempts(1))), (3, Some(Attempts(4))), (-1, None), (100_000, None)] {
        let arguments = TableBuilder::new()
            .put("x-queue-type", Value::text("quorum"))
            .put("x-delivery-limit", Value::I32(limit))
            .finish()
            .unwrap();
        assert_eq!(settings(QueueDeclare { arguments, ..queue("q") }).0, attempts, "{limit}");
    }
    assert_eq!(settings(with("q", "x-consumer-timeout", Value::I64(5_000))).1, Some(5_000));
}

#[test]
fn a_queue_lives_as_long_as_its_flags_say() {
    let declared = |method: QueueDeclare| {
        let mut pair = Pair::open();
        pair.say(1, method);
        assert_eq!(pair.names(), ["queue.declare-ok"]);
        let found = &pair.desk.queues["q"].declaration;
        (found.durable, found.exclusive, found.auto_delete, found.settings)
    };
    let none = QueueSettings::default();
    assert_eq!(declared(QueueDeclare { durable: false, ..queue("q") }), (false, false, false, none));
    assert_eq!(declared(QueueDeclare { exclusive: true, ..queue("q") }), (true, true, false, none));
    assert_eq!(declared(QueueDeclare { auto_delete: true, ..queue("q") }), (true, false, true, none));
    let expires = QueueSettings { expires_ms: Some(1_500), ..none };
    assert_eq!(declared(with("q", "x-expires", Value::I32(1_500))).3, expires);
    let single = QueueSettings { single_active: true, ..none };
    assert_eq!(declared(with("q", "x-single-active-consumer", Value::Bool(true))).3, single);
    let refused = |name: &str, value| {
        let mut pair = Pair::open();
        pair.say(1, with("q", name, value));
        pair.channel_error().1
    };
    let why = "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}";
    assert_eq!(refused("x-expires", Value::I32(0)), why);
    let why = "PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue 'q' in vhost '/': \
               {unacceptable_type,longstr}";
    assert_eq!(refused("x-single-active-consumer", Value::text("yes")), why);
}

#[test]
fn a_connection_takes_its_queues_along_before_it_says_that_it_is_closed() {
    let mut pair = Pair::open();
    pair.say(1, QueueDeclare { exclusive: true, ..queue("q") });
    pair.say(1, queue("stays"));
    pair.all();
    pair.is_held = true;
    pair.say(0, ConnectionClose::default());
    assert!(pair.all().is_empty() && pair.closed.is_none());
    pair.release();
    assert_eq!(pair.names(), ["connection.close-ok"]);
    assert_eq!(pair.desk.queues.keys().collect::<Vec<_>>(), ["stays"]);
}

#[test]
fn refusals_of_the_namespace_are_told_in_rabbitmqs_words() {
    let name = ExchangeName::parse("x").unwrap();
    let same = |argument: &str| (argument.to_owned(), "false".to_owned(), "true".to_owned());
    let (argument, asked, current) = same("durable");
    let differs = RouteRefusal::InequivalentQueue { argument, asked, current };
    let inequivalent =
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'";
    let exchange = |refusal: ExchangeRefusal| RouteRefusal::Exchange(refusal);
    let broker = RouteRefusal::Broker;
    for (refusal, code, text) in [
        (differs, 406, inequivalent),
        (
            RouteRefusal::LockedQueue(QueueName::parse("q").unwrap()),
            405,
            "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or \
             the exclusive property value does not match that of the original declaration.",
        ),
        (RouteRefusal::QueueInUse, 406, "queue 'q' in vhost '/' in use"),
        (RouteRefusal::QueueNotEmpty, 406, "queue 'q' in vhost '/' not empty"),
        (exchange(ExchangeRefusal::InUse(name.clone())), 406, "exchange 'x' in vhost '/' in use"),
        (
            exchange(ExchangeRefusal::ReservedName(ExchangeName::parse("amq.x").unwrap())),
            403,
            "exchange name 'amq.x' contains reserved prefix 'amq.*'",
        ),
        (
            broker(forebay_kit::model::Refusal::NotAuthorized {
                kind: forebay_kit::model::acl::ResourceKind::Topic,
            }),
            403,
            "access to queue 'q' in vhost '/' refused for user 'guest'",
        ),
        (broker(forebay_kit::model::Refusal::TimedOut), 506, "queue 'q' in vhost '/': timed out"),
        (broker(forebay_kit::model::Refusal::Storage), 541, "queue 'q' in vhost '/': storage"),
    ] {
        let mut pair = Pair::open();
        pair.is_held = true;
        pair.say(1, QueueDelete { queue: short("q"), ..Default::default() });
        let (token, _) = pair.asked();
        pair.answer(token, Reply::Route(Err(refusal)));
        let (method, reply) = match pair.one() {
            Method::ChannelClose(close) => ("channel", close.reply_text),
            Method::ConnectionClose(close) => ("connection", close.reply_text),
            other => panic!("{other:?}"),
        };
        let reply = reply.as_str().unwrap();
        assert!(reply.ends_with(&format!(" - {text}")), "{reply}");
        assert_eq!(method, if code < 500 { "channel" } else { "connection" }, "{reply}");
    }
}
