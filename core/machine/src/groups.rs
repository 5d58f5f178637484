//! The replicated part of groups: their last generation and their committed offsets. Who is alive is the
//! coordinator's business.

use std::collections::BTreeSet;
use std::ops::Bound;

use forebay_model::group::Cursor;
use forebay_model::subscription::SHARED_GROUP_KIND;
use forebay_model::transaction::Decision;
use forebay_model::{GroupId, LeaderEpoch, LogTime, Offset, ProducerId, Refusal, Timestamp, TopicId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::command::{decode, encode};
use crate::limits::{
    GROUP_BYTES_MAX, GROUP_ID_BYTES_MAX, GROUPS_BYTES_MAX, GROUPS_EXPIRED_PER_COMMAND_MAX,
    GROUPS_PER_SHARD_MAX, MEMBERS_PER_GROUP_MAX, OFFSET_METADATA_BYTES_MAX, OFFSETS_BYTES_MAX,
    OFFSETS_PER_GROUP_MAX, OFFSETS_PER_SHARD_MAX, PENDING_CURSORS_BYTES_MAX, PENDING_CURSORS_PER_SHARD_MAX,
    TOPICS_PER_FORGET_MAX,
};
use crate::pending_cursors::PendingCursors;
use crate::table::{Stored, Table, TableLimit};
use crate::{Member, SaveGeneration, SaveOffsets, SavedOffset};

/// A group as it is replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What kind of group it is; empty when nobody ever joined.
    pub kind: String,
    /// Its last generation; 0 when nobody ever joined.
    pub generation: i32,
    /// The strategy in force; empty without members.
    pub strategy: String,
    /// The member that assigns; empty without members.
    pub leader: String,
    /// Its members.
    pub members: Vec<Member>,
    /// When its members changed last or somebody committed without being one.
    pub active_at: LogTime,
    /// How many committed offsets it has.
    offsets: usize,
}

/// Where a committed offset is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetKey {
    /// The group.
    pub group: GroupId,
    /// The topic.
    pub topic: TopicId,
    /// The partition's number.
    pub number: u32,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
    /// When it was committed.
    pub committed_at: LogTime,
}

impl CommittedOffset {
    /// As clients see it.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.clone(),
            committed_at: Timestamp(self.committed_at.0),
        }
    }
}

/// All groups of a shard.
#[derive(Clone, Debug)]
pub struct Groups {
    groups: Table<GroupId, Group>,
    offsets: Table<OffsetKey, CommittedOffset>,
    /// Cursors that open transactions are about to set.
    pending: PendingCursors,
    /// Groups without members, the one idle longest first.
    idle: BTreeSet<(LogTime, GroupId)>,
}

const GROUPS: TableLimit =
    TableLimit { name: "GROUPS_PER_SHARD_MAX", entries: GROUPS_PER_SHARD_MAX, bytes: GROUPS_BYTES_MAX };
/// What transactions are about to set has its room beside what is set at once: a commit is never refused for want of it.
const OFFSETS: TableLimit = TableLimit {
    name: "OFFSETS_PER_SHARD_MAX",
    entries: OFFSETS_PER_SHARD_MAX + PENDING_CURSORS_PER_SHARD_MAX,
    bytes: OFFSETS_BYTES_MAX + PENDING_CURSORS_BYTES_MAX,
};

impl Default for Groups {
    fn default() -> Groups {
        let (groups, offsets) = (Table::new(GROUPS), Table::new(OFFSETS));
        Groups { groups, offsets, pending: PendingCursors::default(), idle: BTreeSet::new() }
    }
}

impl Groups {
    /// A group by id.
    pub fn get(&self, group: &GroupId) -> Option<&Group> {
        self.groups.get(group)
    }

    /// All groups by rising id.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupId, &Group)> {
        self.groups.iter()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// One committed offset.
    pub fn offset(&self, group: &GroupId, topic: TopicId, number: u32) -> Option<&CommittedOffset> {
        self.offsets.get(&OffsetKey { group: group.clone(), topic, number })
    }

