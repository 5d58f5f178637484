//! Routing alone: what a publish costs with few bindings and with many, for each kind of exchange.
//!
//! `routing PUBLISHES BINDINGS...` binds so many queues in several ways, routes PUBLISHES messages through each, and takes the bindings
//! away again. It writes one JSON object a line. Every message matches the same few bindings, however many there are; which ones is
//! drawn anew for each, so that with many bindings little of what it needs is in the processor's caches.
#![forbid(unsafe_code)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use forebay_broker::routing::{Routed, Router, Scratch};
use forebay_machine::{Exchanges, RoutingChange};
use forebay_model::exchange::{
    Argument, Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, HeaderValue, QueueId,
    QueueName, RoutingKey,
};

/// Messages that are made before the clock runs, and gone through in turn.
const MESSAGES: usize = 1 << 16;
/// Queues that a fanout leads to, by however many bindings.
const FANOUT: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [publishes, bindings @ ..] = &words[..] else { return Err("routing PUBLISHES BINDINGS...".into()) };
    let publishes = publishes.parse()?;
    let bindings: Vec<usize> = bindings.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
    for shape in Shape::ALL {
        for bindings in &bindings {
            measure(shape, *bindings, publishes)?;
        }
    }
    Ok(())
}

/// What is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Nothing: every queue is there by its name.
    Default,
    /// Each queue by a key of its own.
    Direct,
    /// A few queues by many keys that nobody looks at.
    Fanout,
    /// Patterns of four forms, each with one word of its own.
    Topic,
    /// Two headers, one of them with a value of its own.
    HeadersAll,
    /// One of two headers, each with a value of its own.
    HeadersAny,
    /// A share of the keys.
    ConsistentHash,
}

impl Shape {
    const ALL: [Shape; 7] = [
        Shape::Default,
        Shape::Direct,
        Shape::Fanout,
        Shape::Topic,
        Shape::HeadersAll,
        Shape::HeadersAny,
        Shape::ConsistentHash,
    ];

    fn exchange(self) -> &'static str {
        match self {
            Shape::Default => "",
            Shape::Direct => "amq.direct",
            Shape::Fanout => "amq.fanout",
            Shape::Topic => "amq.topic",
            Shape::HeadersAll | Shape::HeadersAny => "amq.headers",
            Shape::ConsistentHash => "hash",
        }
    }

    fn binding(self, n: usize) -> Binding {
        let (mut key, mut arguments, mut queue) = (String::new(), Vec::new(), n);
        match self {
            Shape::Default | Shape::Direct => key = format!("order.{n}"),
            Shape::Fanout => (key, queue) = (n.to_string(), n % FANOUT),
            Shape::Topic => {
                key = match n % 4 {
                    0 => format!("order.{}.created", n / 4),
                    1 => format!("*.{}.created", n / 4),
                    2 => format!("order.{}.#", n / 4),
                    _ => format!("#.{}.*", n / 4),
                }
            }
            Shape::HeadersAll => arguments = vec![text("kind", "order"), number("id", n)],
            Shape::HeadersAny => arguments = vec![text("x-match", "any"), number("id", n), number("of", n)],
            Shape::ConsistentHash => key = "1".into(),
        }
        Binding {
            source: ExchangeName::parse(self.exchange()).expect("short"),
            destination: Destination::Queue(queue_name(queue)),
            key: RoutingKey::from(key.as_bytes()),
            arguments: Arguments::new(&arguments).expect("few"),
        }
    }

    /// A message that matches the `n`th binding.
    fn message(self, n: usize, bindings: usize) -> Message {
        let key = match self {
            Shape::Default => queue_name(n).as_str().into(),
            Shape::Topic => format!("order.{}.created", n / 4 % (bindings / 4).max(1)),
            _ => format!("order.{n}"),
        };
        let headers = match self {
            Shape::HeadersAll => vec![text("kind", "order"), number("id", n), text("note", "none")],
            Shape::HeadersAny => vec![number("of", n), text("note", "none")],
            _ => Vec::new(),
        };
        Message { key: key.into_bytes(), headers }
    }
}

