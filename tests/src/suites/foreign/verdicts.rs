//! How tests ended, as their runners say it, and how they should.

use std::collections::BTreeMap;

use crate::broker::Kind;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Passed,
    Skipped,
    Failed,
}

/// How each test ended, by its name.
#[derive(Debug, Default)]
pub struct Verdicts(BTreeMap<String, Verdict>);

impl Verdicts {
    /// A test that is named again, as by an error after it passed, has the worse verdict.
    fn add(&mut self, name: &str, verdict: Verdict) {
        let known = self.0.entry(name.to_string()).or_insert(verdict);
        *known = verdict.max(*known);
    }

    /// How many there are of each.
    pub fn counted(&self) -> String {
        let count = |wanted| self.0.values().filter(|verdict| **verdict == wanted).count();
        let (passed, failed) = (count(Verdict::Passed), count(Verdict::Failed));
        format!("{passed} of its tests passed, {failed} failed, {} skipped", count(Verdict::Skipped))
    }
}

/// Of the lines `--- PASS: TestName (0.01s)`, of which those of a test within a test are indented.
pub fn of_go(out: &str) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for line in out.lines() {
        let Some((word, rest)) = line.trim_start().strip_prefix("--- ").and_then(|l| l.split_once(": "))
        else {
            continue;
        };
        let verdict = match word {
            "PASS" => Verdict::Passed,
            "SKIP" => Verdict::Skipped,
            "FAIL" => Verdict::Failed,
            _ => continue,
        };
        verdicts.add(rest.split(' ').next().unwrap_or_default(), verdict);
    }
    verdicts
}

/// Of the lines `folder/file.py::test_name PASSED [  1%]`.
pub fn of_pytest(out: &str) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for line in out.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(word)) = (words.next(), words.next()) else { continue };
        let verdict = match word {
            "PASSED" | "XPASS" => Verdict::Passed,
            "SKIPPED" | "XFAIL" => Verdict::Skipped,
            "FAILED" | "ERROR" => Verdict::Failed,
            _ => continue,
        };
        if let Some((_, test)) = name.split_once(".py::") {
            verdicts.add(test, verdict);
        }
    }
    verdicts
}

/// The tests that do not pass.
pub struct Expected(BTreeMap<String, Verdict>);

impl Expected {
    /// Lines of `NAME both|kafka|forebay fails|skips REASON`, of which those for this broker count.
    pub fn parse(text: &str, kind: &Kind) -> Result<Expected, String> {
        let this = if matches!(kind, Kind::Kafka { .. }) { "kafka" } else { "forebay" };
        let mut expected = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, broker @ ("both" | "kafka" | "forebay"), word @ ("fails" | "skips"), _, ..] =
                words[..]
            else {
                return Err(format!("not a line of a list of tests that do not pass: {line}"));
            };
            if broker == "both" || broker == this {
                let verdict = if word == "fails" { Verdict::Failed } else { Verdict::Skipped };
                expected.insert(name.to_string(), verdict);
            }
        }
        Ok(Expected(expected))
    }

    /// What ended in another way than it should, one line each. A run in which nothing passed is one too.
    pub fn surprises(&self, verdicts: &Verdicts) -> Vec<String> {
        let mut surprises: Vec<String> = verdicts
            .0
            .iter()
            .map(|(name, verdict)| (name, verdict, self.0.get(name).unwrap_or(&Verdict::Passed)))
            .filter(|(_, verdict, expected)| verdict != expected)
            .map(|(name, verdict, expected)| format!("{name}: {verdict:?}, not {expected:?}"))
            .collect();
        let missing = self.0.keys().filter(|name| !verdicts.0.contains_key(*name));
        surprises.extend(missing.map(|name| format!("{name}: it is in the list, but did not run")));
        if !verdicts.0.values().any(|verdict| *verdict == Verdict::Passed) {
            surprises.push("not one of its tests passed".to_string());
        }
        surprises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO: &str = "=== RUN   TestA\n--- PASS: TestA (0.01s)\n    --- FAIL: TestB/one (1.00s)\n--- SKIP: TestC (0.00s)\n";
    const PYTEST: &str = "test/i/test_a.py::test_a[gzip] PASSED   [  1%]\ntest/i/test_a.py::test_b SKIPPED (why) [ 50%]\n\
                          test/i/test_a.py::test_c PASSED   [100%]\ntest/i/test_a.py::test_c ERROR   [100%]\n\
                          FAILED test/i/test_a.py::test_d - AssertionError\n";

    fn listed(text: &str) -> Expected {
        Expected::parse(text, &Kind::Forebay { binary: "forebay".into() }).expect("the lines are right")
    }

    #[test]
    fn every_test_ends_as_it_should_or_is_told() {
        let verdicts = of_go(GO);
        assert_eq!(verdicts.counted(), "1 of its tests passed, 1 failed, 1 skipped");
        let right = "# why\nTestB/one forebay fails it asks for more\nTestC both skips it needs more\n";
        assert_eq!(listed(right).surprises(&verdicts), [] as [String; 0]);
        assert_eq!(
            listed("").surprises(&verdicts),
            ["TestB/one: Failed, not Passed", "TestC: Skipped, not Passed"]
        );
        let stale = format!("{right}TestA both fails once\nTestD both fails once\nTestB kafka fails there\n");
        let told = ["TestA: Passed, not Failed", "TestD: it is in the list, but did not run"];
        assert_eq!(listed(&stale).surprises(&verdicts), told);
        assert_eq!(listed("").surprises(&of_go("")), ["not one of its tests passed"]);
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        let kind = Kind::Forebay { binary: "forebay".into() };
        assert!(Expected::parse("TestA both fails", &kind).is_err());
        assert!(Expected::parse("TestA nowhere fails since today", &kind).is_err());
    }

    #[test]
    fn an_error_after_a_test_passed_is_a_failure() {
        assert_eq!(
            of_pytest(PYTEST).0.into_iter().collect::<Vec<_>>(),
            [
                ("test_a[gzip]".to_string(), Verdict::Passed),
                ("test_b".to_string(), Verdict::Skipped),
                ("test_c".to_string(), Verdict::Failed),
            ]
        );
    }
}
