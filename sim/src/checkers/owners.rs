//! Partitions of a group that its members share: each has one owner at a time, and one in each epoch or generation.

use std::collections::BTreeMap;

use forebay_model::TopicId;

use super::{Check, broken};

/// A partition belongs to the member that was given it last, until that one has given it back, leaves, or was not heard of for so long that
/// its session may be over.
pub const ONE_OWNER: &str = "a partition of a group has one owner at a time";

/// A partition by topic and number.
type Place = (TopicId, u32);
/// A member: a client, and which of its lives.
type Who = (usize, u32);

/// What members of a group know together.
#[derive(Debug, Default)]
pub struct Owners {
    owners: BTreeMap<Place, Owner>,
    /// Who was given a partition in which epoch.
    given: BTreeMap<(Place, i32), Who>,
}

#[derive(Debug)]
struct Owner {
    who: Who,
    epoch: i32,
    /// Its session lasts until then for certain, in nanoseconds.
    until: u64,
}

impl Owners {
    /// A member was told that it has a partition.
    ///
    /// # Errors
    /// Another one has it.
    pub fn takes(&mut self, place: Place, who: Who, epoch: i32, now: u64, until: u64) -> Check {
        if let Some(owner) = self.owners.get(&place).filter(|owner| owner.who != who && owner.until > now) {
            let Owner { who: other, epoch: since, .. } = owner;
            let what = format!(
                "{place:?} is given to {who:?} in epoch {epoch}; {other:?} has it, since epoch {since} at the latest"
            );
            return broken(ONE_OWNER, what);
        }
        let first = *self.given.entry((place, epoch)).or_insert(who);
        if first != who {
            let what = format!("{place:?} is given to {who:?} in epoch {epoch}, as it was to {first:?}");
            return broken(ONE_OWNER, what);
        }
        self.owners.insert(place, Owner { who, epoch, until });
        Ok(())
    }

    /// A member stopped to use a partition.
    pub fn gives(&mut self, place: Place, who: Who) {
        if self.owners.get(&place).is_some_and(|owner| owner.who == who) {
            self.owners.remove(&place);
        }
    }

    /// A member was heard of: its session lasts until then for certain.
    pub fn is_heard(&mut self, who: Who, until: u64) {
        for owner in self.owners.values_mut().filter(|owner| owner.who == who) {
            owner.until = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_free_when_it_was_given_back_or_its_owner_may_be_forgotten() {
        let place = (TopicId([1; 16]), 0);
        let (a, b) = ((1, 1), (2, 1));
        let mut owners = Owners::default();
        assert!(owners.takes(place, a, 3, 0, 100).is_ok());
        assert!(owners.takes(place, a, 4, 1, 101).is_ok());
        assert!(owners.takes(place, b, 5, 100, 200).is_err(), "it is A's");
        owners.is_heard(a, 150);
        assert!(owners.takes(place, b, 5, 140, 200).is_err());
        assert!(owners.takes(place, b, 4, 160, 200).is_err(), "A had it in that epoch");
        assert!(owners.takes(place, b, 5, 160, 200).is_ok(), "A's session may be over");
        owners.gives(place, a);
        assert!(owners.takes(place, a, 6, 170, 300).is_err(), "what it gave back was not its own");
        owners.gives(place, b);
        assert!(owners.takes(place, a, 6, 170, 300).is_ok());
    }
}