struct Message {
    key: Vec<u8>,
    headers: Vec<Argument>,
}

fn measure(shape: Shape, bindings: usize, publishes: usize) -> Result<(), Box<dyn Error>> {
    let mut exchanges = namespace(bindings)?;
    let mut router = Router::new(exchanges.all());
    let before = exchanges.clone();
    if shape != Shape::Default {
        for n in 0..bindings {
            exchanges.bind(shape.binding(n))?;
        }
    }
    let mut bind_ns = 0.0;
    let changes = exchanges.changes_since(&before);
    let heap = allocation_counter::measure(|| bind_ns = follow(&mut router, &changes));

    let mut random = 7u64;
    let mut draw = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bindings
    };
    let messages: Vec<_> = (0..MESSAGES).map(|_| shape.message(draw(), bindings)).collect();
    let mut scratch = Scratch::default();
    publish(&router, shape, &messages, messages.len(), &mut scratch);
    let start = Instant::now();
    let queues = publish(&router, shape, &messages, publishes, &mut scratch);
    let publish_ns = start.elapsed().as_nanos() as f64 / publishes as f64;

    let before = exchanges.clone();
    for n in 0..if shape == Shape::Default { 0 } else { bindings } {
        exchanges.unbind(&shape.binding(n))?;
    }
    let changes = exchanges.changes_since(&before);
    let unbind_ns = follow(&mut router, &changes);
    println!(
        "{{\"measure\":\"routing\",\"exchange\":\"{shape:?}\",\"bindings\":{bindings},\"publishes\":{publishes},\
         \"queues\":{:.2},\"publish_ns\":{publish_ns:.1},\"bind_ns\":{bind_ns:.0},\"unbind_ns\":{unbind_ns:.0},\
         \"bytes_per_binding\":{}}}",
        queues as f64 / publishes as f64,
        heap.bytes_current / bindings as i64,
    );
    Ok(())
}

/// So many queues, and an exchange of the one kind that is not there from the beginning.
fn namespace(queues: usize) -> Result<Exchanges, Box<dyn Error>> {
    let mut exchanges = Exchanges::new();
    let hash = Declaration {
        name: ExchangeName::parse("hash")?,
        kind: ExchangeKind::ConsistentHash,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Arguments::default(),
    };
    exchanges.declare(hash)?;
    for n in 0..queues.max(FANOUT) {
        exchanges.add_queue(queue_name(n), QueueId(n as u64));
    }
    Ok(exchanges)
}

/// Nanoseconds for each change.
fn follow(router: &mut Router, changes: &[RoutingChange]) -> f64 {
    let start = Instant::now();
    changes.iter().for_each(|change| router.apply(change));
    start.elapsed().as_nanos() as f64 / changes.len().max(1) as f64
}

/// How many queues were found.
fn publish(
    router: &Router,
    shape: Shape,
    messages: &[Message],
    publishes: usize,
    scratch: &mut Scratch,
) -> usize {
    let mut queues = 0;
    for message in messages.iter().cycle().take(publishes) {
        let keys = [&message.key[..]];
        let routed = Routed { keys: &keys, headers: &message.headers, ..Routed::default() };
        router.publish(shape.exchange(), black_box(&routed), scratch).expect("the exchanges are there");
        queues += black_box(scratch.queues()).len();
    }
    queues
}

fn queue_name(n: usize) -> QueueName {
    QueueName::parse(&format!("queue {n}")).expect("short")
}

fn text(name: &str, value: &str) -> Argument {
    Argument::new(name, HeaderValue::text(value))
}

fn number(name: &str, value: usize) -> Argument {
    Argument::new(name, HeaderValue::Integer(value as i128))
}
