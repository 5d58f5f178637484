//! The files of a transfer on either side's disk. Everything here blocks.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_commitlog::{CountedOn, Fault, FileName, Keeper, Outgoing, Reader, SegmentId};
use forebay_model::ShardId;

use super::sender::Prepared;
use crate::message::{FileId, Offer, OfferedFile, TransferId};
use crate::wire;

/// Times that one offer's files are listed before it is given up; Raft wants the next one when it looks at the peer again.
const LISTINGS_MAX: usize = 16;

/// The files of one offer, held open: they can be read whatever happens to their names meanwhile.
pub(crate) struct Sources {
    files: BTreeMap<FileId, Outgoing>,
}

/// Why there is nothing to offer, or nothing to read.
#[derive(Clone, Debug)]
pub(crate) enum SourceError {
    /// The medium failed or a file is damaged.
    Fault(Fault),
    /// There is no checkpoint to start from.
    NoCheckpoint,
    /// The checkpoint's membership cannot be read.
    Conf(wire::WireError),
    /// The files changed during every one of [`LISTINGS_MAX`] attempts, or the log has none of a segment it should have.
    Unsettled,
    /// The file was not offered.
    NotOffered,
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceError::Fault(fault) => fault.fmt(f),
            SourceError::NoCheckpoint => f.write_str("there is no checkpoint"),
            SourceError::Conf(error) => write!(f, "the checkpoint's membership cannot be read: {error}"),
            SourceError::Unsettled => {
                write!(f, "the log's files changed {LISTINGS_MAX} times while they were listed")
            }
            SourceError::NotOffered => f.write_str("the file was not offered"),
        }
    }
}

impl From<Fault> for SourceError {
    fn from(fault: Fault) -> SourceError {
        SourceError::Fault(fault)
    }
}

