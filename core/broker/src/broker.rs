//! The front desk: takes requests from connections, resolves names, places work on shards, puts answers together.
//!
//! It holds no state of its own that matters: the catalogue is a copy that shard 0 publishes, everything else is
//! open requests. Its methods run on the threads of gateways (calls) and of shards (answers); no lock is held while
//! another one is taken, except a call's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use forebay_env::{Env, IoClass, Monotonic};
use forebay_machine::{Catalog, EndOfStay, Process};
use forebay_model::subscription::{ConsumerNumber, SubscriptionReply};
use forebay_model::{
    ClusterView, NodeId, NodeView, Principal, Refusal, Reply, Request, ShardId, TopicDefaults,
};
use forebay_shard::{Answer, Done, Passed, Read, Source, Work};

use crate::authorize::{Admitted, Audit, Authorization, Host};
use crate::call::{Asker, Call, Gather, Next, Step, Ticket};
use crate::desk::Desks;
use crate::line::PublishLine;
use crate::login::{LoginState, Logins};
use crate::memory::Memory;
use crate::meters::{ConnectionMeter, Meters};
use crate::metrics::BrokerMetrics;
use crate::outbox::{ClientInfo, ConnectionId, Delivered, FrontDesk, Outbox};
use crate::post::PostLine;
use crate::producers::ProducerBlock;
use crate::provision::Provisioning;
use crate::shards::{ShardHandle, Shards, leader_of};
use forebay_shard::DiskGuard;

/// What the front desk needs to know of its node.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// This node.
    pub node: NodeId,
    /// Every node of the cluster that holds replicas; this one included.
    pub nodes: Vec<NodeId>,
    /// The cluster's id.
    pub cluster: String,
    /// Where the node keeps its log, for people.
    pub directory: String,
    /// The address to tell clients, by protocol and by the port of the listener that they came to (0: one that took any free
    /// port). Its own port 0 stands for that of the listener. Without one clients are told the address that they came to.
    pub advertised: BTreeMap<(String, u16), (String, u16)>,
    /// What applies to topics that set nothing.
    pub defaults: TopicDefaults,
    /// Whether a client may create a topic by asking for it.
    pub auto_create: bool,
    /// Whether access is controlled.
    pub authorization: Authorization,
}

/// The front desk of one node. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// Itself, for jobs.
    me: Weak<Inner>,
    pub(crate) config: BrokerConfig,
    pub(crate) env: Env,
    pub(crate) shards: Shards,
    pub(crate) catalogue: RwLock<Arc<Catalog>>,
    /// How its exchanges route.
    pub(crate) desks: RwLock<Desks>,
    pub(crate) provisioning: Mutex<Provisioning>,
    pub(crate) producers: Mutex<ProducerBlock>,
    pub(crate) guard: Arc<DiskGuard>,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) metrics: Arc<BrokerMetrics>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) audit: Audit,
    /// Whether the copy of the catalogue has been current once.
    pub(crate) rules_known: AtomicBool,
    /// This run of the node.
    pub(crate) process: Process,
    /// Whether the queues of earlier runs are gone.
    pub(crate) is_settled_in: AtomicBool,
    /// Whose a connection is while nobody has logged in.
    anonymous: Arc<Principal>,
    /// Lines in which publishes may wait too long.
    pub(crate) lines: Mutex<Vec<Arc<PublishLine>>>,
    connections: RwLock<BTreeMap<ConnectionId, Arc<Connection>>>,
    next_fetch: AtomicU64,
    pub(crate) next_place: AtomicU64,
    stopping: AtomicBool,
}

