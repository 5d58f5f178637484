//! A gateway: from its listeners to its end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use forebay_broker::FrontDesk;
use forebay_env::Clock;
use forebay_env::metrics::MetricsText;
use forebay_kit::Protocol;

use crate::budget::Budget;
use crate::limits::Config;
use crate::listen::{Listener, StartError, listen};
use crate::mailbox::Order;
use crate::metrics::Metrics;
use crate::shared::{Shared, Spoken};
use crate::worker::{Door, Inbox, Worker, runtime};

/// Listeners, threads and connections. Dropping it cuts what is still connected.
pub struct Gateway {
    shared: Arc<Shared>,
    inboxes: Vec<Arc<Inbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    listening: Vec<Listening>,
}

/// One listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// What is spoken there.
    pub protocol: &'static str,
    /// Where, with the port that the operating system chose when it was asked to.
    pub address: SocketAddr,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that ended by themselves.
    pub finished: usize,
    /// Connections that still had something open and were cut.
    pub cut: usize,
}

impl Gateway {
    /// Opens every listener and begins to serve. On an error nothing runs and nothing listens.
    pub fn start(
        config: Config,
        protocols: Vec<(&'static dyn Protocol, Vec<Listener>)>,
        desk: Arc<dyn FrontDesk>,
        clock: Arc<dyn Clock>,
        budget: Arc<dyn Budget>,
    ) -> Result<Gateway, StartError> {
        config.check().map_err(StartError::Config)?;
        let metrics = Metrics::new(protocols.iter().map(|(protocol, _)| protocol.name()));
        let shared = Arc::new(Shared::new(config.limits, desk, clock, budget, metrics));
        let runtimes: Result<Vec<_>, _> = (0..config.workers).map(|_| runtime()).collect();
        let runtimes = runtimes.map_err(StartError::Thread)?;
        // The first worker accepts, so its runtime has to own the listeners.
        let entered = runtimes.first().expect("checked: at least one worker").enter();
        let (doors, listening) = open_doors(&protocols)?;
        drop(entered);
        let mut gateway = Gateway {
            inboxes: runtimes.iter().map(|_| Inbox::new(Arc::clone(&shared))).collect(),
            shared,
            threads: Mutex::default(),
            listening,
        };
        gateway.start_workers(runtimes, doors)?;
        Ok(gateway)
    }

    fn start_workers(
        &mut self,
        runtimes: Vec<tokio::runtime::Runtime>,
        mut doors: Vec<Door>,
    ) -> Result<(), StartError> {
        for (i, (runtime, inbox)) in runtimes.into_iter().zip(&self.inboxes).enumerate() {
            let worker = Worker {
                runtime,
                shared: Arc::clone(&self.shared),
                inbox: Arc::clone(inbox),
                doors: std::mem::take(&mut doors),
                colleagues: self.inboxes.clone(),
            };
            // On an error, dropping the gateway stops the workers that run already.
            let thread = std::thread::Builder::new()
                .name(format!("fb-gateway-{i}"))
                .spawn(move || worker.run())
                .map_err(StartError::Thread)?;
            self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(())
    }

    /// Where it listens.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// Connections now.
    pub fn connections_open(&self) -> usize {
        self.shared.admission.open()
    }

    /// Bytes that sessions remember between requests.
    pub fn session_bytes(&self) -> usize {
        self.shared.sessions.used()
    }

    /// Writes what it counts.
    pub fn write_metrics(&self, out: &mut MetricsText) {
        self.shared.metrics.write(out);
    }

    /// Stops accepting, lets every session finish what is open, and cuts those that have not after `within`.
    /// Blocks until the last connection is gone; after that the gateway only counts. May be called again.
    pub fn drain(&self, within: Duration) -> Drained {
        let open = self.shared.admission.open();
        self.give_order(Order::Drain);
        let cut = self.shared.admission.wait_until_empty(within);
        self.stop();
        Drained { finished: open.saturating_sub(cut), cut }
    }

    fn stop(&self) {
        self.give_order(Order::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a gateway thread panicked; its connections ended with it");
            }
        }
    }

    fn give_order(&self, order: Order) {
        self.inboxes.iter().for_each(|inbox| inbox.give_order(order));
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open_doors(
    protocols: &[(&'static dyn Protocol, Vec<Listener>)],
) -> Result<(Vec<Door>, Vec<Listening>), StartError> {
    let mut doors = Vec::new();
    let mut listening = Vec::new();
    for (index, (protocol, listeners)) in protocols.iter().enumerate() {
        for at in listeners {
            let asked = at.address;
            let listener = listen(protocol.name(), asked)?;
            let address = listener.local_addr().map_err(|source| StartError::Listen {
                protocol: protocol.name(),
                address: asked,
                source,
            })?;
            doors.push(Door { listener, spoken: Spoken { protocol: *protocol, index }, at: at.clone() });
            listening.push(Listening { protocol: protocol.name(), address });
        }
    }
    Ok((doors, listening))
}
