//! Calls that have a better place to be made, and what never stands in code that is meant to stay.

use std::collections::HashSet;

use super::Finding;
use super::files::SourceFile;
use super::source;

/// Where a ban holds.
#[derive(Clone, Copy)]
enum Scope {
    /// core/ and protocols/, but for the real world of core/env.
    Deterministic,
    /// Every crate that the binary links.
    Product,
    /// All Rust in the repository, tests included.
    Everywhere,
}

struct Ban {
    pattern: &'static str,
    scope: Scope,
    instead: &'static str,
}

const fn ban(pattern: &'static str, scope: Scope, instead: &'static str) -> Ban {
    Ban { pattern, scope, instead }
}

const BANS: &[Ban] = &[
    ban("SystemTime::now", Scope::Deterministic, "take the time from env.clock"),
    ban("Instant::now", Scope::Deterministic, "take the time from env.clock"),
    ban("thread::spawn", Scope::Deterministic, "hand the work to env.spawn"),
    ban("thread::Builder", Scope::Deterministic, "hand the work to env.spawn"),
    ban("thread::sleep", Scope::Deterministic, "ask to be woken (Output::WakeAt, or a timer of the shard)"),
    ban("std::fs", Scope::Deterministic, "reach files through env.disk"),
    ban("File::open", Scope::Deterministic, "reach files through env.disk"),
    ban("std::net::Tcp", Scope::Deterministic, "sockets belong to the gateway, peers to env.network"),
    ban("std::net::Udp", Scope::Deterministic, "sockets belong to the gateway, peers to env.network"),
    ban("rand::", Scope::Deterministic, "draw from env.random"),
    ban("getrandom::", Scope::Deterministic, "draw from env.random"),
    ban("tokio::time", Scope::Deterministic, "take the time from env.clock"),
    ban("tokio::fs", Scope::Deterministic, "reach files through env.disk"),
    ban("tokio::net", Scope::Deterministic, "sockets belong to the gateway"),
    ban("tokio::spawn", Scope::Deterministic, "hand the work to env.spawn"),
    ban("unbounded_channel", Scope::Product, "use a bounded channel whose limit has a name in limits.rs"),
    ban("mpsc::channel()", Scope::Product, "use sync_channel with a limit that has a name in limits.rs"),
    ban(".unwrap()", Scope::Product, "return an Err, or expect(\"why it cannot fail\")"),
    ban("todo!", Scope::Everywhere, "write it, or refuse with a clear error"),
    ban("unimplemented!", Scope::Everywhere, "write it, or refuse with a clear error"),
    ban("dbg!", Scope::Everywhere, "remove it, or use tracing"),
];

/// Crates whose code ends up in the binary.
const PRODUCT: &[&str] = &["cli/", "server/", "console/", "gateway/", "protocols/", "core/"];

/// The real world: the one place that may touch it.
const REAL_WORLD: &[&str] = &["core/env/src/real/", "core/env/src/real.rs"];

/// Fault points: the one place that may know whether the simulator is being built.
const FAULT_POINTS: &str = "core/env/src/fault.rs";

/// Holds every Rust file against the table of bans.
pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    let test_files = test_files(files);
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".rs")) {
        let is_test = is_test_path(&file.path) || test_files.iter().any(|t| is_at_or_under(&file.path, t));
        let production = if is_test { Vec::new() } else { source::production_lines(&file.text) };
        let all = source::blank_comments_and_strings(&file.text);
        if file.path != FAULT_POINTS {
            findings.extend(askings_for_sim(&all).map(|line| {
                let place = format!("{}:{line}", file.path);
                Finding::new(
                    place,
                    "cfg(sim): the simulator links what the binary links; plant a forebay_env::fault",
                )
            }));
        }
        for ban in BANS {
            match ban.scope {
                Scope::Everywhere => {
                    for (i, line) in all.lines().enumerate() {
                        judge(&mut findings, &file.path, i + 1, line, ban);
                    }
                }
                scope if holds(scope, &file.path) => {
                    for (number, line) in &production {
                        judge(&mut findings, &file.path, *number, line, ban);
                    }
                }
                _ => {}
            }
        }
    }
    findings
}

fn judge(findings: &mut Vec<Finding>, path: &str, number: usize, line: &str, ban: &Ban) {
    if contains_call(line, ban.pattern) {
        findings.push(Finding::new(format!("{path}:{number}"), format!("{}: {}", ban.pattern, ban.instead)));
    }
}

/// The lines on which a condition of compilation begins that names `sim`, in an attribute or a macro; it may go on for
/// several.
fn askings_for_sim(text: &str) -> impl Iterator<Item = usize> {
    let openings = ["cfg(", "cfg!(", "cfg_attr("].into_iter().flat_map(|opening| text.match_indices(opening));
    let names_sim = |begin: usize| {
        let mut words = condition(&text[begin..]).split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        words.any(|word| word == "sim")
    };
    openings
        .filter(move |(at, opening)| names_sim(at + opening.len()))
        .map(|(at, _)| text[..at].matches('\n').count() + 1)
}

/// What stands before the parenthesis that closes one opened before `text`.
fn condition(text: &str) -> &str {
    let mut open = 1;
    let end = text.find(|c| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// The pattern, not as the tail of a longer word (`mythread::spawn`, `operand::`).
fn contains_call(line: &str, pattern: &str) -> bool {
    // `channel::<T>()` is `channel()` with its type spelled out.
    let line = if pattern.ends_with("()") { without_turbofish(line) } else { line.to_string() };
    let starts_a_word = !pattern.starts_with('.');
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !(starts_a_word && before.is_some_and(|c| c == '_' || c.is_alphanumeric()))
    })
}