pub(crate) struct Connection {
    outbox: Arc<dyn Outbox>,
    client: ClientInfo,
    /// Told whose the connection is when that was proved.
    meter: Arc<ConnectionMeter>,
    pub(crate) login: LoginState,
    /// The client's address, for rules of access.
    host: Arc<Host>,
    /// Requests that may wait long and must end with the connection, by token.
    waiting: Mutex<BTreeMap<u64, Arc<Call>>>,
    /// Receives that wait for the catalogue, by token: for whom, and whether that consumer has ended its receive meanwhile.
    unplaced: Mutex<BTreeMap<u64, (ConsumerNumber, bool)>>,
    /// It has received from shared subscriptions: what it has goes back when it ends.
    receives: AtomicBool,
    /// It has declared queues that nobody else may use.
    has_queues: AtomicBool,
    publishes: Arc<PublishLine>,
    posts: Arc<PostLine>,
}

/// How current the local catalogue is known to be when a name is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Currency {
    /// Nobody has asked yet.
    Unknown,
    /// A barrier has confirmed it.
    Confirmed,
}

impl Broker {
    /// A front desk over `shards`.
    pub fn new(
        config: BrokerConfig,
        env: Env,
        shards: Vec<ShardHandle>,
        guard: Arc<DiskGuard>,
        memory: Arc<dyn Memory>,
    ) -> Broker {
        let process = Process { node: config.node, run: env.random.next_u64() };
        let inner = |me: &Weak<Inner>| Inner {
            me: Weak::clone(me),
            config,
            env,
            shards: Shards::new(shards),
            catalogue: RwLock::default(),
            desks: RwLock::default(),
            provisioning: Mutex::default(),
            producers: Mutex::default(),
            guard,
            memory,
            meters: Arc::default(),
            metrics: Arc::default(),
            logins: Arc::default(),
            audit: Audit::default(),
            rules_known: AtomicBool::new(false),
            process,
            is_settled_in: AtomicBool::new(false),
            anonymous: Arc::new(Principal::anonymous()),
            lines: Mutex::default(),
            connections: RwLock::default(),
            next_fetch: AtomicU64::new(1),
            next_place: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        };
        Broker { inner: Arc::new_cyclic(inner) }
    }

    /// Takes the answers of one turn of a shard; called on its thread.
    pub fn answers(&self, batch: Vec<(Ticket, Answer)>) {
        let mut replies = Replies::default();
        for (ticket, answer) in batch {
            self.inner.answer(&ticket, answer, &mut replies);
        }
        replies.deliver();
    }

    /// Passes something from one shard to another. A shard that this node does not run never gets it.
    pub fn pass(&self, target: ShardId, passed: Passed) {
        if let Some(shard) = self.inner.shards.get(target) {
            shard.mailbox.post_completion(Done::Passed(passed));
        }
    }

    /// Takes a new version of the catalogue from shard 0 and tells every shard.
    pub fn catalogue_changed(&self, catalogue: Arc<Catalog>) {
        // Before the copy: whoever finds a change there finds it enforced.
        self.inner.meters.set(catalogue.quotas());
        self.inner.desks.write().unwrap_or_else(PoisonError::into_inner).follow(&catalogue);
        *self.inner.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&catalogue);
        for shard in self.inner.shards.all() {
            shard.board.wish(Arc::clone(&catalogue));
            shard.mailbox.notify();
        }
        self.provisioned();
    }

    /// Looks again at what creations wait for; called when a shard has caught up with the catalogue.
    pub fn provisioned(&self) {
        let mut replies = Replies::default();
        self.inner.finish_provisioned(&mut replies);
        replies.deliver();
    }

    /// Ends what has waited too long.
    pub fn tick(&self, now: Monotonic) {
        let mut replies = Replies::default();
        self.inner.expire_provisioning(now, &mut replies);
        self.inner.expire_publishes(now, &mut replies);
        replies.deliver();
    }

    /// Takes no new requests from here on. Fetches that wait for records end with what there is.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Release);
        let open: Vec<_> = {
            let connections = self.inner.connections.read().unwrap_or_else(PoisonError::into_inner);
            connections.values().cloned().collect()
        };
        for connection in open {
            let waiting: Vec<_> = lock(&connection.waiting).values().cloned().collect();
            waiting.iter().for_each(|call| self.inner.end_fetches(call.open_fetches()));
        }
    }

    /// The catalogue as this node knows it.
    pub fn catalogue(&self) -> Arc<Catalog> {
        self.inner.catalogue()
    }

    /// The shards of this node.
    pub fn shards(&self) -> &[ShardHandle] {
        self.inner.shards.all()
    }

    /// What the front desk counts.
    pub fn metrics(&self) -> &BrokerMetrics {
        &self.inner.metrics
    }

    /// What clients are held against.
    pub fn meters(&self) -> &Meters {
        &self.inner.meters
    }

    /// The disk guard.
    pub fn guard(&self) -> &DiskGuard {
        &self.inner.guard
    }
}

