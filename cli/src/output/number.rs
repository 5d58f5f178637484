//! Numbers for people.

/// With commas between the thousands: `12,345`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a unit: `1.4 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A rate per second: `1,234/s`, `0.3/s`.
pub fn rate(per_second: f64) -> String {
    if per_second.abs() >= 10.0 || per_second == 0.0 {
        format!("{}/s", grouped(per_second.round() as i64))
    } else {
        format!("{per_second:.1}/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1000, "-1,000")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(bytes(1_500_000), "1.4 MiB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!((rate(1234.4), rate(0.25)), ("1,234/s".into(), "0.2/s".into()));
    }
}
