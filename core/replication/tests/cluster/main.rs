//! Stories of several replicas in one thread.
//!
//! | what must hold | where it is tried |
//! |---|---|
//! | an acknowledgement or vote leaves only after the flush of its own and all earlier numbers | `nothing_is_confirmed_before...`, `no_vote_counts...`, `persist::tests` |
//! | what counts as persisted at open is on the medium | `what_a_restart_takes_for_persisted...` |
//! | no election before the replay is over; a commit ahead of the log is refused | `tests/single.rs` |
//! | a failed write or flush, or a panic of the library, fences for good | `a_failed_write...`, `a_damaged_disk...`, `a_broken_invariant...` |
//! | an async replica that may have lost its tail never speaks under its id again | `an_async_replica...`; one voter accepts it: `a_single_voter...` |
//! | back-pressure instead of errors when too much is uncommitted | `proposals_wait...` |
//! | learner first; leadership moves before a removal; two voters become one jointly; a membership survives a restart | `a_learner_becomes...`, `the_membership_turns_over...` |
//! | a founded log begins behind an index, so newcomers get the membership by checkpoint | `a_founded_group...`, `a_blank_disk_joins...` |
//! | a follower is read for from the disk, once, without stopping the shard | `a_follower_far_behind...` |
//! | a checkpoint is current only when the log below it is durable | `a_checkpoint_waits...` |
//! | Raft always hears how a snapshot ended | `a_transfer_goes_on_where_it_stopped` |
//! | the same inputs give the same outputs | `the_same_seed...` |

mod chaos;
mod durability;
mod elections;
mod fences;
mod harness;
mod membership;
mod transfers;

use forebay_replication::ShardClass;

const CLASSES: [ShardClass; 2] = [ShardClass::Sync, ShardClass::Async];