impl FrontDesk for Broker {
    fn admit(&self, peer: IpAddr, now: Monotonic) -> Duration {
        self.inner.meters.admit(peer, now)
    }

    fn open(&self, connection: ConnectionId, outbox: Arc<dyn Outbox>, client: ClientInfo) {
        let meter = Arc::new(ConnectionMeter::new(&self.inner.meters));
        let opened = Arc::new(Connection {
            outbox,
            client,
            login: LoginState::new(&meter),
            meter,
            host: Arc::new(Host::of(client.peer)),
            waiting: Mutex::default(),
            unplaced: Mutex::default(),
            receives: AtomicBool::new(false),
            has_queues: AtomicBool::new(false),
            publishes: Arc::default(),
            posts: Arc::default(),
        });
        self.inner.connections_mut().insert(connection, opened);
    }

    fn identify(&self, connection: ConnectionId, principal: Principal) {
        if let Some(known) = self.inner.connection(connection) {
            known.login.identify(principal);
        }
    }

    fn call(&self, connection: ConnectionId, token: u64, request: Request) {
        let Some(known) = self.inner.connection(connection) else { return };
        let asker = Asker {
            connection,
            token,
            outbox: Arc::clone(&known.outbox),
            protocol: known.client.protocol,
            local: known.client.local,
            principal: Arc::clone(known.login.principal().unwrap_or(&self.inner.anonymous)),
            host: Arc::clone(&known.host),
            withheld: None,
            publishes: Arc::clone(&known.publishes),
            posts: Arc::clone(&known.posts),
        };
        let mut replies = Replies::default();
        match self.inner.authorize(asker, request) {
            Admitted::Goes(asker, request) => {
                self.inner.call(asker, request, Currency::Unknown, &mut replies);
            }
            Admitted::Answered(asker, reply) => self.inner.finish(&asker, reply, &mut replies),
        }
        replies.deliver();
    }

    fn meter(&self, connection: ConnectionId) -> Arc<ConnectionMeter> {
        self.inner.connection(connection).map_or_else(Arc::default, |known| Arc::clone(&known.meter))
    }

    fn close(&self, connection: ConnectionId) {
        let Some(closed) = self.inner.connections_mut().remove(&connection) else { return };
        let waiting = std::mem::take(&mut *lock(&closed.waiting));
        for call in waiting.into_values() {
            self.inner.end_fetches(call.open_fetches());
        }
        if closed.receives.load(Ordering::Acquire) {
            self.inner.end_consumers(connection);
        }
        if closed.has_queues.load(Ordering::Acquire) {
            self.inner.end_stays_of(connection);
        }
    }
}

