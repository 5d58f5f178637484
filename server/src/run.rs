//! `forebay serve`: opens the node, listens, says so, waits for the end, and ends in good order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_broker::{AclPolicy, Authorization, Broker, DiskGuard, Memory};
use forebay_console::Console;
use forebay_env::{Env, Lock};
use forebay_gateway::{
    Budget, ByteBudget, Gateway, Listener, Listening, StartError, Tls, TlsError, TlsFiles,
};
use forebay_kit::Protocol;
use forebay_machine::MachineSettings;
use forebay_model::ShardId;
use forebay_model::login::Mechanism;
use forebay_replication::config::{FLUSH_HERE_MAX_DEFAULT, JOURNAL_FILE_BYTES_DEFAULT};
use forebay_shard::Wake;
use forebay_shard::coordinator::CoordinatorSettings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{AccessControl, Config, HostPort, ListenerKind, Loaded, Origin};
use crate::disk_guard::DiskWatch;
use crate::greeting;
use crate::identity::Insist;
use crate::leaders::{self, Unled};
use crate::node::{Driver, Node, NodeConfig, NodeError};
use crate::operator::{NodeFacts, NodeOperator};
use crate::registry::PROTOCOLS;
use crate::shard_thread::{ShardThread, Sleeper};

/// How long a start waits for a data directory that another process holds...
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
/// ...and how often it looks.
const LOCK_LOOK: Duration = Duration::from_millis(50);
/// How often the disk is measured.
const DISK_LOOK: Duration = Duration::from_secs(1);
/// The most that payloads applied last may take, however much memory there is: the kernel's page cache has them too, and reads
/// of what is older come from there.
const HOT_BYTES_MAX: u64 = 32 << 20;
/// The most that log entries written last may take, for the same reason.
const TAIL_BYTES_MAX: u64 = 16 << 20;
/// The most that blocks of index files may take.
const BLOCK_BYTES_MAX: u64 = 64 << 20;
/// The first segment ends at this size, or at the configured one if that is smaller.
const SEGMENT_BYTES_FIRST: u64 = 8 << 20;

/// Why the broker could not be started.
#[derive(Debug)]
pub enum ServeError {
    /// The data directory could not be made.
    DataDir(PathBuf, io::Error),
    /// Another process has it.
    InUse(PathBuf),
    /// The node could not be opened.
    Node(NodeError),
    /// A listener's address names no address.
    Address(HostPort, io::Error),
    /// A listener could not be opened.
    Gateway(StartError),
    /// Encryption could not be set up.
    Tls(TlsError),
    /// The operating system gave no thread.
    Thread(io::Error),
    /// The operating system does not say when a signal comes.
    Signal(io::Error),
    /// The HTTP listener could not be opened.
    Console(forebay_console::StartError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::DataDir(dir, error) => write!(f, "the data directory {}: {error}", dir.display()),
            ServeError::InUse(dir) => write!(
                f,
                "the data directory {} is in use by another forebay process: stop it, or choose another --data-dir",
                dir.display()
            ),
            ServeError::Node(error) => error.fmt(f),
            ServeError::Address(address, error) => write!(f, "cannot listen at {address}: {error}"),
            ServeError::Gateway(error) => error.fmt(f),
            ServeError::Tls(error) => error.fmt(f),
            ServeError::Signal(error) => write!(f, "SIGHUP cannot be listened for: {error}"),
            ServeError::Thread(error) => write!(f, "the operating system gave no thread: {error}"),
            ServeError::Console(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeError {}

/// How a broker that ran has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As asked, everything flushed.
    Drained,
    /// Shard 0 cannot go on; the log says why.
    Failed,
}

/// Why the broker should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Asked,
    Failed,
}

/// Runs a broker until it is asked to stop or cannot go on.
pub fn serve(loaded: &Loaded) -> Result<Ended, ServeError> {
    let config = &loaded.config;
    let started = Instant::now();
    let env = forebay_env::real::env();
    let dir = &config.data_dir;
    env.disk.create_dir_all(dir).map_err(|error| ServeError::DataDir(dir.clone(), error))?;
    let _lock = lock(&env, config)?;
    let (ends, mut end) = mpsc::channel(4);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
    // Before anything is opened: what is wrong with a file is said at once.
    let mut renewals = Renewals::listen(&runtime, open_tls(config)?)?;
    let (running, mut signals) = Running::start(loaded, &env, &ends, started, &runtime, renewals.tls())?;
    let console = match running.start_console(config) {
        Ok(console) => console,
        Err(error) => {
            running.stop(Duration::ZERO, None);
            return Err(error);
        }
    };
    let told = console.as_ref().map_or(&[][..], Console::addresses);
    let asked = runtime.block_on(async {
        let mut asked = std::pin::pin!(wait_for_end(&mut end, &mut signals, &mut renewals));
        tokio::select! {
            asked = &mut asked => return asked,
            () = running.greet(config, started, told) => {}
        }
        asked.await
    });
    let ended = match asked {
        End::Asked => Ended::Drained,
        End::Failed => Ended::Failed,
    };
    exit_on_second_signal(&runtime);
    running.stop(config.shutdown_drain_max, console);
    Ok(ended)
}

/// Takes the directory for this process. A process that was killed a moment ago may still hold it while it dies.
fn lock(env: &Env, config: &Config) -> Result<Box<dyn Lock>, ServeError> {
    let path = config.data_dir.join("lock");
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match env.disk.lock(&path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= until {
                    return Err(ServeError::InUse(config.data_dir.clone()));
                }
                std::thread::sleep(LOCK_LOOK);
            }
            locked => return locked.map_err(|error| ServeError::DataDir(config.data_dir.clone(), error)),
        }
    }
}

