//! What routing and its index keep.

use super::*;

#[test]
fn a_publish_allocates_nothing_once_there_was_one_like_it() {
    let mut world = World::new();
    world.declare("hash", ExchangeKind::ConsistentHash, &[text("hash-header", "b")]);
    for n in 0..200 {
        let queue = format!("q{n}");
        world.bind("amq.direct", &queue, "some.words");
        world.bind("amq.fanout", &queue, "");
        world.bind("hash", &queue, "3");
        for key in ["#", "some.*", &format!("#.{n}.#"), "some.#.words"] {
            world.bind("amq.topic", &queue, key);
        }
        world.bind_with("amq.headers", &queue, "", &[text("a", "1"), number("b", n % 2)]);
        world.bind_with("amq.headers", &queue, "", &[text("x-match", "any"), text("a", "1"), void("c")]);
    }
    for destination in ["amq.topic", "amq.headers", "hash", "amq.direct", "amq.fanout"] {
        world.bind_exchange("amq.fanout", destination, "");
    }
    let headers = [number("b", 1), text("a", "1"), text("unknown", "x")];
    let keys: [&[u8]; 3] = [b"some.words", b"other.7.words", b"q5"];
    let message = Routed { keys: &keys, headers: &headers, ..Routed::default() };
    let World { router, scratch, .. } = &mut world;
    for exchange in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "hash", ""] {
        router.publish(exchange, &message, scratch).unwrap();
        let found = scratch.queues().to_vec();
        let again = allocation_counter::measure(|| router.publish(exchange, &message, scratch).unwrap());
        assert_eq!(again.count_total, 0, "{exchange}");
        assert_eq!(scratch.queues(), found, "{exchange}");
        assert!(!found.is_empty(), "{exchange}");
    }
}

#[test]
fn equal_beginnings_of_patterns_are_kept_once_and_go_with_the_last() {
    let mut world = World::new();
    world.bind("amq.topic", "1", "a.b.c");
    world.bind("amq.topic", "2", "a.b.c");
    world.bind("amq.topic", "3", "a.b.#");
    assert_eq!(world.router.entries("amq.topic"), 4);
    world.unbind(&to_queue("amq.topic", "1", "a.b.c", &[]));
    assert_eq!(world.router.entries("amq.topic"), 4);
    world.remove_queue("2");
    assert_eq!(world.router.entries("amq.topic"), 3);
    world.bind("amq.topic", "4", "a");
    world.unbind(&to_queue("amq.topic", "3", "a.b.#", &[]));
    assert_eq!(world.router.entries("amq.topic"), 1);
    assert_eq!(world.route("amq.topic", "a"), ["4"]);
    world.remove_queue("4");
    assert_eq!(world.router.entries("amq.topic"), 0);
}

#[test]
fn headers_that_nobody_asks_for_any_more_are_forgotten() {
    let mut world = World::new();
    let asked: [&[Argument]; 4] = [
        &[text("a", "1"), text("b", "2"), void("c")],
        &[text("a", "1"), text("b", "3"), void("c")],
        &[text("x-match", "any"), text("a", "1"), number("d", 4)],
        &[text("a", "1"), text("a", "2")],
    ];
    for arguments in asked {
        world.bind_with("amq.match", "q", "", arguments);
    }
    assert!(world.router.entries("amq.match") > 0);
    for arguments in asked {
        world.unbind(&to_queue("amq.match", "q", "", arguments));
    }
    assert_eq!(world.router.entries("amq.match"), 0);
}
