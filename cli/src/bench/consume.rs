//! Reading a topic from its start, in large fetches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::crew::{self, Share, Work};
use super::pump::{Patience, of_the_system};
use super::reader::{Depth, Reader};
use super::setup::Target;
use super::tally::Tally;
use super::window::Window;
use crate::args::BenchConsume;
use crate::client::ClientError;
use crate::client::deadline::NAP;
use crate::client::offsets::{self, Which};
use crate::exit::Failure;
use crate::output::number::grouped;

/// Sockets that are told of at a time.
const EVENTS_MAX: usize = 1024;

/// Does it.
///
/// # Errors
/// When there is not as much to read as was asked for, or what is read is not as it was written.
pub fn run(args: &BenchConsume) -> Result<(), Failure> {
    let mut target = Target::to_read(&args.on, &args.topic)?;
    let places = target.cluster.places(&target.topic);
    let starts = offsets::list(&mut target.cluster, &places, Which::Earliest)?;
    let ends = offsets::list(&mut target.cluster, &places, Which::Latest)?;
    let there = places.iter().map(|place| ends[place].saturating_sub(starts[place]).max(0) as u64).sum();
    let asked = args.records.unwrap_or(there);
    if asked > there || there == 0 {
        let (asked, there) = (grouped(asked as i64), grouped(there as i64));
        return Err(Failure::failed(format!(
            "topic {} has {there} records, and {asked} are to be read",
            target.topic
        )));
    }
    let depth = if args.check { Depth::Records } else { Depth::Headers };
    let threads = (args.threads as usize).min(args.groups as usize * target.leaders.len());
    let mut shares: Vec<Vec<Member>> = (0..threads).map(|_| Vec::new()).collect();
    let groups: Vec<_> = (0..args.groups).map(|_| Arc::new(AtomicU64::new(0))).collect();
    for group in &groups {
        for leader in &target.leaders {
            let spans = places.iter().filter(|place| leader.partitions.contains(&place.partition));
            let spans = spans.map(|place| (place.partition, starts[place]..ends[place])).collect();
            let reader = Reader::open(&target, &leader.address, spans, args.fetch_bytes, depth)?;
            let count: usize = shares.iter().map(Vec::len).sum();
            shares[count % threads].push(Member { reader, read: group.clone(), asked });
        }
    }
    let window = Window::after(Duration::ZERO, None);
    let patience = target.patience();
    let work = shares.into_iter().map(|members| work(members, window, patience.clone()));
    crew::run("consume", window, work.collect(), target.out, &patience.interrupt)?;
    for group in groups {
        let read = group.load(Ordering::Relaxed);
        if read < asked {
            let (read, asked) = (grouped(read as i64), grouped(asked as i64));
            let why = format!("{read} records came, and there are offsets for {asked}");
            return Err(Failure::failed(format!(
                "{why}: some are markers, or were compacted away, or are lost"
            )));
        }
    }
    Ok(())
}

/// A reader of one broker, as part of a group that reads everything.
struct Member {
    reader: Reader,
    /// Records that the whole group has read.
    read: Arc<AtomicU64>,
    /// Records that it is to read.
    asked: u64,
}

impl Member {
    fn is_done(&self) -> bool {
        self.reader.is_at_end() || self.read.load(Ordering::Relaxed) >= self.asked
    }
}

fn work(mut members: Vec<Member>, window: Window, patience: Patience) -> Work {
    Box::new(move || {
        let mut share = Share { tally: Tally::default(), last: None };
        read_all(&mut members, window, &patience, &mut share)?;
        Ok(share)
    })
}

fn read_all(
    members: &mut [Member],
    window: Window,
    patience: &Patience,
    share: &mut Share,
) -> Result<(), ClientError> {
    let mut poll = Poll::new().map_err(of_the_system)?;
    for (id, member) in members.iter_mut().enumerate() {
        member.reader.link().register(poll.registry(), Token(id)).map_err(of_the_system)?;
        member.reader.ask()?;
    }
    let mut events = Events::with_capacity(EVENTS_MAX);
    while !patience.interrupt.is_raised() && !members.iter().all(Member::is_done) {
        match poll.poll(&mut events, Some(NAP)) {
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled.map_err(of_the_system)?,
        }
        for event in &events {
            let Token(id) = event.token();
            let member = &mut members[id];
            member.reader.write_on()?;
            member.reader.on_readable();
            read_some(member, window, share)?;
        }
        let now = Instant::now();
        let mut waiting = members.iter().filter(|member| !member.is_done());
        waiting.try_for_each(|member| member.reader.check_patience(patience.answer, now))?;
    }
    Ok(())
}

/// Takes what has come, and asks for more.
fn read_some(member: &mut Member, window: Window, share: &mut Share) -> Result<(), ClientError> {
    while let Some(got) = member.reader.read(|_, _| {})? {
        let now = Instant::now();
        let since_begin = window.since_begin(now).unwrap_or_default();
        share.tally.records(got.records, got.payload_bytes, since_begin);
        share.last = Some(now);
        member.read.fetch_add(got.records, Ordering::Relaxed);
        if member.is_done() {
            return Ok(());
        }
        member.reader.ask()?;
    }
    Ok(())
}
