//! Who shares a subscription: the members of its group, and what each is to read.

use crate::{GroupId, TopicId};

/// A member of a group that shares a subscription. What has not changed since it was said last may be left out.
#[derive(Clone, Debug)]
pub struct Attend {
    /// Which subscription.
    pub subscription: GroupId,
    /// The member's id, which it made itself.
    pub member: String,
    /// Whether it comes, stays or goes.
    pub step: AttendStep,
    /// The client's own name, for people.
    pub client: String,
    /// The client's address, for people.
    pub host: String,
    /// Where the member runs, for people.
    pub rack: Option<String>,
    /// The topics that it reads.
    pub topics: Option<Vec<String>>,
}

/// Whether a member comes, stays or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttendStep {
    /// It is new, or begins again.
    Join,
    /// It lives, and the last it heard is this epoch.
    Stay(i32),
    /// It goes.
    Leave,
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attending {
    /// Its epoch; 0 when it has left.
    pub epoch: i32,
    /// When it has to be heard again, in milliseconds.
    pub heartbeat_interval_ms: u32,
    /// The partitions that it is to read, if that is news to it. Others may be told to read them as well.
    pub partitions: Option<Vec<SharedTopic>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTopic {
    /// The topic.
    pub topic: TopicId,
    /// Its name.
    pub name: String,
    /// The partitions' numbers.
    pub numbers: Vec<u32>,
}

/// The members of a subscription's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharersView {
    /// Rises with every change of members and of what they are to read.
    pub epoch: i32,
    /// They.
    pub members: Vec<SharerView>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharerView {
    /// Its id.
    pub member: String,
    /// Its epoch.
    pub epoch: i32,
    /// Where it runs.
    pub rack: Option<String>,
    /// The client's own name.
    pub client: String,
    /// Its address.
    pub host: String,
    /// The topics that it reads.
    pub topics: Vec<String>,
    /// What it is to read of them.
    pub partitions: Vec<SharedTopic>,
}
