//! Durations: `500ms`, `30s`, `7d`.

use std::time::Duration;

use super::table::Kind;
use super::value::{Value, kind};

/// Units in milliseconds, largest first; the first name of each is printed.
const UNITS: &[(&[&str], u64)] = &[
    (&["w"], 7 * 86_400_000),
    (&["d"], 86_400_000),
    (&["h"], 3_600_000),
    (&["ms"], 1),
    (&["m", "min"], 60_000),
    (&["s"], 1000),
];

impl Value for Duration {
    const KIND: Kind = kind("duration", "DURATION");

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("is {text:?}, which is not a duration such as 500ms, 30s, 5m, 12h or 7d");
        if text == "0" {
            return Ok(Duration::ZERO);
        }
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'_').count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let (_, factor) = UNITS.iter().find(|(names, _)| names.contains(&unit)).ok_or_else(wrong)?;
        let number = number.replace('_', "").parse::<u64>().map_err(|_| wrong())?;
        number.checked_mul(*factor).map(Duration::from_millis).ok_or_else(wrong)
    }

    fn text(&self) -> String {
        let ms = self.as_millis() as u64;
        if ms == 0 {
            return "0".into();
        }
        // Weeks are read and never printed: 7d says more than 1w.
        let unit = UNITS[1..]
            .iter()
            .filter(|(_, factor)| ms.is_multiple_of(*factor))
            .max_by_key(|(_, factor)| *factor);
        let (names, factor) = unit.expect("a millisecond divides everything");
        format!("{}{}", ms / factor, names[0])
    }

    fn measure(&self) -> Option<u128> {
        Some(self.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, ms) in [
            ("0", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("5min", 300_000),
            ("12 h", 43_200_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_or_with_a_strange_one_is_refused() {
        for text in ["", "30", "d", "-1s", "1.5h", "5 months", "99999999999999999999d", "213503982335d"] {
            assert!(Duration::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_duration_is_printed_in_the_largest_unit_that_divides_it() {
        for (ms, text) in [(0, "0"), (500, "500ms"), (90_000, "90s"), (300_000, "5m"), (604_800_000, "7d")] {
            assert_eq!(Duration::from_millis(ms).text(), text);
        }
    }
}