async fn wait_for_end(end: &mut mpsc::Receiver<End>, signals: &mut Signals, renewals: &mut Renewals) -> End {
    tokio::select! {
        never = renewals.carry_out() => match never {},
        () = signals.asked() => End::Asked,
        failed = end.recv() => failed.unwrap_or(End::Failed),
    }
}

/// The operator's ways to ask for the end: heard from [`Signals::listen`] on, whenever somebody looks.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Until then, or where signals cannot be listened for, they end the process at once.
    fn listen(runtime: &tokio::runtime::Runtime) -> Signals {
        let _entered = runtime.enter();
        let both = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        Signals(if let (Ok(interrupt), Ok(terminate)) = both { Some((interrupt, terminate)) } else { None })
    }

    async fn asked(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else {
            tracing::error!("signals cannot be listened for: this process must be killed to end");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// The operator's way to have certificates read again: a SIGHUP, heard from [`Renewals::listen`] on. Where nothing is encrypted, that
/// signal ends the process as it always does.
struct Renewals(Option<(Arc<Tls>, Signal)>);

impl Renewals {
    fn listen(runtime: &tokio::runtime::Runtime, tls: Option<Arc<Tls>>) -> Result<Renewals, ServeError> {
        let _entered = runtime.enter();
        let Some(tls) = tls else { return Ok(Renewals(None)) };
        let hangups = signal(SignalKind::hangup()).map_err(ServeError::Signal)?;
        Ok(Renewals(Some((tls, hangups))))
    }

    fn tls(&self) -> Option<&Arc<Tls>> {
        self.0.as_ref().map(|(tls, _)| tls)
    }

    async fn carry_out(&mut self) -> Infallible {
        if let Some((tls, hangups)) = &mut self.0 {
            while hangups.recv().await.is_some() {
                match tls.reload() {
                    Ok(()) => tracing::info!("the certificates were read again, for new connections"),
                    Err(error) => tracing::error!(%error, "the certificates stay as they were"),
                }
            }
        }
        std::future::pending().await
    }
}

/// From here on another signal ends the process at once: the log is made for that.
fn exit_on_second_signal(runtime: &tokio::runtime::Runtime) {
    let mut signals = Signals::listen(runtime);
    if signals.0.is_none() {
        return;
    }
    greeting::draining();
    let handle = runtime.handle().clone();
    let waiting = std::thread::Builder::new().name("fb-signals".into()).spawn(move || {
        handle.block_on(signals.asked());
        std::process::exit(130);
    });
    if let Err(error) = waiting {
        tracing::warn!(%error, "a second signal will not end the process at once");
    }
}

/// A broker at work.
pub(crate) struct Running {
    pub(crate) broker: Broker,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) operator: Arc<NodeOperator>,
    shards: Vec<ShardThread>,
    disk: DiskThread,
    recovered: Vec<greeting::RecoveredShard>,
    recovery_began: Instant,
}

impl Running {
    fn start(
        loaded: &Loaded,
        env: &Env,
        ends: &mpsc::Sender<End>,
        started: Instant,
        runtime: &tokio::runtime::Runtime,
        tls: Option<&Arc<Tls>>,
    ) -> Result<(Running, Signals), ServeError> {
        let config = &loaded.config;
        let guard = Arc::new(DiskGuard::default());
        let mut watch = DiskWatch::new(
            env.clone(),
            config.data_dir.clone(),
            config.disk_reserve,
            config.disk_slow_at,
            Arc::clone(&guard),
        );
        watch.measure();
        let threads = Threads { sleepers: Mutex::default(), ends: ends.clone() };
        let budget = Arc::new(ByteBudget::new(gateway_bytes(config)));
        let memory = Arc::new(Spent(Arc::clone(&budget)));
        let recovery_began = Instant::now();
        let node =
            Node::open_within(env, &node_config(config, shards_given(loaded)), &threads, guard, memory);
        let node = node.map_err(ServeError::Node)?;
        let recovered = node.shards.iter().map(greeting::RecoveredShard::of).collect();
        let facts = node_facts(config, started.elapsed());
        let operator = Arc::new(NodeOperator::new(&node, Arc::clone(&env.clock), facts));
        let broker = node.broker.clone();
        let shards = start_shards(node, &threads, env)?;
        // Who finds the port open finds a broker that serves. One that cannot soon says so to whoever asks.
        let mut signals = Signals::listen(runtime);
        runtime.block_on(async {
            tokio::select! {
                _ = leaders::of(&broker, leaders::UNHEARD_MAX) => {}
                () = signals.asked() => {
                    let _ = ends.try_send(End::Asked);
                }
            }
        });
        if locks_everybody_out(config, &broker) {
            tracing::warn!(
                "authorization is acl, there is no rule, and super_users names nobody: nobody may do anything"
            );
        }
        let gateway = Arc::new(start_gateway(config, env, &broker, Arc::clone(&budget), tls)?);
        operator.watch_gateway(Arc::clone(&gateway), budget);
        let disk = DiskThread::start(watch).map_err(ServeError::Thread)?;
        Ok((Running { broker, gateway, operator, shards, disk, recovered, recovery_began }, signals))
    }

    /// Opens the HTTP listeners, where any are asked for.
    fn start_console(&self, config: &Config) -> Result<Option<Console>, ServeError> {
        let addresses = addresses(config, ListenerKind::Http)?;
        if addresses.is_empty() {
            return Ok(None);
        }
        let operator = Arc::clone(&self.operator);
        let shown = forebay_console::Config {
            series_max: config.metrics_topics_max as usize,
            ..forebay_console::Config::default()
        };
        let started = Console::start(shown, addresses, operator);
        started.map(Some).map_err(ServeError::Console)
    }

    /// Shows the first screen once every shard is led. Where that takes too long it says so instead, and that they are
    /// when they are.
    async fn greet(&self, config: &Config, started: Instant, console: &[SocketAddr]) {
        let unled = self.leaders(leaders::WAIT_MAX).await;
        greeting::screen(config, &self.facts(started, console, &unled));
        if !unled.is_empty() && self.leaders(Duration::MAX).await.is_empty() {
            greeting::ready_at_last(started.elapsed());
        }
    }

    /// Waits until every shard is led; answers with those that are not.
    async fn leaders(&self, within: Duration) -> Vec<Unled> {
        leaders::of(&self.broker, within).await
    }

    fn facts<'a>(
        &'a self,
        started: Instant,
        console: &'a [SocketAddr],
        unled: &'a [Unled],
    ) -> greeting::Facts<'a> {
        greeting::Facts {
            listening: self.gateway.listening(),
            console,
            unled,
            recovered: &self.recovered,
            recovery_took: self.recovery_began.elapsed(),
            took: started.elapsed(),
        }
    }

    /// Takes nothing new, lets what is open finish, flushes everything. Operators see the node drain; then there is
    /// nothing left to see.
    fn stop(self, within: Duration, console: Option<Console>) {
        self.operator.begin_drain();
        self.broker.stop();
        let drained = self.gateway.drain(within);
        tracing::info!(finished = drained.finished, cut = drained.cut, "connections are closed");
        drop(console);
        self.shards.iter().for_each(ShardThread::stop);
        self.shards.into_iter().for_each(ShardThread::join);
        self.disk.stop();
        tracing::info!("everything is flushed");
    }
}

