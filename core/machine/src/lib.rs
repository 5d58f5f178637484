//! The replicated state of a shard: catalogue, partitions, producers, groups, transactions, shared
//! subscriptions. Pure and deterministic: the same commands in
//! the same order give the same state, the same answers and the same checkpoint bytes on every replica.
//!
//! [`decode_commands`] takes slot 0 of a committed entry apart, [`Machine::apply`] carries out each command and answers with an
//! [`Outcome`]; what the world around must do stands in [`Effects`].
#![forbid(unsafe_code)]

mod acls;
mod catalog;
mod checkpoint;
mod clean;
pub mod codec;
mod command;
mod effects;
mod exchanges;
pub mod fuzz;
mod groups;
mod guests;
pub mod limits;
mod machine;
mod namespaces;
mod partition;
mod pending_cursors;
mod producers;
mod quotas;
mod relays;
mod retention;
mod routes;
mod shared_map;
mod span;
mod subscriptions;
pub mod table;
mod transactions;
mod unstable;
mod users;
mod view;

pub use acls::{Acls, Verdict, Who};
pub use catalog::{Catalog, Topic, TopicPartition};
pub use checkpoint::SectionKind;
pub use clean::{CleanMark, CleanMarks};
pub use codec::DecodeError;
pub use command::{
    AddPartitions, AdmitGuest, Append, BeginImport, Command, CommandList, CompactedPartition, Compaction,
    CreateTopic, DeliveredUpTo, EndTransaction, HoldOffsets, Imported, ImportedTransaction, JoinTransaction,
    ListMark, MachineSettings, Member, Meta, OpenPartition, OpenProducer, PartitionSettings, ProducerStamp,
    Relay, SaveGeneration, SaveOffsets, SavedOffset, Settle, Settled, Which, decode_commands,
    encode_commands,
};
pub use effects::{AppendedTo, DeadSlot, Effects, IndexEntry, Outcome};
pub use exchanges::{Declared, Exchanges, RoutingChange};
pub use groups::{CommittedOffset, Group, Groups, OffsetKey};
pub use guests::{Guest, Guests};
pub use machine::{
    CATALOGUE_SHARD, Halt, MACHINE_VERSION_ACLS, MACHINE_VERSION_COMPACTION, MACHINE_VERSION_FIRST,
    MACHINE_VERSION_IMPORTS, MACHINE_VERSION_LATEST, MACHINE_VERSION_QUEUES, MACHINE_VERSION_QUOTAS,
    MACHINE_VERSION_RELAYS, MACHINE_VERSION_SUBSCRIPTIONS, MACHINE_VERSION_TRANSACTIONS,
    MACHINE_VERSION_USERS, Machine,
};
pub use namespaces::Namespaces;
pub use partition::{EpochStart, Extent, Import, Partition};
pub use producers::{Producer, ProducerKey, Producers, StoredBatch};
pub use quotas::check as check_quota;
pub use relays::{RelayedEnd, Relays};
pub use retention::{RunSummary, TrimDue, retention_due};
pub use routes::{CreateQueue, EndOfStay, Process, Queue, QueueOf, Route, RouteChange, Stay};
pub use shared_map::SharedMap;
pub use span::{Participant, Span};
pub use subscriptions::{Progress, RecordState, Run, SubscriptionKey, Subscriptions};
pub use transactions::{
    Elsewhere, Instance, Next, OpenTransaction, TransactionState, TransactionalProducer, Transactions,
};
pub use unstable::{AbortedRange, Unstable};
pub use users::{Credential, CredentialKey, SetCredential, Users};
