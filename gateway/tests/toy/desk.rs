use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use forebay_broker::{ClientInfo, ConnectionId, Delivered, FrontDesk, Outbox};
use forebay_env::Monotonic;
use forebay_kit::model::{Principal, Reply, Request};

use super::PATIENCE;

/// How a desk answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// Within the call.
    AtOnce,
    /// When the story says so.
    WhenTold,
    /// Never: it panics.
    Panicking,
}

/// Answers every call with what was asked.
pub struct Desk {
    answering: Answering,
    /// How long who comes is kept waiting, in milliseconds; nothing lets everybody in.
    hold_ms: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    outboxes: HashMap<ConnectionId, Arc<dyn Outbox>>,
    clients: Vec<ClientInfo>,
    waiting: Vec<Delivered>,
    closed: HashSet<ConnectionId>,
    identified: Vec<String>,
}

impl Desk {
    pub fn new(answering: Answering) -> Arc<Desk> {
        let hold_ms = AtomicU64::new(0);
        Arc::new(Desk { answering, hold_ms, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Lets nobody in from now on, after this time.
    pub fn turn_away(&self, after: Duration) {
        self.hold_ms.store(after.as_millis() as u64, Ordering::Relaxed);
    }

    /// Takes the answers to `n` calls, once they were made, in the order of the calls.
    pub fn take(&self, n: usize) -> Vec<Delivered> {
        let mut state = self.wait(|s| s.waiting.len() >= n);
        std::mem::take(&mut state.waiting)
    }

    /// Delivers answers in one batch. All must belong to connections of one worker.
    pub fn deliver(&self, batch: Vec<Delivered>) {
        let outbox = Arc::clone(&self.state.lock().unwrap().outboxes[&batch[0].connection]);
        outbox.deliver(batch);
    }

    pub fn wait_closed(&self, connections: usize) {
        drop(self.wait(|s| s.closed.len() >= connections));
    }

    pub fn clients(&self) -> Vec<ClientInfo> {
        self.state.lock().unwrap().clients.clone()
    }

    /// Whom certificates were about, in the order in which it was said.
    pub fn identified(&self) -> Vec<String> {
        self.state.lock().unwrap().identified.clone()
    }

    /// How many connections each outbox serves.
    pub fn connections_per_worker(&self) -> Vec<usize> {
        let mut counts = HashMap::new();
        for outbox in self.state.lock().unwrap().outboxes.values() {
            *counts.entry(Arc::as_ptr(outbox).cast::<()>()).or_insert(0) += 1;
        }
        counts.into_values().collect()
    }

    fn wait(&self, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap();
        let (state, late) = self.changed.wait_timeout_while(state, PATIENCE, |s| !done(s)).unwrap();
        assert!(!late.timed_out(), "the front desk waited in vain");
        state
    }
}

impl FrontDesk for Desk {
    fn admit(&self, _: IpAddr, _: Monotonic) -> Duration {
        Duration::from_millis(self.hold_ms.load(Ordering::Relaxed))
    }

    fn open(&self, connection: ConnectionId, outbox: Arc<dyn Outbox>, client: ClientInfo) {
        let mut state = self.state.lock().unwrap();
        assert!(state.outboxes.insert(connection, outbox).is_none(), "{connection:?} opened twice");
        state.clients.push(client);
    }

    fn identify(&self, connection: ConnectionId, principal: Principal) {
        let mut state = self.state.lock().unwrap();
        assert!(state.outboxes.contains_key(&connection), "{connection:?} was never opened");
        state.identified.push(principal.to_string());
    }

    fn call(&self, connection: ConnectionId, token: u64, request: Request) {
        assert!(self.answering != Answering::Panicking, "this desk panics");
        let Request::AllocateProducer(asked) = request else { panic!("toys only ask for producers") };
        let reply = Reply::AllocateProducer(Ok(asked.present.unwrap()));
        let delivered = Delivered { connection, token, reply };
        match self.answering {
            Answering::AtOnce => self.deliver(vec![delivered]),
            _ => {
                self.state.lock().unwrap().waiting.push(delivered);
                self.changed.notify_all();
            }
        }
    }

    fn close(&self, connection: ConnectionId) {
        let mut state = self.state.lock().unwrap();
        assert!(state.outboxes.contains_key(&connection), "{connection:?} was never opened");
        assert!(state.closed.insert(connection), "{connection:?} closed twice");
        self.changed.notify_all();
    }
}
