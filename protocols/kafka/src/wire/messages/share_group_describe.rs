//! ShareGroupDescribe, key 77: share groups with their members (KIP-932). Version 0 was an early access and is gone.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Groups to describe.
    pub struct ShareGroupDescribeRequest {
        /// The groups.
        group_ids: Vec<Str> [..];
        /// Whether to say which operations the caller may perform.
        include_authorized_operations: bool [..];
    }

    /// Groups described.
    pub struct ShareGroupDescribeResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The groups.
        groups: Vec<DescribedGroup> [..];
    }

    /// A group.
    pub struct DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The group.
        group_id: Str [..];
        /// The group's state by Kafka's name; empty on error.
        group_state: Str [..];
        /// Rises with every change of members and of what they subscribe to.
        group_epoch: i32 [..];
        /// The group's epoch that the partitions were dealt out for.
        assignment_epoch: i32 [..];
        /// The assignor that dealt them out.
        assignor_name: Str [..];
        /// The members.
        members: Vec<Member> [..];
        /// Bits of the operations the caller may perform; the smallest `i32` when not asked for.
        authorized_operations: i32 [.., default(i32::MIN)];
    }

    /// A member.
    pub struct Member {
        /// The member's id.
        member_id: Str [..];
        /// The member's rack, if it is known.
        rack_id: Option<Str> [..];
        /// The member's epoch.
        member_epoch: i32 [..];
        /// What the member's client calls itself.
        client_id: Str [..];
        /// Where the member connects from.
        client_host: Str [..];
        /// The topics subscribed to.
        subscribed_topic_names: Vec<Str> [..];
        /// The partitions that the member reads from.
        assignment: Assignment [..];
    }

    /// The partitions that a member reads from, as others may too.
    pub struct Assignment {
        /// The topics.
        topic_partitions: Vec<TopicPartitions> [..];
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's name.
        topic_name: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }
}
