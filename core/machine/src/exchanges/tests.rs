//! What is refused, what goes with what, and that both maps and the changes tell the same.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::exchange::{Argument, Arguments, ExchangeKind, HeaderValue, RoutingKey};
use forebay_model::limits::BINDING_KEY_BYTES_MAX;
use proptest::prelude::*;

use super::*;

fn exchange(name: &str) -> ExchangeName {
    ExchangeName::parse(name).unwrap()
}

fn queue(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn declaration(name: &str, kind: ExchangeKind) -> Declaration {
    Declaration {
        name: exchange(name),
        kind,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Arguments::default(),
    }
}

fn binding(source: &str, destination: Destination, key: &str) -> Binding {
    let key = RoutingKey::from(key.as_bytes());
    Binding { source: exchange(source), destination, key, arguments: Arguments::default() }
}

fn to_queue(source: &str, name: &str, key: &str) -> Binding {
    binding(source, Destination::Queue(queue(name)), key)
}

fn to_exchange(source: &str, name: &str) -> Binding {
    binding(source, Destination::Exchange(exchange(name)), "")
}

/// A namespace with queues q0, q1 and exchanges x0 to x3, which go with their last binding if so asked.
fn namespace(auto_delete: bool) -> Exchanges {
    let mut exchanges = Exchanges::new();
    for n in 0..2 {
        exchanges.add_queue(queue(&format!("q{n}")), QueueId(n));
    }
    for n in 0..4 {
        let declaration = Declaration { auto_delete, ..declaration(&format!("x{n}"), ExchangeKind::Fanout) };
        assert_eq!(exchanges.declare(declaration), Ok(Declared::New));
    }
    exchanges
}

/// Binds; how many bindings there are more.
fn bind(exchanges: &mut Exchanges, binding: Binding) -> usize {
    let before = exchanges.bindings_len();
    exchanges.bind(binding).unwrap();
    exchanges.bindings_len() - before
}

/// The exchanges that went since then, by name.
fn removed(exchanges: &Exchanges, before: &Exchanges) -> Vec<String> {
    let names = exchanges.changes_since(before).into_iter().filter_map(|change| match change {
        RoutingChange::ExchangeRemoved(name) => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

#[test]
fn every_namespace_begins_with_the_same_exchanges() {
    let names: Vec<_> = Exchanges::new().exchanges().map(|exchange| exchange.name().to_string()).collect();
    let expected =
        ["amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic"];
    assert_eq!(names, expected);
}

#[test]
fn an_exchange_is_declared_once_and_found_again() {
    let mut exchanges = Exchanges::new();
    let asked = declaration("x", ExchangeKind::Topic);
    assert_eq!(exchanges.declare(asked.clone()), Ok(Declared::New));
    let before = exchanges.clone();
    assert_eq!(exchanges.declare(asked.clone()), Ok(Declared::Present));
    let other = Declaration { kind: ExchangeKind::Direct, ..asked };
    assert!(matches!(exchanges.declare(other), Err(ExchangeRefusal::Inequivalent { .. })));
    // One of the broker's own can be declared as it is, but no other under such a name.
    let direct = declaration("amq.direct", ExchangeKind::Direct);
    assert_eq!(exchanges.declare(direct), Ok(Declared::Present));
    let reserved = exchanges.declare(declaration("amq.mine", ExchangeKind::Direct));
    assert_eq!(reserved, Err(ExchangeRefusal::ReservedName(exchange("amq.mine"))));
    let default = exchanges.declare(declaration("", ExchangeKind::Direct));
    assert_eq!(default, Err(ExchangeRefusal::DefaultExchange));
    assert_eq!(exchanges.changes_since(&before), []);
}

#[test]
fn there_are_so_many_exchanges_and_no_more() {
    let mut exchanges = Exchanges::new();
    for n in exchanges.exchanges.len()..EXCHANGES_MAX {
        exchanges.declare(declaration(&format!("x{n}"), ExchangeKind::Fanout)).unwrap();
    }
    let refused = exchanges.declare(declaration("one more", ExchangeKind::Fanout));
    assert_eq!(refused, Err(ExchangeRefusal::LimitReached { limit: "EXCHANGES_MAX" }));
    let present = exchanges.declare(declaration("amq.topic", ExchangeKind::Topic));
    assert_eq!(present, Ok(Declared::Present));
}

#[test]
fn bindings_take_up_so_many_bytes_and_no_more() {
    let mut exchanges = namespace(false);
    // Patterns of as many words as there can be: they take up far more than they say.
    let wide = |n: usize| format!("{n:06}{}", ".".repeat(BINDING_KEY_BYTES_MAX - 6));
    let takes_up = to_queue("x0", "q0", &wide(0)).held_bytes();
    let fit = BINDINGS_BYTES_MAX / takes_up;
    assert!(fit < 10_000, "{fit}");
    for n in 0..fit {
        bind(&mut exchanges, to_queue("x0", "q0", &wide(n)));
    }
    let refused = Err(ExchangeRefusal::LimitReached { limit: "BINDINGS_BYTES_MAX" });
    assert_eq!(exchanges.bind(to_queue("x0", "q0", &wide(fit))), refused);
    // What is there already is no more than it was.
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", &wide(0))), 0);
    exchanges.unbind(&to_queue("x0", "q0", &wide(0))).unwrap();
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", &wide(fit))), 1);
}

#[test]
fn what_is_bound_twice_is_bound_once() {
    let mut exchanges = namespace(false);
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", "k")), 1);
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", "k")), 0);
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", "another")), 1);
    let arguments = Arguments::new(&[Argument::new("a", HeaderValue::Integer(1))]).unwrap();
    let noted = Binding { arguments, ..to_queue("x0", "q0", "k") };
    assert_eq!(bind(&mut exchanges, noted), 1);
    assert_eq!(exchanges.bindings_len(), 3);

    exchanges.unbind(&to_queue("x0", "q0", "k")).unwrap();
    assert_eq!(exchanges.bindings_len(), 2);
    exchanges.unbind(&to_queue("x0", "q0", "k")).unwrap();
    exchanges.unbind(&to_queue("nowhere", "nobody", "k")).unwrap();
    assert_eq!(exchanges.bindings_len(), 2);
}

#[test]
fn bindings_need_both_ends_and_the_default_exchange_has_none() {
    let mut exchanges = namespace(false);
    let mut refused = |binding| exchanges.bind(binding).unwrap_err();
    assert_eq!(refused(to_queue("no", "q0", "")), ExchangeRefusal::UnknownExchange(exchange("no")));
    assert_eq!(refused(to_queue("x0", "no", "")), ExchangeRefusal::UnknownQueue(queue("no")));
    assert_eq!(refused(to_exchange("x0", "no")), ExchangeRefusal::UnknownExchange(exchange("no")));
    assert_eq!(refused(to_queue("", "q0", "q0")), ExchangeRefusal::DefaultExchange);
    assert_eq!(refused(to_exchange("x0", "")), ExchangeRefusal::DefaultExchange);
    let mut unbound = |binding| exchanges.unbind(&binding).unwrap_err();
    assert_eq!(unbound(to_queue("", "q0", "q0")), ExchangeRefusal::DefaultExchange);
    assert_eq!(unbound(to_exchange("x0", "")), ExchangeRefusal::DefaultExchange);
}

#[test]
fn a_binding_has_to_make_sense_to_its_exchange() {
    let mut exchanges = namespace(false);
    exchanges.declare(declaration("hash", ExchangeKind::ConsistentHash)).unwrap();
    let unweighted = exchanges.bind(to_queue("hash", "q0", "key"));
    assert!(matches!(unweighted, Err(ExchangeRefusal::InvalidBinding(_))));
    let arguments = |value| Arguments::new(&[Argument::new("x-match", value)]).unwrap();
    for wrong in [HeaderValue::text("some"), HeaderValue::Integer(1)] {
        let binding = Binding { arguments: arguments(wrong), ..to_queue("amq.match", "q0", "") };
        assert!(matches!(exchanges.bind(binding), Err(ExchangeRefusal::InvalidBinding(_))));
    }
    for right in ["all", "any", "all-with-x", "any-with-x"] {
        let arguments = arguments(HeaderValue::text(right));
        let binding = Binding { arguments, ..to_queue("amq.match", "q0", "") };
        assert_eq!(exchanges.bind(binding), Ok(()), "{right}");
    }
    let long = "x".repeat(BINDING_KEY_BYTES_MAX + 1);
    let refused = exchanges.bind(to_queue("x0", "q0", &long));
    assert_eq!(refused, Err(ExchangeRefusal::LimitReached { limit: "BINDING_KEY_BYTES_MAX" }));
}

#[test]
fn a_deletion_if_unused_asks_for_bindings_that_lead_from_the_exchange() {
    let mut exchanges = namespace(false);
    bind(&mut exchanges, to_exchange("x0", "x1"));
    let before = exchanges.clone();
    let in_use = exchanges.delete(&exchange("x0"), true);
    assert_eq!(in_use, Err(ExchangeRefusal::InUse(exchange("x0"))));
    assert_eq!(exchanges.changes_since(&before), []);
    // Being a destination is no use.
    exchanges.delete(&exchange("x1"), true).unwrap();
    assert_eq!(removed(&exchanges, &before), ["x1"]);
    assert_eq!(exchanges.bindings_len(), 0);
    exchanges.delete(&exchange("x0"), true).unwrap();
    exchanges.delete(&exchange("never declared"), true).unwrap();
    assert_eq!(removed(&exchanges, &before), ["x0", "x1"]);
    let own = exchanges.delete(&exchange("amq.topic"), false);
    assert_eq!(own, Err(ExchangeRefusal::Predeclared(exchange("amq.topic"))));
    assert_eq!(exchanges.delete(&exchange(""), false), Err(ExchangeRefusal::DefaultExchange));
}

#[test]
fn an_exchange_goes_with_its_last_binding_and_takes_others_with_it() {
    let mut exchanges = namespace(true);
    for binding in [to_exchange("x0", "x1"), to_exchange("x1", "x2"), to_queue("x2", "q0", "")] {
        bind(&mut exchanges, binding);
    }
    bind(&mut exchanges, to_queue("x1", "q1", ""));
    let before = exchanges.clone();
    exchanges.remove_queue(&queue("q0"));
    // x1 still has q1; x3 never had a binding.
    assert_eq!(removed(&exchanges, &before), ["x2"]);
    let before = exchanges.clone();
    exchanges.unbind(&to_queue("x1", "q1", "")).unwrap();
    assert_eq!(removed(&exchanges, &before), ["x0", "x1"]);
    assert!(exchanges.exchange("x3").is_some());
    assert_eq!((exchanges.bindings_len(), exchanges.bindings_bytes), (0, 0));
}

#[test]
fn a_cycle_holds_itself_and_goes_as_a_whole() {
    let mut exchanges = namespace(true);
    for binding in [to_exchange("x0", "x1"), to_exchange("x1", "x0"), to_exchange("x2", "x2")] {
        bind(&mut exchanges, binding);
    }
    let before = exchanges.clone();
    exchanges.delete(&exchange("x1"), false).unwrap();
    assert_eq!(removed(&exchanges, &before), ["x0", "x1"]);
    exchanges.delete(&exchange("x2"), false).unwrap();
    assert_eq!(exchanges.bindings_len(), 0);
}

#[test]
fn a_chain_of_all_exchanges_falls_without_a_stack() {
    let mut exchanges = Exchanges::new();
    let name = |n: usize| format!("x{n}");
    let last = EXCHANGES_MAX - exchanges.exchanges.len() - 1;
    for n in 0..=last {
        let asked = Declaration { auto_delete: true, ..declaration(&name(n), ExchangeKind::Fanout) };
        exchanges.declare(asked).unwrap();
        if n > 0 {
            exchanges.bind(to_exchange(&name(n - 1), &name(n))).unwrap();
        }
    }
    let before = exchanges.clone();
    exchanges.delete(&exchange(&name(last)), false).unwrap();
    assert_eq!(removed(&exchanges, &before).len(), last + 1);
}

/// One call with names from a small world.
#[derive(Clone, Debug)]
enum Step {
    Declare(u8, bool),
    Delete(u8, bool),
    AddQueue(u8),
    RemoveQueue(u8),
    Bind(u8, Result<u8, u8>, u8),
    Unbind(u8, Result<u8, u8>, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let end = || prop_oneof![(0..3u8).prop_map(Ok), (0..4u8).prop_map(Err)];
    prop_oneof![
        2 => (0..4u8, any::<bool>()).prop_map(|(n, auto_delete)| Step::Declare(n, auto_delete)),
        1 => (0..4u8, any::<bool>()).prop_map(|(n, if_unused)| Step::Delete(n, if_unused)),
        2 => (0..3u8).prop_map(Step::AddQueue),
        1 => (0..3u8).prop_map(Step::RemoveQueue),
        4 => (0..4u8, end(), 0..2u8).prop_map(|(source, end, key)| Step::Bind(source, end, key)),
        2 => (0..4u8, end(), 0..2u8).prop_map(|(source, end, key)| Step::Unbind(source, end, key)),
    ]
}

fn made(source: u8, end: Result<u8, u8>, key: u8) -> Binding {
    let source = format!("x{source}");
    match end {
        Ok(n) => to_queue(&source, &format!("q{n}"), &key.to_string()),
        Err(n) => Binding { key: RoutingKey::from(&[key][..]), ..to_exchange(&source, &format!("x{n}")) },
    }
}

fn take(exchanges: &mut Exchanges, step: Step, next_queue: &mut u64) {
    match step {
        Step::Declare(n, auto_delete) => {
            let kind = if auto_delete { ExchangeKind::Fanout } else { ExchangeKind::Direct };
            let declaration = Declaration { auto_delete, ..declaration(&format!("x{n}"), kind) };
            let _ = exchanges.declare(declaration);
        }
        Step::Delete(n, if_unused) => {
            let _ = exchanges.delete(&exchange(&format!("x{n}")), if_unused);
        }
        Step::AddQueue(n) => {
            let name = queue(&format!("q{n}"));
            if exchanges.queue(&name).is_none() {
                *next_queue += 1;
                exchanges.add_queue(name, QueueId(*next_queue));
            }
        }
        Step::RemoveQueue(n) => exchanges.remove_queue(&queue(&format!("q{n}"))),
        Step::Bind(source, end, key) => {
            let _ = exchanges.bind(made(source, end, key));
        }
        Step::Unbind(source, end, key) => {
            let _ = exchanges.unbind(&made(source, end, key));
        }
    }
}

/// What somebody knows who only hears of the changes.
#[derive(Default)]
struct Follower {
    queues: BTreeMap<QueueName, QueueId>,
    exchanges: BTreeMap<ExchangeName, Arc<Exchange>>,
    bindings: BTreeSet<Binding>,
}

impl Follower {
    fn hears(&mut self, change: &RoutingChange) {
        match change {
            RoutingChange::QueueAdded(name, id) => assert!(self.queues.insert(name.clone(), *id).is_none()),
            RoutingChange::QueueRemoved(name) => {
                assert!(self.queues.remove(name).is_some());
                let bound = Destination::Queue(name.clone());
                assert!(self.bindings.iter().all(|binding| binding.destination != bound));
            }
            RoutingChange::ExchangeAdded(exchange) => {
                let before = self.exchanges.insert(exchange.name().clone(), Arc::clone(exchange));
                assert!(before.is_none());
            }
            RoutingChange::ExchangeRemoved(name) => {
                assert!(self.exchanges.remove(name).is_some());
                let bound = Destination::Exchange(name.clone());
                assert!(self.bindings.iter().all(|b| b.destination != bound && b.source != *name));
            }
            RoutingChange::Bound(binding) => {
                assert!(self.exchanges.contains_key(&binding.source));
                assert!(match &binding.destination {
                    Destination::Queue(name) => self.queues.contains_key(name),
                    Destination::Exchange(name) => self.exchanges.contains_key(name),
                });
                assert!(self.bindings.insert(Binding::clone(binding)));
            }
            RoutingChange::Unbound(binding) => assert!(self.bindings.remove(&**binding)),
        }
    }

    fn knows(&self, exchanges: &Exchanges) {
        let queues: BTreeMap<_, _> = exchanges.queues().map(|(name, id)| (name.clone(), id)).collect();
        assert_eq!(self.queues, queues);
        assert!(self.exchanges.values().eq(exchanges.exchanges()));
        assert!(self.bindings.iter().eq(exchanges.bindings().map(|binding| &**binding)));
    }
}

/// Both maps hold the same, and what is counted is what is there.
fn is_sound(exchanges: &Exchanges) {
    let to: BTreeSet<_> = exchanges.to.iter().map(|((_, binding), ())| Arc::clone(binding)).collect();
    assert!(to.iter().eq(exchanges.bindings()));
    assert!(exchanges.to.iter().all(|((end, binding), ())| *end == binding.destination));
    let bytes: usize = to.iter().map(|binding| binding.held_bytes()).sum();
    assert_eq!((to.len(), bytes), (exchanges.bindings_len(), exchanges.bindings_bytes));
}

proptest! {
    /// Some changes are heard of one by one, others many at once.
    #[test]
    fn the_changes_tell_everything_and_nothing_is_left_behind(
        steps in prop::collection::vec((step(), prop::bool::weighted(0.6)), 0..60)
    ) {
        let mut exchanges = Exchanges::new();
        let mut follower = Follower::default();
        exchanges.all().for_each(|change| follower.hears(&change));
        let (mut heard, mut next_queue) = (exchanges.clone(), 0);
        for (step, is_heard) in steps {
            let before = exchanges.clone();
            take(&mut exchanges, step, &mut next_queue);
            is_sound(&exchanges);
            for left in before.bindings().filter(|binding| exchanges.from.get(&***binding).is_none()) {
                let source = left.source.as_str();
                let has_bindings = exchanges.bindings_from(source).next().is_some();
                let stays = exchanges.exchange(source).is_none_or(|stays| !stays.declaration.auto_delete);
                prop_assert!(has_bindings || stays);
            }
            if is_heard {
                exchanges.changes_since(&heard).iter().for_each(|change| follower.hears(change));
                follower.knows(&exchanges);
                heard = exchanges.clone();
            }
        }
        let mut anew = Follower::default();
        exchanges.all().for_each(|change| anew.hears(&change));
        anew.knows(&exchanges);
    }
}
