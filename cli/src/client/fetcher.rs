//! Records on their way back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use forebay_kafka::record::batch::{Batches, Record, Records, verify};
use forebay_kafka::record::limits::INFLATED_BYTES_MAX_DEFAULT;
use forebay_kafka::wire::messages::FetchRequest;
use forebay_kafka::wire::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use forebay_kafka::wire::{ErrorCode, Str};

use super::cluster::Cluster;
use super::deadline::{Backoff, Deadline};
use super::error::ClientError;
use super::place::{Place, by_topic};

/// Record bytes wanted in one answer.
const FETCH_BYTES_MAX: i32 = 16 * 1024 * 1024;
/// Record bytes wanted of one partition in one answer.
const PARTITION_BYTES_MAX: i32 = 4 * 1024 * 1024;

/// Record bytes wanted of one partition when only its first records matter.
const LITTLE_BYTES: i32 = 64 * 1024;

/// What a fetch brought of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Of which partition.
    pub place: Place,
    /// Its records, from the position on.
    pub records: Vec<Record>,
    /// The position behind them, markers without records included.
    pub next: i64,
}

/// How much a fetch brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// As much as is good.
    Much,
    /// The first few records of each partition.
    Little,
}

/// Reads partitions from given positions on.
#[derive(Debug, Default)]
pub struct Fetcher {
    /// Where each partition is read next.
    positions: BTreeMap<Place, i64>,
    /// The order partitions are asked for in: each goes behind the others once it brought something.
    turn: VecDeque<Place>,
    trouble: Option<Trouble>,
}

/// Tries that brought nothing but errors.
#[derive(Debug)]
struct Trouble {
    until: Deadline,
    backoff: Backoff,
}

impl Fetcher {
    /// Reads these partitions from now on, from these positions, and no others.
    pub fn assign(&mut self, positions: BTreeMap<Place, i64>) {
        self.turn = positions.keys().cloned().collect();
        self.positions = positions;
    }

    /// Where each partition is read next.
    pub fn positions(&self) -> &BTreeMap<Place, i64> {
        &self.positions
    }

    /// Reads a partition from there on.
    pub fn seek(&mut self, place: &Place, position: i64) {
        if let Some(known) = self.positions.get_mut(place) {
            *known = position;
        }
    }

    /// No longer reads a partition.
    pub fn release(&mut self, place: &Place) {
        self.positions.remove(place);
        self.turn.retain(|other| other != place);
    }

    /// What there is, waiting up to `wait` for the first of it. Errors that may pass are waited out, up to the cluster's
    /// patience.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `OFFSET_OUT_OF_RANGE` for a position that is no longer, or not yet, there;
    /// everything else that will not pass.
    pub fn fetch(
        &mut self,
        cluster: &mut Cluster,
        wait: Duration,
        amount: Amount,
    ) -> Result<Vec<Fetched>, ClientError> {
        match self.fetch_once(cluster, wait, amount) {
            Ok(fetched) => {
                self.trouble = None;
                Ok(fetched)
            }
            Err(why) if why.is_retriable() => {
                let until = cluster.deadline();
                let trouble =
                    self.trouble.get_or_insert_with(|| Trouble { until, backoff: Backoff::default() });
                cluster.wait_and_refresh(&mut trouble.backoff, "fetching", why, trouble.until)?;
                Ok(Vec::new())
            }
            Err(why) => Err(why),
        }
    }

    fn fetch_once(
        &mut self,
        cluster: &mut Cluster,
        wait: Duration,
        amount: Amount,
    ) -> Result<Vec<Fetched>, ClientError> {
        let deadline = cluster.deadline();
        let asked = self.turn.iter().map(|place| (place, self.positions[place]));
        let by_leader = cluster.by_leader(asked)?;
        // With several brokers to ask, a quiet one must not keep what the others brought.
        let wait = if by_leader.len() > 1 { wait.min(SHARED_WAIT) } else { wait };
        let requests: Vec<_> =
            by_leader.into_iter().map(|(node, places)| (node, request(&places, wait, amount))).collect();
        let mut fetched = Vec::new();
        let mut failed = None;
        for response in cluster.call_each(&requests, deadline) {
            match response.and_then(|response| {
                ClientError::check("fetching", response.error_code, None)?;
                Ok(response.responses)
            }) {
                Ok(topics) => {
                    for topic in topics {
                        for data in topic.partitions {
                            let place = Place::new(topic.topic.as_str(), data.partition_index);
                            match self.understand(place, data) {
                                Ok(some) => fetched.extend(some),
                                Err(why) => failed = Some(why),
                            }
                        }
                    }
                }
                Err(why) => failed = Some(why),
            }
        }
        match failed {
            // What came is handed out first; the trouble will still be there at the next fetch.
            Some(why) if fetched.is_empty() => Err(why),
            _ => Ok(fetched),
        }
    }