    /// All committed offsets of a group, by topic id and partition number.
    pub fn offsets(&self, group: &GroupId) -> impl Iterator<Item = (TopicId, u32, &CommittedOffset)> {
        self.offsets.range(keys_of(group)).map(|(key, offset)| (key.topic, key.number, offset))
    }

    /// All committed offsets behind `key`, or all there are, by group, topic id and partition number.
    pub fn offsets_behind(
        &self,
        key: Option<&OffsetKey>,
    ) -> impl Iterator<Item = (&OffsetKey, &CommittedOffset)> {
        let from = key.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
        self.offsets.range((from, Bound::Unbounded))
    }

    /// Whether a transaction that has not ended is about to set this cursor.
    pub fn is_unstable(&self, group: &GroupId, topic: TopicId, number: u32) -> bool {
        self.pending.holds(&OffsetKey { group: group.clone(), topic, number })
    }

    /// Whether a transaction that has not ended is about to set a cursor of this group.
    pub fn has_unstable(&self, group: &GroupId) -> bool {
        self.pending.of_group(group) > 0
    }

    /// The keys that a batch of commands names and that must be loaded first: see [`Table::prefetch`].
    pub fn prefetch<'k>(&self, keys: impl IntoIterator<Item = &'k OffsetKey>) -> Vec<OffsetKey> {
        self.offsets.prefetch(keys)
    }

    pub(crate) fn save(&mut self, save: SaveGeneration, now: LogTime) -> Result<(), Refusal> {
        check_group_id(&save.group)?;
        if save.members.len() > MEMBERS_PER_GROUP_MAX {
            return Err(Refusal::GroupFull);
        }
        let present = self.groups.get(&save.group);
        if present.is_some_and(|present| save.generation < present.generation) {
            return Err(Refusal::IllegalGeneration);
        }
        let group = Group {
            kind: save.kind,
            generation: save.generation,
            strategy: save.strategy,
            leader: save.leader,
            members: save.members,
            active_at: now,
            offsets: present.map_or(0, |present| present.offsets),
        };
        if group.bytes() > GROUP_BYTES_MAX {
            return Err(Refusal::GroupFull);
        }
        self.put(save.group, group)
    }

    /// One answer per offset, in order.
    pub(crate) fn commit(&mut self, save: SaveOffsets, now: LogTime) -> Vec<Result<(), Refusal>> {
        let SaveOffsets { group, offsets } = save;
        if let Err(refusal) = self.make_active(&group, now) {
            return vec![Err(refusal); offsets.len()];
        }
        let results: Vec<_> =
            offsets.into_iter().map(|offset| self.set_offset(&group, offset, now)).collect();
        self.forget_trace(&group);
        results
    }

    /// Notes cursors that a transaction sets when it commits. One answer per offset, in order.
    pub(crate) fn hold(
        &mut self,
        producer: ProducerId,
        save: SaveOffsets,
        now: LogTime,
    ) -> Vec<Result<(), Refusal>> {
        let SaveOffsets { group, offsets } = save;
        if let Err(refusal) = self.make_active(&group, now) {
            return vec![Err(refusal); offsets.len()];
        }
        let mut hold = |saved: SavedOffset| {
            let key = OffsetKey { group: group.clone(), topic: saved.topic, number: saved.number };
            self.check_room(&key, saved.metadata.len())?;
            self.pending.set(producer, &group, saved)
        };
        let results = offsets.into_iter().map(&mut hold).collect();
        self.forget_trace(&group);
        results
    }

    fn forget_trace(&mut self, group: &GroupId) {
        if !self.has_unstable(group) && self.get(group).is_some_and(Group::is_trace) {
            self.remove(group);
        }
    }

    /// What a transaction was about to set in a group is set, or was never wanted.
    pub(crate) fn settle(&mut self, producer: ProducerId, group: &GroupId, decision: Decision, now: LogTime) {
        let offsets = self.pending.take(producer, group);
        if decision == Decision::Commit && !offsets.is_empty() {
            // What could be held back can be set: its room was asked for then.
            let active = self.make_active(group, now);
            debug_assert_eq!(active, Ok(()), "a group with cursors held back is there");
            for offset in offsets {
                let set = self.put_offset(group, offset, now);
                debug_assert_eq!(set, Ok(()), "room was kept for it");
            }
        }
        // A group that nothing came of does not stay.
        self.forget_trace(group);
    }

    /// Whether a cursor finds room beside all that are reserved: a new one, or what one that is there grows by.
    fn check_room(&self, key: &OffsetKey, metadata: usize) -> Result<(), Refusal> {
        let known = self.offsets.get(key);
        let is_new = known.is_none() && !self.pending.holds(key);
        let count = self.groups.get(&key.group).map_or(0, |group| group.offsets);
        if is_new && count + self.pending.of_group(&key.group) >= OFFSETS_PER_GROUP_MAX {
            return Err(Refusal::LimitReached { limit: "OFFSETS_PER_GROUP_MAX" });
        }
        let grows = match known {
            Some(known) => metadata.saturating_sub(known.metadata.len()),
            None => key.bytes() + CommittedOffset::BYTES + metadata,
        };
        let (entries, bytes) = self.pending.reserved();
        let room = (!is_new || self.offsets.len() + entries < OFFSETS_PER_SHARD_MAX)
            && (grows == 0 || self.offsets.bytes() + bytes + grows <= OFFSETS_BYTES_MAX);
        if room { Ok(()) } else { Err(Refusal::LimitReached { limit: OFFSETS.name }) }
    }

    /// Makes sure that the group exists, and that a group without members does not expire soon.
    fn make_active(&mut self, id: &GroupId, now: LogTime) -> Result<(), Refusal> {
        check_group_id(id)?;
        let group = match self.groups.get(id) {
            Some(group) if !group.members.is_empty() || group.active_at == now => return Ok(()),
            Some(group) => Group { active_at: now, ..group.clone() },
            None => Group::unjoined(now),
        };
        self.put(id.clone(), group)
    }

    fn set_offset(&mut self, group: &GroupId, saved: SavedOffset, now: LogTime) -> Result<(), Refusal> {
        if saved.metadata.len() > OFFSET_METADATA_BYTES_MAX {
            return Err(Refusal::OffsetMetadataTooLarge);
        }
        let key = OffsetKey { group: group.clone(), topic: saved.topic, number: saved.number };
        if saved.offset != Offset::NONE {
            self.check_room(&key, saved.metadata.len())?;
        }
        self.put_offset(group, saved, now)
    }

    fn put_offset(&mut self, group: &GroupId, saved: SavedOffset, now: LogTime) -> Result<(), Refusal> {
        let key = OffsetKey { group: group.clone(), topic: saved.topic, number: saved.number };
        if saved.offset == Offset::NONE {
            if self.offsets.remove(&key).is_some() {
                self.groups.update(group, |group| group.offsets -= 1);
            }
            return Ok(());
        }
        let offset = CommittedOffset {
            offset: saved.offset,
            leader_epoch: saved.leader_epoch,
            metadata: saved.metadata,
            committed_at: now,
        };
        if self.offsets.insert(key, offset)?.is_none() {
            self.groups.update(group, |group| group.offsets += 1);
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, id: &GroupId) -> Result<(), Refusal> {
        let group = self.groups.get(id).ok_or(Refusal::UnknownGroup)?;
        if !group.members.is_empty() || self.has_unstable(id) {
            return Err(Refusal::GroupNotEmpty);
        }
        self.remove(id);
        Ok(())
    }

    /// Looks at every offset of the shard, however few belong to these topics: topics are seldom deleted, and the
    /// deletions of a turn share one command.
    pub(crate) fn forget_topics(&mut self, topics: &[TopicId]) -> Result<(), Refusal> {
        if topics.len() > TOPICS_PER_FORGET_MAX {
            return Err(Refusal::LimitReached { limit: "TOPICS_PER_FORGET_MAX" });
        }
        let topics: BTreeSet<TopicId> = topics.iter().copied().collect();
        let gone = self.offsets.iter().map(|(key, _)| key).filter(|key| topics.contains(&key.topic));
        let gone: Vec<OffsetKey> = gone.cloned().collect();
        for key in gone {
            self.offsets.remove(&key);
            self.groups.update(&key.group, |group| group.offsets -= 1);
        }
        self.pending.forget_topics(|key| topics.contains(&key.topic));
        Ok(())
    }

    /// Forgets groups that were idle at `oldest` or before; a bounded number, the next command goes on. One that a transaction is
    /// about to set a cursor of is not idle.
    pub(crate) fn expire(&mut self, now: LogTime, oldest: LogTime, forgotten: &mut Vec<GroupId>) {
        for _ in 0..GROUPS_EXPIRED_PER_COMMAND_MAX {
            let id = match self.idle.first() {
                Some((since, id)) if *since <= oldest => id.clone(),
                _ => return,
            };
            if self.has_unstable(&id) {
                self.touch(&id, now);
            } else {
                self.remove(&id);
                forgotten.push(id);
            }
        }
    }

    fn touch(&mut self, id: &GroupId, now: LogTime) {
        let Some(before) = self.groups.update(id, |group| std::mem::replace(&mut group.active_at, now))
        else {
            return;
        };
        self.idle.remove(&(before, id.clone()));
        self.idle.insert((now, id.clone()));
    }

    fn put(&mut self, id: GroupId, group: Group) -> Result<(), Refusal> {
        let idle = group.expires().then_some(group.active_at);
        if let Some(before) = self.groups.insert(id.clone(), group)? {
            self.idle.remove(&(before.active_at, id.clone()));
        }
        if let Some(since) = idle {
            self.idle.insert((since, id));
        }
        Ok(())
    }

    fn remove(&mut self, id: &GroupId) {
        if let Some(group) = self.groups.remove(id) {
            self.idle.remove(&(group.active_at, id.clone()));
        }
        let keys: Vec<OffsetKey> = self.offsets.range(keys_of(id)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.offsets.remove(&key);
        }
    }

    pub(crate) fn encode_groups(&self, out: &mut Writer) {
        self.groups.encode(out);
    }

    pub(crate) fn encode_offsets(&self, out: &mut Writer) {
        self.offsets.encode(out);
    }

    pub(crate) fn encode_pending(&self, out: &mut Writer) {
        self.pending.encode(out);
    }

    /// Takes in what [`Groups::encode_pending`] wrote.
    pub(crate) fn decode_pending(&mut self, input: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.pending = PendingCursors::decode(input)?;
        Ok(())
    }

    pub(crate) fn decode(groups: &mut Reader<'_>, offsets: &mut Reader<'_>) -> Result<Groups, DecodeError> {
        let mut groups = Table::<GroupId, Group>::decode(GROUPS, groups)?;
        let offsets = Table::<OffsetKey, CommittedOffset>::decode(OFFSETS, offsets)?;
        for (key, _) in offsets.iter() {
            groups
                .update(&key.group, |group| group.offsets += 1)
                .ok_or(DecodeError::Invalid("an offset without its group"))?;
        }
        let idle = groups.iter().filter(|(_, group)| group.expires());
        let idle = idle.map(|(id, group)| (group.active_at, id.clone())).collect();
        Ok(Groups { groups, offsets, pending: PendingCursors::default(), idle })
    }
}

