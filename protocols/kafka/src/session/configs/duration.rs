//! Durations as Java writes and reads them: ISO 8601's days, hours, minutes and seconds, such as `P1DT2H` or `PT1.5S`.

/// Signs may stand before each number, and before all of them.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let text = text.to_ascii_uppercase();
    let (is_negative, text) = signed(&text);
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        // A T with nothing behind it is none.
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None if text.is_empty() => return None,
        None => (text, ""),
    };
    let mut nanos: i128 = 0;
    let rest = take(days, 'D', 86_400 * NANOS_PER_SECOND, &mut nanos)?;
    if !rest.is_empty() {
        return None;
    }
    let rest = take(time, 'H', 3_600 * NANOS_PER_SECOND, &mut nanos)?;
    let rest = take(rest, 'M', 60 * NANOS_PER_SECOND, &mut nanos)?;
    nanos += seconds(rest)?;
    let nanos = if is_negative { -nanos } else { nanos };
    // No record of the last millisecond is missed.
    u64::try_from(nanos.checked_add(NANOS_PER_MS - 1)?.div_euclid(NANOS_PER_MS)).ok().filter(|_| nanos >= 0)
}

/// So many milliseconds, in Java's words.
pub(super) fn text(ms: u64) -> String {
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let part = |number: u64, unit: &str| if number == 0 { String::new() } else { format!("{number}{unit}") };
    let last = match rest {
        0 if ms == 0 => "0S".to_owned(),
        0 => part(seconds, "S"),
        rest => format!("{seconds}.{}S", format!("{rest:03}").trim_end_matches('0')),
    };
    format!("PT{}{}{last}", part(hours, "H"), part(minutes, "M"))
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_MS: i128 = 1_000_000;

/// Adds the number before this unit, if it comes first; what is left behind it.
fn take<'a>(text: &'a str, unit: char, nanos_each: i128, nanos: &mut i128) -> Option<&'a str> {
    let Some((number, rest)) = text.split_once(unit) else { return Some(text) };
    *nanos += i128::from(whole(number)?) * nanos_each;
    Some(rest)
}

/// Seconds with up to nine digits behind a point or a comma.
fn seconds(text: &str) -> Option<i128> {
    if text.is_empty() {
        return Some(0);
    }
    let number = text.strip_suffix('S')?;
    let (number, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let (is_negative, _) = signed(number);
    Some(i128::from(whole(number)?) * NANOS_PER_SECOND + if is_negative { -fraction } else { fraction })
}

fn whole(text: &str) -> Option<i64> {
    // Only one sign.
    let (_, digits) = signed(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether a minus stands before it, and what stands behind the sign.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_reads_them() {
        let right = [
            ("PT0S", 0),
            ("PT1.5S", 1_500),
            ("PT1,5S", 1_500),
            ("PT0.0001S", 1),
            ("p2d", 2 * 86_400_000),
            ("P1DT2H3M4S", 93_784_000),
            ("+PT1H", 3_600_000),
            ("PT1H-2M", 3_480_000),
            ("-PT-1H", 3_600_000),
            ("P100000000000D", 8_640_000_000_000_000_000),
        ];
        for (text, ms) in right {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        let wrong = [
            "",
            "P",
            "PT",
            "P1",
            "P1DT",
            "1H",
            "P1Y",
            "P1H",
            "PT1D",
            "PT1M1H",
            "PT1H1H",
            "PT-1H",
            "-PT1H",
            "PT-0.5S",
            "PT-1H2M",
            "PT1.0000000001S",
            "PT.5S",
            "PT--1H",
            "PT1e3S",
            " PT1H",
            "PT1H ",
            "P9223372036854775808D",
            "P9223372036854775807D",
        ];
        for text in wrong {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_java_writes_them() {
        let written = [
            (0, "PT0S"),
            (1, "PT0.001S"),
            (1_500, "PT1.5S"),
            (60_000, "PT1M"),
            (93_784_000, "PT26H3M4S"),
            (172_800_000, "PT48H"),
        ];
        for (ms, expected) in written {
            assert_eq!(text(ms), expected);
            assert_eq!(milliseconds(expected), Some(ms));
        }
        assert_eq!(milliseconds(&text(u64::MAX)), Some(u64::MAX));
    }
}
