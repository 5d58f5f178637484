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
//! What is larger than a quantum waits for a turn in which others have nothing small, or for the next one: every other turn takes both.
//!
//! Work may have a deadline: whoever serves the mailbox takes out what is late with [`Mailbox::take_expired`].
//!
//! Not here: backpressure. The gateway stops reading a connection whose open bytes reach their limit, so a queue is
//! bounded by that; the count of queued items is bounded here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_env::Monotonic;

/// Queued items of all connections; above it new work is refused as busy.
pub const MAILBOX_ITEMS_MAX: usize = 100_000;
/// Queued reads; above it new reads are refused as busy.
pub const MAILBOX_READS_MAX: usize = 100_000;
/// What an item weighs at least: a turn of 1 MiB takes at most 4096 items.
const ITEM_BYTES_MIN: usize = 256;
/// What one connection may move per round of a turn before the next one is served.
const QUANTUM_BYTES: usize = 64 * 1024;
/// Work that gathers for the next flush, in bytes; above it a turn writes it at once, behind the back of the flush under way.
const GATHER_BYTES_MAX: usize = 64 * 1024;
/// Queues that ran empty and keep their memory for the next source...
const SPARE_QUEUES_MAX: usize = 256;
/// ...unless they grew beyond so many items.
const SPARE_ITEMS_MAX: usize = 8;
/// How often the deadlines of what waits are looked at.
const EXPIRY_LOOK: Duration = Duration::from_millis(10);

/// Who a piece of work came from, for fairness and order: a connection's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u64);

/// Wakes the thread that serves the mailbox.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Whether the pace that a filling disk imposes holds a piece of work up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// It does: a payload.
    Paced,
    /// It does not: commits, heartbeats, deletions.
    Free,
}

/// A piece of ordered work and how it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel<W> {
    /// What it weighs.
    pub bytes: usize,
    /// Whether the pace holds it up.
    pub lane: Lane,
    /// When it is given up if no turn has taken it; none for work that waits as long as it has to.
    pub deadline: Option<Monotonic>,
    /// The work.
    pub work: W,
}

/// The mailbox; `W` is work that is ordered per source, `R` a read, `C` a completion.
pub struct Mailbox<W, R, C> {
    state: Mutex<State<W, R, C>>,
    /// Set by the first poster after a turn began, so that a busy shard is not woken per message.
    notified: AtomicBool,
    wake: Wake,
}

struct State<W, R, C> {
    queues: BTreeMap<Source, VecDeque<Parcel<W>>>,
    /// Memory of queues that ran empty, for the next ones: most sources have one item at a time.
    spare: Vec<VecDeque<Parcel<W>>>,
    /// Sources with work, in the order in which they are served.
    ring: VecDeque<Source>,
    held: BTreeSet<Source>,
    items: usize,
    bytes: usize,
    reads: VecDeque<R>,
    completions: Vec<C>,
    /// No deadline comes before this.
    expiry: Option<Monotonic>,
    looked_at: Monotonic,
    /// Payloads wake nobody before there are so many.
    gathers: Option<usize>,
    /// Payloads wake nobody at all.
    holds: bool,
    /// Queued items of [`Lane::Free`].
    free: usize,
    /// Work came that woke nobody.
    gathered: bool,
    /// The turn before left large payloads behind.
    small_went_alone: bool,
    closed: bool,
}

/// What a turn may take, in bytes; the last item may cross either bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of all ordered work.
    pub bytes: usize,
    /// Of that, work of [`Lane::Paced`].
    pub paced_bytes: usize,
}

/// Which items are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Those that one quantum can hold.
    UpToAQuantum,
    /// All.
    Any,
}

/// What is left behind when a turn has taken its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing that could be served.
    Nothing,
    /// Only work that the pace holds up.
    Paced,
    /// Payloads that wait for more of them.
    Gathering,
    /// Work that another turn could take at once.
    Work,
    /// Large payloads, so that the small ones of this turn have a write and a flush of their own; the next turn takes both.
    Large,
}

/// What a turn took out.
pub struct Taken<W, R, C> {
    /// Ordered work.
    pub work: Vec<(Source, Parcel<W>)>,
    /// What of it belongs to [`Lane::Paced`], in bytes.
    pub paced_bytes: usize,
    /// Reads.
    pub reads: Vec<R>,
    /// Completions.
    pub completions: Vec<C>,
    /// What is left.
    pub left: Left,
}

impl<W, R, C> Mailbox<W, R, C> {
    /// An empty mailbox whose thread is woken by `wake`.
    pub fn new(wake: Wake) -> Mailbox<W, R, C> {
        let state = State {
            queues: BTreeMap::new(),
            spare: Vec::new(),
            ring: VecDeque::new(),
            held: BTreeSet::new(),
            items: 0,
            bytes: 0,
            reads: VecDeque::new(),
            completions: Vec::new(),
            expiry: None,
            looked_at: Monotonic(0),
            gathers: None,
            holds: false,
            free: 0,
            gathered: false,
            small_went_alone: false,
            closed: false,
        };
        Mailbox { state: Mutex::new(state), notified: AtomicBool::new(false), wake }
    }