impl Inner {
    /// Carries out one request.
    pub(crate) fn call(&self, asker: Asker, request: Request, currency: Currency, replies: &mut Replies) {
        if self.is_stopping() && changes_something(&request) {
            let reply = crate::refuse::reply(&request, &Refusal::ShuttingDown, self, &asker);
            return self.finish(&asker, reply, replies);
        }
        match request {
            Request::Publish(publish) => self.publish(asker, publish, replies),
            Request::Fetch(fetch) => self.fetch(asker, fetch, currency, replies),
            Request::FindOffsets(find) => self.find_offsets(asker, find, currency, replies),
            Request::FindEpochEnds(find) => self.find_epoch_ends(asker, find, currency, replies),
            Request::DescribeTopics(describe) => self.describe_topics(asker, describe, currency, replies),
            Request::DescribeDefaults => {
                replies.push(&asker, self.describe_defaults(&asker));
            }
            Request::CreateTopics(create) => self.create_topics(asker, create, replies),
            Request::DeleteTopics(delete) => self.delete_topics(asker, delete, currency, replies),
            Request::CreatePartitions(create) => self.create_partitions(asker, create, currency, replies),
            Request::AlterTopics(alter) => self.alter_topics(asker, alter, currency, replies),
            Request::AlterDefaults(alter) => self.alter_defaults(asker, alter, replies),
            Request::TrimPartitions(trim) => self.trim_partitions(asker, trim, currency, replies),
            Request::DescribePartitions(describe) => {
                self.describe_partitions(asker, describe, currency, replies);
            }
            Request::AllocateProducer(_) => self.allocate_producer(asker, replies),
            Request::FindGroup(group) => self.find_group(asker, &group, replies),
            Request::Group(group) => self.group(asker, group, currency, replies),
            Request::ListGroups => self.list_groups(asker, replies),
            Request::Transaction(request) => self.transaction(asker, request, currency, replies),
            Request::ListTransactions => self.list_transactions(asker, replies),
            Request::DescribeQuorum => self.describe_quorum(asker, replies),
            Request::AlterQuotas(alter) => self.alter_quotas(asker, alter, replies),
            Request::DescribeQuotas => self.describe_quotas(&asker, replies),
            Request::Login(login) => self.login(asker, login, replies),
            Request::DescribeUsers(describe) => self.describe_users(asker, describe, currency, replies),
            Request::AlterUsers(alter) => self.alter_users(asker, alter, replies),
            Request::Subscription(request) => self.subscription(asker, request, currency, replies),
            Request::FindProducer(id) => self.find_producer(&asker, &id, replies),
            Request::Rights(resources) => {
                let rights = self.rights(&asker, &resources);
                self.finish(&asker, Reply::Rights(rights), replies);
            }
            Request::DescribeAcls(filter) => self.describe_acls(&asker, &filter, replies),
            Request::AddAcls(add) => self.add_acls(asker, add, replies),
            Request::RemoveAcls(remove) => self.remove_acls(asker, remove, currency, replies),
            Request::Route(route) => self.route(asker, route, currency, replies),
            Request::Post(post) => self.post(asker, post, replies),
        }
    }

    /// Goes on on a thread for work that takes its time: not on a shard's, and not on one that serves connections.
    pub(crate) fn elsewhere(&self, go_on: impl FnOnce(&Inner, &mut Replies) + Send + 'static) {
        let me = Weak::clone(&self.me);
        let job = move || {
            let Some(inner) = me.upgrade() else { return };
            let mut replies = Replies::default();
            go_on(&inner, &mut replies);
            replies.deliver();
        };
        self.env.spawn.spawn(IoClass::Read, Box::new(job));
    }

    /// Takes the answer to one part of a request.
    pub(crate) fn answer(&self, ticket: &Ticket, answer: Answer, replies: &mut Replies) {
        match ticket.call.answer(ticket.part, answer) {
            Next::Wait => {}
            Next::EndFetches(open) => self.end_fetches(open),
            Next::Reply(reply) => self.finish(&ticket.call.asker, reply, replies),
            Next::Published(published, since) => {
                self.metrics.answered(&published, self.env.clock.monotonic().since(since));
                self.finish(&ticket.call.asker, Reply::Publish(published), replies);
            }
            Next::NameOffsets(found) => {
                let reply = self.name_offsets(found);
                self.finish(&ticket.call.asker, reply, replies);
            }
            Next::Admitted(then, result) => {
                self.after_join(ticket.call.asker.clone(), then, result, replies);
            }
            Next::NamePartitions(view) => {
                let reply = self.name_partitions(view);
                self.finish(&ticket.call.asker, reply, replies);
            }
            Next::NameStates(states) => {
                let reply = self.name_states(states);
                self.finish(&ticket.call.asker, reply, replies);
            }
            Next::Continue(step, answer) => {
                self.go_on(ticket.call.asker.clone(), step, answer, replies);
            }
        }
    }

