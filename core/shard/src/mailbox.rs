//! The mailbox of a shard: what its thread has to do, from many threads.
//!
//! ```text
//!   connection 1: [w][w][w]  --\
//!   connection 2: [w]        ---+-- round-robin by bytes --> one turn
//!   connection 3: [w][w]     --/
//!   reads:        [r][r]     ------ in order ------------->
//!   completions:  [c]        ------ all of them ---------->
//! ```
//! A connection with much to write gets its turn like everybody else. A connection can be held (its payload is
//! still being written in parts): its later work waits, others go on.
//!
//! Not here: backpressure. The gateway stops reading a connection whose open bytes reach their limit, so a queue is
//! bounded by that; the count of queued items is bounded here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Queued items of all connections; above it new work is refused as busy.
pub const MAILBOX_ITEMS_MAX: usize = 100_000;
/// Queued reads; above it new reads are refused as busy.
pub const MAILBOX_READS_MAX: usize = 100_000;
/// What an item weighs at least: a turn of 1 MiB takes at most 4096 items.
const ITEM_BYTES_MIN: usize = 256;
/// What one connection may move per round of a turn before the next one is served.
const QUANTUM_BYTES: usize = 64 * 1024;

/// Who a piece of work came from, for fairness and order: a connection's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u64);

/// Wakes the thread that serves the mailbox.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The mailbox; `W` is work that is ordered per source, `R` a read, `C` a completion.
pub struct Mailbox<W, R, C> {
    state: Mutex<State<W, R, C>>,
    /// Set by the first poster after a turn began, so that a busy shard is not woken per message.
    notified: AtomicBool,
    wake: Wake,
}

struct State<W, R, C> {
    queues: BTreeMap<Source, VecDeque<(usize, W)>>,
    /// Sources with work, in the order in which they are served.
    ring: VecDeque<Source>,
    held: BTreeSet<Source>,
    items: usize,
    bytes: usize,
    reads: VecDeque<R>,
    completions: Vec<C>,
}

/// What a turn took out.
pub struct Taken<W, R, C> {
    /// Ordered work, at most the budget (one item may cross it).
    pub work: Vec<(Source, W)>,
    /// What that work weighs.
    pub bytes: usize,
    /// Reads.
    pub reads: Vec<R>,
    /// Completions.
    pub completions: Vec<C>,
    /// Whether something that could be served is left.
    pub more: bool,
}

impl<W, R, C> Mailbox<W, R, C> {
    /// An empty mailbox whose thread is woken by `wake`.
    pub fn new(wake: Wake) -> Mailbox<W, R, C> {
        let state = State {
            queues: BTreeMap::new(),
            ring: VecDeque::new(),
            held: BTreeSet::new(),
            items: 0,
            bytes: 0,
            reads: VecDeque::new(),
            completions: Vec::new(),
        };
        Mailbox { state: Mutex::new(state), notified: AtomicBool::new(false), wake }
    }

    /// Queues ordered work that weighs `bytes`; gives it back when the mailbox is full.
    pub fn post_work(&self, source: Source, bytes: usize, work: W) -> Result<(), W> {
        {
            let mut state = self.lock();
            if state.items >= MAILBOX_ITEMS_MAX {
                return Err(work);
            }
            state.items += 1;
            state.bytes += bytes;
            let queue = state.queues.entry(source).or_default();
            queue.push_back((bytes, work));
            if queue.len() == 1 && !state.held.contains(&source) {
                state.ring.push_back(source);
            }
        }
        self.notify();
        Ok(())
    }

    /// Queues a read; gives it back when the mailbox is full.
    pub fn post_read(&self, read: R) -> Result<(), R> {
        {
            let mut state = self.lock();
            if state.reads.len() >= MAILBOX_READS_MAX {
                return Err(read);
            }
            state.reads.push_back(read);
        }
        self.notify();
        Ok(())
    }

    /// Queues a completion. Their number is bounded by the jobs under way.
    pub fn post_completion(&self, completion: C) {
        self.lock().completions.push(completion);
        self.notify();
    }

