//! What the Raft library reads of the log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use forebay_commitlog::{Entry, Fault, Log, ReadError, Reader, Unavailable};
use forebay_model::LogIndex;
use raft::eraftpb::{self, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

use crate::entry;

/// Most followers that wait for the same cold read; one more asks again with its next heartbeat.
const WAITERS_MAX: usize = 16;

/// The log behind Raft's storage trait. Owned by the `RawNode`; never shared between threads.
pub(crate) struct Store {
    pub(crate) log: Log,
    reader: Reader,
    initial: RaftState,
    cold: RefCell<Cold>,
    /// Snapshots that may be sent, by receiver: its files are there.
    pub(crate) staged: BTreeMap<u64, Snapshot>,
    /// Receivers for whom Raft wanted a snapshot.
    wanted: RefCell<BTreeSet<u64>>,
    /// The first fault met while Raft read: the library only knows to panic on it.
    fault: RefCell<Option<Fault>>,
}

/// Reads that did not hit the tail cache, by the index they begin at.
#[derive(Default)]
struct Cold {
    /// Asked for by Raft, not begun.
    asked: BTreeMap<LogIndex, ColdRead>,
    /// Begun: who wants to hear of it.
    begun: BTreeMap<LogIndex, Vec<GetEntriesContext>>,
    /// Arrived, for the moment in which Raft asks again.
    arrived: Option<Vec<Entry>>,
}

/// A read that Raft is waiting for.
pub(crate) struct ColdRead {
    pub(crate) low: LogIndex,
    pub(crate) high: LogIndex,
    pub(crate) bytes_max: u64,
    waiters: Vec<GetEntriesContext>,
}

impl Store {
    pub(crate) fn new(log: Log, initial: RaftState) -> Store {
        let reader = log.reader();
        Store {
            log,
            reader,
            initial,
            cold: RefCell::default(),
            staged: BTreeMap::new(),
            wanted: RefCell::default(),
            fault: RefCell::default(),
        }
    }

    /// The next cold read to begin, if there is one.
    pub(crate) fn begin_cold_read(&self) -> Option<ColdRead> {
        let mut cold = self.cold.borrow_mut();
        let (low, mut read) = cold.asked.pop_first()?;
        cold.begun.insert(low, std::mem::take(&mut read.waiters));
        Some(read)
    }

    /// A cold read ended; answers who waited for it.
    pub(crate) fn end_cold_read(&self, low: LogIndex, entries: Vec<Entry>) -> Vec<GetEntriesContext> {
        let mut cold = self.cold.borrow_mut();
        cold.arrived = Some(entries);
        cold.begun.remove(&low).unwrap_or_default()
    }

    /// What arrived has been looked at by everybody; the log may change from now on.
    pub(crate) fn forget_cold_read(&self) {
        self.cold.borrow_mut().arrived = None;
    }

    /// The receivers for whom Raft wanted a snapshot since the last call.
    pub(crate) fn take_wanted(&self) -> BTreeSet<u64> {
        self.wanted.take()
    }

    /// The fault behind a panic of the library, if there was one.
    pub(crate) fn take_fault(&self) -> Option<Fault> {
        self.fault.take()
    }

    fn cold_entries(
        &self,
        low: LogIndex,
        high: LogIndex,
        bytes_max: u64,
        context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if !context.can_async() {
            return self.read_now(low, high, bytes_max);
        }
        let mut cold = self.cold.borrow_mut();
        if let Some(arrived) = &cold.arrived
            && arrived.first().is_some_and(|first| first.index == low)
        {
            return Ok(arrived.iter().take_while(|entry| entry.index < high).cloned().collect());
        }
        let waiters = match cold.begun.get_mut(&low) {
            Some(waiters) => waiters,
            None => {
                let read = ColdRead { low, high, bytes_max, waiters: Vec::new() };
                &mut cold.asked.entry(low).or_insert(read).waiters
            }
        };
        if waiters.len() < WAITERS_MAX {
            waiters.push(context);
        }
        Err(StorageError::LogTemporarilyUnavailable.into())
    }

    /// Replay at start, and the rare look into entries that left the cache before they were applied.
    fn read_now(&self, low: LogIndex, high: LogIndex, bytes_max: u64) -> Result<Vec<Entry>> {
        self.reader.read_entries(low, high, bytes_max).map_err(|error| match error {
            ReadError::Fault(fault) => {
                let words = fault.to_string();
                self.fault.borrow_mut().get_or_insert(fault);
                Error::Store(StorageError::Other(words.into()))
            }
            ReadError::NoEntry(_) | ReadError::NoSlot(..) => Error::Store(StorageError::Unavailable),
        })
    }
}

impl Storage for Store {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(self.initial.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> Result<Vec<eraftpb::Entry>> {
        let (low, high) = (LogIndex(low), LogIndex(high));
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        let entries = match self.log.entries(low, high, bytes_max) {
            Ok(entries) => entries,
            Err(Unavailable::Cold) => self.cold_entries(low, high, bytes_max, context)?,
            Err(Unavailable::Compacted) => return Err(StorageError::Compacted.into()),
            Err(Unavailable::Ahead) => return Err(StorageError::Unavailable.into()),
        };
        let convert =
            |entry| entry::from_log(entry).map_err(|error| StorageError::Other(error.into()).into());
        entries.into_iter().map(convert).collect()
    }

    fn term(&self, index: u64) -> Result<u64> {
        match self.log.term(LogIndex(index)) {
            Some(term) => Ok(term.0),
            None if index < self.log.floor().index.0 => Err(StorageError::Compacted.into()),
            None => Err(StorageError::Unavailable.into()),
        }
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.log.first_index().0)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.log.last_index().0)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> Result<Snapshot> {
        if let Some(snapshot) = self.staged.get(&to)
            && snapshot.get_metadata().index >= request_index
        {
            return Ok(snapshot.clone());
        }
        self.wanted.borrow_mut().insert(to);
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
