//! Who may connect: a limit on all connections and one per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `connections_max` is reached.
    Total,
    /// `connections_per_peer_max` is reached.
    PerPeer,
    /// Too many connections came from its address lately: a quota.
    Quota,
    /// The gateway is stopping.
    Draining,
}

impl Refused {
    pub(crate) const ALL: [Refused; 4] =
        [Refused::Total, Refused::PerPeer, Refused::Quota, Refused::Draining];

    /// Its name in metrics and logs: the limit's name, where it is one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Refused::Total => "connections_max",
            Refused::PerPeer => "connections_per_peer_max",
            Refused::Quota => "quota",
            Refused::Draining => "draining",
        }
    }
}

/// Counts the connections of a gateway.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    per_peer_max: usize,
    state: Mutex<State>,
    emptied: Condvar,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// Only addresses with a connection, so it is no longer than the connections are many.
    per_peer: HashMap<IpAddr, usize>,
}

/// The right to be connected; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    peer: IpAddr,
}

impl Admission {
    pub(crate) fn new(connections_max: usize, per_peer_max: usize) -> Arc<Admission> {
        Arc::new(Admission {
            connections_max,
            per_peer_max,
            state: Mutex::default(),
            emptied: Condvar::new(),
            freed: Notify::new(),
        })
    }

    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Refused> {
        // One client must not count twice by coming over IPv4 and over IPv4 dressed as IPv6.
        let peer = peer.to_canonical();
        let mut state = self.lock();
        if state.open >= self.connections_max {
            return Err(Refused::Total);
        }
        let of_peer = state.per_peer.entry(peer).or_insert(0);
        if *of_peer >= self.per_peer_max {
            return Err(Refused::PerPeer);
        }
        *of_peer += 1;
        state.open += 1;
        Ok(Permit { admission: Arc::clone(self), peer })
    }

    /// Resolves when a connection ends after this call was first polled.
    pub(crate) async fn one_ended(&self) {
        self.freed.notified().await;
    }

    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    /// Blocks until no connection is left or the time is over; returns how many are left.
    pub(crate) fn wait_until_empty(&self, within: Duration) -> usize {
        let started = Instant::now();
        let mut state = self.lock();
        while state.open > 0 {
            let left = within.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        state.open -= 1;
        if let Some(of_peer) = state.per_peer.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                state.per_peer.remove(&self.peer);
            }
        }
        if state.open == 0 {
            self.admission.emptied.notify_all();
        }
        drop(state);
        self.admission.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_no_more() {
        let admission = Admission::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let a_as_v6 = std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into();
        let first = admission.admit(a).unwrap();
        let _second = admission.admit(a_as_v6).unwrap();
        assert_eq!(admission.admit(a).unwrap_err(), Refused::PerPeer);
        let _third = admission.admit(b).unwrap();
        assert_eq!(admission.admit(b).unwrap_err(), Refused::Total);
        drop(first);
        let _again = admission.admit(a).unwrap();
    }

    #[test]
    fn waiting_ends_when_the_last_one_leaves() {
        let admission = Admission::new(3, 3);
        let permit = admission.admit([127, 0, 0, 1].into()).unwrap();
        assert_eq!(admission.wait_until_empty(Duration::ZERO), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(admission.wait_until_empty(Duration::from_secs(60)), 0));
            drop(permit);
        });
        assert!(admission.lock().per_peer.is_empty());
    }
}
