//! How the records of a topic go: old ones in time, or those that a newer one of the same ordering key replaced.

use std::fmt;
use std::str::FromStr;

use crate::SettingChange;

/// How records go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// By retention.
    #[default]
    Delete,
    /// Of each ordering key, all but the last one: compaction.
    Compact,
    /// Both ways.
    CompactAndDelete,
    /// Neither: every record stays until somebody deletes it by hand.
    Never,
}

impl CleanupPolicy {
    /// The policy that does these.
    pub fn of(deletes: bool, compacts: bool) -> CleanupPolicy {
        match (deletes, compacts) {
            (true, false) => CleanupPolicy::Delete,
            (false, true) => CleanupPolicy::Compact,
            (true, true) => CleanupPolicy::CompactAndDelete,
            (false, false) => CleanupPolicy::Never,
        }
    }

    /// Whether retention drops records.
    pub fn deletes(self) -> bool {
        matches!(self, CleanupPolicy::Delete | CleanupPolicy::CompactAndDelete)
    }

    /// Whether compaction does.
    pub fn compacts(self) -> bool {
        matches!(self, CleanupPolicy::Compact | CleanupPolicy::CompactAndDelete)
    }
}

/// A share of a whole, in millionths: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

impl Ratio {
    /// The whole.
    pub const ONE: Ratio = Ratio(1_000_000);
    /// A half.
    pub const HALF: Ratio = Ratio(500_000);

    /// So many millionths; `None` above the whole.
    pub fn from_millionths(millionths: u32) -> Option<Ratio> {
        (millionths <= Ratio::ONE.0).then_some(Ratio(millionths))
    }

    /// So many hundredths; `None` above the whole.
    pub fn from_percent(percent: u16) -> Option<Ratio> {
        Ratio::from_millionths(u32::from(percent) * 10_000)
    }

    /// In millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// Whether `part` is at least this share of `whole`.
    pub fn is_reached(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Ratio::ONE.0) >= u128::from(whole) * u128::from(self.0)
    }
}

/// It as a decimal number, such as `0.5`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Ratio::ONE.0, self.0 % Ratio::ONE.0);
        let digits = format!("{rest:06}");
        let digits = digits.trim_end_matches('0');
        write!(f, "{whole}.{}", if digits.is_empty() { "0" } else { digits })
    }
}

/// A text that is no number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARatio;

/// From a decimal number, rounded to millionths.
impl FromStr for Ratio {
    type Err = NotARatio;

    fn from_str(text: &str) -> Result<Ratio, NotARatio> {
        let number: f64 = text.parse().map_err(|_| NotARatio)?;
        if !(0.0..=1.0).contains(&number) {
            return Err(NotARatio);
        }
        // Between 0 and a million: it fits.
        Ok(Ratio((number * f64::from(Ratio::ONE.0)).round() as u32))
    }
}

/// What was set on one topic about how its records go; `None` means the default applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupSettings {
    /// See [`Cleanup::policy`].
    pub policy: Option<CleanupPolicy>,
    /// See [`Cleanup::tombstone_ms`].
    pub tombstone_ms: Option<u64>,
    /// See [`Cleanup::lag_ms_min`].
    pub lag_ms_min: Option<u64>,
    /// See [`Cleanup::lag_ms_max`].
    pub lag_ms_max: Option<u64>,
    /// See [`Cleanup::dirty_ratio_min`].
    pub dirty_ratio_min: Option<Ratio>,
    /// See [`Cleanup::fresh_bytes`].
    pub fresh_bytes: Option<u64>,
    /// See [`Cleanup::fresh_ms`].
    pub fresh_ms: Option<u64>,
}

/// How the records of a topic go. The defaults are Apache Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// Which ways. Where nothing is set it is [`CleanupPolicy::Delete`], always: changes of it are merged without knowing of
    /// nodes' defaults.
    pub policy: CleanupPolicy,
    /// A tombstone that has nothing left to hide stays for at least so many milliseconds of log time.
    pub tombstone_ms: u64,
    /// A record is not compacted before it is so many milliseconds old.
    pub lag_ms_min: u64,
    /// A record that may go is not kept much longer than until it is so many milliseconds old.
    pub lag_ms_max: u64,
    /// Space is given back when this share of a segment is dead, or in time when this share of a partition is.
    pub dirty_ratio_min: Ratio,
    /// The newest records of a partition are fresh, and not compacted: as far back as they take at most so many bytes...
    pub fresh_bytes: u64,
    /// ...and are younger than so many milliseconds. After [`Cleanup::lag_ms_max`] no record is fresh.
    pub fresh_ms: u64,
}

impl Default for Cleanup {
    fn default() -> Cleanup {
        Cleanup {
            policy: CleanupPolicy::Delete,
            tombstone_ms: 24 * 3_600_000,
            lag_ms_min: 0,
            lag_ms_max: i64::MAX as u64,
            dirty_ratio_min: Ratio::HALF,
            fresh_bytes: 1 << 30,
            fresh_ms: 7 * 24 * 3_600_000,
        }
    }
}

impl Cleanup {
    /// What applies to a topic where this is the default.
    #[must_use]
    pub fn with(self, set: &CleanupSettings) -> Cleanup {
        Cleanup {
            policy: set.policy.unwrap_or_default(),
            tombstone_ms: set.tombstone_ms.unwrap_or(self.tombstone_ms),
            lag_ms_min: set.lag_ms_min.unwrap_or(self.lag_ms_min),
            lag_ms_max: set.lag_ms_max.unwrap_or(self.lag_ms_max),
            dirty_ratio_min: set.dirty_ratio_min.unwrap_or(self.dirty_ratio_min),
            fresh_bytes: set.fresh_bytes.unwrap_or(self.fresh_bytes),
            fresh_ms: set.fresh_ms.unwrap_or(self.fresh_ms),
        }
    }
}

