//! Messages that find their queues through exchanges: routed here, gathered into one batch for every queue, and appended as any payload is.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU8;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_model::exchange::QueueId;
use forebay_model::limits::QUEUE_BATCH_BYTES_MAX;
use forebay_model::post::{Post, PostItem, PostRefusal, Posted, PostedTo};
use forebay_model::publish::{PayloadKind, Published};
use forebay_model::transaction::Joining;
use forebay_model::{PartitionId, Refusal, Reply, Request, ShardId, Timestamp};
use forebay_shard::message_batch::{DeliveryMode, Envelope, MessageBatchBuilder, Origin};
use forebay_shard::{Answer, Append, GuardState, Read, Work};
use smallvec::SmallVec;

use crate::broker::{Currency, Inner, Replies, lock};
use crate::call::{Asker, Call, Gather, Next, Step, Ticket};
use crate::desk::{Desk, QueuePlace};
use crate::limits::POST_BATCH_BYTES_MAX;
use crate::memory::Charge;
use crate::routing::{NotRouted, Routed, Scratch};

/// The posts of a connection that wait for the catalogue, in order: what comes meanwhile would overtake them. It holds no more than the
/// requests that its gateway lets a connection have open.
#[derive(Default)]
pub(crate) struct PostLine(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: VecDeque<(Asker, Post, Currency)>,
    /// A barrier is asked for, or somebody carries out what waited.
    busy: bool,
}

impl PostLine {
    /// Gives a post back if it may be carried out at once.
    fn queue(&self, asker: Asker, post: Post) -> Option<(Asker, Post)> {
        let mut line = lock(&self.0);
        if !line.busy {
            return Some((asker, post));
        }
        line.waiting.push_back((asker, post, Currency::Unknown));
        None
    }

    /// Puts a post (back) in front. The barrier that is asked for covers all that wait now.
    fn wait_first(&self, asker: Asker, post: Post) {
        let mut line = lock(&self.0);
        line.waiting.push_front((asker, post, Currency::Unknown));
        line.waiting.iter_mut().for_each(|(.., currency)| *currency = Currency::Confirmed);
        line.busy = true;
    }

    fn next(&self) -> Option<(Asker, Post, Currency)> {
        let mut line = lock(&self.0);
        let next = line.waiting.pop_front();
        line.busy = next.is_some();
        next
    }
}

/// What becomes of the messages of a post.
pub(crate) struct PostGather {
    /// One for each message; open parts may still make a refusal of it.
    fates: Vec<Posted>,
    /// Which messages each part holds.
    parts: Vec<Vec<u32>>,
    open: usize,
    _charge: Charge,
}

impl PostGather {
    pub(crate) fn answer(&mut self, part: usize, published: Published) -> Next {
        if let Err(refusal) = published {
            for at in &self.parts[part] {
                self.fates[*at as usize] = Err(PostRefusal::NotTaken(refusal.clone()));
            }
        }
        self.open -= 1;
        match self.open {
            0 => Next::Reply(Reply::Post(std::mem::take(&mut self.fates))),
            _ => Next::Wait,
        }
    }
}

/// A post as it was routed.
struct Routing {
    fates: Vec<Posted>,
    batches: Vec<Batch>,
    /// Something was not found that the local copy of the catalogue may only not have yet.
    may_be_stale: bool,
}

/// Messages of a post that go to the same queues of one shard together: they are stored once.
struct Batch {
    shard: ShardId,
    /// By rising id.
    queues: Vec<QueueId>,
    partitions: Vec<PartitionId>,
    builder: MessageBatchBuilder,
    messages: Vec<u32>,
}

impl Inner {
    pub(crate) fn post(&self, asker: Asker, post: Post, replies: &mut Replies) {
        if post.items.is_empty() {
            return self.finish(&asker, Reply::Post(Vec::new()), replies);
        }
        let line = Arc::clone(&asker.posts);
        if let Some((asker, post)) = line.queue(asker, post) {
            self.carry_out(&line, asker, post, Currency::Unknown, replies);
        }
    }

    /// Goes on with the posts of a connection when the catalogue is known to be current.
    pub(crate) fn posts_go_on(&self, line: &Arc<PostLine>, refusal: Option<Refusal>, replies: &mut Replies) {
        let refusal = refusal.or_else(|| self.is_stopping().then_some(Refusal::ShuttingDown));
        while let Some((asker, post, currency)) = line.next() {
            match &refusal {
                Some(refusal) => self.refuse(&asker, &Request::Post(post), refusal, replies),
                None if self.carry_out(line, asker, post, currency, replies) => {}
                None => return,
            }
        }
    }

