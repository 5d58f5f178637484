//! Times as people write and read them, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, now.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

const DAY_SECONDS: i64 = 86_400;

/// Reads a time, as milliseconds since 1970: `2026-11-21T10:30:00Z` (or with an offset, or without seconds, or the date
/// alone: then UTC), `@1700000000000` (milliseconds), or `-15m` (so long ago).
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().map_err(|_| format!("{text:?} is not @ and milliseconds since 1970"));
    }
    if let Some(ago) = text.strip_prefix('-') {
        let ago = duration(ago)?.as_millis() as i64;
        return Ok(now_ms - ago);
    }
    calendar(text).ok_or_else(|| {
        format!("{text:?} is not a time such as 2026-11-21, 2026-11-21T10:30:00Z, @1700000000000 or -15m")
    })
}

/// Reads a duration: `500ms`, `30s`, `15m`, `12h`, `7d`.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<Duration, String> {
    use forebay_server::config::value::Value;
    Duration::parse(text).map_err(|why| format!("the duration {why}"))
}

/// A length of time in its two largest units: `2d 3h`, `4m 10s`, `350ms`.
pub fn span(ms: i64) -> String {
    const UNITS: [(&str, i64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let ms = ms.max(0);
    let Some(largest) = UNITS.iter().position(|(_, unit)| ms >= *unit) else { return format!("{ms}ms") };
    let (name, unit) = UNITS[largest];
    let mut out = format!("{}{name}", ms / unit);
    if let Some((next, smaller)) = UNITS.get(largest + 1).filter(|(_, smaller)| ms % unit >= *smaller) {
        out.push_str(&format!(" {}{next}", ms % unit / smaller));
    }
    out
}

fn calendar(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00Z"));
    let days = days(date)?;
    let (clock, offset_seconds) = split_offset(time)?;
    let ms = days * DAY_SECONDS * 1000 + clock_ms(clock)?;
    Some(ms - offset_seconds * 1000)
}

/// The clock, and how far east of UTC it is, in seconds. Without an offset it is UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset[1..].split_once(':')?;
    Some((clock, sign * (number(hours, 2, 0..24)? * 3600 + number(minutes, 2, 0..60)? * 60)))
}

fn clock_ms(clock: &str) -> Option<i64> {
    let (hour, rest) = clock.split_once(':')?;
    let (minute, second) = rest.split_once(':').unwrap_or((rest, "00"));
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let millis = number(&format!("{fraction:0<3}")[..3], 3, 0..1000)?;
    let seconds = number(hour, 2, 0..24)? * 3600 + number(minute, 2, 0..60)? * 60 + number(second, 2, 0..60)?;
    Some(seconds * 1000 + millis)
}

fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4, 1970..10_000)?;
    let month = number(parts.next()?, 2, 1..13)?;
    let day = number(parts.next()?, 2, 1..32)?;
    let days = days_to(year, month, day);
    // The thirty-first of a shorter month would be a day of the next.
    (parts.next().is_none() && date_of(days) == (year, month, day)).then_some(days)
}

fn number(text: &str, digits: usize, range: std::ops::Range<i64>) -> Option<i64> {
    let all_digits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| all_digits && range.contains(n))
}

/// Days from 1970 to a date. Years begin in March here, so that the odd day comes last.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - DAYS_TO_1970
}

/// Days from the first of March of the year 0 to 1970.
const DAYS_TO_1970: i64 = 719_468;

/// The date that many days after 1970 began.
fn date_of(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let in_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let now = 1_800_000_000_000;
        for (text, ms) in [
            ("1970-01-01", 0),
            ("2000-02-29T12:34:56.789Z", 951_827_696_789),
            ("2026-11-21T10:00:00Z", 1_795_255_200_000),
            ("2026-11-21T10:00+01:00", 1_795_251_600_000),
            ("2026-11-21 10:00:00-05:30", 1_795_275_000_000),
            ("2026-11-21T10:00:00.5", 1_795_255_200_500),
            ("@1700000000000", 1_700_000_000_000),
            ("-15m", now - 900_000),
        ] {
            assert_eq!(parse(text, now), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-11-21T25:00Z",
            "2026-11-21T10:00:00.Z",
            "@",
            "-15",
            "26-1-1",
            "2026-11-21T10",
            "2026-11-21T10:00+1",
        ] {
            assert!(parse(text, 0).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_day_for_400_years_is_itself_again() {
        for days in -150_000..150_000 {
            let (year, month, day) = date_of(days);
            assert_eq!(days_to(year, month, day), days);
        }
    }

    #[test]
    fn spans_are_written_for_people() {
        for (ms, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1s"),
            (250_000, "4m 10s"),
            (3_600_000, "1h"),
            (183_600_000, "2d 3h"),
            (-5, "0ms"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
