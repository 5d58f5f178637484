//! The thread that drives one shard: sleeps until the mailbox wakes it or its deadline comes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use forebay_broker::{Broker, Ticket};
use forebay_env::Clock;
use forebay_model::{Refusal, ShardId};
use forebay_shard::{Answer, NextTurn, Room, Shard, ShardMailbox, TICK, Wake};

/// How often the thread of a broken shard looks for somebody to refuse, if nobody wakes it.
const BROKEN_LOOK: Duration = Duration::from_secs(1);

/// The thread of a shard before it runs: others may wake it already.
#[derive(Clone, Default)]
pub(crate) struct Sleeper {
    thread: Arc<OnceLock<Thread>>,
}

impl Sleeper {
    pub(crate) fn wake(&self) -> Wake {
        let thread = Arc::clone(&self.thread);
        Box::new(move || {
            if let Some(thread) = thread.get() {
                thread.unpark();
            }
        })
    }
}

/// A running shard.
pub(crate) struct ShardThread {
    pub(crate) id: ShardId,
    stop: Arc<AtomicBool>,
    sleeper: Sleeper,
    handle: JoinHandle<()>,
}

impl ShardThread {
    pub(crate) fn start(
        id: ShardId,
        shard: Shard<Ticket>,
        mailbox: Arc<ShardMailbox<Ticket>>,
        sleeper: Sleeper,
        broker: Broker,
        clock: Arc<dyn Clock>,
        broken: Arc<dyn Fn(ShardId) + Send + Sync>,
    ) -> std::io::Result<ShardThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, own) = (Arc::clone(&stop), sleeper.clone());
        let handle = thread::Builder::new().name(format!("fb-shard-{id}")).spawn(move || {
            let _ = own.thread.set(thread::current());
            let ran = catch_unwind(AssertUnwindSafe(|| drive(shard, &stopping, &broker, &*clock)));
            if ran.is_err() {
                tracing::error!(
                    shard = id.0,
                    "a bug stopped this shard; its data is kept, nothing more is confirmed"
                );
                broken(id);
                refuse_all(&mailbox, &*clock, &stopping, |answers| broker.answers(answers));
            }
        })?;
        Ok(ShardThread { id, stop, sleeper, handle })
    }

    /// Asks the shard to close.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        (self.sleeper.wake())();
    }

    /// Waits until it has.
    pub(crate) fn join(self) {
        if self.handle.join().is_err() {
            tracing::error!(shard = self.id.0, "the thread of this shard panicked");
        }
    }
}

fn drive(mut shard: Shard<Ticket>, stop: &AtomicBool, broker: &Broker, clock: &dyn Clock) {
    let mut closing = false;
    let mut ticked = clock.monotonic();
    loop {
        if !closing && stop.load(Ordering::Acquire) {
            closing = true;
            shard.close();
        }
        match shard.turn() {
            NextTurn::Never => return,
            NextTurn::Now => {
                // A busy shard may not sleep for long.
                let now = clock.monotonic();
                if now.since(ticked) >= TICK {
                    ticked = now;
                    broker.tick(now);
                }
            }
            NextTurn::At(deadline) => {
                let now = clock.monotonic();
                ticked = now;
                broker.tick(now);
                thread::park_timeout(deadline.since(now));
            }
        }
    }
}

/// Answers for a shard that cannot.
fn refuse_all<T>(
    mailbox: &ShardMailbox<T>,
    clock: &dyn Clock,
    stop: &AtomicBool,
    mut tell: impl FnMut(Vec<(T, Answer)>),
) {
    // The shard may have gone while it let work gather, for a completion that nobody waits for any more.
    mailbox.listen();
    while !stop.load(Ordering::Acquire) {
        let taken = mailbox.take(Room { bytes: usize::MAX, paced_bytes: usize::MAX });
        let work = taken.work.into_iter().filter_map(|(_, parcel)| parcel.work.refuse(&Refusal::Storage));
        let reads = taken.reads.into_iter().filter_map(|read| read.refuse(&Refusal::Storage));
        // What waits behind a payload that was on its way in parts is served by nobody.
        let late = mailbox.take_expired(clock.monotonic());
        let late = late.into_iter().filter_map(|work| work.refuse(&Refusal::TimedOut));
        tell(work.chain(reads).chain(late).collect());
        thread::park_timeout(BROKEN_LOOK);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use forebay_shard::{Lane, Mailbox, Parcel, Source, Work};

    use super::*;

    /// Longer than any of it takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn proposal(ticket: u32) -> Parcel<Work<u32>> {
        Parcel { bytes: 1, lane: Lane::Paced, deadline: None, work: Work::Propose(ticket, Vec::new()) }
    }

    #[test]
    fn a_shard_that_went_while_work_gathered_refuses_at_once() {
        let (sleeper, woken) = (Sleeper::default(), Arc::new(AtomicUsize::new(0)));
        let (wake, counted) = (sleeper.wake(), Arc::clone(&woken));
        let mailbox: Arc<ShardMailbox<u32>> = Arc::new(Mailbox::new(Box::new(move || {
            counted.fetch_add(1, Ordering::AcqRel);
            wake();
        })));
        mailbox.gather(usize::MAX);
        mailbox.post_work(Source(1), proposal(7)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (answers, answered) = channel();
        let refusing = thread::spawn({
            let (mailbox, stop, own) = (Arc::clone(&mailbox), Arc::clone(&stop), sleeper.clone());
            move || {
                own.thread.set(thread::current()).unwrap();
                let clock = forebay_env::real::env().clock;
                refuse_all(&mailbox, &*clock, &stop, |batch| answers.send(batch).unwrap());
            }
        });
        assert_eq!(answered.recv_timeout(PATIENCE).unwrap().len(), 1, "what had gathered");
        mailbox.post_work(Source(1), proposal(8)).unwrap();
        assert_eq!(woken.load(Ordering::Acquire), 1, "what comes later wakes whoever refuses it");
        let late = loop {
            match answered.recv_timeout(PATIENCE).unwrap().pop() {
                Some((ticket, _)) => break ticket,
                None => continue,
            }
        };
        assert_eq!(late, 8);
        stop.store(true, Ordering::Release);
        sleeper.wake()();
        refusing.join().unwrap();
    }
}
