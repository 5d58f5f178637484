//! What bindings to a headers exchange ask for.

use forebay_model::Timestamp;
use forebay_model::exchange::Float;

use super::*;

fn bound(asked: &[&[Argument]]) -> World {
    let mut world = World::new();
    for (place, arguments) in asked.iter().enumerate() {
        world.bind_with("amq.headers", &place.to_string(), "the key does not matter", arguments);
    }
    world
}

fn expect(world: &mut World, headers: &[Argument], expected: &[&str]) {
    let found = world.publish("amq.headers", &Routed { headers, ..Routed::default() }).unwrap();
    assert_eq!(found, expected, "{headers:?}");
}

#[test]
fn all_headers_or_any_have_to_match() {
    let mut world = bound(&[
        &[text("a", "1"), text("b", "2")],
        &[text("x-match", "all"), text("a", "1"), text("b", "2")],
        &[text("x-match", "any"), text("a", "1"), text("b", "2")],
    ]);
    expect(&mut world, &[text("a", "1"), text("b", "2")], &["0", "1", "2"]);
    expect(&mut world, &[text("b", "2"), text("a", "1"), text("c", "3")], &["0", "1", "2"]);
    expect(&mut world, &[text("a", "1")], &["2"]);
    expect(&mut world, &[text("a", "1"), text("b", "3")], &["2"]);
    expect(&mut world, &[text("a", "2"), text("b", "1")], &[]);
    expect(&mut world, &[], &[]);
}

#[test]
fn nothing_asked_of_all_is_always_met_and_of_any_never() {
    let mut world = bound(&[
        &[],
        &[text("x-match", "all")],
        &[text("x-match", "any")],
        // What is left out is not asked.
        &[text("x-only", "1")],
        &[text("x-match", "any"), text("x-only", "1")],
    ]);
    expect(&mut world, &[], &["0", "1", "3"]);
    expect(&mut world, &[text("x-only", "1")], &["0", "1", "3"]);
}

#[test]
fn extensions_are_looked_at_only_if_asked_for() {
    let mut world = bound(&[
        &[text("a", "1"), text("x-b", "2")],
        &[text("x-match", "all-with-x"), text("a", "1"), text("x-b", "2")],
        &[text("x-match", "any"), text("a", "1"), text("x-b", "2")],
        &[text("x-match", "any-with-x"), text("a", "1"), text("x-b", "2")],
        &[text("x-match", "all-with-x"), text("x-b", "2")],
    ]);
    expect(&mut world, &[text("a", "1")], &["0", "2", "3"]);
    expect(&mut world, &[text("x-b", "2")], &["3", "4"]);
    expect(&mut world, &[text("a", "1"), text("x-b", "2")], &["0", "1", "2", "3", "4"]);
    expect(&mut world, &[text("a", "1"), text("x-b", "3")], &["0", "2", "3"]);
}

#[test]
fn a_header_without_a_value_in_a_binding_asks_for_any() {
    let mut world = bound(&[
        &[void("a"), text("b", "2")],
        &[text("x-match", "any"), void("a"), text("b", "2")],
        &[void("a")],
        &[void("a"), void("b")],
    ]);
    expect(&mut world, &[text("a", "anything")], &["1", "2"]);
    expect(&mut world, &[void("a"), text("b", "2")], &["0", "1", "2", "3"]);
    expect(&mut world, &[text("b", "2")], &["1"]);
    expect(&mut world, &[text("b", "3")], &[]);
}

#[test]
fn values_are_compared_with_their_kind_but_not_their_width() {
    let values = [
        HeaderValue::Integer(1),
        HeaderValue::Float(Float::from(1.0)),
        HeaderValue::text("1"),
        HeaderValue::Bool(true),
        HeaderValue::Decimal { scale: 0, unscaled: 1 },
        HeaderValue::Time(Timestamp(1)),
        HeaderValue::List(vec![HeaderValue::Integer(1)]),
        HeaderValue::Table(vec![number("a", 1)]),
    ];
    let asked: Vec<_> = values.iter().map(|value| [Argument::new("a", value.clone())]).collect();
    let mut world = bound(&asked.iter().map(|arguments| &arguments[..]).collect::<Vec<_>>());
    for (place, value) in values.iter().enumerate() {
        expect(&mut world, &[Argument::new("a", value.clone())], &[&place.to_string()]);
    }
    expect(&mut world, &[void("a")], &[]);
    // The scale is part of the value, and so is the sign of zero.
    expect(&mut world, &[Argument::new("a", HeaderValue::Decimal { scale: 1, unscaled: 10 })], &[]);
    assert_ne!(Float::from(0.0), Float::from(-0.0));
}

#[test]
fn a_name_that_stands_twice_is_asked_twice_and_said_once() {
    let mut world = bound(&[
        &[text("a", "1"), text("a", "2")],
        &[text("x-match", "any"), text("a", "1"), text("a", "2")],
        &[text("a", "2"), void("a")],
    ]);
    expect(&mut world, &[text("a", "1")], &["1"]);
    // The last of the message counts.
    expect(&mut world, &[text("a", "1"), text("a", "2")], &["1", "2"]);
    expect(&mut world, &[text("a", "2"), text("a", "3")], &[]);
}