    /// Whether it was carried out; otherwise it waits in front of its line.
    fn carry_out(
        &self,
        line: &Arc<PostLine>,
        asker: Asker,
        post: Post,
        currency: Currency,
        replies: &mut Replies,
    ) -> bool {
        if self.guard.state() == GuardState::Full {
            self.refuse(&asker, &Request::Post(post), &Refusal::DiskFull, replies);
            return true;
        }
        let routing = self.routed(&post);
        if routing.may_be_stale && currency == Currency::Unknown {
            line.wait_first(asker.clone(), post);
            let call = Call::new(asker, Gather::Step(Step::Posts(Arc::clone(line))));
            self.post_read(self.shards.catalogue(), Read::Barrier(Ticket { call, part: 0 }), replies);
            return false;
        }
        self.send(asker, &post, routing, replies);
        true
    }

    fn routed(&self, post: &Post) -> Routing {
        let desks = self.desks.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Timestamp(self.env.clock.wall().0);
        match desks.get(&post.namespace) {
            Some(desk) => Sorter::new(desk, now).sort(post),
            None => {
                let gone = |item: &PostItem| Err(PostRefusal::UnknownExchange(item.exchange.clone()));
                let fates = post.items.iter().map(gone).collect();
                Routing { fates, batches: Vec::new(), may_be_stale: true }
            }
        }
    }

    fn send(&self, asker: Asker, post: &Post, routing: Routing, replies: &mut Replies) {
        let Routing { fates, batches, .. } = routing;
        if batches.is_empty() {
            return self.finish(&asker, Reply::Post(fates), replies);
        }
        let now = self.env.clock.monotonic();
        let deadline = now + Duration::from_millis(u64::from(post.timeout_ms));
        let mut parts = Vec::with_capacity(batches.len());
        let mut appends = Vec::with_capacity(batches.len());
        for Batch { shard, partitions, builder, messages, .. } in batches {
            parts.push(messages);
            appends.push((shard, partitions, builder.build().expect("it has a message")));
        }
        let held = appends.iter().map(|(.., payload)| payload.len()).sum();
        let open = appends.len();
        let gather = PostGather { fates, parts, open, _charge: Charge::new(&self.memory, held) };
        let call = Call::new(asker, Gather::Post(gather));
        for (part, (shard, partitions, payload)) in appends.into_iter().enumerate() {
            let ticket = Ticket { call: call.clone(), part };
            let Some(shard) = self.shards.get(shard) else {
                // A shard that this node does not run cannot be served by it.
                let refused = Err(Refusal::NotLeader { leader: None });
                self.answer(&ticket, Answer::Published(refused), replies);
                continue;
            };
            let mut partitions = partitions.into_iter();
            let partition = partitions.next().expect("a batch has a queue");
            let bytes = payload.len();
            self.metrics.published(bytes);
            let append = Append {
                ticket,
                partition,
                also: partitions.collect(),
                kind: PayloadKind::MessageBatch,
                payload,
                confirm: post.confirm,
                joining: Joining::Before,
                import: None,
                deadline,
            };
            let from = call.asker.connection;
            self.post_work(shard, from, bytes, Work::Append(append), replies);
        }
    }
}

/// Routes the messages of a post, one after the other.
struct Sorter<'a> {
    desk: &'a Desk,
    now: Timestamp,
    scratch: Scratch,
    /// The last batch of each queue: what goes there comes into that one, or into a later one.
    last: HashMap<QueueId, usize>,
    batches: Vec<Batch>,
    may_be_stale: bool,
}

