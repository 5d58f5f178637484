//! Bindings by headers.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use forebay_model::exchange::{Argument, Criterion, HeaderMatch, HeaderValue, Quantifier};

use super::found::Found;
use super::interner::Interner;
use super::number_hash::{NumberMap, pair};
use super::targets::{Target, Targets};

/// The number of a header's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name(u32);

/// The number of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Value(u32);

/// Bindings that ask for one header, or for one of several, are found by each. Those that ask for several at once are kept in groups
/// that ask for the same names: in a group one look-up by the values of the message finds all that match. A group is looked at if the
/// message has one certain header of it, its anchor: that with the fewest groups.
#[derive(Debug, Default)]
pub(super) struct HeadersIndex {
    names: Interner<Vec<u8>>,
    values: Interner<HeaderValue>,
    /// Of bindings that match every message.
    always: Targets,
    /// Of bindings that one header satisfies, by [`asking`]. No set is empty.
    single: NumberMap<Targets>,
    groups: Vec<Group>,
    free: Vec<usize>,
    by_shape: HashMap<Shape, usize>,
    /// The groups of each anchor. No set is empty.
    by_anchor: HashMap<Name, BTreeSet<usize>>,
}

/// The names that a group asks for, sorted, each with whether its value matters.
type Shape = Box<[(Name, bool)]>;

#[derive(Debug)]
struct Group {
    shape: Shape,
    anchor: Name,
    /// By the values that matter, in the order of their names. No set is empty.
    by_values: HashMap<Box<[Value]>, Targets>,
}

/// The headers of a message as numbers, and the values that a group looks at.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// What a binding might ask for, sorted by name, each name once.
    headers: Vec<Header>,
    values: Vec<Value>,
}

/// A header, its place in the message, and its value where a binding asks for such a one.
type Header = (Name, Reverse<usize>, Option<Value>);

/// What a binding comes to.
enum Wish<'a> {
    Always,
    OneOf(&'a [Criterion]),
    AllOf(Vec<&'a Criterion>),
    Never,
}

impl HeadersIndex {
    pub(super) fn add(&mut self, asked: &HeaderMatch, target: Target) {
        match wish(asked) {
            Wish::Always => self.always.add(target),
            Wish::Never => {}
            Wish::OneOf(criteria) => {
                for criterion in criteria {
                    let (name, value) = self.enter(criterion);
                    self.single.entry(asking(name, value)).or_default().add(target);
                }
            }
            Wish::AllOf(mut criteria) => {
                let mut numbers: Vec<_> = criteria.drain(..).map(|criterion| self.enter(criterion)).collect();
                let (shape, values) = shape(&mut numbers);
                let group = self.by_shape.get(&shape).copied().unwrap_or_else(|| self.make_group(shape));
                self.groups[group].by_values.entry(values).or_default().add(target);
            }
        }
    }

    pub(super) fn remove(&mut self, asked: &HeaderMatch, target: Target) {
        match wish(asked) {
            Wish::Always => self.always.remove(target),
            Wish::Never => {}
            Wish::OneOf(criteria) => {
                for criterion in criteria {
                    let (name, value) = self.leave(criterion);
                    self.remove_single(asking(name, value), target);
                }
            }
            Wish::AllOf(mut criteria) => {
                let mut numbers: Vec<_> = criteria.drain(..).map(|criterion| self.leave(criterion)).collect();
                let (shape, values) = shape(&mut numbers);
                self.remove_from_group(&shape, &values, target);
            }
        }
    }

    /// Finds the targets of what the headers satisfy.
    pub(super) fn find(&self, headers: &[Argument], asked: &mut Asked, found: &mut Found) {
        found.targets(&self.always);
        self.number(headers, asked);
        for &(name, _, value) in &asked.headers {
            for key in [Some(asking(name, None)), value.map(|value| asking(name, Some(value)))] {
                if let Some(targets) = key.and_then(|key| self.single.get(&key)) {
                    found.targets(targets);
                }
            }
            for group in self.by_anchor.get(&name).into_iter().flatten() {
                let group = &self.groups[*group];
                if group.looks_at(&asked.headers, &mut asked.values)
                    && let Some(targets) = group.by_values.get(&asked.values[..])
                {
                    found.targets(targets);
                }
            }
        }
    }

    /// Says the headers of a message in numbers, without those that nobody asks for. Of those with one name the last counts.
    fn number(&self, headers: &[Argument], asked: &mut Asked) {
        let known = headers.iter().enumerate().filter_map(|(place, header)| {
            let name = self.names.number(&header.name[..])?;
            Some((Name(name), Reverse(place), self.values.number(&header.value).map(Value)))
        });
        asked.headers.clear();
        asked.headers.extend(known);
        asked.headers.sort_unstable();
        asked.headers.dedup_by_key(|(name, ..)| *name);
    }

    fn enter(&mut self, criterion: &Criterion) -> (Name, Option<Value>) {
        let value = criterion.value.as_ref().map(|value| Value(self.values.enter(value)));
        (Name(self.names.enter(&criterion.name[..])), value)
    }

    fn leave(&mut self, criterion: &Criterion) -> (Name, Option<Value>) {
        let value = criterion.value.as_ref().map(|value| Value(self.values.leave(value)));
        (Name(self.names.leave(&criterion.name[..])), value)
    }

    fn make_group(&mut self, shape: Shape) -> usize {
        let groups_of = |name: Name| self.by_anchor.get(&name).map_or(0, BTreeSet::len);
        let names = shape.iter().map(|(name, _)| *name);
        let anchor = names.min_by_key(|name| groups_of(*name)).expect("a group asks for something");
        let group = Group { shape: shape.clone(), anchor, by_values: HashMap::new() };
        let place = self.free.pop().unwrap_or(self.groups.len());
        if place == self.groups.len() {
            self.groups.push(group);
        } else {
            self.groups[place] = group;
        }
        self.by_shape.insert(shape, place);
        self.by_anchor.entry(anchor).or_default().insert(place);
        place
    }

    fn remove_single(&mut self, key: u64, target: Target) {
        let targets = self.single.get_mut(&key).expect("a binding that goes was there");
        targets.remove(target);
        if targets.is_empty() {
            self.single.remove(&key);
        }
    }

    fn remove_from_group(&mut self, shape: &Shape, values: &[Value], target: Target) {
        let place = *self.by_shape.get(shape).expect("a binding that goes was there");
        let by_values = &mut self.groups[place].by_values;
        let targets = by_values.get_mut(values).expect("a binding that goes was there");
        targets.remove(target);
        if targets.is_empty() {
            by_values.remove(values);
        }
        if by_values.is_empty() {
            self.remove_group(place);
        }
    }

    fn remove_group(&mut self, place: usize) {
        let Group { shape, anchor, by_values } = &mut self.groups[place];
        *by_values = HashMap::new();
        self.by_shape.remove(shape);
        let groups = self.by_anchor.get_mut(anchor).expect("a group is at its anchor");
        groups.remove(&place);
        if groups.is_empty() {
            self.by_anchor.remove(anchor);
        }
        self.free.push(place);
    }

    /// How much there is of everything.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let anchored: usize = self.by_anchor.values().map(BTreeSet::len).sum();
        assert_eq!(anchored, self.groups.len() - self.free.len());
        let kept = self.names.len() + self.values.len() + self.single.len() + anchored + self.by_shape.len();
        kept + usize::from(!self.always.is_empty())
    }
}

