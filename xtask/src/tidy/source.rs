//! Rust text as a rule sees it: without comments, without the insides of strings, without test code.

/// The file's lines of production code, numbered from 1. Blanked lines stay in place, so numbers stay true.
pub fn production_lines(text: &str) -> Vec<(usize, String)> {
    let code = blank_tests(&blank_comments_and_strings(text));
    code.lines().enumerate().map(|(i, line)| (i + 1, line.to_string())).collect()
}

/// The names of modules declared `#[cfg(test)] mod name;`: their files are test code.
pub fn test_modules(text: &str) -> Vec<String> {
    let code = blank_comments_and_strings(text);
    code.match_indices("#[cfg(test)]")
        .filter_map(|(at, marker)| {
            let declaration = code[at + marker.len()..].trim_start();
            let name = declaration.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let name = name.strip_prefix("mod ")?;
            let end = name.find([';', '{'])?;
            name[end..].starts_with(';').then(|| name[..end].trim().to_string())
        })
        .collect()
}

/// Replaces comments, and what stands inside string and character literals, by spaces.
pub fn blank_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !continues_a_word(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Whole characters were replaced byte for byte by spaces, so this is still UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

fn continues_a_word(bytes: &[u8], at: usize) -> bool {
    // `br"..."` is a raw string too: a lone `b` in front does not make it a word.
    let before = |n: usize| at.checked_sub(n).map(|i| bytes[i]);
    let is_word = |b: Option<u8>| b.is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric());
    is_word(before(1)) && (before(1) != Some(b'b') || is_word(before(2)))
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| at + n)
}

fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut i) = (0_usize, at);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// The end of `r"..."` or `r#"..."#`, or nothing when this `r` starts no raw string.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    let quote = at + 1 + hashes;
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let found = bytes[quote + 1..].windows(close.len()).position(|w| w == close);
    Some(found.map_or(bytes.len(), |n| quote + 1 + n + close.len()))
}

/// The end of `'x'` or `'\n'`, or nothing when this quote starts a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        // Behind the escaped character, which may itself be a quote.
        return bytes[at + 3..].iter().position(|&b| b == b'\'').map(|n| at + 3 + n + 1);
    }
    let rest = std::str::from_utf8(&bytes[at + 1..(at + 6).min(bytes.len())]);
    let first = match rest {
        Ok(text) => text.chars().next(),
        Err(cut) => std::str::from_utf8(&bytes[at + 1..at + 1 + cut.valid_up_to()]).ok()?.chars().next(),
    }?;
    let close = at + 1 + first.len_utf8();
    (bytes.get(close) == Some(&b'\'')).then_some(close + 1)
}

/// Blanks each item behind `#[cfg(test)]` or `#[test]`, up to its closing brace or semicolon.
fn blank_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for marker in ["#[cfg(test)]", "#[test]", "#![cfg(test)]"] {
        for (at, _) in code.match_indices(marker) {
            let end = if marker.starts_with("#!") { code.len() } else { item_end(code.as_bytes(), at) };
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Attributes' brackets close before the item's own brace opens, so the first brace or semicolon outside
/// brackets is the item's.
fn item_end(bytes: &[u8], at: usize) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (i, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'[' | b'(' => brackets += 1,
            b']' | b')' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return i + 1;
                }
            }
            b';' if braces == 0 && brackets == 0 => return i + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        production_lines(text).into_iter().map(|(_, line)| line + "\n").collect()
    }

    #[test]
    fn comments_and_strings_are_blank() {
        let out = code("let a = \"todo!()\"; // dbg!\n/* a /* b */ todo! */ let c = r#\"x\"todo!\"#;\n");
        assert!(!out.contains("todo") && !out.contains("dbg"), "{out}");
        assert!(out.contains("let a =") && out.contains("let c ="), "{out}");
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        let out = code("fn f<'a>(x: &'a str) -> char { let q = '\"'; let e = '\\''; g.unwrap(); 'é' }");
        assert!(out.contains("g.unwrap()"), "{out}");
        assert!(out.contains("&'a str"), "{out}");
    }

    #[test]
    fn test_code_is_blank_and_what_follows_is_not() {
        let out = code(
            "fn a() { x.unwrap() }\n#[cfg(test)]\nmod tests {\n fn b() { y.unwrap() }\n}\nfn c() { z.unwrap() }\n",
        );
        assert!(
            out.contains("x.unwrap()") && !out.contains("y.unwrap()") && out.contains("z.unwrap()"),
            "{out}"
        );
    }

    #[test]
    fn out_of_line_test_modules_are_known() {
        assert_eq!(
            test_modules("#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod inline {}\nmod real;"),
            ["tests"]
        );
    }
}
