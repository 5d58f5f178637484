//! The meter of one connection: it knows whose the connection is, so that sessions and the gateway need not.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_model::quota::QuotaKind;

use super::Meters;

/// As whom a client is counted that did not say who it is.
const ANYBODY: &str = "ANONYMOUS";

/// Counts what one connection asks for.
#[derive(Debug, Default)]
pub struct ConnectionMeter {
    meters: Arc<Meters>,
    /// As whom its client was authenticated.
    user: OnceLock<Box<str>>,
}

impl ConnectionMeter {
    pub(crate) fn new(meters: &Arc<Meters>) -> ConnectionMeter {
        ConnectionMeter { meters: Arc::clone(meters), user: OnceLock::new() }
    }

    /// Says whose the connection is. The one place where a name comes in that was proved, by a login or by a certificate; what is
    /// said later changes nothing, for nobody becomes somebody else on the same connection.
    pub fn belongs_to(&self, user: &str) {
        let _ = self.user.set(user.into());
    }

    fn user(&self) -> &str {
        self.user.get().map_or(ANYBODY, |user| user)
    }

    /// Whether anybody has a quota.
    pub fn is_on(&self) -> bool {
        self.meters.is_on()
    }

    /// Whether anybody has a quota of work.
    pub fn is_timed(&self) -> bool {
        self.meters.is_timed()
    }

    /// Counts for what the client calls itself; says how long it is to be held back for it.
    pub fn count(&self, kind: QuotaKind, client: &str, amount: u64, now: Monotonic) -> Duration {
        self.meters.count(kind, self.user(), client, amount, now)
    }

    /// The most that one request may get without holding its client back for long; nothing for a client without a quota.
    pub fn burst(&self, kind: QuotaKind, client: &str) -> Option<u64> {
        self.meters.burst(kind, self.user(), client)
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::quota::{QuotaEntity, QuotaName, QuotaRates};

    use super::*;

    #[test]
    fn a_connection_is_anybodys_until_it_is_somebodys() {
        let meters = Arc::new(Meters::default());
        let rates = |bound| QuotaRates { publish_bytes: Some(bound), ..QuotaRates::default() };
        let of = |name: &str| QuotaEntity::Client { user: Some(QuotaName::Named(name.into())), client: None };
        meters.set(&Arc::new([(of("ANONYMOUS"), rates(3)), (of("ann"), rates(5))].into()));
        let connection = ConnectionMeter::new(&meters);
        let burst = || connection.burst(QuotaKind::PublishBytes, "c");
        assert_eq!(burst(), Some(30));
        connection.belongs_to("ann");
        assert_eq!(burst(), Some(50));
        connection.belongs_to("bob");
        assert_eq!(burst(), Some(50), "it stays hers");
    }
}