    /// Queues ordered work; gives it back when the mailbox is full or closed.
    pub fn post_work(&self, source: Source, parcel: Parcel<W>) -> Result<(), W> {
        let wakes = {
            let mut state = self.lock();
            if state.items >= MAILBOX_ITEMS_MAX || state.closed {
                return Err(parcel.work);
            }
            state.count(&parcel);
            let wakes =
                state.free > 0 || !state.holds && state.gathers.is_none_or(|items| !state.may_gather(items));
            let State { queues, spare, .. } = &mut *state;
            let queue = queues.entry(source).or_insert_with(|| spare.pop().unwrap_or_default());
            queue.push_back(parcel);
            state.ring_if_new(source);
            state.gathered |= !wakes;
            wakes
        };
        if wakes {
            self.notify();
        }
        Ok(())
    }

    /// Lets payloads gather from here on without a wake-up as long as they are fewer than `items`: a completion or a deadline
    /// will wake the thread. Says whether there are as many already.
    pub fn gather(&self, items: usize) -> bool {
        let mut state = self.lock();
        (state.gathers, state.holds) = (Some(items), false);
        state.items > 0 && !state.may_gather(items)
    }

    /// Lets payloads gather whatever their number and size: a completion will wake the thread.
    pub fn hold_payloads(&self) {
        let mut state = self.lock();
        (state.gathers, state.holds) = (Some(usize::MAX), true);
    }

    /// Wakes for all that comes, from here on; says whether something gathered since the last turn was taken.
    pub fn listen(&self) -> bool {
        let mut state = self.lock();
        (state.gathers, state.holds) = (None, false);
        std::mem::take(&mut state.gathered)
    }

