//! What is set on a subscription, and what follows from it.

use super::StartAt;
use crate::fetch::Isolation;
use crate::{Attempts, SettingChange};

/// What applies to the deliveries of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryRules {
    /// How long a consumer has a record before somebody else may get it, in milliseconds.
    pub lease_ms: u32,
    /// A record that was handed out so often and not accepted is given up.
    pub attempts_max: Attempts,
    /// How many records of a partition may lie between the oldest that is not settled and the newest that was handed out.
    pub span_max: u32,
    /// Where a partition is begun that was never read.
    pub begin: StartAt,
    /// Which records are visible.
    pub isolation: Isolation,
}

/// What was set on one subscription; `None` means that the default applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionSettings {
    /// How often a member says that it lives, in milliseconds.
    pub heartbeat_interval_ms: Option<u32>,
    /// A member is out after this many milliseconds of silence.
    pub session_timeout_ms: Option<u32>,
    /// See [`DeliveryRules::lease_ms`].
    pub lease_ms: Option<u32>,
    /// See [`DeliveryRules::attempts_max`].
    pub attempts_max: Option<Attempts>,
    /// See [`DeliveryRules::span_max`].
    pub span_max: Option<u32>,
    /// See [`DeliveryRules::begin`]; never an offset.
    pub begin: Option<StartAt>,
    /// See [`DeliveryRules::isolation`].
    pub isolation: Option<Isolation>,
    /// Whether consumers may renew leases.
    pub renews: Option<bool>,
    /// What was set on the group of that name whose partitions the broker assigns.
    pub attendance: AttendanceSettings,
}

/// What was set on one group whose partitions the broker assigns; `None` means that the default applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttendanceSettings {
    /// How often a member says that it lives, in milliseconds.
    pub heartbeat_interval_ms: Option<u32>,
    /// A member is out after this many milliseconds of silence.
    pub session_timeout_ms: Option<u32>,
}

impl SubscriptionSettings {
    /// What applies to deliveries.
    #[must_use]
    pub fn rules(&self) -> DeliveryRules {
        DeliveryRules {
            lease_ms: self.lease_ms.unwrap_or(30_000),
            attempts_max: self.attempts_max.unwrap_or(Attempts(5)),
            span_max: self.span_max.unwrap_or(2_000),
            begin: self.begin.unwrap_or(StartAt::Latest),
            isolation: self.isolation.unwrap_or(Isolation::Uncommitted),
        }
    }

    /// Whether consumers may renew leases.
    #[must_use]
    pub fn renews(&self) -> bool {
        self.renews.unwrap_or(true)
    }

    /// How often a member says that it lives, in milliseconds.
    #[must_use]
    pub fn heartbeat_interval_ms(&self) -> u32 {
        self.heartbeat_interval_ms.unwrap_or(5_000)
    }

    /// A member is out after this many milliseconds of silence.
    #[must_use]
    pub fn session_timeout_ms(&self) -> u32 {
        self.session_timeout_ms.unwrap_or(45_000)
    }
}

impl AttendanceSettings {
    /// How often a member says that it lives, in milliseconds.
    #[must_use]
    pub fn heartbeat_interval_ms(&self) -> u32 {
        self.heartbeat_interval_ms.unwrap_or(5_000)
    }

    /// A member is out after this many milliseconds of silence.
    #[must_use]
    pub fn session_timeout_ms(&self) -> u32 {
        self.session_timeout_ms.unwrap_or(45_000)
    }
}

/// What becomes of the settings of a subscription: see [`SubscriptionSettings`]. Each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// See [`SubscriptionSettings::heartbeat_interval_ms`].
    pub heartbeat_interval_ms: SettingChange<u32>,
    /// See [`SubscriptionSettings::session_timeout_ms`].
    pub session_timeout_ms: SettingChange<u32>,
    /// See [`SubscriptionSettings::lease_ms`].
    pub lease_ms: SettingChange<u32>,
    /// See [`SubscriptionSettings::attempts_max`].
    pub attempts_max: SettingChange<Attempts>,
    /// See [`SubscriptionSettings::span_max`].
    pub span_max: SettingChange<u32>,
    /// See [`SubscriptionSettings::begin`].
    pub begin: SettingChange<StartAt>,
    /// See [`SubscriptionSettings::isolation`].
    pub isolation: SettingChange<Isolation>,
    /// See [`SubscriptionSettings::renews`].
    pub renews: SettingChange<bool>,
    /// See [`SubscriptionSettings::attendance`].
    pub attendance: AttendanceChange,
}

/// What becomes of [`AttendanceSettings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttendanceChange {
    /// See [`AttendanceSettings::heartbeat_interval_ms`].
    pub heartbeat_interval_ms: SettingChange<u32>,
    /// See [`AttendanceSettings::session_timeout_ms`].
    pub session_timeout_ms: SettingChange<u32>,
}

impl AttendanceChange {
    fn of(&self, before: &AttendanceSettings) -> AttendanceSettings {
        AttendanceSettings {
            heartbeat_interval_ms: self.heartbeat_interval_ms.of(before.heartbeat_interval_ms),
            session_timeout_ms: self.session_timeout_ms.of(before.session_timeout_ms),
        }
    }
}

impl SubscriptionChange {
    /// The defaults apply from now on, whatever was set.
    pub const CLEAR: SubscriptionChange = SubscriptionChange {
        heartbeat_interval_ms: SettingChange::Clear,
        session_timeout_ms: SettingChange::Clear,
        lease_ms: SettingChange::Clear,
        attempts_max: SettingChange::Clear,
        span_max: SettingChange::Clear,
        begin: SettingChange::Clear,
        isolation: SettingChange::Clear,
        renews: SettingChange::Clear,
        attendance: AttendanceChange {
            heartbeat_interval_ms: SettingChange::Clear,
            session_timeout_ms: SettingChange::Clear,
        },
    };

    /// What the settings are behind it.
    #[must_use]
    pub fn of(&self, before: &SubscriptionSettings) -> SubscriptionSettings {
        SubscriptionSettings {
            heartbeat_interval_ms: self.heartbeat_interval_ms.of(before.heartbeat_interval_ms),
            session_timeout_ms: self.session_timeout_ms.of(before.session_timeout_ms),
            lease_ms: self.lease_ms.of(before.lease_ms),
            attempts_max: self.attempts_max.of(before.attempts_max),
            span_max: self.span_max.of(before.span_max),
            begin: self.begin.of(before.begin),
            isolation: self.isolation.of(before.isolation),
            renews: self.renews.of(before.renews),
            attendance: self.attendance.of(&before.attendance),
        }
    }
}
