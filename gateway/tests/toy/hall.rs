use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_env::metrics::MetricsText;
use forebay_gateway::{ByteBudget, Config, Gateway, Listener};

use super::{Client, Desk, Toy};

/// Longer than any story takes; who waits this long waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway with everything around it.
pub struct Hall {
    pub gateway: Gateway,
    pub toy: &'static Toy,
    pub desk: Arc<Desk>,
    pub budget: Arc<ByteBudget>,
    pub address: SocketAddr,
}

/// Two workers, and the defaults otherwise.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config { workers: 2, ..Config::default() };
    change(&mut config);
    config
}

impl Hall {
    pub fn open(config: Config, desk: Arc<Desk>) -> Hall {
        Hall::with_budget(config, desk, usize::MAX)
    }

    pub fn with_budget(config: Config, desk: Arc<Desk>, budget_bytes: usize) -> Hall {
        Hall::at((Ipv4Addr::LOCALHOST, 0).into(), config, desk, budget_bytes)
    }

    /// One that asks something of its clients.
    pub fn at(listener: Listener, config: Config, desk: Arc<Desk>, budget_bytes: usize) -> Hall {
        let toy: &'static Toy = Box::leak(Box::default());
        let budget = Arc::new(ByteBudget::new(budget_bytes));
        let gateway = Gateway::start(
            config,
            vec![(toy, vec![listener])],
            desk.clone(),
            forebay_env::real::env().clock,
            budget.clone(),
        )
        .unwrap();
        let address = gateway.listening()[0].address;
        Hall { gateway, toy, desk, budget, address }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// The value of a series, such as `wakeups_total` or `connections_closed_total{...}`.
    pub fn metric(&self, series: &str) -> u64 {
        let mut out = MetricsText::new(0);
        self.gateway.write_metrics(&mut out);
        let text = out.finish();
        let wanted = format!("forebay_gateway_{series} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    pub fn closed(&self, reason: &str) -> u64 {
        self.metric(&format!("connections_closed_total{{protocol=\"toy\",reason=\"{reason}\"}}"))
    }

    pub fn wait_closed(&self, reason: &str, count: u64) {
        wait(reason, || self.closed(reason) >= count);
        assert_eq!(self.closed(reason), count, "{reason}");
    }

    pub fn wait_open(&self, connections_max: usize) {
        wait("connections to end", || self.gateway.connections_open() <= connections_max);
    }

    pub fn wait_metric(&self, series: &str, at_least: u64) {
        wait(series, || self.metric(series) >= at_least);
    }
}

/// Waits until something observable has happened.
fn wait(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
