//! A client's properties file, as Kafka's tools take it: the format of Java's `Properties`.

/// One line of it, its continuations included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// What it sets.
    pub key: String,
    /// To what.
    pub value: String,
}

/// The properties of a text, in order. A line ends where it does not end with a backslash; `#` and `!` begin comments.
///
/// # Errors
/// An escape that is none, in words.
pub fn parse(text: &str) -> Result<Vec<Property>, String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut logical = line.trim_start_matches(is_blank).to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&logical) {
            logical.pop();
            match lines.next() {
                Some(more) => logical.push_str(more.trim_start_matches(is_blank)),
                None => break,
            }
        }
        found.push(property(&logical)?);
    }
    Ok(found)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Whether a line ends with a backslash that is not itself escaped.
fn goes_on(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

fn property(line: &str) -> Result<Property, String> {
    let mut is_escaped = false;
    let key_end = line.find(|c: char| {
        let ends = !is_escaped && (is_blank(c) || matches!(c, '=' | ':'));
        is_escaped = !is_escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(key_end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    Ok(Property { key: unescaped(key)?, value: unescaped(value)? })
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => plain.push(by_number(&mut chars)?),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

/// The character of four hexadecimal digits.
fn by_number(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let digits: String = chars.by_ref().take(4).collect();
    let number = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
    number.and_then(char::from_u32).ok_or_else(|| "\\u is followed by no character's number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|property| (property.key, property.value)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lines_are_read_as_java_reads_them() {
        let text = "# a comment\n  ! another\n\na=1\n b : 2 \nc 3\nd\ne==f\ng\\ h=i\\=j\n\u{c}k\t=\t l m ";
        let expected =
            [("a", "1"), ("b", "2 "), ("c", "3"), ("d", ""), ("e", "=f"), ("g h", "i=j"), ("k", "l m ")];
        assert_eq!(parsed(text), pairs(&expected));
    }

    #[test]
    fn lines_go_on_behind_a_backslash_and_escapes_are_undone() {
        let text = "list=one,\\\n    two\\\\\nnext=a\\tb\\nc\\u00e9\\q\nlast=end\\";
        assert_eq!(
            parsed(text),
            pairs(&[("list", "one,two\\"), ("next", "a\tb\nc\u{e9}q"), ("last", "end")])
        );
        assert_eq!(parse("a=\\u12"), Err("\\u is followed by no character's number".into()));
    }
}
