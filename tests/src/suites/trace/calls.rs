//! A trace's text as calls with a beginning and an end.

use std::collections::HashMap;

/// One system call. Its beginning and its end are line numbers of the trace: what strace saw first stands first,
/// and a call's end is seen before anything that its thread does next.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name, such as `fdatasync`.
    pub name: String,
    /// Its arguments as strace shows them, with what the call put into buffers.
    pub arguments: String,
    /// What it returned; none when it never returned.
    pub result: Option<i64>,
    /// The line on which it began.
    pub begin: usize,
    /// The line on which it had returned.
    pub end: usize,
}

impl Call {
    /// The file or socket that the first argument names: `9</path>` is `/path`.
    pub fn target(&self) -> &str {
        let Some(start) = self.arguments.find('<') else { return "" };
        let first = &self.arguments[..self.arguments.find(", ").unwrap_or(self.arguments.len())];
        let end = first.rfind('>').unwrap_or(first.len());
        first.get(start + 1..end).unwrap_or("")
    }
}

/// Reads `strace -f -o` output. Calls come in the order in which they ended.
pub fn read(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(unfinished) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, (number, unfinished));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((begin, start)) = open.remove(thread) else { continue };
            let Some((_, tail)) = resumed.split_once(" resumed>") else { continue };
            calls.extend(call(&format!("{start}{tail}"), begin, number));
        } else {
            calls.extend(call(rest, number, number));
        }
    }
    calls
}

fn call(text: &str, begin: usize, end: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result = result.split_whitespace().next().and_then(|r| r.parse().ok());
    let arguments = arguments.trim_end().trim_end_matches(')').to_string();
    Some(Call { name: name.to_string(), arguments, result, begin, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_on_one_line_is_read() {
        let calls = read("12 pwrite64(9</data/log>, \"a, b) = c\", 3, 0) = 3\n");
        assert_eq!(calls.len(), 1);
        assert_eq!(
            (calls[0].name.as_str(), calls[0].target(), calls[0].result),
            ("pwrite64", "/data/log", Some(3))
        );
    }

    #[test]
    fn a_call_in_two_parts_begins_and_ends_on_its_own_lines() {
        let calls = read(
            "1 fdatasync(9</data/log> <unfinished ...>\n\
             2 sendto(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"x\", 1, 0, NULL, 0) = 1\n\
             1 <... fdatasync resumed>) = 0\n",
        );
        assert_eq!(calls[0].target(), "TCP:[127.0.0.1:1->127.0.0.1:2]");
        assert_eq!((calls[1].name.as_str(), calls[1].begin, calls[1].end), ("fdatasync", 0, 2));
        assert_eq!((calls[1].target(), calls[1].result), ("/data/log", Some(0)));
    }

    #[test]
    fn lines_that_are_no_calls_are_passed_over() {
        assert_eq!(read("1 +++ exited with 0 +++\n1 --- SIGINT {si_signo=SIGINT} ---\n"), []);
    }
}