/// What becomes of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// The default applies from now on.
    Clear,
    /// This applies from now on.
    Set(CleanupPolicy),
    /// It does this too from now on.
    Add(CleanupPolicy),
    /// It does this no more.
    Remove(CleanupPolicy),
}

impl PolicyChange {
    /// What is set when it was `present`.
    pub fn of(self, present: Option<CleanupPolicy>) -> Option<CleanupPolicy> {
        let before = present.unwrap_or_default();
        let some = |deletes, compacts| Some(CleanupPolicy::of(deletes, compacts));
        match self {
            PolicyChange::Keep => present,
            PolicyChange::Clear => None,
            PolicyChange::Set(policy) => Some(policy),
            PolicyChange::Add(more) => {
                some(before.deletes() || more.deletes(), before.compacts() || more.compacts())
            }
            PolicyChange::Remove(gone) => {
                some(before.deletes() && !gone.deletes(), before.compacts() && !gone.compacts())
            }
        }
    }
}

/// What becomes of [`CleanupSettings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupChange {
    /// See [`Cleanup::policy`].
    pub policy: PolicyChange,
    /// See [`Cleanup::tombstone_ms`].
    pub tombstone_ms: SettingChange<u64>,
    /// See [`Cleanup::lag_ms_min`].
    pub lag_ms_min: SettingChange<u64>,
    /// See [`Cleanup::lag_ms_max`].
    pub lag_ms_max: SettingChange<u64>,
    /// See [`Cleanup::dirty_ratio_min`].
    pub dirty_ratio_min: SettingChange<Ratio>,
    /// See [`Cleanup::fresh_bytes`].
    pub fresh_bytes: SettingChange<u64>,
    /// See [`Cleanup::fresh_ms`].
    pub fresh_ms: SettingChange<u64>,
}

impl CleanupChange {
    /// The defaults apply from now on, whatever was set.
    pub const CLEAR: CleanupChange = CleanupChange {
        policy: PolicyChange::Clear,
        tombstone_ms: SettingChange::Clear,
        lag_ms_min: SettingChange::Clear,
        lag_ms_max: SettingChange::Clear,
        dirty_ratio_min: SettingChange::Clear,
        fresh_bytes: SettingChange::Clear,
        fresh_ms: SettingChange::Clear,
    };

    /// The same without taking back what is not set: nobody has to know of a setting that nobody uses.
    #[must_use]
    pub fn without_idle(self, present: &CleanupSettings) -> CleanupChange {
        CleanupChange {
            policy: match self.policy {
                PolicyChange::Clear if present.policy.is_none() => PolicyChange::Keep,
                policy => policy,
            },
            tombstone_ms: self.tombstone_ms.unless_idle(present.tombstone_ms),
            lag_ms_min: self.lag_ms_min.unless_idle(present.lag_ms_min),
            lag_ms_max: self.lag_ms_max.unless_idle(present.lag_ms_max),
            dirty_ratio_min: self.dirty_ratio_min.unless_idle(present.dirty_ratio_min),
            fresh_bytes: self.fresh_bytes.unless_idle(present.fresh_bytes),
            fresh_ms: self.fresh_ms.unless_idle(present.fresh_ms),
        }
    }

    /// What is set when this was `present`.
    #[must_use]
    pub fn of(&self, present: &CleanupSettings) -> CleanupSettings {
        CleanupSettings {
            policy: self.policy.of(present.policy),
            tombstone_ms: self.tombstone_ms.of(present.tombstone_ms),
            lag_ms_min: self.lag_ms_min.of(present.lag_ms_min),
            lag_ms_max: self.lag_ms_max.of(present.lag_ms_max),
            dirty_ratio_min: self.dirty_ratio_min.of(present.dirty_ratio_min),
            fresh_bytes: self.fresh_bytes.of(present.fresh_bytes),
            fresh_ms: self.fresh_ms.of(present.fresh_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_read_and_shown_as_decimal_numbers() {
        let shown = |text: &str| text.parse::<Ratio>().map(|ratio| ratio.to_string());
        for (text, expected) in
            [("0.5", "0.5"), ("0", "0.0"), ("1", "1.0"), ("1.0", "1.0"), (".01", "0.01"), ("5e-1", "0.5")]
        {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(shown("0.1234567").as_deref(), Ok("0.123457"));
        for text in ["", "-0.1", "1.000001", "NaN", "inf", "half"] {
            assert_eq!(shown(text), Err(NotARatio), "{text}");
        }
        assert!(Ratio::HALF.is_reached(1, 2) && !Ratio::HALF.is_reached(1, 3));
        assert!(Ratio::default().is_reached(0, u64::MAX) && Ratio::ONE.is_reached(u64::MAX, u64::MAX));
    }

    #[test]
    fn policies_are_added_and_taken_away() {
        use CleanupPolicy::{Compact, CompactAndDelete, Delete, Never};
        assert_eq!(PolicyChange::Add(Compact).of(None), Some(CompactAndDelete));
        assert_eq!(PolicyChange::Remove(Delete).of(Some(CompactAndDelete)), Some(Compact));
        assert_eq!(PolicyChange::Remove(Compact).of(Some(Delete)), Some(Delete));
        assert_eq!(PolicyChange::Remove(Delete).of(None), Some(Never));
        assert_eq!(PolicyChange::Add(Compact).of(Some(Never)), Some(Compact));
        assert_eq!(PolicyChange::Add(Never).of(Some(Compact)), Some(Compact));
        assert_eq!(PolicyChange::Clear.of(Some(Compact)), None);
        assert!(!Never.deletes() && !Never.compacts());
    }
}