    fn go_on(&self, asker: Asker, step: Step, answer: Answer, replies: &mut Replies) {
        match step {
            Step::Describe(describe) => match barrier_refusal(&answer) {
                None => self.describe_topics(asker, describe, Currency::Confirmed, replies),
                Some(refusal) => self.refuse(&asker, &Request::DescribeTopics(describe), &refusal, replies),
            },
            Step::Unresolved(request) => match barrier_refusal(&answer) {
                None => self.call(asker, *request, Currency::Confirmed, replies),
                Some(refusal) => self.refuse(&asker, &request, &refusal, replies),
            },
            Step::Publishes(line) => self.publishes_go_on(&line, barrier_refusal(&answer), replies),
            Step::Posts(line) => self.posts_go_on(&line, barrier_refusal(&answer), replies),
            Step::Route(request) => self.routed_by(asker, *request, answer, replies),
            Step::SettleIn(request) => self.settled_in(asker, *request, answer, replies),
            Step::Counted(id, request) => self.counted(asker, id, *request, answer, replies),
            Step::Create(create) => self.created(asker, create, answer, replies),
            Step::Delete(delete, names, refused) => {
                self.deleted(asker, delete, names, refused, answer, replies);
            }
            Step::Grow(grow, refused) => self.grown(asker, grow, refused, answer, replies),
            Step::Alter(alter, refused) => self.altered(asker, alter, refused, answer, replies),
            Step::AlterDefaults { timeout_ms } => self.defaults_altered(asker, timeout_ms, answer, replies),
            Step::AlterQuotas(refused) => self.quotas_altered(asker, refused, answer, replies),
            Step::AlterUsers(step) => self.users_altered(asker, step, answer, replies),
            Step::AddAcls(step) => self.acls_added(asker, step, answer, replies),
            Step::RemoveAcls(step) => self.acls_removed(asker, step, answer, replies),
            Step::Producers => self.producers_allocated(asker, answer, replies),
            Step::Join(step) => self.joined(asker, *step, answer, replies),
            Step::ProducersFor(request) => self.producers_allocated_for(asker, request, answer, replies),
            Step::Deleting(group) => self.deleting(asker, group, answer, replies),
            Step::Forgotten(group) => self.forgotten(asker, group, answer, replies),
            Step::Emptied(request, currency) => self.emptied(asker, *request, currency, answer, replies),
            Step::AlterSubscriptions(count) => self.subscriptions_altered(&asker, count, answer, replies),
        }
    }

    pub(crate) fn refuse(&self, asker: &Asker, request: &Request, refusal: &Refusal, replies: &mut Replies) {
        let reply = crate::refuse::reply(request, refusal, self, asker);
        self.finish(asker, reply, replies);
    }

    /// Sends the final reply of a call.
    pub(crate) fn finish(&self, asker: &Asker, reply: Reply, replies: &mut Replies) {
        let reply = self.as_authorized(asker, reply);
        self.metrics.count_refusals(&reply);
        if matches!(reply, Reply::Fetch(_) | Reply::Subscription(SubscriptionReply::Receive(_)))
            && let Some(connection) = self.connection(asker.connection)
        {
            lock(&connection.waiting).remove(&asker.token);
            lock(&connection.unplaced).remove(&asker.token);
        }
        replies.push(asker, reply);
    }

