//! From what a member has to what it is to have: first it gives back, then it goes to the group's epoch and gets what is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_env::fault::{Fault, planted};
use forebay_model::group::PartitionSet;

use super::super::Turn;
use super::{AssignedGroup, Place};

impl AssignedGroup {
    /// Goes on with a member as far as it can. `owned` is what it says that it has. Tells whether what it may have has changed.
    pub(super) fn reconcile(
        &mut self,
        id: &Arc<str>,
        owned: Option<&PartitionSet>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        // Silence is no sign that it has given back.
        let still_has = |places: &BTreeMap<Place, i32>| {
            owned.is_none_or(|owned| places.keys().any(|place| owned.contains(place)))
        };
        if !member.revoking.is_empty() && still_has(&member.revoking) {
            return false;
        }
        if member.epoch == self.dealt.epoch && member.has_its_target() {
            return false;
        }
        let before = member.held.clone();
        let (keeps, gives): (BTreeMap<Place, i32>, BTreeMap<Place, i32>) = before
            .iter()
            .map(|(place, epoch)| (*place, *epoch))
            .partition(|(p, _)| member.target.contains(p));
        if !gives.is_empty() && still_has(&gives) {
            turn.timers.set(self.revocation_of(id), turn.in_ms(member.rebalance_timeout_ms));
            self.set_places(id, keeps, gives);
        } else {
            let is_free = |place: &&Place| self.is_free(**place, id);
            let lacks = member.target.iter().filter(|place| !keeps.contains_key(*place));
            let takes: BTreeSet<Place> = lacks.filter(is_free).copied().collect();
            let epoch = self.dealt.epoch;
            let is_news = member.epoch != epoch || keeps != before || !takes.is_empty();
            if !is_news && member.revoking.is_empty() {
                // It waits for others to give back.
                return false;
            }
            turn.timers.cancel(&self.revocation_of(id));
            let mut held = keeps;
            held.extend(takes.into_iter().map(|place| (place, epoch)));
            self.set_places(id, held, BTreeMap::new());
            if let Some(member) = self.members.get_mut(id) {
                (member.previous_epoch, member.epoch) = (member.epoch, epoch);
            }
        }
        self.touch(Some(id));
        self.members.get(id).is_some_and(|member| !member.held.keys().eq(before.keys()))
    }

    /// Whether the member may have it, as far as others go.
    pub(super) fn is_free(&self, place: Place, member: &Arc<str>) -> bool {
        planted(Fault::PartitionGivenTwice) || self.owner(place).is_none_or(|owner| owner == member)
    }

    fn set_places(&mut self, id: &Arc<str>, held: BTreeMap<Place, i32>, revoking: BTreeMap<Place, i32>) {
        let Some(member) = self.members.get_mut(id) else { return };
        for place in member.places() {
            self.owners.remove(&place);
        }
        (member.held, member.revoking) = (held, revoking);
        for place in member.places() {
            self.owners.insert(place, Arc::clone(id));
        }
    }
}
