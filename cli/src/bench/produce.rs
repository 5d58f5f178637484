//! A stream of large batches, several on their way at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_kafka::model::Timestamp;
use forebay_kafka::record::batch::{BatchBuilder, BatchError, Codec, NewRecord};
use forebay_kafka::wire::EncodeError;

use super::crew;
use super::lane::Lane;
use super::payload::Payloads;
use super::prepared::Prepared;
use super::setup::Target;
use super::steady::{Quota, Steady, Until};
use super::window::Window;
use crate::args::BenchProduce;
use crate::exit::Failure;
use crate::output::time;

/// Requests on their way at a time on one connection: with more, a broker does not keep the order of what it recognises.
pub const IN_FLIGHT_MAX: usize = 5;

/// How long it lasts when nothing is said.
const SECONDS_DEFAULT: Duration = Duration::from_secs(10);
/// Bytes that all lanes' prepared batches may take together, as long as each has one.
const POOL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Different batches that are prepared.
const BATCHES_MAX: usize = 8;

/// Does it.
///
/// # Errors
/// When it cannot be begun, or a connection does not last.
pub fn run(args: &BenchProduce) -> Result<(), Failure> {
    let mut payloads = Payloads::open(args.load.payload.as_deref())?;
    let mut target = Target::for_load(&args.on, &args.load)?;
    let lane_count = target.leaders.len() * args.clients as usize;
    let (batches, until) = prepare(args, &mut payloads, lane_count)?;
    let threads = (args.threads as usize).min(lane_count);
    let mut shares: Vec<Vec<Lane>> = (0..threads).map(|_| Vec::new()).collect();
    for number in 0..lane_count {
        let leader = target.leaders[number % target.leaders.len()].clone();
        let mut lane = target.lane(&leader, leader.partitions.clone(), IN_FLIGHT_MAX, &args.load)?;
        for (batch, payload_bytes) in &batches {
            let prepared = Prepared::new(lane.version(), &target.topic, batch, *payload_bytes);
            lane.pool().push(prepared.map_err(unpreparable)?);
        }
        shares[number % threads].push(lane);
    }
    let lasts = args.seconds.or(args.records.is_none().then_some(SECONDS_DEFAULT));
    // Who asks for a number of records wants no more than that in the topic.
    let warm = if args.records.is_some() { args.load.warm.unwrap_or_default() } else { args.load.warm() };
    let window = Window::after(warm, lasts);
    let patience = target.patience();
    let work = shares.into_iter().map(|lanes| Steady::work(lanes, window, until.clone(), patience.clone()));
    crew::run("produce", window, work.collect(), target.out, &patience.interrupt)
}

/// The batches to send, with the bytes of their values, and when enough of them were sent.
fn prepare(
    args: &BenchProduce,
    payloads: &mut Payloads,
    lane_count: usize,
) -> Result<(Vec<(Bytes, u64)>, Until), Failure> {
    let per_batch = records_per_batch(args.batch_bytes as usize, args.bytes as usize)?;
    let different = (POOL_BYTES_MAX / lane_count / args.batch_bytes as usize).clamp(1, BATCHES_MAX);
    let mut one = |records| batch(payloads, args.codec, args.bytes as usize, records);
    let mut batches = (0..different).map(|_| one(per_batch)).collect::<Result<Vec<_>, _>>()?;
    let Some(records) = args.records else { return Ok((batches, Until::EndOfWindow)) };
    let tail = (records % u64::from(per_batch)) as u32;
    if tail > 0 {
        batches.push(one(tail)?);
    }
    Ok((batches, Until::Records(Arc::new(Quota::new(records, per_batch)))))
}

/// How many values of this size a batch of at most `batch_bytes` before compression has room for.
fn records_per_batch(batch_bytes: usize, bytes: usize) -> Result<u32, Failure> {
    let mut builder = BatchBuilder::new(Codec::None, batch_bytes);
    let record = record(Bytes::from(vec![b'x'; bytes]));
    while builder.push(&record).is_ok() {}
    match builder.record_count() {
        0 => Err(Failure::usage(format!("a value of {bytes} bytes does not fit a batch of {batch_bytes}"))),
        count => Ok(count),
    }
}

/// A batch of so many values of this size; and the bytes of all of them.
///
/// # Errors
/// When it would be larger than any batch can be.
pub fn batch(
    payloads: &mut Payloads,
    codec: Codec,
    bytes: usize,
    records: u32,
) -> Result<(Bytes, u64), Failure> {
    let mut builder = BatchBuilder::new(codec, usize::MAX);
    for _ in 0..records {
        builder.push(&record(payloads.next(bytes))).map_err(unbuildable)?;
    }
    Ok((builder.build().map_err(unbuildable)?, u64::from(records) * bytes as u64))
}

/// A record of a prepared batch. Its time is patched when it is sent.
fn record(value: Bytes) -> NewRecord {
    NewRecord { timestamp: Timestamp(time::now_ms()), value: Some(value), ..NewRecord::default() }
}

fn unbuildable(why: BatchError) -> Failure {
    Failure::failed(format!("a batch cannot be prepared: {why}"))
}

/// A request cannot be written in the version that is common.
pub fn unpreparable(why: EncodeError) -> Failure {
    Failure::failed(format!("a request cannot be prepared: {why}"))
}