    fn understand(&mut self, place: Place, data: PartitionData) -> Result<Option<Fetched>, ClientError> {
        let Some(position) = self.positions.get(&place).copied() else { return Ok(None) };
        let doing = format!("fetching {place} from offset {position}");
        ClientError::check(doing, data.error_code, None)?;
        let bytes = data.records.map(|records| records.into_bytes()).unwrap_or_default();
        let (records, next) = read(&bytes, position).map_err(|why| ClientError::Garbled {
            address: format!("the leader of {place}"),
            why: format!("at offset {position}: {why}"),
        })?;
        if next == position {
            return Ok(None);
        }
        self.positions.insert(place.clone(), next);
        self.turn.retain(|other| *other != place);
        self.turn.push_back(place.clone());
        Ok(Some(Fetched { place, records, next }))
    }
}

/// How long brokers are waited for while others may have something.
const SHARED_WAIT: Duration = Duration::from_millis(100);

fn request(places: &[(&Place, i64)], wait: Duration, amount: Amount) -> FetchRequest {
    let bytes_max = match amount {
        Amount::Much => PARTITION_BYTES_MAX,
        // A first batch that is larger comes whole all the same.
        Amount::Little => LITTLE_BYTES,
    };
    let partition = |(number, position): &(i32, i64)| FetchPartition {
        partition: *number,
        fetch_offset: *position,
        partition_max_bytes: bytes_max,
        ..FetchPartition::default()
    };
    let topics = by_topic(places.iter().copied());
    FetchRequest {
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: 1,
        max_bytes: FETCH_BYTES_MAX,
        topics: topics
            .iter()
            .map(|(name, partitions)| FetchTopic {
                topic: Str::from(&**name),
                partitions: partitions.iter().map(partition).collect(),
                ..FetchTopic::default()
            })
            .collect(),
        ..FetchRequest::default()
    }
}

/// The records from `position` on, and the position behind the last batch. A batch begins before the position when the
/// position lies within it.
fn read(bytes: &Bytes, position: i64) -> Result<(Vec<Record>, i64), String> {
    let mut records = Vec::new();
    let mut next = position;
    for batch in Batches::new(bytes.clone()) {
        let batch = batch.map_err(|why| why.to_string())?;
        let header = verify(&batch).map_err(|why| why.to_string())?;
        let behind = header.base_offset.saturating_add(i64::from(header.last_offset_delta)).saturating_add(1);
        if behind <= position {
            continue;
        }
        // Control batches are marks of the broker's; nobody sent them.
        if !header.attributes.is_control() {
            for record in Records::open(&batch, INFLATED_BYTES_MAX_DEFAULT).map_err(|why| why.to_string())? {
                let record = record.map_err(|why| why.to_string())?;
                if record.offset.0 as i64 >= position {
                    records.push(record);
                }
            }
        }
        next = next.max(behind);
    }
    Ok((records, next))
}

/// Whether an error says that a position is not there.
pub fn is_out_of_range(why: &ClientError) -> bool {
    why.code() == Some(ErrorCode::OffsetOutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::model::{LeaderEpoch, Offset, Timestamp};
    use forebay_kafka::record::batch::{BatchBuilder, Codec, NewRecord, stamp};

    fn batch(base: u64, values: &[&str], codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec, 1 << 20);
        for value in values {
            let value = Some(Bytes::copy_from_slice(value.as_bytes()));
            builder.push(&NewRecord { timestamp: Timestamp(5), value, ..NewRecord::default() }).unwrap();
        }
        let mut bytes = builder.build().unwrap().to_vec();
        stamp(&mut bytes, Offset(base), LeaderEpoch(0)).unwrap();
        bytes
    }

    #[test]
    fn reading_begins_within_a_batch_and_stops_at_a_torn_one() {
        let mut bytes = batch(10, &["a", "b", "c"], Codec::Lz4);
        bytes.extend(batch(13, &["d"], Codec::None));
        let torn = batch(14, &["e"], Codec::None);
        bytes.extend(&torn[..torn.len() - 1]);
        let (records, next) = read(&bytes.into(), 11).unwrap();
        let values: Vec<_> = records.iter().map(|r| (r.offset.0, r.value.clone().unwrap())).collect();
        assert_eq!(values, [(11, "b".into()), (12, "c".into()), (13, "d".into())]);
        assert_eq!(next, 14);
    }

    #[test]
    fn a_batch_whose_checksum_is_wrong_is_not_handed_out() {
        let mut bytes = batch(0, &["a"], Codec::None);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(read(&bytes.into(), 0).is_err());
    }

    #[test]
    fn a_request_asks_for_partitions_in_their_turn() {
        let mut fetcher = Fetcher::default();
        let places = [Place::new("t", 0), Place::new("t", 1)];
        fetcher.assign(places.iter().map(|place| (place.clone(), 0)).collect());
        let data = |partition_index| PartitionData {
            partition_index,
            records: Some(Bytes::from(batch(0, &["a"], Codec::None)).into()),
            ..PartitionData::default()
        };
        let fetched = fetcher.understand(places[0].clone(), data(0)).unwrap().unwrap();
        assert_eq!((fetched.next, fetched.records.len()), (1, 1));
        assert_eq!(fetcher.turn, [places[1].clone(), places[0].clone()]);
        assert_eq!(fetcher.positions()[&places[0]], 1);
        fetcher.release(&places[1]);
        assert_eq!(fetcher.understand(places[1].clone(), data(1)), Ok(None));
    }
}