impl Group {
    /// A group that only has offsets.
    fn unjoined(now: LogTime) -> Group {
        Group {
            kind: String::new(),
            generation: 0,
            strategy: String::new(),
            leader: String::new(),
            members: Vec::new(),
            active_at: now,
            offsets: 0,
        }
    }

    /// Whether it is forgotten when nobody is heard of for long: it has no members, and is not of a kind whose members are nobody's
    /// business but the leader's.
    fn expires(&self) -> bool {
        self.members.is_empty() && self.kind != SHARED_GROUP_KIND
    }

    /// How many committed offsets it has.
    pub fn offsets_len(&self) -> usize {
        self.offsets
    }

    /// Whether it is nothing but the trace of a commit that was refused.
    fn is_trace(&self) -> bool {
        self.offsets == 0 && self.kind.is_empty() && self.generation == 0 && self.members.is_empty()
    }
}

fn check_group_id(id: &GroupId) -> Result<(), Refusal> {
    if id.0.is_empty() || id.0.len() > GROUP_ID_BYTES_MAX { Err(Refusal::InvalidGroupId) } else { Ok(()) }
}

pub(crate) fn keys_of(group: &GroupId) -> std::ops::RangeInclusive<OffsetKey> {
    let key = |topic, number| OffsetKey { group: group.clone(), topic, number };
    key(TopicId([0; 16]), 0)..=key(TopicId([0xff; 16]), u32::MAX)
}

