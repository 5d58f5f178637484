//! Routing as one would write it down: every binding of every exchange is looked at.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::exchange::Rule;

use super::super::hashed::{key_hash, point};
use super::super::spread::{Point, mix, rank, salt};
use super::*;

/// The queues of a message, by their names.
pub(super) fn route(
    world: &World,
    exchange: &str,
    message: &Routed<'_>,
) -> Result<BTreeSet<String>, NotRouted> {
    let mut queues = BTreeSet::new();
    if exchange.is_empty() {
        let names = world.queues.values().map(|queue| queue.as_str());
        let named = names.filter(|name| message.keys.contains(&name.as_bytes()));
        return Ok(named.map(String::from).collect());
    }
    let first = world.exchanges.exchange(exchange).ok_or(NotRouted::UnknownExchange)?;
    if first.declaration.internal {
        return Err(NotRouted::Internal);
    }
    let mut asked = BTreeSet::from([first.name().clone()]);
    let mut waiting = vec![first.name().clone()];
    while let Some(name) = waiting.pop() {
        let Some(source) = world.exchanges.exchange(name.as_str()) else { continue };
        let bindings: Vec<&Binding> = world.exchanges.bindings_from(name.as_str()).map(|b| &**b).collect();
        let mut matched = matched(&source.rule, &bindings, message);
        if matched.is_empty() {
            matched.extend(source.alternate.clone().map(Destination::Exchange));
        }
        for destination in matched {
            match destination {
                Destination::Queue(name) => drop(queues.insert(name.to_string())),
                Destination::Exchange(name) if asked.insert(name.clone()) => waiting.push(name),
                Destination::Exchange(_) => {}
            }
        }
    }
    Ok(queues)
}

fn matched(rule: &Rule, bindings: &[&Binding], message: &Routed<'_>) -> Vec<Destination> {
    if let Rule::ConsistentHash(on) = rule {
        return chosen(bindings, key_hash(on, message)).into_iter().collect();
    }
    let matches = |binding: &Binding| match rule {
        Rule::Direct => message.keys.contains(&binding.key.as_bytes()),
        Rule::Fanout => true,
        Rule::Topic => {
            let pattern = words(binding.key.as_bytes());
            message.keys.iter().any(|key| matches_words(&pattern, &words(key)))
        }
        Rule::Headers => matches_headers(&binding.arguments, message.headers),
        Rule::ConsistentHash(_) => unreachable!("was answered above"),
    };
    bindings.iter().filter(|binding| matches(binding)).map(|binding| binding.destination.clone()).collect()
}

fn words(key: &[u8]) -> Vec<&[u8]> {
    if key.is_empty() { Vec::new() } else { key.split(|byte| *byte == b'.').collect() }
}

fn matches_words(pattern: &[&[u8]], key: &[&[u8]]) -> bool {
    match (pattern, key) {
        ([], key) => key.is_empty(),
        ([b"#", pattern @ ..], key) => (0..=key.len()).any(|from| matches_words(pattern, &key[from..])),
        ([b"*", pattern @ ..], [_, key @ ..]) => matches_words(pattern, key),
        ([word, pattern @ ..], [same, key @ ..]) => word == same && matches_words(pattern, key),
        (_, []) => false,
    }
}

fn matches_headers(arguments: &Arguments, headers: &[Argument]) -> bool {
    let headers: BTreeMap<_, _> = headers.iter().map(|header| (&header.name, &header.value)).collect();
    let quantifier = arguments.get("x-match").and_then(HeaderValue::as_text).unwrap_or(b"all");
    let looks_at_all = quantifier.ends_with(b"-with-x");
    let mut fates = arguments.iter().filter_map(|argument| {
        if argument.name == "x-match" || (!looks_at_all && argument.name.starts_with(b"x-")) {
            return None;
        }
        let value = headers.get(&argument.name);
        Some(value.is_some_and(|value| argument.value == HeaderValue::Void || **value == argument.value))
    });
    if quantifier.starts_with(b"any") { fates.any(|fate| fate) } else { fates.all(|fate| fate) }
}

/// The destination of a hash: the points are parted by four bits after four bits, and every time the part with the lowest rank stays.
fn chosen(bindings: &[&Binding], key: u64) -> Option<Destination> {
    let mut left: Vec<(Point, &Destination, u64)> = Vec::new();
    for binding in bindings {
        let weight: u64 = String::from_utf8_lossy(binding.key.as_bytes()).parse().unwrap();
        left.push((point(&binding.destination), &binding.destination, weight));
    }
    for depth in 0..Point::BITS / 4 {
        let mut parts: BTreeMap<Point, u64> = BTreeMap::new();
        let way = |point: Point| point >> (Point::BITS - 4 * (depth + 1));
        left.iter().for_each(|(point, _, weight)| *parts.entry(way(*point)).or_default() += weight);
        let rank = |way: Point, weight| {
            let anywhere = way << (Point::BITS - 4 * (depth + 1));
            rank(mix(key ^ salt(anywhere, depth)), weight)
        };
        let best = parts.iter().min_by(|a, b| rank(*a.0, *a.1).total_cmp(&rank(*b.0, *b.1)))?;
        left.retain(|(point, ..)| way(*point) == *best.0);
    }
    left.first().map(|(_, destination, _)| (*destination).clone())
}
