//! Groups: consumers of one subscription, their generation and their committed offsets.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::acl::Viewer;
use crate::transaction::InTransaction;
use crate::{GroupId, LeaderEpoch, Offset, PartitionRef, Refusal, Timestamp, TopicId};

/// Partitions by topic id and number.
pub type PartitionSet = BTreeSet<(TopicId, u32)>;

/// Everything asked of a group. All of it is served by the shard of hash(group id).
#[derive(Clone, Debug)]
pub enum GroupRequest {
    /// Become or stay a member.
    Join(JoinGroup),
    /// Hand out (leader) or ask for (all others) the assignment.
    Sync(SyncGroup),
    /// Still here.
    Heartbeat(MemberProof),
    /// No longer here.
    Leave(LeaveGroup),
    /// Advance cursors.
    CommitOffsets(CommitOffsets),
    /// Read cursors.
    FetchOffsets(FetchOffsets),
    /// State and members.
    Describe(GroupId),
    /// Remove an empty group and its cursors.
    Delete(GroupId),
    /// Take cursors away.
    ForgetOffsets(ForgetOffsets),
    /// Join, stay in or leave a group whose partitions the broker assigns.
    Attend(Box<AttendGroup>),
    /// State and members of a group whose partitions the broker assigns.
    DescribeAssigned(GroupId),
}

impl GroupRequest {
    /// The group that is asked.
    pub fn group(&self) -> &GroupId {
        match self {
            GroupRequest::Join(r) => &r.group,
            GroupRequest::Sync(r) => &r.proof.group,
            GroupRequest::Heartbeat(r) => &r.group,
            GroupRequest::Leave(r) => &r.group,
            GroupRequest::CommitOffsets(r) => &r.group,
            GroupRequest::FetchOffsets(r) => &r.group,
            GroupRequest::ForgetOffsets(r) => &r.group,
            GroupRequest::Attend(r) => &r.group,
            GroupRequest::Describe(group)
            | GroupRequest::DescribeAssigned(group)
            | GroupRequest::Delete(group) => group,
        }
    }
}

/// Joins a group with client-side assignment.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    /// Which group.
    pub group: GroupId,
    /// The member's id; empty for a new one.
    pub member: String,
    /// A static member's name.
    pub instance: Option<String>,
    /// The client's own name, for people.
    pub client: String,
    /// The client's address, for people.
    pub host: String,
    /// What kind of group this is, such as `consumer`.
    pub kind: String,
    /// Assignment strategies with this member's metadata for each, most wanted first.
    pub strategies: Vec<Strategy>,
    /// Out after this many milliseconds without a heartbeat.
    pub session_timeout_ms: u32,
    /// Out if it does not join again within this many milliseconds of a rebalance.
    pub rebalance_timeout_ms: u32,
    /// Whether a new dynamic member is first given an id to come back with.
    pub id_first: bool,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whether a known static leader may be told to skip assigning.
    pub may_skip_assignment: bool,
    /// How the metadata is read, where the front desk can tell: a group whose partitions the broker assigns needs it.
    pub dialect: Option<&'static Dialect>,
}

/// How members of one kind of classic group write what they read and what they have, so that the broker can assign for them.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The kind of group that writes so.
    pub kind: &'static str,
    /// Reads a member's metadata; `None` where it is something else.
    pub subscription: fn(&Bytes) -> Option<Subscription>,
    /// Reads a share of the member with this metadata. `None` where it is something else, or says more than partitions and what the member
    /// said itself.
    pub share: fn(&Bytes, &Bytes) -> Option<NamedShare>,
    /// Writes a share for the member with this metadata; `None` where a name is too long for that.
    pub write_share: fn(&Bytes, &[NamedPartitions]) -> Option<Bytes>,
}

/// Partitions as members of a classic group write them: by topic name their numbers.
pub type NamedShare = Vec<(String, Vec<u32>)>;

/// What a member of a classic group says in its metadata.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Subscription {
    /// The topics that it reads.
    pub topics: Vec<String>,
    /// What it has.
    pub owned: NamedShare,
    /// Where it runs, for people.
    pub rack: Option<String>,
}

/// One assignment strategy and a member's metadata for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Its name.
    pub name: String,
    /// Opaque to the broker.
    pub metadata: Bytes,
}

/// A member of a fresh generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// What kind of group this is.
    pub kind: String,
    /// The strategy chosen.
    pub strategy: String,
    /// Who assigns.
    pub leader: String,
    /// The asker's id.
    pub member: String,
    /// Whether the leader keeps the present assignment.
    pub skip_assignment: bool,
    /// For the leader: every member with its metadata.
    pub members: Vec<JoinedMember>,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Its metadata for the chosen strategy.
    pub metadata: Bytes,
}