    /// Queues a read; gives it back when the mailbox is full or closed.
    pub fn post_read(&self, read: R) -> Result<(), R> {
        {
            let mut state = self.lock();
            if state.reads.len() >= MAILBOX_READS_MAX || state.closed {
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

    /// Takes what one turn does: ordered work as far as there is room, all reads, all completions.
    pub fn take(&self, room: Room) -> Taken<W, R, C> {
        self.take_with(room, |_| true)
    }

    /// Takes the completions alone.
    pub fn take_completions(&self) -> Vec<C> {
        std::mem::take(&mut self.lock().completions)
    }

    /// The same, but leaves payloads that were gathering when they are fewer than `items`.
    pub fn take_gathered(&self, room: Room, items: usize) -> Taken<W, R, C> {
        self.take_with(room, |state| state.items == 0 || state.gathers.is_none() || !state.may_gather(items))
    }

    fn take_with(&self, room: Room, works: impl Fn(&State<W, R, C>) -> bool) -> Taken<W, R, C> {
        self.notified.store(false, Ordering::Release);
        let mut state = self.lock();
        let mut taken = Taken {
            work: Vec::new(),
            paced_bytes: 0,
            reads: state.reads.drain(..).collect(),
            completions: std::mem::take(&mut state.completions),
            left: Left::Nothing,
        };
        if works(&state) {
            state.gathered = false;
            state.take_work(room, &mut taken);
        } else {
            // Some of it may have woken this turn; nobody else looks for it.
            state.gathered = true;
            taken.left = Left::Gathering;
        }
        taken
    }

    /// Takes out the work whose deadline has come, held or not. Called often, it looks now and then.
    pub fn take_expired(&self, now: Monotonic) -> Vec<W> {
        let mut state = self.lock();
        let due = state.expiry.is_some_and(|expiry| expiry <= now);
        if !due || now < state.looked_at + EXPIRY_LOOK {
            return Vec::new();
        }
        state.looked_at = now;
        state.take_expired(now)
    }

    /// Takes nothing new from here on but completions.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Serves nothing of `source` until [`Mailbox::release`].
    pub fn hold(&self, source: Source) {
        let mut state = self.lock();
        if state.held.insert(source) {
            state.ring.retain(|other| *other != source);
        }
    }

    /// Puts work taken too early back to the front of its source's queue.
    pub fn put_back(&self, source: Source, parcel: Parcel<W>) {
        let mut state = self.lock();
        state.count(&parcel);
        state.queues.entry(source).or_default().push_front(parcel);
        state.ring_if_new(source);
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
    fn count(&mut self, parcel: &Parcel<W>) {
        self.items += 1;
        self.bytes += parcel.bytes;
        self.free += usize::from(parcel.lane == Lane::Free);
        if let Some(deadline) = parcel.deadline {
            self.expiry = Some(self.expiry.map_or(deadline, |first| first.min(deadline)));
        }
    }

    /// Whether what waits may wait until there are so many. What is no payload may need no flush at all: a heartbeat, a look at
    /// offsets.
    fn may_gather(&self, items: usize) -> bool {
        self.items < items && self.free == 0 && self.bytes < GATHER_BYTES_MAX
    }

    /// Gives a source its place in the ring with its first item.
    fn ring_if_new(&mut self, source: Source) {
        let first = self.queues.get(&source).is_some_and(|queue| queue.len() == 1);
        if first && !self.held.contains(&source) {
            self.ring.push_back(source);
        }
    }

    fn take_work(&mut self, room: Room, taken: &mut Taken<W, R, C>) {
        // What is larger than a quantum comes after what all others have: it would fill the turn by itself, and they would wait
        // for the next one and its flush. They get half of the turn for that, so that it has its turn too.
        let mut bytes = 0;
        let mut large = Vec::new();
        for _ in 0..self.ring.len() {
            if bytes >= room.bytes / 2 {
                break;
            }
            let Some(source) = self.ring.pop_front() else { break };
            match self.take_quantum(source, room.bytes - bytes, room.paced_bytes, Size::UpToAQuantum, taken) {
                0 if self.ring.back() == Some(&source) => large.extend(self.ring.pop_back()),
                more => bytes += more,
            }
        }
        // Whoever takes everything refuses it, and tells nothing apart.
        let small =
            taken.paced_bytes > 0 && taken.paced_bytes < room.paced_bytes && room.paced_bytes < usize::MAX;
        let leaves_large = small && large.iter().any(|source| self.is_large(source));
        large.into_iter().rev().for_each(|source| self.ring.push_front(source));
        if leaves_large && !self.small_went_alone {
            // Nor do they wait for it in the same write and flush, every other turn.
            self.small_went_alone = true;
            taken.left = Left::Large;
            return;
        }
        self.small_went_alone &= room.paced_bytes == 0;
        let mut passed_over = 0;
        while bytes < room.bytes && passed_over < self.ring.len() {
            let Some(source) = self.ring.pop_front() else { break };
            match self.take_quantum(source, room.bytes - bytes, room.paced_bytes, Size::Any, taken) {
                0 => passed_over += 1,
                more => {
                    bytes += more;
                    passed_over = 0;
                }
            }
        }
        taken.left = match self.ring.len() {
            0 => Left::Nothing,
            all if all == passed_over => Left::Paced,
            _ => Left::Work,
        };
    }

    fn is_large(&self, source: &Source) -> bool {
        let front = self.queues.get(source).and_then(VecDeque::front);
        front.is_some_and(|parcel| parcel.bytes > QUANTUM_BYTES)
    }

    /// Takes one quantum of one source and puts it at the end of the ring if it has more; says what it took.
    fn take_quantum(
        &mut self,
        source: Source,
        bytes_left: usize,
        paced_bytes_max: usize,
        size: Size,
        out: &mut Taken<W, R, C>,
    ) -> usize {
        let Some(queue) = self.queues.get_mut(&source) else { return 0 };
        let quantum = QUANTUM_BYTES.min(bytes_left);
        let mut taken = 0;
        while taken < quantum {
            let paced_full = out.paced_bytes >= paced_bytes_max;
            let fits = |front: &mut Parcel<W>| {
                (front.lane == Lane::Free || !paced_full)
                    && (size == Size::Any || front.bytes <= QUANTUM_BYTES)
            };
            let Some(parcel) = queue.pop_front_if(fits) else { break };
            // An item weighs at least something, so that a flood of empty ones ends a turn too.
            taken += parcel.bytes.max(ITEM_BYTES_MIN);
            if parcel.lane == Lane::Paced {
                out.paced_bytes += parcel.bytes;
            }
            self.items -= 1;
            self.bytes -= parcel.bytes;
            self.free -= usize::from(parcel.lane == Lane::Free);
            out.work.push((source, parcel));
        }
        if !queue.is_empty() {
            self.ring.push_back(source);
        } else if let Some(queue) = self.queues.remove(&source)
            && self.spare.len() < SPARE_QUEUES_MAX
            && queue.capacity() <= SPARE_ITEMS_MAX
        {
            self.spare.push(queue);
        }
        taken
    }

    fn take_expired(&mut self, now: Monotonic) -> Vec<W> {
        let mut expired = Vec::new();
        let mut next = None;
        for queue in self.queues.values_mut() {
            for _ in 0..queue.len() {
                let Some(parcel) = queue.pop_front() else { break };
                match parcel.deadline {
                    Some(deadline) if deadline <= now => {
                        self.items -= 1;
                        self.bytes -= parcel.bytes;
                        self.free -= usize::from(parcel.lane == Lane::Free);
                        expired.push(parcel.work);
                    }
                    deadline => {
                        next = earlier(next, deadline);
                        queue.push_back(parcel);
                    }
                }
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.ring.retain(|source| self.queues.contains_key(source));
        self.expiry = next;
        expired
    }
}

fn earlier(a: Option<Monotonic>, b: Option<Monotonic>) -> Option<Monotonic> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