impl Group {
    /// Whether a message has all that is asked for; then `values` are those that matter.
    fn looks_at(&self, headers: &[Header], values: &mut Vec<Value>) -> bool {
        values.clear();
        self.shape.iter().all(|(name, value_matters)| {
            let Ok(place) = headers.binary_search_by_key(name, |(name, ..)| *name) else { return false };
            match (value_matters, headers[place].2) {
                (false, _) => true,
                (true, None) => false,
                (true, Some(value)) => {
                    values.push(value);
                    true
                }
            }
        })
    }
}

/// The key of what one header satisfies: a value, or any.
fn asking(name: Name, value: Option<Value>) -> u64 {
    pair(name.0, value.map_or(0, |value| value.0 + 1))
}

fn shape(numbers: &mut [(Name, Option<Value>)]) -> (Shape, Box<[Value]>) {
    numbers.sort_unstable();
    let shape = numbers.iter().map(|(name, value)| (*name, value.is_some())).collect();
    (shape, numbers.iter().filter_map(|(_, value)| *value).collect())
}

fn wish(asked: &HeaderMatch) -> Wish<'_> {
    match (asked.quantifier, &asked.criteria[..]) {
        (Quantifier::All, []) => Wish::Always,
        (Quantifier::Any, []) => Wish::Never,
        (Quantifier::All, [_]) | (Quantifier::Any, _) => Wish::OneOf(&asked.criteria),
        (Quantifier::All, criteria) => all_of(criteria),
    }
}

/// A name may be asked for twice: that it is there follows from its value, and two values it never has.
fn all_of(criteria: &[Criterion]) -> Wish<'_> {
    let mut asked: Vec<&Criterion> = Vec::new();
    for criterion in criteria {
        match asked.last_mut() {
            Some(before) if before.name == criterion.name && before.value.is_none() => *before = criterion,
            Some(before) if before.name == criterion.name => return Wish::Never,
            _ => asked.push(criterion),
        }
    }
    Wish::AllOf(asked)
}