fn start_shards(node: Node, threads: &Threads, env: &Env) -> Result<Vec<ShardThread>, ServeError> {
    let mut started = Vec::new();
    for opened in node.shards {
        let sleeper = threads.sleeper(opened.id);
        let ends = threads.ends.clone();
        let board = Arc::clone(&opened.board);
        let broken = Arc::new(move |shard: ShardId| {
            board.set_broken("a bug stopped this shard; the log says where".into());
            if shard == ShardId(0) {
                let _ = ends.try_send(End::Failed);
            }
        });
        let clock = Arc::clone(&env.clock);
        let broker = node.broker.clone();
        let thread =
            ShardThread::start(opened.id, opened.shard, opened.mailbox, sleeper, broker, clock, broken);
        started.push(thread.map_err(ServeError::Thread)?);
    }
    Ok(started)
}

/// How the threads of shards are woken and what they report.
struct Threads {
    sleepers: Mutex<BTreeMap<ShardId, Sleeper>>,
    ends: mpsc::Sender<End>,
}

impl Threads {
    fn sleeper(&self, shard: ShardId) -> Sleeper {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).entry(shard).or_default().clone()
    }
}

impl Driver for Threads {
    fn wake(&self, shard: ShardId) -> Wake {
        self.sleeper(shard).wake()
    }

