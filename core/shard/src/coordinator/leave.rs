//! Leaving.

use forebay_model::Refusal;
use forebay_model::group::LeavingMember;

use super::Turn;
use super::group::Group;

impl Group {
    /// One answer per member, in order.
    pub(super) fn leave(
        &mut self,
        members: Vec<LeavingMember>,
        turn: &mut Turn<'_>,
    ) -> Vec<(LeavingMember, Result<(), Refusal>)> {
        let mut reasons = Vec::new();
        let mut results = Vec::with_capacity(members.len());
        for member in members {
            let result = self.remove_leaving(&member, turn);
            if result.is_ok() {
                reasons.extend(member.reason.clone());
            }
            results.push((member, result));
        }
        if results.iter().any(|(_, result)| result.is_ok()) && !self.is_empty() {
            let mut reason = "members left".to_owned();
            if let Some(first) = reasons.first() {
                reason = format!("{reason}: {first}");
            }
            self.rebalance(&reason, turn);
        }
        results
    }

    fn remove_leaving(&mut self, leaving: &LeavingMember, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        // An operator removes a static member by its name alone.
        if leaving.member.is_empty() {
            let instance = leaving.instance.as_ref().ok_or(Refusal::UnknownMember)?;
            let id = self.instances.get(instance).cloned().ok_or(Refusal::UnknownMember)?;
            self.remove(&id, turn);
            return Ok(());
        }
        if let Some(id) = self.expected.take(leaving.member.as_str()) {
            turn.timers.cancel(&self.timer_of(&id));
            return Ok(());
        }
        self.check_member(&leaving.member, leaving.instance.as_deref())?;
        self.remove(&leaving.member, turn);
        Ok(())
    }
}
