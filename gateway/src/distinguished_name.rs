//! Who a certificate is about: its subject as text, as RFC 2253 writes it and as Java's `X500Principal.getName` does, so that a client has the
//! name here that it has with Kafka.

use std::fmt::Write as _;

/// The subject of a certificate in DER; `None` where it cannot be read. TLS has checked the certificate by then.
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let certificate = Der(certificate).expect(SEQUENCE)?;
    let mut fields = Der(Der(certificate).expect(SEQUENCE)?);
    let mut first = fields.next()?;
    if first.tag == VERSION {
        first = fields.next()?;
    }
    // That was the serial number; its signature's algorithm, its issuer and its validity follow.
    let _ = (first, fields.next()?, fields.next()?, fields.next()?);
    name(fields.expect(SEQUENCE)?)
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
/// The explicit tag of a certificate's version.
const VERSION: u8 = 0xa0;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const IA5: u8 = 0x16;
const GENERAL: u8 = 0x1b;
const BMP: u8 = 0x1e;

/// Object ids with a word in RFC 2253.
const WORDS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// The rest of some DER.
struct Der<'a>(&'a [u8]);

/// One value of it.
struct Item<'a> {
    tag: u8,
    content: &'a [u8],
    /// With its tag and its length.
    whole: &'a [u8],
}

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<Item<'a>> {
        let all = self.0;
        let (&[tag, length], mut rest) = all.split_first_chunk::<2>()?;
        let mut bytes = usize::from(length);
        if length >= 0x80 {
            let (digits, behind) = rest.split_at_checked(usize::from(length & 0x7f))?;
            if digits.is_empty() || digits.len() > 4 {
                return None;
            }
            bytes = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            rest = behind;
        }
        let (content, rest) = rest.split_at_checked(bytes)?;
        self.0 = rest;
        Some(Item { tag, content, whole: &all[..all.len() - rest.len()] })
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|item| item.tag == tag).map(|item| item.content)
    }
}

/// The last part first.
fn name(parts: &[u8]) -> Option<String> {
    let mut parts = Der(parts);
    let mut written = Vec::new();
    while !parts.0.is_empty() {
        written.push(part(parts.expect(SET)?)?);
    }
    written.reverse();
    Some(written.join(","))
}

fn part(attributes: &[u8]) -> Option<String> {
    let mut attributes = Der(attributes);
    let mut written = Vec::new();
    while !attributes.0.is_empty() {
        let mut pair = Der(attributes.expect(SEQUENCE)?);
        let id = pair.expect(OBJECT_ID)?;
        let value = pair.next()?;
        let word = WORDS.iter().find(|(known, _)| *known == id).map(|(_, word)| *word);
        written.push(match (word, text(&value)) {
            (Some(word), Some(text)) => format!("{word}={}", escaped(text)),
            (word, _) => {
                let word = word.map_or_else(|| dotted(id), |word| Some(word.to_owned()))?;
                let digits: String = value.whole.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{word}=#{digits}")
            }
        });
    }
    Some(written.join("+"))
}

/// Java takes the bytes of every kind of text for UTF-8, and so do we. It puts the same sign for whatever is none, so that two subjects may
/// get one name; here such a value is written in digits.
fn text<'a>(value: &Item<'a>) -> Option<&'a str> {
    match value.tag {
        UTF8 | PRINTABLE | TELETEX | IA5 | GENERAL | BMP => std::str::from_utf8(value.content).ok(),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    let end = text.trim_end_matches(' ').len();
    let begin = text.len() - text.trim_start_matches(' ').len();
    let mut out = String::new();
    for (at, letter) in text.char_indices() {
        if ",=+<>#;\"\\".contains(letter) || (letter == ' ' && (at < begin || at >= end)) {
            out.push('\\');
        }
        match letter {
            '\0' => out.push_str("\\00"),
            letter => out.push(letter),
        }
    }
    out
}

/// An object id with its numbers.
fn dotted(id: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number = 0u64;
    for byte in id {
        number = number.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    let first = *numbers.first()?;
    let top = (first / 40).min(2);
    let mut out = format!("{top}.{}", first - top * 40);
    for number in &numbers[1..] {
        write!(out, ".{number}").ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&[tag, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    }

    fn attribute(id: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        der(SEQUENCE, &[&der(OBJECT_ID, &[id]), &der(tag, &[value])])
    }

    fn written(parts: &[&[&[u8]]]) -> Option<String> {
        let sets: Vec<Vec<u8>> = parts.iter().map(|attributes| der(SET, attributes)).collect();
        name(&sets.concat())
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];

    #[test]
    fn names_are_written_from_their_end() {
        let country = attribute(&[0x55, 4, 6], PRINTABLE, b"DE");
        let (unit, common) =
            (attribute(&[0x55, 4, 11], UTF8, b"it"), attribute(CN, UTF8, "M\u{fc}ller".as_bytes()));
        let parts: &[&[&[u8]]] = &[&[&country], &[&unit], &[&common]];
        assert_eq!(written(parts).as_deref(), Some("CN=M\u{fc}ller,OU=it,C=DE"));
        let several: &[&[&[u8]]] = &[&[&country], &[&unit, &common]];
        assert_eq!(written(several).as_deref(), Some("OU=it+CN=M\u{fc}ller,C=DE"));
        assert_eq!(written(&[]).as_deref(), Some(""));
    }

    #[test]
    fn what_would_be_misread_is_escaped() {
        for (text, expected) in [
            ("a,b+c", "CN=a\\,b\\+c"),
            (" a b ", "CN=\\ a b\\ "),
            ("#1=\"x\"", "CN=\\#1\\=\\\"x\\\""),
            ("  ", "CN=\\ \\ "),
        ] {
            let common = attribute(CN, UTF8, text.as_bytes());
            assert_eq!(written(&[&[&common]]).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_has_no_word_keeps_its_number_and_its_bytes() {
        let mail = attribute(EMAIL, IA5, b"a@b");
        assert_eq!(written(&[&[&mail]]).as_deref(), Some("1.2.840.113549.1.9.1=#1603614062"));
        let odd = attribute(CN, 0x03, &[0]);
        assert_eq!(written(&[&[&odd]]).as_deref(), Some("CN=#030100"));
        let wide = attribute(CN, BMP, &[0, b'h', 0, b'i']);
        assert_eq!(written(&[&[&wide]]).as_deref(), Some("CN=\\00h\\00i"));
        let latin = attribute(CN, TELETEX, &[0xfc]);
        assert_eq!(written(&[&[&latin]]).as_deref(), Some("CN=#1401fc"));
        let plain = attribute(CN, TELETEX, b"hi");
        assert_eq!(written(&[&[&plain]]).as_deref(), Some("CN=hi"));
    }

    #[test]
    fn what_is_no_certificate_has_no_subject() {
        for bytes in
            [&[][..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0x30, 2, 0x30, 0]]
        {
            assert_eq!(subject(bytes), None, "{bytes:?}");
        }
    }
}