impl Stored for GroupId {
    fn bytes(&self) -> usize {
        // Itself, its text's head, and its place among the idle ones.
        96 + self.0.len()
    }

    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<GroupId, DecodeError> {
        decode::group_id(input)
    }
}

impl Stored for Group {
    fn bytes(&self) -> usize {
        let member = |m: &Member| {
            let instance = m.instance.as_ref().map_or(0, String::len);
            192 + m.id.len()
                + instance
                + m.client.len()
                + m.host.len()
                + m.metadata.len()
                + m.assignment.len()
        };
        let texts = self.kind.len() + self.strategy.len() + self.leader.len();
        128 + texts + self.members.iter().map(member).sum::<usize>()
    }

    fn encode(&self, out: &mut Writer) {
        out.int(self.generation.into());
        out.text(&self.kind);
        out.text(&self.strategy);
        out.text(&self.leader);
        out.int(self.active_at.0);
        out.list(self.members.iter(), |out, member| encode::member(member, out));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Group, DecodeError> {
        Ok(Group {
            generation: decode::generation(input)?,
            kind: decode::group_text(input)?,
            strategy: decode::group_text(input)?,
            leader: decode::group_text(input)?,
            active_at: LogTime(input.int("a log time")?),
            members: input.list("a group's members", decode::member)?,
            offsets: 0,
        })
    }
}

impl Stored for OffsetKey {
    fn bytes(&self) -> usize {
        // The group's text is shared with nothing when it was decoded, so it counts.
        56 + self.group.0.len()
    }

