//! What a pass knows of the transactions in its partition: which payloads belong to aborted ones, and which marks nobody needs. It decides by
//! what this shard knows of the partition alone; where the producer is kept does not matter.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use forebay_machine::{AbortedRange, IndexEntry};
use forebay_model::{Offset, ProducerId};
use forebay_record::batch::BatchHeader;

/// Producers with records before a mark that is still to come, as many as one window of a pass remembers at a time; above it no mark of the
/// window goes.
const PRODUCERS_MAX: usize = 65_536;

/// What one payload is.
pub(crate) enum Kind {
    /// Records that count, with the producer where they belong to a transaction.
    Data(Option<ProducerId>),
    Aborted(ProducerId),
    /// The mark that ends a transaction.
    Mark(ProducerId),
    /// Nothing that can be taken apart.
    Opaque,
}

/// See the module.
pub(crate) struct Transactions {
    /// Aborted ones: whose, from which offset on, up to which mark.
    aborted: BTreeMap<(ProducerId, Offset), Offset>,
    /// Producers of which this window has met records of a transaction, and not its mark yet.
    producers: BTreeSet<ProducerId>,
    /// There were too many of them.
    has_lost_producers: bool,
}

impl Transactions {
    pub(crate) fn new(aborted: &[AbortedRange]) -> Transactions {
        let ranges = aborted.iter().map(|range| ((range.producer, range.first), range.last));
        Transactions { aborted: ranges.collect(), producers: BTreeSet::new(), has_lost_producers: false }
    }

    pub(crate) fn kind(&self, entry: &IndexEntry, payload: &Bytes) -> Kind {
        let Ok(header) = BatchHeader::peek(payload) else { return Kind::Opaque };
        let producer = header.producer_id;
        if header.attributes.is_control() {
            return Kind::Mark(producer);
        }
        if !header.attributes.is_transactional() {
            return Kind::Data(None);
        }
        match self.aborted_until(producer, entry.first_offset) {
            Some(last) if entry.first_offset < last => Kind::Aborted(producer),
            _ => Kind::Data(Some(producer)),
        }
    }

    /// Where the last aborted transaction of a producer ends that begins at an offset or before.
    fn aborted_until(&self, producer: ProducerId, offset: Offset) -> Option<Offset> {
        let ((found, _), last) = self.aborted.range(..=(producer, offset)).next_back()?;
        (*found == producer).then_some(*last)
    }

    /// Notes that records of a transaction are left.
    pub(crate) fn has_records(&mut self, producer: ProducerId) {
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains(&producer) {
            self.has_lost_producers = true;
            return;
        }
        self.producers.insert(producer);
    }

    /// Whether nobody needs a mark: its transaction was completed, and none of its records is left, dead or not. That of an aborted one stays
    /// as long as its range is told to readers: these look for the mark that ends it.
    pub(crate) fn ends_nothing(&mut self, mark: &IndexEntry, producer: ProducerId) -> bool {
        let has_records = self.producers.remove(&producer) || self.has_lost_producers;
        let is_abort = self.aborted_until(producer, mark.first_offset) == Some(mark.first_offset);
        !has_records && !is_abort
    }

    /// The next window begins at the partition's start again.
    pub(crate) fn end_window(&mut self) {
        self.producers.clear();
        self.has_lost_producers = false;
    }
}