fn without_turbofish(line: &str) -> String {
    match (line.find("::<"), line.find(">()")) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &line[..start], &line[end + 1..]),
        _ => line.to_string(),
    }
}

fn holds(scope: Scope, path: &str) -> bool {
    match scope {
        Scope::Everywhere => true,
        Scope::Product => PRODUCT.iter().any(|p| path.starts_with(p)),
        Scope::Deterministic => {
            (path.starts_with("core/") || path.starts_with("protocols/"))
                && !REAL_WORLD.iter().any(|p| path.starts_with(p))
        }
    }
}

/// Folders that cargo itself compiles only for tests, benchmarks and examples.
fn is_test_path(path: &str) -> bool {
    ["tests/", "benches/", "examples/"]
        .iter()
        .any(|dir| path.starts_with(dir) || path.contains(&format!("/{dir}")))
}

/// The files of modules declared `#[cfg(test)] mod name;`, without their extension.
fn test_files(files: &[SourceFile]) -> HashSet<String> {
    let mut found = HashSet::new();
    for file in files.iter().filter(|f| f.path.ends_with(".rs")) {
        let stem = file.path.trim_end_matches(".rs");
        let (dir, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let home = if ["lib", "main", "mod"].contains(&name) { dir } else { stem };
        found.extend(source::test_modules(&file.text).into_iter().map(|module| format!("{home}/{module}")));
    }
    found
}

fn is_at_or_under(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[SourceFile { path: path.into(), text: text.into() }]).into_iter().map(|f| f.place).collect()
    }

    #[test]
    fn the_clock_is_banned_in_core_and_allowed_in_the_real_world() {
        let text = "fn f() {\n    let t = std::time::Instant::now();\n}\n";
        assert_eq!(findings("core/shard/src/turn.rs", text), ["core/shard/src/turn.rs:2"]);
        assert_eq!(findings("protocols/kafka/src/session.rs", text).len(), 1);
        assert_eq!(findings("core/env/src/real/clock.rs", text).len(), 0);
        assert_eq!(findings("gateway/src/lib.rs", text).len(), 0);
    }

    #[test]
    fn threads_files_and_randomness_are_banned_in_core() {
        for call in ["std::thread::spawn(f)", "std::fs::read(p)", "fs::File::open(p)", "rand::random::<u8>()"]
        {
            assert_eq!(
                findings("core/machine/src/lib.rs", &format!("fn f() {{ {call}; }}")).len(),
                1,
                "{call}"
            );
        }
        assert_eq!(findings("core/machine/src/lib.rs", "use operand::X;").len(), 0);
    }

    #[test]
    fn an_unwrap_is_banned_outside_tests() {
        let text = "fn f() { x.unwrap(); }\n#[cfg(test)]\nmod tests { fn g() { y.unwrap(); } }\n";
        assert_eq!(findings("cli/src/main.rs", text), ["cli/src/main.rs:1"]);
        assert_eq!(findings("core/shard/tests/all.rs", text).len(), 0);
        assert_eq!(findings("tests/src/lib.rs", text).len(), 0);
    }

    #[test]
    fn a_test_module_in_its_own_file_is_test_code() {
        let parent =
            SourceFile { path: "core/x/src/lib.rs".into(), text: "#[cfg(test)]\nmod stories;\n".into() };
        let child =
            SourceFile { path: "core/x/src/stories.rs".into(), text: "fn g() { y.unwrap(); }".into() };
        assert_eq!(check(&[parent, child]), []);
    }

    #[test]
    fn stubs_are_banned_everywhere_even_in_tests() {
        for stub in ["todo!()", "unimplemented!()", "dbg!(x)"] {
            assert_eq!(findings("tests/src/lib.rs", &format!("fn f() {{ {stub} }}")).len(), 1, "{stub}");
        }
    }

    #[test]
    fn only_the_fault_points_may_know_of_the_simulator() {
        let conditions = [
            "#[cfg(sim)]",
            "#[cfg(not(sim))]",
            "#[cfg(all(test, sim))]",
            "#[cfg_attr(sim, x)]",
            "#[cfg(all(\n    any(unix, windows),\n    sim,\n))]",
        ];
        for condition in conditions {
            let text = format!("{condition}\nfn f() {{}}");
            assert_eq!(findings("core/x/src/lib.rs", &text).len(), 1, "{condition}");
            assert_eq!(findings("sim/src/lib.rs", &text).len(), 1, "{condition}");
            assert_eq!(findings(FAULT_POINTS, &text).len(), 0, "{condition}");
        }
        assert_eq!(findings("core/x/src/lib.rs", "let here = cfg!(sim);").len(), 1);
        assert_eq!(findings("core/x/src/lib.rs", "#[cfg(test)]\nuse forebay_sim::sim;").len(), 0);
    }

    #[test]
    fn an_unbounded_channel_is_banned_with_and_without_its_type() {
        assert_eq!(findings("gateway/src/a.rs", "let c = mpsc::channel();").len(), 1);
        assert_eq!(findings("gateway/src/a.rs", "let c = mpsc::channel::<u8>();").len(), 1);
        assert_eq!(findings("gateway/src/a.rs", "let c = mpsc::unbounded_channel();").len(), 1);
        assert_eq!(findings("gateway/src/a.rs", "let c = mpsc::channel(LIMIT);").len(), 0);
    }

    #[test]
    fn a_comment_or_a_string_is_not_a_call() {
        assert_eq!(findings("core/x/src/a.rs", "// Instant::now is banned\nlet s = \"todo!\";").len(), 0);
    }
}
