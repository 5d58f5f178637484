//! Segmented, checksummed, append-only files and their indexes. Stores bytes, understands none.
//!
//! The formats are in `docs/formats`; this page says who calls what, on which thread. Everything here is synchronous, and
//! all I/O goes through `forebay_env::Disk`.
//!
//! # The shard's thread: the only writer
//!
//! 1. [`Log::open`] recovers the directory, or makes it, and flushes what it kept. Then
//!    [`Log::open_hard_state`], which shares its fence.
//! 2. [`BodyBuilder`] makes an entry's body, the bytes that Raft carries; [`Body::parse`] reads one, and must be called on
//!    every body that comes from a peer before Raft steps it.
//! 3. [`Log::append`] takes what a `Ready` says must be appended, and truncates first where it conflicts. When
//!    [`Log::wants_seal`] says so, the leader proposes an [`EntryKind::Seal`].
//! 4. [`Log::begin_flush`] makes a [`FlushJob`]; [`Log::flushed`] takes its answer; [`Log::durable_index`] moves.
//!    [`Log::record_durable`] does the same and also records the durable index, after a second of idleness and at a stop.
//! 5. Raft's storage is [`Log::entries`], [`Log::term`], [`Log::first_index`], [`Log::last_index`]: memory only.
//!
//! # The flusher's thread
//!
//! [`FlushJob::run`], then [`HardStateFile::save`]: entries before the hard state that mentions them.
//!
//! Where several shards share a [`Journal`], [`Journal::flush`] runs the job instead, with those of others that wait.
//!
//! # Threads that may block
//!
//! [`Reader`], from [`Log::reader`]: [`Reader::read_entries`] for followers that fell behind and for replay,
//! [`Reader::slots`] for consumers.
//!
//! [`Keeper`], from [`Log::keeper`]: [`Keeper::write_checkpoint`] from a consistent copy of the state, then
//! [`Keeper::adopt`]; at start [`Keeper::load_checkpoint`]. The shard raises the floor ([`Log::raise_floor`]) when the
//! checkpoint is adopted and the followers do not need the older entries.
//!
//! When a segment is sealed, flushed and applied: [`Keeper::write_sidecar`] with its index entries, then
//! [`Keeper::merge_directory`] until it answers false. A consumer finds its segment with [`Reader::locate`], its slots with
//! [`Sidecar::scan_placed`], and their bytes with [`Reader::slots`].
//!
//! Space comes back with [`Keeper::unlink`], or with [`Keeper::rewrite`] (a [`Judge`] says what lives) and
//! [`Keeper::replace`], below the floor and the current checkpoint only. [`Reader::scrub`] checks sealed segments in steps.
//!
//! Between replicas: the sender's [`Keeper::send`]; the receiver's [`Keeper::receive`] and [`Keeper::check_received`], and
//! then, with the log standing still, [`Log::install`].
//!
//! # Tools
//!
//! [`dump`] prints a file, [`verify_dir`] reads a whole directory that nobody has open, [`load_latest`] its checkpoint,
//! [`fuzz`] has one function per decoder.
//!
//! # What it holds
//!
//! In memory: per segment a footer, per entry of a segment without a sidecar eight bytes, the tail cache and the block cache
//! up to their bounds, per run of a term sixteen bytes. Open files: two per segment and one per directory file.
//!
//! # Failure
//!
//! The first failed write or flush, on whichever thread, fences the log: every later append and flush answers that same
//! [`Fault`]. Reads go on.
#![forbid(unsafe_code)]

mod append;
mod block_cache;
mod body;
mod chain;
mod checkpoint;
mod config;
mod crc;
mod cursor;
mod directory;
mod dump;
mod durable;
mod entry;
mod facts;
mod fault;
mod files;
mod flush;
pub mod fuzz;
mod hard_state;
mod index_entry;
mod install;
mod journal;
mod keeper;
pub mod limits;
mod lock;
mod log;
mod manifest;
mod places;
mod point_read;
mod positions;
mod read_buffers;
mod reader;
mod reclaim;
mod recover;
mod rewrite;
mod run;
mod scan;
mod scrub;
mod segment;
mod sidecar;
mod sidecar_write;
mod slot_reader;
mod slots;
mod tail;
mod terms;
mod transfer;
mod truncate;
mod verify;
mod write_over;

pub use append::{AppendError, Appended};
pub use block_cache::BlockCache;
pub use body::{Body, BodyBuilder, BodyError, Slot, SlotFinder, SlotKind};
pub use checkpoint::{Checkpoint, CheckpointFile, CheckpointMeta, Section, Written, checkpoint_name};
pub use config::LogConfig;
pub use dump::{DumpError, dump};
pub use durable::Occasion;
pub use entry::{Entry, EntryKind};
pub use fault::{Action, Corruption, Fault, IoFailure};
pub use flush::{FlushDone, FlushJob};
pub use hard_state::{CONF_BYTES_MAX, HardState, HardStateFile};
pub use index_entry::{IndexEntry, PartitionRun, PlacedEntry};
pub use install::InstallError;
pub use journal::{FlushEnded, Journal, Replayed, ShardDir, unreplayed};
pub use keeper::{AdoptError, Keeper, SidecarError, load_latest};
pub use log::{Log, Unavailable};
pub use manifest::Manifest;
pub use places::SlotPlace;
pub use read_buffers::ReadBuffers;
pub use reader::{Located, ReadError, Reader, SegmentInfo};
pub use reclaim::{CountedOn, Held, ReclaimError, Replaced};
pub use recover::{Cut, Recovered};
pub use rewrite::{Fate, Judge};
pub use scrub::{Scrub, ScrubProgress};
pub use segment::{Generation, SegmentId};
pub use sidecar::{SegmentSummary, Sidecar};
pub use slot_reader::SlotReader;
pub use slots::Durability;
pub use terms::Point;
pub use transfer::{FileName, Outgoing, RECEIVE_BYTES_MAX};
pub use verify::{Report, verify_dir};
