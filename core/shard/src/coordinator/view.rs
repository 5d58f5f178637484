//! Groups as operators see them.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_machine::Groups;
use forebay_model::GroupId;
use forebay_model::group::{AssignedBy, GroupListing, GroupState, GroupView, MemberView};

use super::Coordinator;
use super::assigned::{self, AssignedGroup};
use super::group::{Group, Phase};
use super::member::Member;

impl Coordinator {
    /// A group that nobody knows is dead, as Kafka says.
    pub(super) fn describe(&self, id: &GroupId, groups: &Groups) -> GroupView {
        if let Some(group) = self.active.get(id) {
            return group.view();
        }
        let replicated = groups.get(id);
        GroupView {
            group: id.clone(),
            state: if replicated.is_some() { GroupState::Empty } else { GroupState::Dead },
            kind: replicated.map_or(String::new(), |group| group.kind.clone()),
            strategy: String::new(),
            members: Vec::new(),
        }
    }
}

impl Group {
    /// Metadata and assignments belong to a strategy, so they are only shown while one is in force.
    fn view(&self) -> GroupView {
        let is_stable = self.phase == Phase::Stable;
        let view = |member: &Member| MemberView {
            member: member.id.to_string(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            metadata: if is_stable { member.metadata(&self.strategy) } else { Bytes::new() },
            assignment: if is_stable { member.assignment.clone() } else { Bytes::new() },
        };
        GroupView {
            group: self.id.clone(),
            state: self.state(),
            kind: self.kind.clone(),
            strategy: if is_stable { self.strategy.clone() } else { String::new() },
            members: self.members.values().map(view).collect(),
        }
    }
}

pub(super) fn list(
    active: &BTreeMap<GroupId, Group>,
    assigned: &BTreeMap<GroupId, AssignedGroup>,
    groups: &Groups,
) -> Vec<GroupListing> {
    let listing = |group: &Group| GroupListing {
        group: group.id.clone(),
        state: group.state(),
        kind: group.kind.clone(),
        assigned_by: AssignedBy::Leader,
    };
    let mut listed: Vec<GroupListing> = active.values().map(listing).collect();
    listed.extend(assigned.values().map(AssignedGroup::listing));
    let idle = groups.iter().filter(|(id, _)| !active.contains_key(id) && !assigned.contains_key(id));
    listed.extend(idle.map(|(id, group)| {
        let by_broker = group.kind == assigned::KIND;
        GroupListing {
            group: id.clone(),
            state: GroupState::Empty,
            kind: if by_broker { String::new() } else { group.kind.clone() },
            assigned_by: if by_broker { AssignedBy::Broker } else { AssignedBy::Leader },
        }
    }));
    listed.sort_by(|a, b| a.group.cmp(&b.group));
    listed
}
