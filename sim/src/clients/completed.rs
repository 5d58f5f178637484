//! Reading what transactions have completed, as clients do: a partition of the transactors' topic, from its first offset on.

use std::collections::BTreeSet;

use bytes::Bytes;
use forebay_model::fetch::{Fetch, FetchItem, FetchedRecords, Isolation};
use forebay_model::{Offset, PartitionRef, ProducerId, Request, TopicName, TopicRef};
use forebay_record::batch::{Batches, Records};

/// The topic that transactions are written to.
pub const TOPIC: &str = "transactions";
/// How many partitions it has.
pub const PARTITIONS: u32 = 2;

/// A partition on its way to be read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Which.
    pub partition: u32,
    /// The next offset.
    pub next: u64,
    /// The numbers of the transactions whose records were seen.
    pub numbers: Vec<u64>,
    /// Producers whose records are passed over up to their marks.
    aborted: BTreeSet<ProducerId>,
}

/// A partition of the topic.
pub fn place(number: u32) -> PartitionRef {
    let name = TopicName::parse(TOPIC).expect("our own names are names");
    PartitionRef { topic: TopicRef::Name(name), number }
}

impl Reading {
    /// One that begins.
    pub fn of(partition: u32) -> Reading {
        Reading { partition, ..Reading::default() }
    }

    /// Asks for what comes next.
    pub fn request(&self) -> Request {
        Request::Fetch(Fetch {
            items: vec![FetchItem {
                partition: place(self.partition),
                offset: Offset(self.next),
                bytes_max: 20_000,
                leader_epoch: None,
            }],
            bytes_min: 0,
            bytes_max: 20_000,
            wait_ms_max: 0,
            isolation: Isolation::Committed,
        })
    }

    /// Goes over records as clients do.
    pub fn take(&mut self, records: &FetchedRecords) {
        let mut aborted = records.aborted.clone();
        aborted.sort_by_key(|(_, first)| *first);
        let mut aborted = aborted.into_iter().peekable();
        for batch in Batches::new(records.records.concat().into()) {
            let records =
                Records::open(&batch.expect("a batch is whole"), 1 << 20).expect("a batch is whole");
            let header = *records.header();
            let base = header.base_offset.cast_unsigned();
            let end = base + u64::from(header.last_offset_delta) + 1;
            if end <= self.next {
                continue;
            }
            self.next = end;
            while let Some((producer, _)) = aborted.next_if(|(_, first)| first.0 < end) {
                self.aborted.insert(producer);
            }
            if header.attributes.is_control() {
                self.aborted.remove(&header.producer_id);
            } else if !self.aborted.contains(&header.producer_id) {
                let values = records.map(|record| record.expect("whole").value.expect("it has one"));
                let number = |value: Bytes| u64::from_le_bytes(value[..].try_into().expect("our own values"));
                self.numbers.extend(values.map(number));
            }
        }
    }
}