    /// Repeats `request` after a barrier has made the local catalogue current.
    pub(crate) fn after_barrier(&self, asker: Asker, step: Step, replies: &mut Replies) {
        let call = Call::new(asker, Gather::Step(step));
        let read = Read::Barrier(Ticket { call, part: 0 });
        self.post_read(self.shards.catalogue(), read, replies);
    }

    /// Remembers a fetch that may wait, so that it ends with its connection.
    pub(crate) fn remember_waiting(&self, call: &Arc<Call>) {
        if let Some(connection) = self.connection(call.asker.connection) {
            lock(&connection.waiting).insert(call.asker.token, Arc::clone(call));
        }
    }

    /// Those of a connection.
    pub(crate) fn waiting_calls(&self, connection: ConnectionId) -> Vec<Arc<Call>> {
        let calls = |known: Arc<Connection>| lock(&known.waiting).values().cloned().collect();
        self.connection(connection).map(calls).unwrap_or_default()
    }

    /// Remembers that the connection has something that goes back with it.
    pub(crate) fn remember_receives(&self, connection: ConnectionId) {
        if let Some(connection) = self.connection(connection) {
            connection.receives.store(true, Ordering::Release);
        }
    }

    /// Remembers that queues go with the connection; whether it is there to remember it.
    pub(crate) fn remember_queues(&self, connection: ConnectionId) -> bool {
        let found = self.connection(connection);
        found.inspect(|known| known.has_queues.store(true, Ordering::Release)).is_some()
    }

    /// The queues that only this connection could use go.
    pub(crate) fn end_stays_of(&self, connection: ConnectionId) {
        let end = EndOfStay::Connection(self.process, connection.0);
        self.shards.catalogue().mailbox.post_completion(Done::Passed(Passed::EndStays(end)));
    }

    /// Remembers a receive as well, and that the connection has something that goes back with it.
    pub(crate) fn remember_receiver(&self, call: &Arc<Call>) {
        if let Some(connection) = self.connection(call.asker.connection) {
            connection.receives.store(true, Ordering::Release);
            lock(&connection.waiting).insert(call.asker.token, Arc::clone(call));
        }
    }

    /// A receive goes to shards when the catalogue is current, and may be ended before.
    pub(crate) fn remember_unplaced(&self, asker: &Asker, consumer: ConsumerNumber) {
        if let Some(connection) = self.connection(asker.connection) {
            lock(&connection.unplaced).insert(asker.token, (consumer, false));
        }
    }

    /// Whatever of a consumer waits for the catalogue is ended as soon as it is with the shards.
    pub(crate) fn end_unplaced(&self, asker: &Asker, consumer: ConsumerNumber) {
        if let Some(connection) = self.connection(asker.connection) {
            let mut unplaced = lock(&connection.unplaced);
            unplaced.values_mut().filter(|(of, _)| *of == consumer).for_each(|(_, ended)| *ended = true);
        }
    }

    /// Whether a receive was ended while it waited for the catalogue.
    pub(crate) fn was_ended(&self, connection: ConnectionId, token: u64) -> bool {
        let connection = self.connection(connection);
        connection.is_some_and(|known| lock(&known.unplaced).get(&token).is_some_and(|(_, ended)| *ended))
    }

    pub(crate) fn post_read(&self, shard: &ShardHandle, read: Read<Ticket>, replies: &mut Replies) {
        let refused = shard.mailbox.post_read(read).err();
        if let Some((ticket, answer)) = refused.and_then(|read| read.refuse(&Refusal::Busy)) {
            self.answer(&ticket, answer, replies);
        }
    }

    pub(crate) fn post_work(
        &self,
        shard: &ShardHandle,
        from: ConnectionId,
        bytes: usize,
        work: Work<Ticket>,
        replies: &mut Replies,
    ) {
        let refused = shard.mailbox.post_work(Source(from.0), work.parcel(bytes)).err();
        if let Some((ticket, answer)) = refused.and_then(|work| work.refuse(&Refusal::Busy)) {
            self.answer(&ticket, answer, replies);
        }
    }

