//! Raft's hard state: term, vote, commit and the configuration that goes with them. Format: `docs/formats/hard-state.md`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use forebay_env::Disk;
use forebay_model::{LogIndex, Term};

use crate::cursor::Cursor;
use crate::fault::{Fault, Fence};
use crate::lock::lock;
use crate::slots::{Durability, RECORD_BYTES_MAX, TwoSlots};
use crate::terms::Point;

pub(crate) const HARD_STATE_NAME: &str = "hard-state";
pub(crate) const HARD_STATE_MAGIC: [u8; 6] = *b"FBYHST";
const FIXED_BYTES: usize = 28;
/// Longest configuration, in bytes.
pub const CONF_BYTES_MAX: usize = RECORD_BYTES_MAX - FIXED_BYTES;

/// What a replica must remember of Raft besides its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The highest term it knows.
    pub term: Term,
    /// Whom it voted for in that term; 0 for nobody.
    pub vote: u64,
    /// The highest index it knows to be committed.
    pub commit: LogIndex,
    /// Raft's configuration, as the replication layer encodes it; at most [`CONF_BYTES_MAX`] bytes.
    pub conf: Bytes,
}

/// The open file. Saves may come from any one thread at a time; they are serialised.
pub struct HardStateFile {
    slots: Mutex<TwoSlots>,
    fence: Option<Arc<Fence>>,
}

impl HardStateFile {
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, origin: Point) -> Result<(), Fault> {
        let state = HardState { term: origin.term, commit: origin.index, ..HardState::default() };
        TwoSlots::create(disk, &dir.join(HARD_STATE_NAME), HARD_STATE_MAGIC, &encode(&state))?;
        Ok(())
    }

    /// Opens the file of a shard's directory, which `Log::open` has made, and answers the state on record, flushed. For
    /// tools; a running shard uses `Log::open_hard_state`, which shares the log's fence.
    pub fn open(disk: &dyn Disk, dir: &Path) -> Result<(HardStateFile, HardState), Fault> {
        let path = dir.join(HARD_STATE_NAME);
        let (slots, record) = TwoSlots::open(disk, &path, HARD_STATE_MAGIC)?;
        let state = decode(&record, &path)?;
        Ok((HardStateFile { slots: Mutex::new(slots), fence: None }, state))
    }

    pub(crate) fn with_fence(mut self, fence: Arc<Fence>) -> HardStateFile {
        self.fence = Some(fence);
        self
    }

    /// Replaces the state. A changed term or vote must be `Flushed` before anybody hears of it. Blocks. After an error
    /// every later save answers the same error, and so does the log it belongs to.
    pub fn save(&self, state: &HardState, durability: Durability) -> Result<(), Fault> {
        assert!(state.conf.len() <= CONF_BYTES_MAX, "a configuration has a bounded number of voters");
        let save = || lock(&self.slots).save(&encode(state), durability);
        match &self.fence {
            Some(fence) => fence.guard(save),
            None => save(),
        }
    }
}

fn encode(state: &HardState) -> Vec<u8> {
    let mut out = Vec::with_capacity(FIXED_BYTES + state.conf.len());
    for word in [state.term.0, state.vote, state.commit.0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let len = u32::try_from(state.conf.len()).expect("bounded by the record");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&state.conf);
    out
}

pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<HardState, Fault> {
    let mut cursor = Cursor::new(bytes);
    let mut fields = || {
        let (term, vote, commit) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let len = cursor.u32()? as usize;
        let conf = Bytes::copy_from_slice(cursor.bytes(len)?);
        (cursor.remaining() == 0).then_some(HardState {
            term: Term(term),
            vote,
            commit: LogIndex(commit),
            conf,
        })
    };
    fields().ok_or_else(|| Fault::corrupt(path, 0, "the record is not one of a hard state"))
}