    fn noticed(&self, shard: ShardId, board: Arc<forebay_shard::Board>) -> Box<dyn Fn() + Send> {
        let ends = self.ends.clone();
        Box::new(move || {
            // Without its catalogue a node is of no use: others take over, or the operator repairs it.
            if shard == ShardId(0) && board.status().fenced.is_some() {
                let _ = ends.try_send(End::Failed);
            }
        })
    }
}

fn start_gateway(
    config: &Config,
    env: &Env,
    broker: &Broker,
    budget: Arc<ByteBudget>,
    tls: Option<&Arc<Tls>>,
) -> Result<Gateway, ServeError> {
    let mut protocols: Vec<(&'static dyn Protocol, Vec<Listener>)> = Vec::new();
    for (kind, protocol) in PROTOCOLS {
        protocols.push((*protocol, listeners(config, *kind, tls)?));
    }
    let mut gateway = forebay_gateway::Config::default();
    let frame_bytes_max = bytes(config.frame_bytes_max.0);
    gateway.limits.connections_max = config.connections_max as usize;
    gateway.limits.connections_per_peer_max = config.connections_per_address_max as usize;
    gateway.limits.requests_open_max = config.requests_open_max as usize;
    gateway.limits.frame_bytes_max = frame_bytes_max;
    gateway.limits.session_bytes_max = session_bytes(config);
    gateway.limits.input_bytes_max = frame_bytes_max + gateway.limits.read_bytes_max;
    let desk = Arc::new(broker.clone());
    Gateway::start(gateway, protocols, desk, Arc::clone(&env.clock), budget).map_err(ServeError::Gateway)
}

fn addresses(config: &Config, kind: ListenerKind) -> Result<Vec<SocketAddr>, ServeError> {
    listeners(config, kind, None).map(|found| found.into_iter().map(|listener| listener.address).collect())
}

fn listeners(
    config: &Config,
    kind: ListenerKind,
    tls: Option<&Arc<Tls>>,
) -> Result<Vec<Listener>, ServeError> {
    let mechanisms: Arc<[Mechanism]> = config.sasl_mechanisms.as_slice().into();
    let mut found = Vec::new();
    for (listener, _) in config.listeners(kind) {
        let at = &listener.address;
        let login = listener.sasl.then(|| Arc::clone(&mechanisms));
        let resolved = (at.host.as_str(), at.port).to_socket_addrs();
        let resolved = resolved.map_err(|error| ServeError::Address(at.clone(), error))?.take(1);
        let tls = tls.filter(|_| listener.tls);
        found.extend(resolved.map(|address| Listener { address, login: login.clone(), tls: tls.cloned() }));
    }
    Ok(found)
}

/// What connections are encrypted with, where any are to be.
fn open_tls(config: &Config) -> Result<Option<Arc<Tls>>, ServeError> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate.0, &config.tls_key.0) else {
        return Ok(None);
    };
    if !config.listen.iter().any(|listener| listener.tls) {
        return Ok(None);
    }
    let files = TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
        client_authorities: config.tls_client_ca.0.clone(),
        client_certificates: config.tls_client_auth,
    };
    Tls::open(files).map(|tls| Some(Arc::new(tls))).map_err(ServeError::Tls)
}

