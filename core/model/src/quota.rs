//! Quotas: how much clients may ask of the broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Refusal, SettingChange};

/// Whom a part of a quota's entity means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaName {
    /// Each that has no quota of its own.
    Default,
    /// The one of this name.
    Named(Arc<str>),
}

/// Whom a quota is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaEntity {
    /// Who asks for something. A part that is absent tells nobody apart: all that the other one means share the quota.
    Client {
        /// As whom clients were authenticated.
        user: Option<QuotaName>,
        /// What clients call themselves.
        client: Option<QuotaName>,
    },
    /// The address that connections come from, as Rust writes it; of IPv4 dressed as IPv6, the former.
    Address(QuotaName),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaKind {
    /// Bytes of requests that publish.
    PublishBytes,
    /// Bytes of records that are handed out.
    ReadBytes,
    /// Nanoseconds that the thread of a connection works for it.
    WorkNanos,
    /// New connections. The only one for addresses, and for nobody else.
    Connections,
}

/// The quotas of one entity, per second; absent where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaRates {
    /// See [`QuotaKind::PublishBytes`].
    pub publish_bytes: Option<u64>,
    /// See [`QuotaKind::ReadBytes`].
    pub read_bytes: Option<u64>,
    /// See [`QuotaKind::WorkNanos`]; a thread that does nothing else works a billion of them per second.
    pub work_nanos: Option<u64>,
    /// See [`QuotaKind::Connections`].
    pub connections: Option<u64>,
}

/// All quotas; an entity without any is not among them.
pub type QuotaTable = BTreeMap<QuotaEntity, QuotaRates>;

/// What becomes of the quotas of one entity. Each by itself, so that two changes of different ones do not undo each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaChange {
    /// Whose.
    pub entity: QuotaEntity,
    /// See [`QuotaRates::publish_bytes`].
    pub publish_bytes: SettingChange<u64>,
    /// See [`QuotaRates::read_bytes`].
    pub read_bytes: SettingChange<u64>,
    /// See [`QuotaRates::work_nanos`].
    pub work_nanos: SettingChange<u64>,
    /// See [`QuotaRates::connections`].
    pub connections: SettingChange<u64>,
}

/// Changes quotas; each entity by itself.
#[derive(Clone, Debug)]
pub struct AlterQuotas {
    /// What changes.
    pub changes: Vec<QuotaChange>,
    /// Check only, change nothing.
    pub dry_run: bool,
}

/// Whether one change was made.
pub type AlteredQuota = Result<(), Refusal>;

impl QuotaRates {
    /// The quota of one kind.
    #[must_use]
    pub fn of(&self, kind: QuotaKind) -> Option<u64> {
        match kind {
            QuotaKind::PublishBytes => self.publish_bytes,
            QuotaKind::ReadBytes => self.read_bytes,
            QuotaKind::WorkNanos => self.work_nanos,
            QuotaKind::Connections => self.connections,
        }
    }
}

impl QuotaChange {
    /// A change of this entity that leaves everything as it is.
    #[must_use]
    pub fn of(entity: QuotaEntity) -> QuotaChange {
        let keep = SettingChange::Keep;
        QuotaChange { entity, publish_bytes: keep, read_bytes: keep, work_nanos: keep, connections: keep }
    }
}
