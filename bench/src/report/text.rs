//! Numbers and names as people read them.

/// Three significant digits, thousands parted by commas.
pub fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    // Rounded first, so that 99.96 is written like 100 and not like 99.9.
    let digits = size.log10().floor() as i32;
    let scale = 10f64.powi(digits - 2);
    let rounded = (value / scale).round() * scale;
    let decimals = (2 - rounded.abs().log10().floor() as i32).clamp(0, 6) as usize;
    if decimals > 0 { format!("{rounded:.decimals$}") } else { thousands(rounded.round()) }
}

fn thousands(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if whole < 0.0 { format!("-{text}") } else { text }
}

/// A duration given in microseconds, in the unit that suits it.
pub fn duration_us(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{} us", figure(us)),
        us if us < 1e6 => format!("{} ms", figure(us / 1e3)),
        us => format!("{} s", figure(us / 1e6)),
    }
}

/// A factor, such as `0.43x`.
pub fn factor(value: f64) -> String {
    if value >= 9.995 { format!("{}x", figure(value)) } else { format!("{value:.2}x") }
}

/// A signed change in percent of a fraction, such as `+12.3 %`.
pub fn percent(fraction: f64) -> String {
    format!("{:+.1} %", fraction * 100.0)
}

/// Text that may stand in a cell of a Markdown table.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Text that may stand in XML, in attributes too.
pub fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A name that may be part of a file's: small letters, digits and single hyphens.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// How a peer writes its own name.
pub fn peer_name(peer: &str) -> &str {
    match peer {
        "forebay" => "Forebay",
        "kafka" => "Kafka",
        "nats" => "NATS JetStream",
        "rabbitmq" => "RabbitMQ",
        "rocketmq" => "RocketMQ",
        "artemis" => "Artemis",
        "commitlog" => "Forebay's log",
        other => other,
    }
}

/// A key by which `16 connections` comes before `200 connections`, `500/s` before `5,000/s` and `64 KiB` before `1 MiB`.
pub fn natural(text: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let words_end = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (words, behind) = rest.split_at(words_end);
        let (number, behind) = number(behind);
        let unit = match behind.trim_start() {
            unit if unit.starts_with("KiB") => 1 << 10,
            unit if unit.starts_with("MiB") => 1 << 20,
            _ => 1,
        };
        key.push((words.to_owned(), number.saturating_mul(unit)));
        rest = behind;
    }
    key
}

/// The number at the start of `text`, whose thousands commas may part; one that is too long is as large as can be.
fn number(text: &str) -> (u64, &str) {
    let mut digits = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        digits.push_str(&rest[..end]);
        rest = &rest[end..];
        match rest.strip_prefix(',') {
            Some(behind) if behind.starts_with(|letter: char| letter.is_ascii_digit()) => rest = behind,
            _ => return (digits.parse().unwrap_or(u64::MAX), rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_three_digits_and_part_thousands() {
        let cases = [
            (36_123.0, "36,100"),
            (1_252_000.0, "1,250,000"),
            (999.6, "1,000"),
            (128.4, "128"),
            (26.04, "26.0"),
            (99.96, "100"),
            (5.6, "5.60"),
            (0.4234, "0.423"),
            (0.0, "0"),
            (-1234.0, "-1,230"),
            (f64::NAN, "?"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn durations_come_in_the_unit_that_suits_them() {
        assert_eq!(duration_us(190.0), "190 us");
        assert_eq!(duration_us(1400.0), "1.40 ms");
        assert_eq!(duration_us(2_500_000.0), "2.50 s");
    }

    #[test]
    fn numbers_in_names_sort_as_numbers() {
        let mut cases = ["200 connections", "16 connections", "1 connection", "64 connections"];
        cases.sort_by_key(|case| natural(case));
        assert_eq!(cases, ["1 connection", "16 connections", "64 connections", "200 connections"]);
        let mut cases = ["5,000/s of 1 KiB", "1 MiB", "500/s of 1 KiB", "64 KiB", "5,000/s of 124 B"];
        cases.sort_by_key(|case| natural(case));
        assert_eq!(cases, ["500/s of 1 KiB", "5,000/s of 124 B", "5,000/s of 1 KiB", "64 KiB", "1 MiB"]);
    }

    #[test]
    fn text_cannot_leave_its_cell() {
        assert_eq!(cell("a|b\nc"), "a\\|b c");
        assert_eq!(xml("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
        assert_eq!(slug("Intel(R) Xeon(R) @ 2.1GHz "), "intel-r-xeon-r-2-1ghz");
    }
}