/// The address that clients of each listener are told, by protocol and by the listener's port.
fn advertised(config: &Config) -> BTreeMap<(String, u16), (String, u16)> {
    let kind = ListenerKind::Kafka;
    let told = config.listeners(kind).filter_map(|(listener, told)| Some((listener.address.port, told?)));
    told.map(|(port, told)| ((kind.word().to_owned(), port), (told.host.clone(), told.port))).collect()
}

/// Whether somebody asked for numbers of shards, or they are what this machine would get.
fn shards_given(loaded: &Loaded) -> bool {
    let given = |key| {
        loaded
            .effective
            .iter()
            .any(|setting| setting.key == key && !matches!(setting.origin, Origin::Default))
    };
    given("shards.sync") || given("shards.async")
}

fn node_config(config: &Config, shards_given: bool) -> NodeConfig {
    NodeConfig {
        dir: config.data_dir.clone(),
        node: config.node_id,
        nodes: [config.node_id].into(),
        replicas: Default::default(),
        cluster: None,
        shards_sync: config.shards_sync,
        shards_async: config.shards_async,
        // Only queues of AMQP go with the process.
        temporary_shard: config.listeners(ListenerKind::Amqp).next().is_some(),
        insist_on_shards: if shards_given { Insist::Yes } else { Insist::No },
        advertised: advertised(config),
        defaults: config.topic_defaults(),
        auto_create: config.topic_auto_create,
        authorization: authorization(config),
        hot_bytes_max: bytes((config.memory_limit.0 / 4).min(HOT_BYTES_MAX)),
        tail_bytes_max: bytes((config.memory_limit.0 / 8).min(TAIL_BYTES_MAX)),
        block_bytes_max: bytes((config.memory_limit.0 / 16).min(BLOCK_BYTES_MAX)),
        summary_bytes_max: bytes(config.memory_limit.0 / 32),
        segment_bytes_first: SEGMENT_BYTES_FIRST.min(config.segment_bytes.0),
        segment_bytes_max: config.segment_bytes.0,
        journal_file_bytes: JOURNAL_FILE_BYTES_DEFAULT,
        flush_here_max: FLUSH_HERE_MAX_DEFAULT,
        clock_step_max: config.clock_step_max,
        retention_interval: config.topic_check_interval,
        groups: CoordinatorSettings {
            initial_rebalance_delay_ms: ms(config.group_initial_rebalance_delay),
            session_timeout_ms_min: ms(config.group_session_timeout_min),
            session_timeout_ms_max: ms(config.group_session_timeout_max),
            members_max: config.group_members_max as usize,
            ..CoordinatorSettings::default()
        },
        scrub_bytes_per_second: config.scrub_rate.0,
        machine: MachineSettings {
            producer_expiry_ms: long_ms(config.producer_expiry),
            offset_expiry_ms: long_ms(config.group_offsets_retention),
        },
    }
}

