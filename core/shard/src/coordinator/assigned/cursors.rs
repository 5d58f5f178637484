//! Who may set, read and take away cursors.

use forebay_machine::Catalog;
use forebay_model::group::{CommitOffset, CommitOffsets, ForgetOffsets};
use forebay_model::{Refusal, TopicRef};

use super::AssignedGroup;
use super::member::Member;

impl AssignedGroup {
    /// A member of the present epoch; of an older one for what it has had since then (KIP-1251); or anybody while there are no members.
    pub(in super::super) fn check_commit(
        &self,
        commit: &CommitOffsets,
        offset: &CommitOffset,
    ) -> Result<(), Refusal> {
        let claims = commit.generation >= 0 || !commit.member.is_empty() || commit.instance.is_some();
        // A producer that does not say for which member it commits is checked as a producer only.
        if !claims && (self.is_empty() || commit.transaction.is_some()) {
            return Ok(());
        }
        if commit.generation < 0 && self.is_empty() {
            return Ok(());
        }
        let member = self.members.get(commit.member.as_str()).ok_or(Refusal::UnknownMember)?;
        let stale = if member.classic.is_some() {
            self.check_instance(&commit.member, commit.instance.as_deref())?;
            Refusal::IllegalGeneration
        } else {
            Refusal::StaleMember
        };
        if member.is_away || commit.generation > member.epoch {
            return Err(stale);
        }
        let had_since = |epoch: i32| epoch <= commit.generation;
        // A member of the classic protocol reads its cursors again with each generation.
        let may_be_older = member.classic.is_none() && got(member, offset).is_some_and(had_since);
        let is_known = commit.generation == member.epoch || may_be_older;
        if is_known { Ok(()) } else { Err(stale) }
    }

    /// Who says for which member it reads has to be up to date.
    pub(in super::super) fn check_fetch(&self, member: &str, epoch: i32) -> Result<(), Refusal> {
        let member = self.members.get(member).ok_or(Refusal::UnknownMember)?;
        let is_present = !member.is_away && member.epoch == epoch;
        if is_present { Ok(()) } else { Err(Refusal::StaleMember) }
    }

    /// Why each cursor stays, if it does: a member reads the topic.
    pub(in super::super) fn check_forget(
        &self,
        forget: &ForgetOffsets,
        topics: &Catalog,
    ) -> Vec<Option<Refusal>> {
        let refusal = |topic: &str| self.reads(topic, topics).then_some(Refusal::TopicIsRead);
        forget.cursors.iter().map(|cursor| refusal(&cursor.topic)).collect()
    }
}

/// The epoch in which a member got the partition, if it has it or may still have it.
fn got(member: &Member, offset: &CommitOffset) -> Option<i32> {
    let TopicRef::Id(topic) = offset.partition.topic else { return None };
    let place = (topic, offset.partition.number);
    member.held.get(&place).or_else(|| member.revoking.get(&place)).copied()
}
