//! Where bindings that match alike lead.

use std::collections::BTreeMap;

use forebay_model::exchange::QueueId;

/// An exchange, by its place in the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExchangeNumber(pub(super) u32);

/// A destination in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Target {
    /// A queue.
    Queue(QueueId),
    /// An exchange, which routes on.
    Exchange(ExchangeNumber),
}

/// A set of targets, each with the number of bindings that lead to it. Most bindings are alone with what they ask for, so one needs no
/// memory of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Targets {
    /// No target.
    #[default]
    None,
    /// One.
    One(Target, u32),
    /// Two at least.
    Many(BTreeMap<Target, u32>),
}

impl Targets {
    pub(super) fn is_empty(&self) -> bool {
        *self == Targets::None
    }

    /// One binding more leads there.
    pub(super) fn add(&mut self, target: Target) {
        match self {
            Targets::None => *self = Targets::One(target, 1),
            Targets::One(one, uses) if *one == target => *uses += 1,
            Targets::One(one, uses) => {
                *self = Targets::Many(BTreeMap::from([(*one, *uses), (target, 1)]));
            }
            Targets::Many(many) => *many.entry(target).or_default() += 1,
        }
    }

    /// One binding less leads there.
    pub(super) fn remove(&mut self, target: Target) {
        let left = match self {
            Targets::None => panic!("a binding that goes was there"),
            Targets::One(one, uses) => {
                assert_eq!(*one, target, "a binding that goes was there");
                *uses -= 1;
                *uses
            }
            Targets::Many(many) => {
                let uses = many.get_mut(&target).expect("a binding that goes was there");
                *uses -= 1;
                if *uses == 0 {
                    many.remove(&target);
                }
                return self.shrink();
            }
        };
        if left == 0 {
            *self = Targets::None;
        }
    }

    fn shrink(&mut self) {
        let Targets::Many(many) = self else { return };
        if let (1, Some((target, uses))) = (many.len(), many.first_key_value()) {
            *self = Targets::One(*target, *uses);
        }
    }

    /// All of them, sorted.
    pub(super) fn for_each(&self, mut f: impl FnMut(Target)) {
        match self {
            Targets::None => {}
            Targets::One(target, _) => f(*target),
            Targets::Many(many) => many.keys().copied().for_each(f),
        }
    }
}
