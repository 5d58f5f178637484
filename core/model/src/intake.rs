//! What a topic takes in: how far timestamps may lie from the clock, and how batches are compressed when they are stored.

use crate::SettingChange;

/// How batches are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As their producer compressed them.
    #[default]
    Producer,
    /// Not compressed.
    Uncompressed,
    /// By gzip.
    Gzip,
    /// By snappy.
    Snappy,
    /// By LZ4.
    Lz4,
    /// By zstd.
    Zstd,
}

/// How hard gzip tries: 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GzipLevel(u8);

impl GzipLevel {
    /// This level; `None` where there is no such one.
    pub fn of(level: i32) -> Option<GzipLevel> {
        u8::try_from(level).ok().filter(|level| (1..=9).contains(level)).map(GzipLevel)
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.0.into()
    }
}

/// How hard zstd tries: -131,072 to 22.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZstdLevel(i32);

impl ZstdLevel {
    /// What its authors call the default.
    pub const DEFAULT: ZstdLevel = ZstdLevel(3);

    /// This level; `None` where there is no such one.
    pub fn of(level: i32) -> Option<ZstdLevel> {
        (-131_072..=22).contains(&level).then_some(ZstdLevel(level))
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.0
    }
}

/// What was set on one topic about what it takes in; `None` means the default applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeSettings {
    /// See [`Intake::before_ms_max`].
    pub before_ms_max: Option<u64>,
    /// See [`Intake::after_ms_max`].
    pub after_ms_max: Option<u64>,
    /// See [`Intake::compression`].
    pub compression: Option<Compression>,
    /// See [`Intake::gzip_level`]; `Some(None)` is gzip's own default.
    pub gzip_level: Option<Option<GzipLevel>>,
    /// See [`Intake::zstd_level`].
    pub zstd_level: Option<ZstdLevel>,
}

/// What a topic takes in. The defaults are Apache Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intake {
    /// A record's own timestamp may lie so many milliseconds before the node's clock...
    pub before_ms_max: u64,
    /// ...or so many after it.
    pub after_ms_max: u64,
    /// How batches are stored.
    pub compression: Compression,
    /// How hard gzip tries where batches are stored by it; `None` for gzip's own default.
    pub gzip_level: Option<GzipLevel>,
    /// How hard zstd tries where batches are stored by it.
    pub zstd_level: ZstdLevel,
}

impl Intake {
    /// A time so long that nothing is too far away.
    pub const ANY_MS: u64 = i64::MAX as u64;
}

impl Default for Intake {
    fn default() -> Intake {
        Intake {
            before_ms_max: Intake::ANY_MS,
            after_ms_max: 3_600_000,
            compression: Compression::Producer,
            gzip_level: None,
            zstd_level: ZstdLevel::DEFAULT,
        }
    }
}

impl Intake {
    /// What applies to a topic where this is the default.
    #[must_use]
    pub fn with(self, set: &IntakeSettings) -> Intake {
        Intake {
            before_ms_max: set.before_ms_max.unwrap_or(self.before_ms_max),
            after_ms_max: set.after_ms_max.unwrap_or(self.after_ms_max),
            compression: set.compression.unwrap_or(self.compression),
            gzip_level: set.gzip_level.unwrap_or(self.gzip_level),
            zstd_level: set.zstd_level.unwrap_or(self.zstd_level),
        }
    }
}

/// What becomes of [`IntakeSettings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeChange {
    /// See [`Intake::before_ms_max`].
    pub before_ms_max: SettingChange<u64>,
    /// See [`Intake::after_ms_max`].
    pub after_ms_max: SettingChange<u64>,
    /// See [`Intake::compression`].
    pub compression: SettingChange<Compression>,
    /// See [`Intake::gzip_level`].
    pub gzip_level: SettingChange<Option<GzipLevel>>,
    /// See [`Intake::zstd_level`].
    pub zstd_level: SettingChange<ZstdLevel>,
}

impl IntakeChange {
    /// The defaults apply from now on, whatever was set.
    pub const CLEAR: IntakeChange = IntakeChange {
        before_ms_max: SettingChange::Clear,
        after_ms_max: SettingChange::Clear,
        compression: SettingChange::Clear,
        gzip_level: SettingChange::Clear,
        zstd_level: SettingChange::Clear,
    };

    /// The same without taking back what is not set: nobody has to know of a setting that nobody uses.
    #[must_use]
    pub fn without_idle(self, present: &IntakeSettings) -> IntakeChange {
        IntakeChange {
            before_ms_max: self.before_ms_max.unless_idle(present.before_ms_max),
            after_ms_max: self.after_ms_max.unless_idle(present.after_ms_max),
            compression: self.compression.unless_idle(present.compression),
            gzip_level: self.gzip_level.unless_idle(present.gzip_level),
            zstd_level: self.zstd_level.unless_idle(present.zstd_level),
        }
    }

    /// What is set when this was `present`.
    #[must_use]
    pub fn of(&self, present: &IntakeSettings) -> IntakeSettings {
        IntakeSettings {
            before_ms_max: self.before_ms_max.of(present.before_ms_max),
            after_ms_max: self.after_ms_max.of(present.after_ms_max),
            compression: self.compression.of(present.compression),
            gzip_level: self.gzip_level.of(present.gzip_level),
            zstd_level: self.zstd_level.of(present.zstd_level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_that_there_are() {
        assert_eq!(GzipLevel::of(9).map(GzipLevel::number), Some(9));
        assert_eq!([0, 10, -1].map(GzipLevel::of), [None; 3]);
        assert_eq!(ZstdLevel::of(-131_072).map(ZstdLevel::number), Some(-131_072));
        assert_eq!([23, -131_073].map(ZstdLevel::of), [None; 2]);
    }

    #[test]
    fn what_was_not_set_is_not_taken_back() {
        let present = IntakeSettings { after_ms_max: Some(5), ..IntakeSettings::default() };
        let change = IntakeChange::CLEAR.without_idle(&present);
        assert_eq!(change, IntakeChange { after_ms_max: SettingChange::Clear, ..IntakeChange::default() });
        assert_eq!(change.of(&present), IntakeSettings::default());
    }
}
