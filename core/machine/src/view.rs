//! Reading the state.

use forebay_model::{PartitionId, Refusal, ShardId};

use crate::machine::MACHINE_VERSION_LATEST;
use crate::{
    Catalog, Groups, Guests, Machine, MachineSettings, Meta, Partition, Producers, Relays, Subscriptions,
    Transactions, Unstable,
};

impl Machine {
    /// Whose state this is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The machine version in force.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The last entry of which a command was applied, with the log time reached.
    pub fn applied(&self) -> Meta {
        self.applied
    }

    /// The settings in force.
    pub fn settings(&self) -> MachineSettings {
        self.settings
    }

    /// The catalogue; empty on all shards but the first. Clone it to hand a snapshot to other threads.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A partition by id.
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(&id)
    }

    /// All partitions by rising id.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = &Partition> {
        self.partitions.values()
    }

    /// The partitions with this id and higher ones, by rising id.
    pub fn partitions_from(&self, from: PartitionId) -> impl Iterator<Item = &Partition> {
        self.partitions.range(from..).map(|(_, partition)| partition)
    }

    /// Whether this partition was dropped lately.
    pub fn was_dropped(&self, id: PartitionId) -> bool {
        self.dropped.contains(id)
    }

    /// The idempotent producers.
    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    /// The groups and their offsets.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The transactional producers.
    pub fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// What of the partitions belongs to transactions.
    pub fn unstable(&self) -> &Unstable {
        &self.unstable
    }

    /// What is handed over to other shards, and what was taken from them.
    pub fn relays(&self) -> &Relays {
        &self.relays
    }

    /// The transactional producers of other shards.
    pub fn guests(&self) -> &Guests {
        &self.guests
    }

    /// The shared subscriptions of this shard's partitions.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// Whether a switch to `version` may be proposed. Ask every voter: one that does not know it stops at the entry.
    pub fn check_version(&self, version: u32) -> Result<(), Refusal> {
        if version <= self.version {
            return Err(Refusal::InvalidRequest(format!("the machine version is {} already", self.version)));
        }
        if version > MACHINE_VERSION_LATEST {
            return Err(Refusal::InvalidRequest(format!(
                "machine version {version} is not known here; the newest known is {MACHINE_VERSION_LATEST}"
            )));
        }
        Ok(())
    }
}