    /// Wakes the thread without work, for example to look at the clock again.
    pub fn notify(&self) {
        if !self.notified.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Takes what one turn does: up to `bytes_max` of ordered work, all reads, all completions.
    pub fn take(&self, bytes_max: usize) -> Taken<W, R, C> {
        self.notified.store(false, Ordering::Release);
        let mut state = self.lock();
        let waited = state.bytes;
        let work = state.take_work(bytes_max);
        Taken {
            work,
            bytes: waited - state.bytes,
            reads: state.reads.drain(..).collect(),
            completions: std::mem::take(&mut state.completions),
            more: !state.ring.is_empty(),
        }
    }

    /// Serves nothing of `source` until [`Mailbox::release`].
    pub fn hold(&self, source: Source) {
        let mut state = self.lock();
        if state.held.insert(source) {
            state.ring.retain(|other| *other != source);
        }
    }

    /// Puts work taken too early back to the front of its source's queue.
    pub fn put_back(&self, source: Source, bytes: usize, work: W) {
        let mut state = self.lock();
        state.items += 1;
        state.bytes += bytes;
        let queue = state.queues.entry(source).or_default();
        queue.push_front((bytes, work));
        if queue.len() == 1 && !state.held.contains(&source) {
            state.ring.push_back(source);
        }
    }

    /// Serves `source` again.
    pub fn release(&self, source: Source) {
        {
            let mut state = self.lock();
            if !state.held.remove(&source) || !state.queues.contains_key(&source) {
                return;
            }
            state.ring.push_back(source);
        }
        self.notify();
    }

    /// Bytes of ordered work that wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Items of ordered work that wait.
    pub fn items(&self) -> usize {
        self.lock().items
    }

    fn lock(&self) -> MutexGuard<'_, State<W, R, C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W, R, C> State<W, R, C> {
    fn take_work(&mut self, bytes_max: usize) -> Vec<(Source, W)> {
        let mut work = Vec::new();
        let mut taken = 0;
        while taken < bytes_max {
            let Some(source) = self.ring.pop_front() else { break };
            taken += self.take_quantum(source, bytes_max - taken, &mut work);
        }
        work
    }

    /// Takes one quantum of one source and puts it at the end of the ring if it has more.
    fn take_quantum(&mut self, source: Source, bytes_left: usize, work: &mut Vec<(Source, W)>) -> usize {
        let Some(queue) = self.queues.get_mut(&source) else { return 0 };
        let quantum = QUANTUM_BYTES.min(bytes_left);
        let mut taken = 0;
        while taken < quantum {
            let Some((bytes, item)) = queue.pop_front() else { break };
            // An item weighs at least something, so that a flood of empty ones ends a turn too.
            taken += bytes.max(ITEM_BYTES_MIN);
            self.items -= 1;
            self.bytes -= bytes;
            work.push((source, item));
        }
        if queue.is_empty() {
            self.queues.remove(&source);
        } else {
            self.ring.push_back(source);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    type Box_ = Mailbox<u32, u32, u32>;

    fn mailbox() -> (Arc<AtomicUsize>, Box_) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        (
            wakes,
            Mailbox::new(Box::new(move || {
                counter.fetch_add(1, Ordering::Relaxed);
            })),
        )
    }

    fn items(taken: &Taken<u32, u32, u32>) -> Vec<u32> {
        taken.work.iter().map(|(_, item)| *item).collect()
    }

    #[test]
    fn a_flood_from_one_source_does_not_keep_others_waiting() {
        let (_, mailbox) = mailbox();
        for i in 0..100 {
            mailbox.post_work(Source(1), QUANTUM_BYTES, i).expect("there is room");
        }
        mailbox.post_work(Source(2), 10, 1000).expect("there is room");
        let first = mailbox.take(4 * QUANTUM_BYTES);
        assert_eq!(items(&first), [0, 1000, 1, 2, 3]);
        assert!(first.more);
    }

    #[test]
    fn order_per_source_is_kept() {
        let (_, mailbox) = mailbox();
        for i in 0..10 {
            mailbox.post_work(Source(i % 2), 1, u32::try_from(i).expect("small")).expect("there is room");
        }
        let taken = mailbox.take(usize::MAX);
        let of = |source| {
            let mine = taken.work.iter().filter(|(s, _)| *s == Source(source));
            mine.map(|(_, item)| *item).collect::<Vec<_>>()
        };
        assert_eq!(of(0), [0, 2, 4, 6, 8]);
        assert_eq!(of(1), [1, 3, 5, 7, 9]);
    }

    #[test]
    fn a_held_source_waits_and_keeps_its_order() {
        let (_, mailbox) = mailbox();
        mailbox.post_work(Source(1), 1, 1).expect("there is room");
        mailbox.hold(Source(1));
        mailbox.post_work(Source(1), 1, 2).expect("there is room");
        mailbox.post_work(Source(2), 1, 3).expect("there is room");
        assert_eq!(items(&mailbox.take(usize::MAX)), [3]);
        mailbox.put_back(Source(1), 1, 0);
        mailbox.release(Source(1));
        assert_eq!(items(&mailbox.take(usize::MAX)), [0, 1, 2]);
    }

    #[test]
    fn many_posts_wake_once_until_the_next_turn() {
        let (wakes, mailbox) = mailbox();
        for i in 0..50 {
            mailbox.post_work(Source(1), 1, i).expect("there is room");
            mailbox.post_read(i).expect("there is room");
            mailbox.post_completion(i);
        }
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        mailbox.take(usize::MAX);
        mailbox.post_completion(1);
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_full_mailbox_gives_work_back() {
        let (_, mailbox) = mailbox();
        for _ in 0..MAILBOX_ITEMS_MAX {
            mailbox.post_work(Source(1), 0, 7).expect("there is room");
        }
        assert_eq!(mailbox.post_work(Source(2), 0, 8), Err(8));
    }
}
