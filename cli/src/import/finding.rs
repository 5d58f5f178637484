//! Something of a cluster that would be different here.

use serde_json::{Value, json};

/// Whether somebody would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Clients or operators would.
    Differs,
    /// It is good to know, and changes nothing.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Whether somebody would notice.
    pub kind: Kind,
    /// What it is about: `setting`, `group`, `transaction` ...
    pub area: &'static str,
    /// Which one.
    pub subject: String,
    /// What there is to say.
    pub text: String,
}

impl Finding {
    /// Something that somebody would notice.
    pub fn differs(area: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Finding {
        Finding { kind: Kind::Differs, area, subject: subject.into(), text: text.into() }
    }

    /// Something that is good to know.
    pub fn note(area: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Finding {
        Finding { kind: Kind::Note, area, subject: subject.into(), text: text.into() }
    }
}

/// How many of them somebody would notice.
pub fn differences(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.kind == Kind::Differs).count()
}

/// Them as a JSON array.
pub fn as_json(findings: &[Finding]) -> Value {
    let row = |finding: &Finding| {
        let kind = match finding.kind {
            Kind::Differs => "differs",
            Kind::Note => "note",
        };
        json!({ "kind": kind, "area": finding.area, "subject": finding.subject, "text": finding.text })
    };
    Value::Array(findings.iter().map(row).collect())
}

/// Them in lines, the differences first.
pub fn as_text(findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort();
    let line = |finding: &&Finding| {
        let word = match finding.kind {
            Kind::Differs => "differs",
            Kind::Note => "note   ",
        };
        format!("{word}  {} {}: {}\n", finding.area, finding.subject, finding.text)
    };
    sorted.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_come_first_and_are_counted() {
        let findings = [
            Finding::note("feature", "group.version", "level 1"),
            Finding::differs("quota", "user a", "is not"),
        ];
        assert_eq!(differences(&findings), 1);
        assert_eq!(
            as_text(&findings),
            "differs  quota user a: is not\nnote     feature group.version: level 1\n"
        );
        assert_eq!(as_json(&findings)[1]["kind"], "differs");
    }
}
