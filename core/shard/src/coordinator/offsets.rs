//! Committed offsets: who may commit, and reading them.

use std::collections::BTreeSet;

use bytes::Bytes;
use forebay_env::fault::{Fault, planted};
use forebay_machine::limits::OFFSET_METADATA_BYTES_MAX;
use forebay_machine::{Command, CommittedOffset, Groups, HoldOffsets, SaveOffsets, SavedOffset};
use forebay_model::group::{
    CommitOffset, CommitOffsets, FetchOffsets, FetchedOffset, ForgetOffset, ForgetOffsets, GroupReply,
};
use forebay_model::transaction::InTransaction;
use forebay_model::{Offset, PartitionRef, Refusal, TopicId, TopicRef};

use super::group::{Group, Phase};
use super::proposals::Pending;
use super::{ReplyKey, Turn};

impl Group {
    /// A member of the present generation, or anybody while there are no members.
    pub(super) fn check_commit(&self, commit: &CommitOffsets, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        if commit.generation < 0 && self.is_empty() {
            return Ok(());
        }
        // A producer that does not say for which member it commits is checked as a producer only.
        if commit.transaction.is_some() && !claims_membership(commit) {
            return Ok(());
        }
        if claims_membership(commit) {
            self.check_member(&commit.member, commit.instance.as_deref())?;
            if commit.generation != self.generation {
                return Err(Refusal::IllegalGeneration);
            }
        } else {
            return Err(Refusal::UnknownMember);
        }
        match self.phase {
            // It has joined but has no assignment yet: it has nothing to commit.
            Phase::Assigning { .. } if commit.transaction.is_none() => {
                return Err(Refusal::RebalanceInProgress);
            }
            // Its producer could not go on; what it has read belongs to the generation that it names.
            Phase::Assigning { .. } => self.touch(&commit.member, turn),
            Phase::Joining { .. } | Phase::Stable => self.touch(&commit.member, turn),
            Phase::Empty => {}
        }
        Ok(())
    }
}

impl Group {
    /// Why each cursor stays, if it does: a member reads the topic, or may read it.
    pub(super) fn check_forget(&self, forget: &ForgetOffsets) -> Result<Vec<Option<Refusal>>, Refusal> {
        if self.is_empty() {
            return Ok(vec![None; forget.cursors.len()]);
        }
        if self.kind != forget.kind {
            return Err(Refusal::GroupNotEmpty);
        }
        let read = self.topics_read(forget.topics_of);
        let refusal = |cursor: &ForgetOffset| {
            let is_read = read.as_ref().is_none_or(|topics| topics.contains(&cursor.topic));
            is_read.then_some(Refusal::TopicIsRead)
        };
        Ok(forget.cursors.iter().map(refusal).collect())
    }

    /// The topics that members read; `None` when they may read any: before the first generation, and where their metadata
    /// says nothing.
    fn topics_read(&self, topics_of: fn(&Bytes) -> Option<Vec<String>>) -> Option<BTreeSet<String>> {
        if self.strategy.is_empty() {
            return None;
        }
        let topics = self.members.values().map(|member| topics_of(&member.metadata(&self.strategy)));
        topics.collect::<Option<Vec<_>>>().map(|topics| topics.into_iter().flatten().collect())
    }
}

/// Nobody is in the group: only somebody who claims no generation may commit. A member of a group that is not known any more
/// learns that its generation is over and joins again.
pub(super) fn check_commit_to_empty(commit: &CommitOffsets, groups: &Groups) -> Result<(), Refusal> {
    if commit.generation < 0 {
        Ok(())
    } else if groups.get(&commit.group).is_some() {
        Err(Refusal::UnknownMember)
    } else {
        Err(Refusal::IllegalGeneration)
    }
}

fn claims_membership(commit: &CommitOffsets) -> bool {
    commit.generation >= 0 || !commit.member.is_empty() || commit.instance.is_some()
}

/// Puts what can be committed into the log; the answer comes when it is applied.
pub(super) fn commit(
    commit: CommitOffsets,
    checked: Result<(), Refusal>,
    from: ReplyKey,
    turn: &mut Turn<'_>,
) {
    let checked = vec![checked; commit.offsets.len()];
    commit_checked(commit, checked, from, turn);
}