/// What the settings say about access.
fn authorization(config: &Config) -> Authorization {
    match config.authorization {
        AccessControl::None => Authorization::Off,
        AccessControl::Acl => Authorization::Acl(AclPolicy {
            super_users: config.super_users.iter().map(ToString::to_string).collect(),
            allow_everyone_if_no_acl: config.allow_everyone_if_no_acl_found,
        }),
    }
}

fn locks_everybody_out(config: &Config, broker: &Broker) -> bool {
    config.authorization == AccessControl::Acl
        && config.super_users.is_empty()
        && !config.allow_everyone_if_no_acl_found
        && broker.catalogue().acls().is_empty()
}

fn node_facts(config: &Config, recovery_took: Duration) -> NodeFacts {
    let told = node_config(config, false);
    NodeFacts {
        memory_limit_bytes: config.memory_limit.0,
        hot_bytes_max: told.hot_bytes_max as u64,
        tail_bytes_max: told.tail_bytes_max as u64,
        block_bytes_max: told.block_bytes_max as u64,
        summary_bytes_max: told.summary_bytes_max as u64,
        session_bytes_max: session_bytes(config) as u64,
        gateway_bytes_max: gateway_bytes(config) as u64,
        recovery_took,
        log_levels: config.log_level.clone(),
    }
}

/// Payloads on their way into the log, charged to the budget that the gateway reads within.
struct Spent(Arc<ByteBudget>);

impl Memory for Spent {
    fn charge(&self, bytes: usize) {
        Budget::charge(&*self.0, bytes);
    }

    fn release(&self, bytes: usize) {
        Budget::release(&*self.0, bytes);
    }
}

/// What of the byte budget clients may hold: frames being read, payloads on their way into the log, replies being
/// written.
fn gateway_bytes(config: &Config) -> usize {
    bytes(config.memory_limit.0 / 2)
}

/// What of the byte budget sessions may remember between requests. With it the shares are the whole budget: a half for clients,
/// a quarter, an eighth and a sixteenth for caches, which have bounds of their own as well, and twice a thirty-second.
fn session_bytes(config: &Config) -> usize {
    bytes(config.memory_limit.0 / 32)
}

fn ms(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

fn long_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// The thread that measures the disk.
struct DiskThread {
    stop: std::sync::mpsc::SyncSender<()>,
    handle: std::thread::JoinHandle<()>,
}

impl DiskThread {
    fn start(mut watch: DiskWatch) -> io::Result<DiskThread> {
        let (stop, stopped) = std::sync::mpsc::sync_channel(1);
        let handle = std::thread::Builder::new().name("fb-disk-guard".into()).spawn(move || {
            while stopped.recv_timeout(DISK_LOOK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                watch.measure();
            }
        })?;
        Ok(DiskThread { stop, handle })
    }

    fn stop(self) {
        drop(self.stop);
        if self.handle.join().is_err() {
            tracing::error!("the disk guard panicked");
        }
    }
}

/// A listener's address, as a person would connect to it.
pub(crate) fn reachable(listening: &Listening) -> SocketAddr {
    listening.address
}