/// Proof that the asker is a member of the present generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberProof {
    /// Which group.
    pub group: GroupId,
    /// Which generation.
    pub generation: i32,
    /// Which member.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
}

/// Hands out or asks for the assignment.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    /// Who asks.
    pub proof: MemberProof,
    /// The kind it believes in, if it says so.
    pub kind: Option<String>,
    /// The strategy it believes in, if it says so.
    pub strategy: Option<String>,
    /// From the leader: per member its assignment.
    pub assignments: Vec<(String, Bytes)>,
    /// How a share is written, where the front desk can tell.
    pub dialect: Option<&'static Dialect>,
}

/// One member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The kind of group.
    pub kind: String,
    /// The strategy in force.
    pub strategy: String,
    /// Opaque to the broker.
    pub assignment: Bytes,
}

/// Removes members.
#[derive(Clone, Debug)]
pub struct LeaveGroup {
    /// Which group.
    pub group: GroupId,
    /// Who leaves: by id, or by static name with an empty id.
    pub members: Vec<LeavingMember>,
}

/// One member that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Its id; empty when only the static name is known.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// One member that left, or why not.
pub type LeftMember = (LeavingMember, Result<(), Refusal>);

/// Advances cursors.
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    /// Which group.
    pub group: GroupId,
    /// Who commits; generation -1 and no member: somebody outside the group's membership.
    pub generation: i32,
    /// The member's id or empty.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// The transaction that sets them when it commits; without one they are set at once.
    pub transaction: Option<InTransaction>,
    /// What.
    pub offsets: Vec<CommitOffset>,
}

/// One cursor to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// Where.
    pub partition: PartitionRef,
    /// The next offset to read; [`Offset::NONE`] takes the cursor away.
    pub offset: Offset,
    /// The epoch of the last record read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
}

/// Reads cursors.
#[derive(Clone, Debug)]
pub struct FetchOffsets {
    /// Which group.
    pub group: GroupId,
    /// Which partitions; `None` for all that have one.
    pub partitions: Option<Vec<PartitionRef>>,
    /// Refuse a cursor that a transaction is about to set.
    pub stable: bool,
    /// The member that asks and its epoch, where the broker assigns; a stale one is refused.
    pub member: Option<(String, i32)>,
}

/// One cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// Where, as asked; by name when all were asked for.
    pub partition: PartitionRef,
    /// The topic's id when all were asked for.
    pub topic: Option<TopicId>,
    /// The cursor, `None` when nothing was committed.
    pub cursor: Result<Option<Cursor>, Refusal>,
}

/// A committed cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// Takes cursors away, of topics that no member reads.
#[derive(Clone, Debug)]
pub struct ForgetOffsets {
    /// Which group.
    pub group: GroupId,
    /// Which cursors.
    pub cursors: Vec<ForgetOffset>,
    /// The kind of group whose members' metadata the asker can read; another one has to be empty.
    pub kind: &'static str,
    /// Reads out of a member's metadata which topics it reads. `None` where that cannot be told: then it may be any.
    pub topics_of: fn(&Bytes) -> Option<Vec<String>>,
}

/// One cursor to take away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetOffset {
    /// The topic's name, as members write it.
    pub topic: String,
    /// Where.
    pub partition: PartitionRef,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members; cursors may exist.
    Empty,
    /// Members are joining.
    ExpectJoins,
    /// The leader is assigning.
    ExpectAssignment,
    /// Everyone works.
    Stable,
    /// The broker has to assign anew.
    Assigning,
    /// Members give back and take over what the broker assigned.
    Reconciling,
    /// Unknown or deleted.
    Dead,
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Its id.
    pub group: GroupId,
    /// Where it stands.
    pub state: GroupState,
    /// What kind of group it is; empty when nobody ever joined.
    pub kind: String,
    /// The strategy in force; empty when there is none.
    pub strategy: String,
    /// Its members.
    pub members: Vec<MemberView>,
}

/// A member as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// The client's own name.
    pub client: String,
    /// Its address.
    pub host: String,
    /// Its metadata for the strategy in force.
    pub metadata: Bytes,
    /// Its share.
    pub assignment: Bytes,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group: GroupId,
    /// Where it stands.
    pub state: GroupState,
    /// What kind of group it is; empty where the broker assigns.
    pub kind: String,
    /// Who assigns its partitions.
    pub assigned_by: AssignedBy,
}

/// Who assigns the partitions of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignedBy {
    /// One of its members.
    Leader,
    /// The broker.
    Broker,
}