    pub(crate) fn end_fetches(&self, open: Vec<(usize, u64)>) {
        for (shard, number) in open {
            // A full mailbox only means that the fetch ends at its deadline instead.
            let _ = self.shards.at(shard).mailbox.post_read(Read::EndFetch(number));
        }
    }

    pub(crate) fn fetch_number(&self) -> u64 {
        self.next_fetch.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The cluster as this asker should see it.
    pub(crate) fn cluster(&self, asker: &Asker) -> ClusterView {
        let came_to = asker.local.port();
        let told = |port| self.config.advertised.get(&(asker.protocol.to_owned(), port));
        let (host, port) = match told(came_to).or_else(|| told(0)) {
            Some((host, 0)) => (host.clone(), came_to),
            Some((host, port)) => (host.clone(), *port),
            None => (plain_host(asker.local), came_to),
        };
        ClusterView {
            id: self.config.cluster.clone(),
            nodes: vec![NodeView { id: self.config.node, host, port }],
            controller: leader_of(self.shards.catalogue()).0,
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether somebody is there to hear an answer.
    pub(crate) fn is_open(&self, id: ConnectionId) -> bool {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn connections_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<ConnectionId, Arc<Connection>>> {
        self.connections.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request writes; a stopping node takes none of those.
fn changes_something(request: &Request) -> bool {
    match request {
        Request::Publish(_)
        | Request::CreateTopics(_)
        | Request::DeleteTopics(_)
        | Request::CreatePartitions(_)
        | Request::AlterTopics(_)
        | Request::AlterDefaults(_)
        | Request::AlterQuotas(_)
        | Request::TrimPartitions(_)
        | Request::AllocateProducer(_)
        | Request::Transaction(_)
        | Request::AlterUsers(_)
        | Request::AddAcls(_)
        | Request::RemoveAcls(_)
        | Request::Post(_) => true,
        Request::Route(route) => crate::routes::changes_something(route),
        Request::Subscription(request) => crate::subscriptions::changes_something(request),
        Request::Fetch(_)
        | Request::FindOffsets(_)
        | Request::FindEpochEnds(_)
        | Request::DescribeTopics(_)
        | Request::DescribeDefaults
        | Request::DescribePartitions(_)
        | Request::FindGroup(_)
        | Request::Group(_)
        | Request::ListGroups
        | Request::ListTransactions
        | Request::DescribeQuorum
        | Request::DescribeQuotas
        | Request::Login(_)
        | Request::DescribeUsers(_)
        | Request::FindProducer(_)
        | Request::Rights(_)
        | Request::DescribeAcls(_) => false,
    }
}

fn barrier_refusal(answer: &Answer) -> Option<Refusal> {
    match answer {
        Answer::Barrier(Ok(())) => None,
        Answer::Barrier(Err(refusal)) => Some(refusal.clone()),
        other => panic!("a barrier was asked for, not {other:?}"),
    }
}

fn plain_host(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replies on their way out, one batch per outbox.
#[derive(Default)]
pub(crate) struct Replies {
    batches: Vec<(Arc<dyn Outbox>, Vec<Delivered>)>,
}

impl Replies {
    pub(crate) fn push(&mut self, asker: &Asker, reply: Reply) {
        let delivered = Delivered { connection: asker.connection, token: asker.token, reply };
        let same = |(outbox, _): &&mut (Arc<dyn Outbox>, Vec<Delivered>)| Arc::ptr_eq(outbox, &asker.outbox);
        match self.batches.iter_mut().find(same) {
            Some((_, batch)) => batch.push(delivered),
            None => self.batches.push((Arc::clone(&asker.outbox), vec![delivered])),
        }
    }

    fn deliver(self) {
        for (outbox, batch) in self.batches {
            outbox.deliver(batch);
        }
    }
}
