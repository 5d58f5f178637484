//! What is refused, what goes with what, and that both maps and the changes tell the same.

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
    let changes = &mut Vec::new();
    for n in 0..2 {
        exchanges.add_queue(queue(&format!("q{n}")), QueueId(n), changes);
    }
    for n in 0..4 {
        let declaration = Declaration { auto_delete, ..declaration(&format!("x{n}"), ExchangeKind::Fanout) };
        assert_eq!(exchanges.declare(declaration, changes), Ok(Declared::New));
    }
    exchanges
}

fn bind(exchanges: &mut Exchanges, binding: Binding) -> Vec<RoutingChange> {
    let mut changes = Vec::new();
    exchanges.bind(binding, &mut changes).unwrap();
    changes
}

fn removed(changes: &[RoutingChange]) -> Vec<&str> {
    let names = changes.iter().filter_map(|change| match change {
        RoutingChange::ExchangeRemoved(name) => Some(name.as_str()),
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
    let mut changes = Vec::new();
    let asked = declaration("x", ExchangeKind::Topic);
    assert_eq!(exchanges.declare(asked.clone(), &mut changes), Ok(Declared::New));
    assert_eq!(exchanges.declare(asked.clone(), &mut changes), Ok(Declared::Present));
    assert_eq!(changes.len(), 1);
    let other = Declaration { kind: ExchangeKind::Direct, ..asked };
    assert!(matches!(exchanges.declare(other, &mut changes), Err(ExchangeRefusal::Inequivalent { .. })));
    // One of the broker's own can be declared as it is, but no other under such a name.
    let direct = declaration("amq.direct", ExchangeKind::Direct);
    assert_eq!(exchanges.declare(direct, &mut changes), Ok(Declared::Present));
    let reserved = exchanges.declare(declaration("amq.mine", ExchangeKind::Direct), &mut changes);
    assert_eq!(reserved, Err(ExchangeRefusal::ReservedName(exchange("amq.mine"))));
    let default = exchanges.declare(declaration("", ExchangeKind::Direct), &mut changes);
    assert_eq!(default, Err(ExchangeRefusal::DefaultExchange));
    assert_eq!(changes.len(), 1);
}

#[test]
fn there_are_so_many_exchanges_and_no_more() {
    let mut exchanges = Exchanges::new();
    let mut changes = Vec::new();
    for n in exchanges.exchanges.len()..EXCHANGES_MAX {
        exchanges.declare(declaration(&format!("x{n}"), ExchangeKind::Fanout), &mut changes).unwrap();
    }
    let refused = exchanges.declare(declaration("one more", ExchangeKind::Fanout), &mut changes);
    assert_eq!(refused, Err(ExchangeRefusal::LimitReached { limit: "EXCHANGES_MAX" }));
    let present = exchanges.declare(declaration("amq.topic", ExchangeKind::Topic), &mut changes);
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
    assert_eq!(exchanges.bind(to_queue("x0", "q0", &wide(fit)), &mut Vec::new()), refused);
    // What is there already is no more than it was.
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", &wide(0))).len(), 0);
    exchanges.unbind(&to_queue("x0", "q0", &wide(0)), &mut Vec::new()).unwrap();
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", &wide(fit))).len(), 1);
}

#[test]
fn what_is_bound_twice_is_bound_once() {
    let mut exchanges = namespace(false);
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", "k")).len(), 1);
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", "k")).len(), 0);
    assert_eq!(bind(&mut exchanges, to_queue("x0", "q0", "another")).len(), 1);
    let arguments = Arguments::new(&[Argument::new("a", HeaderValue::Integer(1))]).unwrap();
    let noted = Binding { arguments, ..to_queue("x0", "q0", "k") };
    assert_eq!(bind(&mut exchanges, noted).len(), 1);
    assert_eq!(exchanges.bindings_len(), 3);

    let mut changes = Vec::new();
    exchanges.unbind(&to_queue("x0", "q0", "k"), &mut changes).unwrap();
    assert_eq!(changes.len(), 1);
    exchanges.unbind(&to_queue("x0", "q0", "k"), &mut changes).unwrap();
    exchanges.unbind(&to_queue("nowhere", "nobody", "k"), &mut changes).unwrap();
    assert_eq!((changes.len(), exchanges.bindings_len()), (1, 2));
}

#[test]
fn bindings_need_both_ends_and_the_default_exchange_has_none() {
    let mut exchanges = namespace(false);
    let mut refused = |binding| exchanges.bind(binding, &mut Vec::new()).unwrap_err();
    assert_eq!(refused(to_queue("no", "q0", "")), ExchangeRefusal::UnknownExchange(exchange("no")));
    assert_eq!(refused(to_queue("x0", "no", "")), ExchangeRefusal::UnknownQueue(queue("no")));
    assert_eq!(refused(to_exchange("x0", "no")), ExchangeRefusal::UnknownExchange(exchange("no")));
    assert_eq!(refused(to_queue("", "q0", "q0")), ExchangeRefusal::DefaultExchange);
    assert_eq!(refused(to_exchange("x0", "")), ExchangeRefusal::DefaultExchange);
    let mut unbound = |binding| exchanges.unbind(&binding, &mut Vec::new()).unwrap_err();
    assert_eq!(unbound(to_queue("", "q0", "q0")), ExchangeRefusal::DefaultExchange);
    assert_eq!(unbound(to_exchange("x0", "")), ExchangeRefusal::DefaultExchange);
}

#[test]
fn a_binding_has_to_make_sense_to_its_exchange() {
    let mut exchanges = namespace(false);
    let changes = &mut Vec::new();
    exchanges.declare(declaration("hash", ExchangeKind::ConsistentHash), changes).unwrap();
    let unweighted = exchanges.bind(to_queue("hash", "q0", "key"), changes);
    assert!(matches!(unweighted, Err(ExchangeRefusal::InvalidBinding(_))));
    let arguments = |value| Arguments::new(&[Argument::new("x-match", value)]).unwrap();
    for wrong in [HeaderValue::text("some"), HeaderValue::Integer(1)] {
        let binding = Binding { arguments: arguments(wrong), ..to_queue("amq.match", "q0", "") };
        assert!(matches!(exchanges.bind(binding, changes), Err(ExchangeRefusal::InvalidBinding(_))));
    }
    for right in ["all", "any", "all-with-x", "any-with-x"] {
        let arguments = arguments(HeaderValue::text(right));
        let binding = Binding { arguments, ..to_queue("amq.match", "q0", "") };
        assert_eq!(exchanges.bind(binding, changes), Ok(()), "{right}");
    }
    let long = "x".repeat(BINDING_KEY_BYTES_MAX + 1);
    let refused = exchanges.bind(to_queue("x0", "q0", &long), changes);
    assert_eq!(refused, Err(ExchangeRefusal::LimitReached { limit: "BINDING_KEY_BYTES_MAX" }));
}

#[test]
fn a_deletion_if_unused_asks_for_bindings_that_lead_from_the_exchange() {
    let mut exchanges = namespace(false);
    bind(&mut exchanges, to_exchange("x0", "x1"));
    let mut changes = Vec::new();
    let in_use = exchanges.delete(&exchange("x0"), true, &mut changes);
    assert_eq!((in_use, changes.len()), (Err(ExchangeRefusal::InUse(exchange("x0"))), 0));
    // Being a destination is no use.
    exchanges.delete(&exchange("x1"), true, &mut changes).unwrap();
    assert_eq!(removed(&changes), ["x1"]);
    assert_eq!(exchanges.bindings_len(), 0);
    exchanges.delete(&exchange("x0"), true, &mut changes).unwrap();
    exchanges.delete(&exchange("never declared"), true, &mut changes).unwrap();
    assert_eq!(removed(&changes), ["x1", "x0"]);
    let own = exchanges.delete(&exchange("amq.topic"), false, &mut changes);
    assert_eq!(own, Err(ExchangeRefusal::Predeclared(exchange("amq.topic"))));
    assert_eq!(exchanges.delete(&exchange(""), false, &mut changes), Err(ExchangeRefusal::DefaultExchange));
}

#[test]
fn an_exchange_goes_with_its_last_binding_and_takes_others_with_it() {
    let mut exchanges = namespace(true);
    for binding in [to_exchange("x0", "x1"), to_exchange("x1", "x2"), to_queue("x2", "q0", "")] {
        bind(&mut exchanges, binding);
    }
    bind(&mut exchanges, to_queue("x1", "q1", ""));
    let mut changes = Vec::new();
    exchanges.remove_queue(&queue("q0"), &mut changes);
    // x1 still has q1; x3 never had a binding.
    assert_eq!(removed(&changes), ["x2"]);
    changes.clear();
    exchanges.unbind(&to_queue("x1", "q1", ""), &mut changes).unwrap();
    assert_eq!(removed(&changes), ["x1", "x0"]);
    assert!(exchanges.exchange("x3").is_some());
    assert_eq!((exchanges.bindings_len(), exchanges.bindings_bytes), (0, 0));
}

#[test]
fn a_cycle_holds_itself_and_goes_as_a_whole() {
    let mut exchanges = namespace(true);
    for binding in [to_exchange("x0", "x1"), to_exchange("x1", "x0"), to_exchange("x2", "x2")] {
        bind(&mut exchanges, binding);
    }
    let mut changes = Vec::new();
    exchanges.delete(&exchange("x1"), false, &mut changes).unwrap();
    assert_eq!(removed(&changes), ["x1", "x0"]);
    exchanges.delete(&exchange("x2"), false, &mut changes).unwrap();
    assert_eq!(exchanges.bindings_len(), 0);
}

#[test]
fn a_chain_of_all_exchanges_falls_without_a_stack() {
    let mut exchanges = Exchanges::new();
    let mut changes = Vec::new();
    let name = |n: usize| format!("x{n}");
    let last = EXCHANGES_MAX - exchanges.exchanges.len() - 1;
    for n in 0..=last {
        let asked = Declaration { auto_delete: true, ..declaration(&name(n), ExchangeKind::Fanout) };
        exchanges.declare(asked, &mut changes).unwrap();
        if n > 0 {
            exchanges.bind(to_exchange(&name(n - 1), &name(n)), &mut changes).unwrap();
        }
    }
    changes.clear();
    exchanges.delete(&exchange(&name(last)), false, &mut changes).unwrap();
    assert_eq!(removed(&changes).len(), last + 1);
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

fn take(exchanges: &mut Exchanges, step: Step, changes: &mut Vec<RoutingChange>) {
    match step {
        Step::Declare(n, auto_delete) => {
            let declaration =
                Declaration { auto_delete, ..declaration(&format!("x{n}"), ExchangeKind::Fanout) };
            let _ = exchanges.declare(declaration, changes);
        }
        Step::Delete(n, if_unused) => {
            let _ = exchanges.delete(&exchange(&format!("x{n}")), if_unused, changes);
        }
        Step::AddQueue(n) => {
            let name = queue(&format!("q{n}"));
            if !exchanges.queues.contains_key(&name) {
                exchanges.add_queue(name, QueueId(n.into()), changes);
            }
        }
        Step::RemoveQueue(n) => exchanges.remove_queue(&queue(&format!("q{n}")), changes),
        Step::Bind(source, end, key) => {
            let _ = exchanges.bind(made(source, end, key), changes);
        }
        Step::Unbind(source, end, key) => {
            let _ = exchanges.unbind(&made(source, end, key), changes);
        }
    }
}

/// What somebody knows who only hears of the changes.
#[derive(Default)]
struct Follower {
    queues: BTreeSet<QueueName>,
    exchanges: BTreeSet<ExchangeName>,
    bindings: BTreeSet<Binding>,
    /// Exchanges from which a binding was taken away.
    unbound: BTreeSet<ExchangeName>,
}

impl Follower {
    fn hears(&mut self, change: &RoutingChange) {
        match change {
            RoutingChange::QueueAdded(name, _) => assert!(self.queues.insert(name.clone())),
            RoutingChange::QueueRemoved(name) => {
                assert!(self.queues.remove(name));
                let bound = Destination::Queue(name.clone());
                assert!(self.bindings.iter().all(|binding| binding.destination != bound));
            }
            RoutingChange::ExchangeAdded(exchange) => assert!(self.exchanges.insert(exchange.name().clone())),
            RoutingChange::ExchangeRemoved(name) => {
                assert!(self.exchanges.remove(name));
                self.unbound.remove(name);
                let bound = Destination::Exchange(name.clone());
                assert!(self.bindings.iter().all(|b| b.destination != bound && b.source != *name));
            }
            RoutingChange::Bound(binding) => {
                assert!(self.exchanges.contains(&binding.source));
                assert!(match &binding.destination {
                    Destination::Queue(name) => self.queues.contains(name),
                    Destination::Exchange(name) => self.exchanges.contains(name),
                });
                assert!(self.bindings.insert(Binding::clone(binding)));
            }
            RoutingChange::Unbound(binding) => {
                assert!(self.bindings.remove(&**binding));
                self.unbound.insert(binding.source.clone());
            }
        }
    }
}

proptest! {
    #[test]
    fn the_changes_tell_everything_and_nothing_is_left_behind(steps in prop::collection::vec(step(), 0..60)) {
        let mut exchanges = Exchanges::new();
        let mut follower = Follower::default();
        exchanges.all().for_each(|change| follower.hears(&change));
        for step in steps {
            let mut changes = Vec::new();
            follower.unbound.clear();
            take(&mut exchanges, step, &mut changes);
            changes.iter().for_each(|change| follower.hears(change));

            let from: BTreeSet<_> = exchanges.from.values().flatten().map(|b| Binding::clone(b)).collect();
            let to: BTreeSet<_> = exchanges.to.values().flatten().map(|b| Binding::clone(b)).collect();
            prop_assert_eq!(&from, &to);
            prop_assert_eq!(&from, &follower.bindings);
            prop_assert_eq!(from.len(), exchanges.bindings_len());
            let bytes: usize = from.iter().map(Binding::held_bytes).sum();
            prop_assert_eq!(bytes, exchanges.bindings_bytes);
            prop_assert!(exchanges.from.values().chain(exchanges.to.values()).all(|set| !set.is_empty()));
            prop_assert!(exchanges.exchanges.keys().eq(follower.exchanges.iter()));
            prop_assert!(exchanges.queues.keys().eq(follower.queues.iter()));
            for name in &follower.unbound {
                let stays = exchanges.exchange(name.as_str()).unwrap();
                let has_bindings = exchanges.bindings_from(name.as_str()).next().is_some();
                prop_assert!(has_bindings || !stays.declaration.auto_delete);
            }
        }
    }
}