impl<'a> Sorter<'a> {
    fn new(desk: &'a Desk, now: Timestamp) -> Sorter<'a> {
        Sorter {
            desk,
            now,
            scratch: Scratch::default(),
            last: HashMap::new(),
            batches: Vec::new(),
            may_be_stale: false,
        }
    }

    fn sort(mut self, post: &Post) -> Routing {
        let fates = (0u32..).zip(&post.items).map(|(at, item)| self.sort_one(at, item)).collect();
        Routing { fates, batches: self.batches, may_be_stale: self.may_be_stale }
    }

    fn sort_one(&mut self, at: u32, item: &PostItem) -> Posted {
        self.find_queues(item)?;
        let queues = std::mem::take(self.scratch.queues_mut());
        let fate = self.add_to(at, item, &queues);
        *self.scratch.queues_mut() = queues;
        fate
    }

    /// The queues stand in the scratch.
    fn find_queues(&mut self, item: &PostItem) -> Result<(), PostRefusal> {
        let keys: SmallVec<[&[u8]; 4]> = item.keys.iter().map(|key| &key[..]).collect();
        let message = Routed {
            keys: &keys,
            headers: &item.routing.headers,
            message_id: item.routing.message_id.as_deref(),
            correlation_id: item.routing.correlation_id.as_deref(),
            timestamp: item.routing.timestamp,
        };
        let found = self.desk.router().publish(item.exchange.as_str(), &message, &mut self.scratch);
        found.map_err(|why| match why {
            NotRouted::UnknownExchange => {
                self.may_be_stale = true;
                PostRefusal::UnknownExchange(item.exchange.clone())
            }
            NotRouted::Internal => PostRefusal::InternalExchange(item.exchange.clone()),
            NotRouted::TooManyKeys => PostRefusal::TooManyKeys,
        })
    }

    fn add_to(&mut self, at: u32, item: &PostItem, queues: &[QueueId]) -> Posted {
        if queues.is_empty() {
            self.may_be_stale = true;
            return Ok(PostedTo::Nowhere);
        }
        let envelope = envelope(item, self.now).map_err(PostRefusal::NotTaken)?;
        for (shard, queues) in self.by_shard(queues) {
            self.add(at, item, &envelope, shard, queues).map_err(PostRefusal::NotTaken)?;
        }
        Ok(PostedTo::Queues(u32::try_from(queues.len()).unwrap_or(u32::MAX)))
    }

    /// The queues of each shard, by rising id.
    fn by_shard(&self, queues: &[QueueId]) -> BTreeMap<ShardId, Vec<QueueId>> {
        let mut by_shard: BTreeMap<ShardId, Vec<QueueId>> = BTreeMap::new();
        for queue in queues {
            by_shard.entry(self.place(*queue).shard).or_default().push(*queue);
        }
        by_shard
    }

    fn place(&self, queue: QueueId) -> QueuePlace {
        self.desk.place(queue).expect("a queue that is routed to has a place")
    }

    /// Adds a message to the last batch of its queues, if that is one and the same and of just these, or begins another one. So the
    /// messages of each queue keep their order.
    fn add(
        &mut self,
        at: u32,
        item: &PostItem,
        envelope: &Envelope,
        shard: ShardId,
        queues: Vec<QueueId>,
    ) -> Result<(), Refusal> {
        if let Some(last) = self.last.get(&queues[0])
            && queues.iter().all(|queue| self.last.get(queue) == Some(last))
            && self.batches[*last].queues == queues
        {
            let Batch { builder, messages, .. } = &mut self.batches[*last];
            let may_grow = builder.encoded_len() < POST_BATCH_BYTES_MAX;
            if may_grow && builder.push(envelope, &item.properties, Some(&item.body)).is_ok() {
                messages.push(at);
                return Ok(());
            }
        }
        let mut builder = MessageBatchBuilder::new(QUEUE_BATCH_BYTES_MAX as usize);
        let pushed = builder.push(envelope, &item.properties, Some(&item.body));
        pushed.map_err(|error| Refusal::InvalidPayload(error.to_string()))?;
        self.last.extend(queues.iter().map(|queue| (*queue, self.batches.len())));
        let partitions = queues.iter().map(|queue| self.place(*queue).partition).collect();
        self.batches.push(Batch { shard, queues, partitions, builder, messages: vec![at] });
        Ok(())
    }
}

fn envelope(item: &PostItem, now: Timestamp) -> Result<Envelope, Refusal> {
    if item.ttl_ms.is_some() {
        return Err(Refusal::Unsupported("messages that expire"));
    }
    let origin =
        NonZeroU8::new(item.origin).ok_or(Refusal::InvalidPayload("a message of no origin".into()))?;
    let delivery = if item.is_transient { DeliveryMode::Transient } else { DeliveryMode::Durable };
    Ok(Envelope { delivery, priority: item.priority, ..Envelope::new(Origin(origin), now) })
}