    fn encode(&self, out: &mut Writer) {
        out.text(&self.group.0);
        out.topic_id(self.topic);
        out.uint(self.number);
    }

    fn decode(input: &mut Reader<'_>) -> Result<OffsetKey, DecodeError> {
        Ok(OffsetKey {
            group: decode::group_id(input)?,
            topic: input.topic_id("a topic's id")?,
            number: input.narrow("a partition's number")?,
        })
    }
}

impl CommittedOffset {
    /// In memory, without its metadata.
    const BYTES: usize = 64;
}

impl Stored for CommittedOffset {
    fn bytes(&self) -> usize {
        CommittedOffset::BYTES + self.metadata.len()
    }

    fn encode(&self, out: &mut Writer) {
        out.uint(self.offset.0);
        out.option(self.leader_epoch, |out, epoch| out.uint(epoch.0));
        out.int(self.committed_at.0);
        out.text(&self.metadata);
    }

    fn decode(input: &mut Reader<'_>) -> Result<CommittedOffset, DecodeError> {
        Ok(CommittedOffset {
            offset: Offset(input.uint("an offset")?),
            leader_epoch: input
                .option("a leader epoch", |input| Ok(LeaderEpoch(input.narrow("a leader epoch")?)))?,
            committed_at: LogTime(input.int("a log time")?),
            metadata: input.text("an offset's metadata")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committing_no_offset_takes_the_cursor_away() {
        let (mut groups, group) = (Groups::default(), GroupId("g".into()));
        let none = SavedOffset { offset: Offset::NONE, ..offset(0) };
        groups.commit(SaveOffsets { group: group.clone(), offsets: vec![offset(0), offset(1)] }, LogTime(1));
        groups.commit(SaveOffsets { group: group.clone(), offsets: vec![none.clone()] }, LogTime(2));
        assert!(groups.offset(&group, TopicId([1; 16]), 0).is_none());
        assert!(groups.offset(&group, TopicId([1; 16]), 1).is_some());
        assert_eq!(groups.offsets(&group).count(), 1);
        groups.commit(SaveOffsets { group: group.clone(), offsets: vec![none] }, LogTime(3));
        assert_eq!(groups.offsets(&group).count(), 1);
    }

    fn offset(number: u32) -> SavedOffset {
        let metadata = String::new();
        SavedOffset { topic: TopicId([1; 16]), number, offset: Offset(1), leader_epoch: None, metadata }
    }

    #[test]
    fn a_group_has_a_bounded_number_of_offsets_and_keeps_those_it_has() {
        let mut groups = Groups::default();
        let group = GroupId("g".into());
        let all = SaveOffsets {
            group: group.clone(),
            offsets: (0..OFFSETS_PER_GROUP_MAX as u32).map(offset).collect(),
        };
        assert!(groups.commit(all, LogTime(1)).iter().all(Result::is_ok));
        let offsets = vec![offset(OFFSETS_PER_GROUP_MAX as u32), offset(7)];
        let results = groups.commit(SaveOffsets { group: group.clone(), offsets }, LogTime(2));
        let full = Refusal::LimitReached { limit: "OFFSETS_PER_GROUP_MAX" };
        assert_eq!(results, [Err(full), Ok(())]);
        assert_eq!(groups.get(&group).unwrap().offsets_len(), OFFSETS_PER_GROUP_MAX);
        groups.forget_topics(&[TopicId([1; 16])]).unwrap();
        assert_eq!(groups.get(&group).unwrap().offsets_len(), 0);
        assert_eq!(groups.offsets.bytes(), 0);
    }

    #[test]
    fn what_a_transaction_could_hold_back_is_set_when_it_commits() {
        let (mut groups, group) = (Groups::default(), GroupId("g".into()));
        let save = |offsets| SaveOffsets { group: group.clone(), offsets };
        let all_but_one = (0..OFFSETS_PER_GROUP_MAX as u32 - 1).map(offset).collect();
        groups.commit(save(all_but_one), LogTime(1));
        let (first, second) = (ProducerId(1), ProducerId(2));
        let last = OFFSETS_PER_GROUP_MAX as u32;
        assert_eq!(groups.hold(first, save(vec![offset(last)]), LogTime(2)), [Ok(())]);
        assert_eq!(groups.hold(second, save(vec![offset(3)]), LogTime(2)), [Ok(())]);
        let full = Err(Refusal::LimitReached { limit: "OFFSETS_PER_GROUP_MAX" });
        assert_eq!(groups.hold(second, save(vec![offset(last + 1)]), LogTime(2)), [full]);
        groups.settle(first, &group, Decision::Commit, LogTime(3));
        groups.settle(second, &group, Decision::Commit, LogTime(3));
        assert_eq!(groups.get(&group).unwrap().offsets_len(), OFFSETS_PER_GROUP_MAX);
        assert!(groups.offset(&group, TopicId([1; 16]), last).is_some());
        assert!(!groups.has_unstable(&group));
    }

    #[test]
    fn a_group_has_bounded_bytes() {
        let mut groups = Groups::default();
        let member = Member {
            id: "m".into(),
            instance: None,
            client: String::new(),
            host: String::new(),
            session_timeout_ms: 1,
            rebalance_timeout_ms: 1,
            metadata: vec![0; GROUP_BYTES_MAX].into(),
            assignment: bytes::Bytes::new(),
        };
        let group = GroupId("g".into());
        let save = |members| SaveGeneration {
            group: group.clone(),
            generation: 1,
            kind: String::new(),
            strategy: String::new(),
            leader: String::new(),
            members,
        };
        assert_eq!(groups.save(save(vec![member.clone()]), LogTime(1)), Err(Refusal::GroupFull));
        assert!(groups.is_empty());
        let small = Member { metadata: bytes::Bytes::new(), ..member };
        assert_eq!(groups.save(save(vec![small.clone()]), LogTime(1)), Ok(()));
        let many = vec![small; MEMBERS_PER_GROUP_MAX + 1];
        assert_eq!(groups.save(save(many), LogTime(1)), Err(Refusal::GroupFull));
        assert_eq!(groups.save(save(vec![]), LogTime(1)), Ok(()));
        assert_eq!(groups.delete(&group), Ok(()));
        assert_eq!(groups.groups.bytes(), 0);
        assert!(groups.idle.is_empty());
    }
}
