//! Exchanges that lead to exchanges.

use super::*;

fn alternate(name: &str) -> [Argument; 1] {
    [text("alternate-exchange", name)]
}

#[test]
fn every_queue_is_bound_to_the_default_exchange_by_its_name() {
    let mut world = World::new();
    world.queue("q");
    assert_eq!(world.route("", "q"), ["q"]);
    assert!(world.route("", "Q").is_empty());
    world.remove_queue("q");
    assert!(world.route("", "q").is_empty());
    // A queue that comes back under the name is another one.
    world.queue("q");
    assert_eq!(world.route("", "q"), ["q"]);
    assert_eq!(world.scratch.queues(), [QueueId(1)]);
}

#[test]
fn a_message_goes_by_each_of_its_keys_and_to_each_queue_once() {
    let mut world = World::new();
    for (queue, key) in [("b", "two"), ("a", "one"), ("c", "one"), ("c", "two"), ("d", "four")] {
        world.bind("amq.direct", queue, key);
        world.bind("amq.topic", queue, key);
        world.bind("amq.fanout", queue, key);
    }
    let keys: [&[u8]; 5] = [b"two", b"one", b"three", b"two", b"one"];
    let message = Routed { keys: &keys, ..Routed::default() };
    // By rising id, which is the order in which they were made.
    assert_eq!(world.publish("amq.direct", &message).unwrap(), ["b", "a", "c"]);
    assert_eq!(world.publish("amq.topic", &message).unwrap(), ["b", "a", "c"]);
    assert_eq!(world.publish("amq.fanout", &message).unwrap(), ["b", "a", "c", "d"]);
    let keys: [&[u8]; 3] = [b"d", b"a", b"d"];
    assert_eq!(world.publish("", &Routed { keys: &keys, ..Routed::default() }).unwrap(), ["a", "d"]);
}

#[test]
fn a_message_has_so_many_keys_and_no_more() {
    let mut world = World::new();
    world.queue("q");
    let mut keys: Vec<&[u8]> = vec![b"q"; forebay_model::limits::ROUTING_KEYS_PER_MESSAGE_MAX];
    assert_eq!(world.publish("", &Routed { keys: &keys, ..Routed::default() }).unwrap(), ["q"]);
    keys.push(b"q");
    let refused = world.publish("", &Routed { keys: &keys, ..Routed::default() });
    assert_eq!(refused, Err(NotRouted::TooManyKeys));
}

#[test]
fn a_message_goes_through_each_exchange_once() {
    let mut world = World::new();
    for name in ["top", "left", "right", "bottom"] {
        world.declare(name, ExchangeKind::Fanout, &[]);
    }
    for (source, destination) in [
        ("top", "left"),
        ("top", "right"),
        ("left", "bottom"),
        ("right", "bottom"),
        ("bottom", "top"),
        ("top", "top"),
    ] {
        world.bind_exchange(source, destination, "");
    }
    world.bind("bottom", "q", "");
    world.bind("left", "q", "");
    for name in ["top", "left", "right", "bottom"] {
        assert_eq!(world.route(name, "k"), ["q"], "{name}");
    }
}

#[test]
fn each_exchange_on_the_way_looks_at_the_same_message() {
    let mut world = World::new();
    world.bind_exchange("amq.topic", "amq.direct", "orders.#");
    world.bind_exchange("amq.direct", "amq.headers", "orders.eu");
    world.bind_with("amq.headers", "urgent", "", &[text("priority", "high")]);
    world.bind("amq.direct", "orders.eu", "orders.eu");
    let headers = [text("priority", "high")];
    let message = Routed { keys: &[b"orders.eu"], headers: &headers, ..Routed::default() };
    assert_eq!(world.publish("amq.topic", &message).unwrap(), ["urgent", "orders.eu"]);
    assert_eq!(world.route("amq.topic", "orders.eu"), ["orders.eu"]);
    assert!(world.route("amq.topic", "orders.us").is_empty());
}

#[test]
fn an_alternate_takes_what_no_binding_matches() {
    let mut world = World::new();
    world.declare("first", ExchangeKind::Direct, &alternate("second"));
    world.declare("second", ExchangeKind::Direct, &alternate("third"));
    world.declare("third", ExchangeKind::Fanout, &alternate("first"));
    world.bind("first", "1", "one");
    world.bind("second", "2", "two");
    assert_eq!(world.route("first", "one"), ["1"]);
    assert_eq!(world.route("first", "two"), ["2"]);
    // Round in a circle, and to nobody.
    assert!(world.route("first", "three").is_empty());
    world.bind("third", "3", "");
    assert_eq!(world.route("first", "three"), ["3"]);
    // The second was asked by itself: the third leads back to the first, which knows it.
    world.unbind(&to_queue("third", "3", "", &[]));
    assert_eq!(world.route("second", "one"), ["1"]);
}

#[test]
fn an_alternate_need_not_be_there_yet_and_is_not_the_default_exchange() {
    let mut world = World::new();
    world.declare("early", ExchangeKind::Direct, &alternate("late"));
    world.declare("to the default", ExchangeKind::Direct, &alternate(""));
    world.queue("q");
    assert!(world.route("early", "q").is_empty());
    world.declare("late", ExchangeKind::Fanout, &[]);
    world.bind("late", "q", "");
    assert_eq!(world.route("early", "q"), ["q"]);
    world.delete("late");
    assert!(world.route("early", "q").is_empty());
    assert!(world.route("to the default", "q").is_empty());
}

#[test]
fn a_binding_that_leads_nowhere_is_one_that_matches() {
    let mut world = World::new();
    world.declare("x", ExchangeKind::Fanout, &alternate("amq.fanout"));
    world.declare("empty", ExchangeKind::Fanout, &[]);
    world.bind("amq.fanout", "lost and found", "");
    assert_eq!(world.route("x", ""), ["lost and found"]);
    world.bind_exchange("x", "empty", "");
    assert!(world.route("x", "").is_empty());
    // That holds where it leads back, too.
    world.unbind(&to_exchange("x", "empty", ""));
    world.bind_exchange("x", "x", "");
    assert!(world.route("x", "").is_empty());
}

#[test]
fn clients_do_not_publish_to_internal_exchanges() {
    let mut world = World::new();
    let internal = Declaration { internal: true, ..declaration("inner", ExchangeKind::Fanout, &[]) };
    world.change(|exchanges| exchanges.declare(internal)).unwrap();
    world.bind("inner", "q", "");
    world.bind_exchange("amq.fanout", "inner", "");
    assert_eq!(world.route("amq.fanout", ""), ["q"]);
    let message = Routed { keys: &[b""], ..Routed::default() };
    assert_eq!(world.publish("inner", &message), Err(NotRouted::Internal));
    assert!(world.scratch.queues().is_empty());
    world.router.forward("inner", &message, &mut world.scratch).unwrap();
    assert_eq!(world.scratch.queues(), [QueueId(0)]);
    assert_eq!(world.publish("nowhere", &message), Err(NotRouted::UnknownExchange));
    assert!(world.scratch.queues().is_empty());
}

#[test]
fn a_delayed_exchange_routes_as_what_it_was_declared_to() {
    let mut world = World::new();
    world.declare("later", ExchangeKind::Delayed, &[text("x-delayed-type", "topic")]);
    world.bind("later", "q", "a.#");
    assert_eq!(world.route("later", "a.b"), ["q"]);
    assert!(world.route("later", "b.a").is_empty());
    let kind = world.router.exchange("later").unwrap().declaration.kind;
    assert_eq!(kind, ExchangeKind::Delayed);
}
