//! One shard in a world of its own: time, files, jobs and wires are in the tests' hands, so that every turn and every job
//! comes when the story says.

mod closing;
mod compaction;
mod company;
mod deadlines;
mod fences;
mod flushes;
mod imports;
mod membership;
mod memory_disk;
mod paces;
mod provision;
mod queues;
mod reclaim;
mod relays;
mod retention;
mod seals;
mod space;
mod subscriptions;
mod transactions;
mod trims;
mod versions;
mod world;