/// A member of a group whose partitions the broker assigns. What has not changed since it was said last may be left out.
#[derive(Clone, Debug)]
pub struct AttendGroup {
    /// Which group.
    pub group: GroupId,
    /// The member's id, which it made itself; empty where the broker is to make one.
    pub member: String,
    /// Whether it comes, stays or goes.
    pub presence: Presence,
    /// A static member's name.
    pub instance: Option<String>,
    /// The client's own name, for people.
    pub client: String,
    /// The client's address, for people.
    pub host: String,
    /// Where the member runs, for people.
    pub rack: Option<String>,
    /// Out if it does not give back what is taken away within this many milliseconds.
    pub rebalance_timeout_ms: Option<u32>,
    /// The topics that it reads.
    pub topics: Option<Vec<String>>,
    /// It also reads the topics whose whole name matches this regular expression; an empty one matches none.
    pub pattern: Option<String>,
    /// The strategy that it would have the broker assign by.
    pub strategy: Option<String>,
    /// What it has.
    pub owned: Option<PartitionSet>,
    /// Who has to be allowed to see what a pattern matches; with `None` everything is seen. Said by the front desk.
    pub viewer: Option<Viewer>,
    /// How members of the classic group that it may come to write their metadata and shares.
    pub dialect: &'static Dialect,
}

/// Whether a member comes, stays or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is new, or begins again with nothing.
    Joins,
    /// It lives, and the last it heard is this epoch.
    Stays(i32),
    /// It goes for good.
    Leaves,
    /// A static member will be back: its place is kept for as long as a session lasts.
    Pauses,
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attended {
    /// Its id.
    pub member: String,
    /// Its epoch; 0 when it has left.
    pub epoch: i32,
    /// When it has to be heard again, in milliseconds.
    pub heartbeat_interval_ms: u32,
    /// What it may have, if that is news to it: what it has besides it gives back.
    pub assignment: Option<PartitionSet>,
}

/// A group whose partitions the broker assigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedView {
    /// Its id.
    pub group: GroupId,
    /// Where it stands.
    pub state: GroupState,
    /// Rises with every change of members, of what they read, and of the topics.
    pub epoch: i32,
    /// The epoch that its partitions were assigned for.
    pub assigned_epoch: i32,
    /// The strategy that they were assigned by.
    pub strategy: &'static str,
    /// Its members.
    pub members: Vec<AssignedMemberView>,
}

/// A member of such a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedMemberView {
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Where it runs.
    pub rack: Option<String>,
    /// The client's own name.
    pub client: String,
    /// Its address.
    pub host: String,
    /// Its epoch; `None` for a static member that is away.
    pub epoch: Option<i32>,
    /// Whether it speaks the protocol of classic groups.
    pub is_classic: bool,
    /// The topics that it reads by name.
    pub topics: Vec<String>,
    /// The pattern by which it reads others.
    pub pattern: Option<String>,
    /// What it has.
    pub held: Vec<NamedPartitions>,
    /// What it is to have.
    pub target: Vec<NamedPartitions>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPartitions {
    /// The topic.
    pub topic: TopicId,
    /// Its name; empty when it was deleted.
    pub name: String,
    /// The partitions' numbers.
    pub numbers: Vec<u32>,
}

/// Answers of a group.
#[derive(Clone, Debug)]
pub enum GroupReply {
    /// To [`GroupRequest::Join`].
    Join(Result<Joined, Refusal>),
    /// To [`GroupRequest::Sync`].
    Sync(Result<Synced, Refusal>),
    /// To [`GroupRequest::Heartbeat`].
    Heartbeat(Result<(), Refusal>),
    /// To [`GroupRequest::Leave`]: one answer per member, in order.
    Leave(Result<Vec<LeftMember>, Refusal>),
    /// To [`GroupRequest::CommitOffsets`]: one answer per offset, in order.
    CommitOffsets(Vec<(PartitionRef, Result<(), Refusal>)>),
    /// To [`GroupRequest::FetchOffsets`].
    FetchOffsets(Result<Vec<FetchedOffset>, Refusal>),
    /// To [`GroupRequest::Describe`].
    Describe(Result<GroupView, Refusal>),
    /// To [`GroupRequest::Delete`].
    Delete(Result<(), Refusal>),
    /// To [`GroupRequest::ForgetOffsets`]: one answer per cursor, in order.
    ForgetOffsets(Result<Vec<Result<(), Refusal>>, Refusal>),
    /// To [`GroupRequest::Attend`].
    Attend(Result<Attended, Refusal>),
    /// To [`GroupRequest::DescribeAssigned`].
    DescribeAssigned(Result<AssignedView, Refusal>),
}
