//! The index against the scan, over histories of changes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const EXCHANGES: u8 = 5;
const QUEUES: u8 = 5;

/// A change with names from a small world.
#[derive(Clone, Debug)]
enum Change {
    Declare(Declaration),
    Delete(u8),
    AddQueue(u8),
    RemoveQueue(u8),
    Bind(Binding),
    /// One of the bindings that are there, by its place among them.
    Unbind(prop::sample::Index),
}

/// A message that owns what it says.
#[derive(Clone, Debug)]
struct Message {
    exchange: String,
    keys: Vec<String>,
    headers: Vec<Argument>,
    id: Option<Vec<u8>>,
}

fn exchange_name() -> impl Strategy<Value = String> {
    (0..EXCHANGES).prop_map(|n| format!("x{n}"))
}

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["", "a", "a", "b", "b", "c", "*", "*", "#", "#", "a*"]);
    prop::collection::vec(word, 0..6).prop_map(|words| words.join("."))
}

fn value() -> impl Strategy<Value = HeaderValue> {
    prop::sample::select(vec![
        HeaderValue::Void,
        HeaderValue::Integer(1),
        HeaderValue::Integer(2),
        HeaderValue::text("1"),
        HeaderValue::Bool(true),
    ])
}

fn headers() -> impl Strategy<Value = Vec<Argument>> {
    let name = prop::sample::select(vec!["a", "a", "b", "c", "x-d", "hash"]);
    let header = (name, value()).prop_map(|(name, value)| Argument::new(name, value));
    prop::collection::vec(header, 0..5)
}

fn asked_headers() -> impl Strategy<Value = Vec<Argument>> {
    let quantifier = prop::sample::select(vec!["", "all", "any", "all-with-x", "any-with-x"]);
    (headers(), quantifier).prop_map(|(mut headers, quantifier)| {
        if !quantifier.is_empty() {
            headers.push(text("x-match", quantifier));
        }
        headers
    })
}

fn declared() -> impl Strategy<Value = Declaration> {
    let kind = prop::sample::select(vec![
        (ExchangeKind::Direct, None),
        (ExchangeKind::Fanout, None),
        (ExchangeKind::Topic, None),
        (ExchangeKind::Topic, None),
        (ExchangeKind::Headers, None),
        (ExchangeKind::Headers, None),
        (ExchangeKind::ConsistentHash, None),
        (ExchangeKind::ConsistentHash, Some(("hash-header", "hash"))),
        (ExchangeKind::ConsistentHash, Some(("hash-property", "message_id"))),
        (ExchangeKind::Delayed, Some(("x-delayed-type", "topic"))),
        (ExchangeKind::Delayed, Some(("x-delayed-type", "headers"))),
    ]);
    let alternate = prop::option::weighted(0.4, exchange_name());
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (exchange_name(), kind, alternate, flags).prop_map(
        |(name, (kind, argument), alternate, (auto_delete, internal))| {
            let mut arguments: Vec<_> = argument.iter().map(|(name, value)| text(name, value)).collect();
            arguments.extend(alternate.map(|name| text("alternate-exchange", &name)));
            Declaration { auto_delete, internal, ..declaration(&name, kind, &arguments) }
        },
    )
}

fn bound() -> impl Strategy<Value = Binding> {
    let key =
        prop_oneof![4 => words(), 2 => prop::sample::select(vec!["1", "2", "30"]).prop_map(String::from)];
    let destination = prop_oneof![
        3 => (0..QUEUES).prop_map(|n| Destination::Queue(queue(&format!("q{n}")))),
        1 => exchange_name().prop_map(|name| Destination::Exchange(exchange(&name))),
    ];
    (exchange_name(), destination, key, asked_headers()).prop_map(|(source, destination, key, arguments)| {
        let arguments = Arguments::new(&arguments).unwrap();
        let key = RoutingKey::from(key.as_bytes());
        Binding { source: exchange(&source), destination, key, arguments }
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => declared().prop_map(Change::Declare),
        1 => (0..EXCHANGES).prop_map(Change::Delete),
        3 => (0..QUEUES).prop_map(Change::AddQueue),
        1 => (0..QUEUES).prop_map(Change::RemoveQueue),
        18 => bound().prop_map(Change::Bind),
        5 => any::<prop::sample::Index>().prop_map(Change::Unbind),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let exchange = prop_oneof![9 => exchange_name(), 1 => Just(String::new())];
    let key = || prop_oneof![9 => words(), 1 => (0..QUEUES).prop_map(|n| format!("q{n}"))];
    let keys = prop_oneof![3 => key().prop_map(|key| vec![key]), 1 => prop::collection::vec(key(), 0..4)];
    let id = prop::option::of(any::<u8>().prop_map(|byte| vec![byte]));
    (exchange, keys, headers(), id).prop_map(|(exchange, keys, headers, id)| Message {
        exchange,
        keys,
        headers,
        id,
    })
}

fn take(world: &mut World, change: Change) {
    match change {
        Change::Declare(declaration) => {
            // It may be there as another one.
            let _ = world.change(|exchanges| exchanges.declare(declaration));
        }
        Change::Delete(n) => world.delete(&format!("x{n}")),
        Change::AddQueue(n) => world.queue(&format!("q{n}")),
        Change::RemoveQueue(n) => world.remove_queue(&format!("q{n}")),
        Change::Bind(binding) => {
            // An end may be missing, and a hash wants a weight.
            let _ = world.try_bind(binding);
        }
        Change::Unbind(which) => {
            let bindings = bindings(world);
            if !bindings.is_empty() {
                world.unbind(&bindings[which.index(bindings.len())]);
            }
        }
    }
}

fn bindings(world: &World) -> Vec<Binding> {
    let bindings = world.exchanges.exchanges().flat_map(|x| world.exchanges.bindings_from(x.name().as_str()));
    bindings.map(|binding| Binding::clone(binding)).collect()
}

fn check(world: &mut World, message: &Message) -> Result<(), TestCaseError> {
    let keys: Vec<&[u8]> = message.keys.iter().map(|key| key.as_bytes()).collect();
    let id = message.id.as_deref();
    let routed = Routed { keys: &keys, headers: &message.headers, message_id: id, ..Routed::default() };
    let expected = scan::route(world, &message.exchange, &routed);
    let found = world.publish(&message.exchange, &routed);
    let found = found.map(|queues| queues.iter().map(|queue| queue.to_string()).collect::<BTreeSet<_>>());
    prop_assert_eq!(found, expected);
    let queues = world.scratch.queues();
    prop_assert!(queues.is_sorted_by(|a, b| a < b));
    Ok(())
}

/// Takes everything away, and looks at what is left of the indexes.
fn empty(world: &mut World) -> Result<(), TestCaseError> {
    let named: Vec<_> = world.exchanges.exchanges().map(|exchange| exchange.name().to_string()).collect();
    for binding in bindings(world) {
        world.unbind(&binding);
    }
    for name in named {
        prop_assert_eq!(world.router.entries(&name), 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_a_scan_finds(
        history in prop::collection::vec((change(), message()), 1..80),
        messages in prop::collection::vec(message(), 40),
    ) {
        let mut world = World::new();
        for (change, message) in history {
            take(&mut world, change);
            check(&mut world, &message)?;
        }
        for message in &messages {
            check(&mut world, message)?;
        }
        // A node that begins now routes as those that followed every change.
        world.router = Router::new(world.exchanges.all());
        for message in &messages {
            check(&mut world, message)?;
        }
        empty(&mut world)?;
    }
}
