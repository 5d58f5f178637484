//! What patterns match.

use super::*;

const PATTERNS: [&str; 26] = [
    "a.b.c",
    "a.*.c",
    "a.#.b",
    "a.b.b.c",
    "#",
    "#.#",
    "#.b",
    "*.*",
    "a.*",
    "*.b.c",
    "a.#",
    "a.#.#",
    "b.b.c",
    "a.b.b",
    "a.b",
    "b.c",
    "",
    "*.*.*",
    "tea.green",
    "a.b.c",
    "*.#",
    "#.*.#",
    "*.#.#",
    "#.#.#",
    "*",
    "#.b.#",
];

/// A world with queue `1` bound by the first pattern, and so on; `27` is bound twice by one key, with different arguments.
fn world() -> World {
    let mut world = World::new();
    world.declare("t", ExchangeKind::Topic, &[]);
    for (place, pattern) in PATTERNS.iter().enumerate() {
        world.bind("t", &(place + 1).to_string(), pattern);
    }
    world.bind_with("t", "27", "twice", &[text("foo", "bar")]);
    world.bind_with("t", "27", "twice", &[text("foo", "baz")]);
    world
}

fn expect(world: &mut World, table: &[(&str, &[u32])]) {
    for (key, numbers) in table {
        let found = world.route("t", key);
        let expected: Vec<_> = numbers.iter().map(u32::to_string).collect();
        assert_eq!(found, expected, "{key}");
    }
}

#[test]
fn patterns_match_as_the_table_says() {
    let mut world = world();
    expect(
        &mut world,
        &[
            ("a.b.c", &[1, 2, 5, 6, 10, 11, 12, 18, 20, 21, 22, 23, 24, 26]),
            ("a.b", &[3, 5, 6, 7, 8, 9, 11, 12, 15, 21, 22, 23, 24, 26]),
            ("a.b.b", &[3, 5, 6, 7, 11, 12, 14, 18, 21, 22, 23, 24, 26]),
            ("", &[5, 6, 17, 24]),
            ("b.c.c", &[5, 6, 18, 21, 22, 23, 24, 26]),
            ("a.a.a.a.a", &[5, 6, 11, 12, 21, 22, 23, 24]),
            ("tea.black", &[5, 6, 8, 21, 22, 23, 24]),
            ("tea.green", &[5, 6, 8, 19, 21, 22, 23, 24]),
            ("b.b.c", &[5, 6, 10, 13, 18, 21, 22, 23, 24, 26]),
            ("none.of.these.words", &[5, 6, 21, 22, 23, 24]),
            ("single", &[5, 6, 21, 22, 23, 24, 25]),
            ("twice", &[5, 6, 21, 22, 23, 24, 25, 27]),
        ],
    );

    for gone in [1, 5, 11, 19, 21] {
        world.unbind(&to_queue("t", &gone.to_string(), PATTERNS[gone - 1], &[]));
    }
    world.unbind(&to_queue("t", "27", "twice", &[text("foo", "baz")]));
    expect(
        &mut world,
        &[
            ("a.b.c", &[2, 6, 10, 12, 18, 20, 22, 23, 24, 26]),
            ("a.b", &[3, 6, 7, 8, 9, 12, 15, 22, 23, 24, 26]),
            ("a.b.b", &[3, 6, 7, 12, 14, 18, 22, 23, 24, 26]),
            ("", &[6, 17, 24]),
            ("b.c.c", &[6, 18, 22, 23, 24, 26]),
            ("a.a.a.a.a", &[6, 12, 22, 23, 24]),
            ("tea.black", &[6, 8, 22, 23, 24]),
            ("tea.green", &[6, 8, 22, 23, 24]),
            ("b.b.c", &[6, 10, 13, 18, 22, 23, 24, 26]),
            ("none.of.these.words", &[6, 22, 23, 24]),
            ("single", &[6, 22, 23, 24, 25]),
            ("twice", &[6, 22, 23, 24, 25, 27]),
        ],
    );

    world.delete("t");
    let gone = world.publish("t", &Routed::default()).unwrap_err();
    assert_eq!(gone, NotRouted::UnknownExchange);
}

#[test]
fn between_two_dots_stands_a_word_if_only_an_empty_one() {
    let mut world = World::new();
    for pattern in ["", "*", ".", "*.*", "a.", ".a", "a..b", "a.*.b", "a.#.b", "#."] {
        world.bind("amq.topic", if pattern.is_empty() { "nothing" } else { pattern }, pattern);
    }
    for (key, expected) in [
        ("", &["nothing"][..]),
        (".", &[".", "*.*", "#."]),
        ("a.", &["*.*", "a.", "#."]),
        (".a", &["*.*", ".a"]),
        ("a..b", &["a..b", "a.*.b", "a.#.b"]),
        ("a.b", &["*.*", "a.#.b"]),
        ("a.x..b", &["a.#.b"]),
        ("..", &["#."]),
    ] {
        assert_eq!(world.route("amq.topic", key), expected, "{key}");
    }
}

#[test]
fn only_whole_words_stand_for_others_and_only_in_patterns() {
    let mut world = World::new();
    for pattern in ["a*.b", "#a", "**", "*", "#.x"] {
        world.bind("amq.topic", pattern, pattern);
    }
    for (key, expected) in [
        ("a*.b", &["a*.b"][..]),
        ("aa.b", &[]),
        ("#a", &["#a", "*"]),
        ("ba", &["*"]),
        ("**", &["**", "*"]),
        ("#", &["*"]),
        ("*.x", &["#.x"]),
    ] {
        assert_eq!(world.route("amq.topic", key), expected, "{key}");
    }
}

#[test]
fn many_wildcards_are_no_work() {
    // By trying every way of sharing the words out among them this would take longer than the world stands.
    let mut world = World::new();
    let wild = "#.".repeat(200);
    for (queue, pattern) in [("x", format!("{wild}x")), ("y", format!("{wild}*.y")), ("z", wild + "#")] {
        world.bind("amq.topic", queue, &pattern);
    }
    let key = "w.".repeat(300);
    assert_eq!(world.route("amq.topic", &format!("{key}x")), ["x", "z"]);
    assert_eq!(world.route("amq.topic", &format!("{key}y")), ["y", "z"]);
}