impl Sources {
    /// Lists and opens what a replica standing at the current checkpoint has.
    pub(crate) fn list(
        keeper: &Keeper,
        reader: &Reader,
        transfer: TransferId,
    ) -> Result<Prepared, SourceError> {
        // A newer checkpoint, or a rewritten segment, may take the place of the one that was just looked at; it does so
        // rarely, and an offer that lacked a segment would lose its records.
        'again: for _ in 0..LISTINGS_MAX {
            let meta = keeper.open_checkpoint()?.ok_or(SourceError::NoCheckpoint)?.meta().clone();
            let Some(checkpoint) = keeper.send(FileName::Checkpoint(meta.index))? else { continue };
            let mut sources = Sources { files: BTreeMap::new() };
            let mut files = Vec::new();
            for id in keeper.manifest().segments {
                let Some(sidecar) = reader.sidecar(id) else { continue 'again };
                let summary = *sidecar.summary();
                if summary.last.index > meta.index {
                    continue;
                }
                let (segment, sidecar) =
                    (keeper.send(FileName::Segment(id))?, keeper.send(FileName::Sidecar(id))?);
                let (Some(segment), Some(sidecar)) = (segment, sidecar) else { continue 'again };
                let SegmentId { first, generation, .. } = id;
                // The sidecar comes behind its segment: then both can be checked against each other.
                files.push(sources.add(
                    FileId::Segment { first, generation },
                    segment,
                    summary.content_digest,
                ));
                files.push(sources.add(
                    FileId::Sidecar { first, generation },
                    sidecar,
                    summary.content_digest,
                ));
            }
            files.push(sources.add(FileId::Checkpoint { index: meta.index }, checkpoint, 0));
            let conf = wire::decode_conf(&meta.conf).map_err(SourceError::Conf)?.raft;
            let offer = Offer { transfer, index: meta.index, term: meta.term, conf, files };
            return Ok(Prepared { offer, sources: sources.into() });
        }
        Err(SourceError::Unsettled)
    }

    fn add(&mut self, file: FileId, outgoing: Outgoing, digest: u64) -> OfferedFile {
        let bytes = outgoing.len();
        self.files.insert(file, outgoing);
        OfferedFile { file, bytes, digest }
    }

    /// Up to `bytes` bytes of a file; fewer only at its end.
    pub(crate) fn read(&self, file: FileId, position: u64, bytes: usize) -> Result<Bytes, SourceError> {
        let outgoing = self.files.get(&file).ok_or(SourceError::NotOffered)?;
        let left = usize::try_from(outgoing.len().saturating_sub(position)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; bytes.min(left)];
        let mut filled = 0;
        while filled < buffer.len() {
            match outgoing.read(&mut buffer[filled..], position + filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        buffer.truncate(filled);
        Ok(buffer.into())
    }
}

/// A file that is to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) file: OfferedFile,
    /// Bytes that are here already.
    pub(crate) have: u64,
}

/// What a look at an offer found.
#[derive(Debug)]
pub(crate) struct Looked {
    /// Files to fetch.
    pub(crate) missing: Vec<Missing>,
    /// The segments of the offer: those that are here already must stay until it is installed.
    pub(crate) here: CountedOn,
}

/// What comes in.
pub(crate) struct Incoming {
    keeper: Keeper,
    shard: ShardId,
}

impl Incoming {
    pub(crate) fn new(keeper: Keeper, shard: ShardId) -> Incoming {
        Incoming { keeper, shard }
    }

    /// What of `offer` is not part of the log yet, and how much of it came in before.
    pub(crate) fn look(&self, reader: &Reader, offer: &Offer) -> Result<Looked, Fault> {
        let segments = offer.files.iter().filter_map(|offered| offered.file.segment(self.shard));
        let here = self.keeper.count_on(segments.collect());
        let mut missing = Vec::new();
        for file in &offer.files {
            if self.is_part_of_the_log(reader, file) {
                continue;
            }
            let name = self.name(file.file);
            let mut have = self.keeper.received(name)?;
            // Half a sidecar may have come from a peer that has it in another version.
            let is_half = matches!(name, FileName::Sidecar(_)) && (1..file.bytes).contains(&have);
            if have > file.bytes || is_half {
                self.keeper.discard(name)?;
                have = 0;
            }
            missing.push(Missing { file: *file, have });
        }
        Ok(Looked { missing, here })
    }

    fn is_part_of_the_log(&self, reader: &Reader, file: &OfferedFile) -> bool {
        let (FileId::Segment { first, generation } | FileId::Sidecar { first, generation }) = file.file
        else {
            return false;
        };
        let sidecar = reader.sidecar(SegmentId { shard: self.shard, first, generation });
        sidecar.is_some_and(|sidecar| sidecar.summary().content_digest == file.digest)
    }

    /// Appends `pieces` to an incoming file; answers its new length.
    pub(crate) fn write(&self, file: FileId, mut position: u64, pieces: &[Bytes]) -> Result<u64, Fault> {
        for piece in pieces {
            self.keeper.receive(self.name(file), position, piece)?;
            position += piece.len() as u64;
        }
        Ok(position)
    }

    /// Checks a complete file, a segment together with its sidecar; what is damaged is thrown away. A power cut may have torn
    /// what an earlier process wrote of it.
    pub(crate) fn check(&self, file: &OfferedFile) -> Result<Checked, Fault> {
        let (checked, names) = match file.file {
            FileId::Segment { .. } => return Ok(Checked::Right),
            FileId::Sidecar { first, generation } => {
                let id = SegmentId { shard: self.shard, first, generation };
                let names = vec![FileName::Sidecar(id), FileName::Segment(id)];
                (self.keeper.check_received(id, file.digest).map(|_| ()), names)
            }
            FileId::Checkpoint { index } => {
                (self.keeper.check_received_checkpoint(index), vec![FileName::Checkpoint(index)])
            }
        };
        match checked {
            Ok(()) => Ok(Checked::Right),
            Err(Fault::Corrupt(corruption)) => {
                tracing::warn!(shard = self.shard.0, "what was received is fetched again: {corruption}");
                for name in names {
                    self.keeper.discard(name)?;
                }
                Ok(Checked::Damaged)
            }
            Err(fault) => Err(fault),
        }
    }

    fn name(&self, file: FileId) -> FileName {
        let shard = self.shard;
        match file {
            FileId::Segment { first, generation } => {
                FileName::Segment(SegmentId { shard, first, generation })
            }
            FileId::Sidecar { first, generation } => {
                FileName::Sidecar(SegmentId { shard, first, generation })
            }
            FileId::Checkpoint { index } => FileName::Checkpoint(index),
        }
    }
}

/// How a complete file compares with what was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Right,
    Damaged,
}
