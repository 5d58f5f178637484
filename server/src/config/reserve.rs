//! Shares of a disk.

use std::fmt;

use super::size::ByteSize;
use super::table::Kind;
use super::value::{Value, kind};

/// A whole number of hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u16);

impl Percent {
    /// That share of `whole`, rounded down.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        let share = u128::from(whole) * u128::from(self.0) / 100;
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Value for Percent {
    const KIND: Kind = kind("share", "PERCENT");

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let number = number.and_then(|n| n.parse().ok());
        number.map(Percent).ok_or_else(|| format!("is {text:?}, which is not a share such as 200%"))
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(self.0))
    }
}

/// Free space to leave on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// So many bytes.
    Bytes(ByteSize),
    /// A share of the whole disk.
    Share(Percent),
    /// The lesser of both.
    Lesser(Percent, ByteSize),
}

impl Reserve {
    /// The reserve in bytes on a disk of `disk_bytes`.
    #[must_use]
    pub fn on(self, disk_bytes: u64) -> ByteSize {
        match self {
            Reserve::Bytes(size) => size,
            Reserve::Share(share) => ByteSize(share.of(disk_bytes)),
            Reserve::Lesser(share, size) => size.min(ByteSize(share.of(disk_bytes))),
        }
    }
}

/// Half a disk is no reserve any more, but a mistake.
const SHARE_MAX: Percent = Percent(50);

impl Value for Reserve {
    const KIND: Kind = kind("reserve", "SIZE|PERCENT|min(PERCENT, SIZE)");

    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("is {text:?}, which is not like 10GiB, 5% (at most {SHARE_MAX}) or min(5%, 10GiB)");
        let share = |text: &str| {
            Percent::parse(text.trim()).ok().filter(|share| *share <= SHARE_MAX).ok_or_else(wrong)
        };
        let size = |text: &str| ByteSize::parse(text.trim()).map_err(|_| wrong());
        if let Some(both) = text.strip_prefix("min(").and_then(|rest| rest.strip_suffix(')')) {
            let (first, second) = both.split_once(',').ok_or_else(wrong)?;
            return Ok(Reserve::Lesser(share(first)?, size(second)?));
        }
        if text.ends_with('%') { share(text).map(Reserve::Share) } else { size(text).map(Reserve::Bytes) }
    }

    fn text(&self) -> String {
        match self {
            Reserve::Bytes(size) => size.to_string(),
            Reserve::Share(share) => share.to_string(),
            Reserve::Lesser(share, size) => format!("min({share}, {size})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::size::GIB;

    #[test]
    fn a_reserve_is_a_size_or_a_share_or_the_lesser() {
        for (text, on_a_terabyte, on_ten_gigabytes) in [
            ("20GiB", 20 * GIB, 20 * GIB),
            ("5%", 1024 * GIB / 20, 10 * GIB / 20),
            ("min(5%, 10GiB)", 10 * GIB, 10 * GIB / 20),
        ] {
            let reserve = Reserve::parse(text).unwrap();
            assert_eq!(reserve.text(), text);
            assert_eq!(reserve.on(1024 * GIB), ByteSize(on_a_terabyte), "{text}");
            assert_eq!(reserve.on(10 * GIB), ByteSize(on_ten_gigabytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_reserve_is_refused() {
        for text in ["", "%", "-5%", "60%", "min(5%)", "min(10GiB, 5%)", "5 percent"] {
            assert!(Reserve::parse(text).is_err(), "{text:?}");
        }
    }
}
