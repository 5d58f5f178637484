//! The console: its thread, from start to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::limits::Limits;
use crate::listen::{StartError, listen};
use crate::operator::Operator;
use crate::routes::Routes;
use crate::serve::serve;

/// How a console is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Series of one metric whose labels come from clients (topics, groups); the others are dropped and counted in
    /// `forebay_series_dropped`.
    pub series_max: usize,
    /// What clients may take.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config { series_max: 1_000, limits: Limits::default() }
    }
}

/// A console that serves until it is dropped.
pub struct Console {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Console {
    /// Opens every listener and begins to serve. On an error nothing runs and nothing listens.
    pub fn start(
        config: Config,
        listeners: Vec<SocketAddr>,
        operator: Arc<dyn Operator>,
    ) -> Result<Console, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(StartError::Thread)?;
        let entered = runtime.enter();
        let listeners: Vec<_> = listeners.into_iter().map(listen).collect::<Result<_, _>>()?;
        drop(entered);
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let (stop, stopped) = watch::channel(false);
        let routes = Arc::new(Routes::new(config, operator));
        let thread = std::thread::Builder::new()
            .name("fb-console".into())
            .spawn(move || run(runtime, listeners, routes, stopped))
            .map_err(StartError::Thread)?;
        Ok(Console { addresses, stop, thread: Some(thread) })
    }

    /// Where it listens, with the ports that the operating system chose when it was asked to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

fn run(
    runtime: Runtime,
    listeners: Vec<tokio::net::TcpListener>,
    routes: Arc<Routes>,
    stopped: watch::Receiver<bool>,
) {
    runtime.block_on(serve(listeners, routes, stopped));
}

impl Drop for Console {
    /// Ends the requests that are being answered, within a short grace, and stops.
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the console's thread panicked");
        }
    }
}
