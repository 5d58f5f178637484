//! Many senders, a connection each, that wait for their confirm before they send again.

use bytes::Bytes;
use forebay_kafka::record::batch::Codec;

use super::crew;
use super::lane::Lane;
use super::payload::Payloads;
use super::prepared::Prepared;
use super::produce::{batch, unpreparable};
use super::setup::{Leader, Target};
use super::steady::{Steady, Until};
use super::window::Window;
use crate::args::{BenchClassic, BenchLoad};
use crate::exit::Failure;

/// Does it.
///
/// # Errors
/// When it cannot be begun, or a connection does not last.
pub fn run(args: &BenchClassic) -> Result<(), Failure> {
    let mut payloads = Payloads::open(args.load.payload.as_deref())?;
    let mut target = Target::for_load(&args.on, &args.load)?;
    let threads = args.threads.min(args.connections) as usize;
    let mut shares: Vec<Vec<Lane>> = (0..threads).map(|_| Vec::new()).collect();
    for number in 0..args.connections as usize {
        let (leader, partition) = partition_of(&target.leaders, number);
        let batch = one_record(&mut payloads, args.bytes as usize)?;
        let lane = lane(&mut target, &leader, partition, &batch, u64::from(args.bytes), &args.load)?;
        shares[number % threads].push(lane);
    }
    let window = Window::after(args.load.warm(), Some(args.seconds));
    let patience = target.patience();
    let work =
        shares.into_iter().map(|lanes| Steady::work(lanes, window, Until::EndOfWindow, patience.clone()));
    crew::run("classic", window, work.collect(), target.out, &patience.interrupt)
}

/// The partition that a connection sends to, and who leads it: all in turn.
fn partition_of(leaders: &[Leader], number: usize) -> (Leader, i32) {
    let all = leaders.iter().flat_map(|leader| leader.partitions.iter().map(move |p| (leader, *p)));
    let count: usize = leaders.iter().map(|leader| leader.partitions.len()).sum();
    let (leader, partition) = all.clone().nth(number % count).expect("there is a partition");
    (leader.clone(), partition)
}

fn one_record(payloads: &mut Payloads, bytes: usize) -> Result<Bytes, Failure> {
    Ok(batch(payloads, Codec::None, bytes, 1)?.0)
}

fn lane(
    target: &mut Target,
    leader: &Leader,
    partition: i32,
    batch: &Bytes,
    payload_bytes: u64,
    load: &BenchLoad,
) -> Result<Lane, Failure> {
    let mut lane = target.lane(leader, vec![partition], 1, load)?;
    let prepared = Prepared::new(lane.version(), &target.topic, batch, payload_bytes);
    lane.pool().push(prepared.map_err(unpreparable)?);
    Ok(lane)
}