/// The same where it was checked one by one.
pub(super) fn commit_checked(
    commit: CommitOffsets,
    checked: Vec<Result<(), Refusal>>,
    from: ReplyKey,
    turn: &mut Turn<'_>,
) {
    let mut save = SaveOffsets { group: commit.group.clone(), offsets: Vec::new() };
    let mut offsets = Vec::with_capacity(commit.offsets.len());
    for (offset, checked) in commit.offsets.into_iter().zip(checked) {
        let refused = match checked.and_then(|()| checked_offset(&offset)) {
            Ok(saved) => {
                save.offsets.push(saved);
                None
            }
            Err(refusal) => Some(refusal),
        };
        offsets.push((offset.partition, refused));
    }
    if save.offsets.is_empty() {
        let answer =
            |(partition, refused): (PartitionRef, Option<Refusal>)| (partition, refused.map_or(Ok(()), Err));
        turn.reply(from, GroupReply::CommitOffsets(offsets.into_iter().map(answer).collect()));
        return;
    }
    let command = match commit.transaction {
        None => Command::CommitOffsets(save),
        Some(_) if planted(Fault::CursorSetEarly) => Command::CommitOffsets(save),
        Some(InTransaction { producer, epoch, joining, .. }) => {
            Command::HoldOffsets(HoldOffsets { instance: (producer, epoch), joining, save })
        }
    };
    turn.propose(command, Pending::Commit { reply: from, offsets });
}

/// Puts the end of cursors into the log; the answer comes when it is applied.
pub(super) fn forget(
    forget: ForgetOffsets,
    refusals: Result<Vec<Option<Refusal>>, Refusal>,
    from: ReplyKey,
    turn: &mut Turn<'_>,
) {
    let mut refused = match refusals {
        Ok(refused) => refused,
        Err(refusal) => return turn.reply(from, GroupReply::ForgetOffsets(Err(refusal))),
    };
    let mut save = SaveOffsets { group: forget.group, offsets: Vec::new() };
    for (cursor, refused) in forget.cursors.iter().zip(&mut refused).filter(|(_, refused)| refused.is_none())
    {
        match topic_id(&cursor.partition) {
            Ok(topic) => save.offsets.push(SavedOffset {
                topic,
                number: cursor.partition.number,
                offset: Offset::NONE,
                leader_epoch: None,
                metadata: String::new(),
            }),
            Err(refusal) => *refused = Some(refusal),
        }
    }
    if save.offsets.is_empty() {
        let answers = refused.into_iter().map(|refused| refused.map_or(Ok(()), Err));
        return turn.reply(from, GroupReply::ForgetOffsets(Ok(answers.collect())));
    }
    turn.propose(Command::CommitOffsets(save), Pending::Forget { reply: from, refused });
}

fn checked_offset(offset: &CommitOffset) -> Result<SavedOffset, Refusal> {
    if offset.metadata.len() > OFFSET_METADATA_BYTES_MAX {
        return Err(Refusal::OffsetMetadataTooLarge);
    }
    Ok(SavedOffset {
        topic: topic_id(&offset.partition)?,
        number: offset.partition.number,
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: offset.metadata.clone(),
    })
}

/// Cursors are kept by id, because names change hands. Names were made ids where the catalogue is; one that is still here has
/// no topic.
fn topic_id(partition: &PartitionRef) -> Result<TopicId, Refusal> {
    match &partition.topic {
        TopicRef::Id(id) => Ok(*id),
        TopicRef::Name(_) => Err(Refusal::UnknownTopic),
    }
}

/// Reads cursors from the applied state. A group that does not exist has none.
pub(super) fn fetch(groups: &Groups, fetch: FetchOffsets) -> Result<Vec<FetchedOffset>, Refusal> {
    let group = &fetch.group;
    let Some(partitions) = fetch.partitions else {
        let fetched = |(topic, number, offset): (TopicId, u32, &CommittedOffset)| {
            let unstable = fetch.stable && groups.is_unstable(group, topic, number);
            FetchedOffset {
                partition: PartitionRef { topic: TopicRef::Id(topic), number },
                topic: Some(topic),
                cursor: if unstable { Err(Refusal::UnstableCursor) } else { Ok(Some(offset.cursor())) },
            }
        };
        return Ok(groups.offsets(group).map(fetched).collect());
    };
    let fetched = |partition: PartitionRef| {
        let cursor = topic_id(&partition).and_then(|topic| {
            if fetch.stable && groups.is_unstable(group, topic, partition.number) {
                return Err(Refusal::UnstableCursor);
            }
            Ok(groups.offset(group, topic, partition.number).map(CommittedOffset::cursor))
        });
        FetchedOffset { partition, topic: None, cursor }
    };
    Ok(partitions.into_iter().map(fetched).collect())
}
