//! The page of the manual: every setting, from the table.

use std::fmt::Write as _;

use super::settings::SETTINGS;
use super::table::{Change, DefaultValue, Many, Setting};

const HEAD: &str = "# Configuration

<!-- Made from server/src/config/settings.rs. To renew: RENEW=1 cargo test -p forebay-server config -->

A setting is taken from the first of these that says something:

1. the command line: `--topic-retention 30d` (the key with `-` for `.` and `_`),
2. the environment: `FOREBAY_TOPIC_RETENTION=30d` (the key in capitals with `_` for `.`, after `FOREBAY_`),
3. the file named by `--config FILE` or by `FOREBAY_CONFIG`: `topic.retention = \"30d\"`, in TOML, dotted or in tables,
4. its default.

`forebay serve --print-config` prints every setting as it would be in force, and where it came from; what it prints is a
file that `--config` takes. A key, a variable that starts with `FOREBAY_`, or a flag that does not exist is an error that
names the nearest one that does. (Variables that Kubernetes and Docker make for a service called `forebay`, such as
`FOREBAY_SERVICE_HOST` and `FOREBAY_PORT_9092_TCP`, are passed over.) All that is wrong is said at once, and nothing is
started.

A size is a number of bytes or has a unit: `KiB`, `MiB`, `GiB`, `TiB` (or `kB`, `MB`, `GB`, `TB`, in powers of ten). A
duration has a unit: `ms`, `s`, `m`, `h`, `d`, `w`. Where a bound can be absent, `unlimited` says so. A list is an array in
the file, has commas in a variable, and is a repeated flag.
";

/// The page, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut out = |line: String| writeln!(page, "{line}").expect("a String takes all");
    out(String::new());
    out("| Setting | Default | |\n|---|---|---|".into());
    for setting in SETTINGS {
        let summary = first_sentence(setting.doc);
        out(format!("| [`{0}`](#{1}) | {2} | {summary} |", setting.key, anchor(setting), default(setting)));
    }
    for setting in SETTINGS {
        out(format!("\n## `{}`\n\n{}\n", setting.key, one_line(setting.doc)));
        out(format!("- {}", value(setting)));
        out(format!("- Default: {}", default(setting)));
        out(format!("- `--{}`, `{}`", setting.flag(), setting.variable()));
        if setting.change == Change::Live {
            out("- Can be changed while the broker runs, through the HTTP listener".into());
        }
    }
    page
}

fn value(setting: &Setting) -> String {
    let kind = setting.kind;
    let mut words = match (kind.choices, kind.many) {
        ([], Many::One) => format!("A {}", kind.word),
        ([], Many::List) => format!("A list of {}: `{}`", kind.word, kind.placeholder),
        (choices, _) => choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(" or "),
    };
    if let Some((least, most)) = setting.bounds {
        words.push_str(&format!(" from {least} to {most}"));
    }
    words
}

fn default(setting: &Setting) -> String {
    match setting.default {
        DefaultValue::Fixed("") => setting.default_words().into(),
        DefaultValue::Fixed(text) => format!("`{text}`"),
        DefaultValue::Computed { rule, .. } => rule.into(),
    }
}

fn anchor(setting: &Setting) -> String {
    setting.key.replace('.', "")
}

fn first_sentence(doc: &str) -> String {
    let doc = one_line(doc);
    doc.split_inclusive(". ").next().unwrap_or_default().trim_end_matches([' ', '.']).into()
}

/// Doc comments come with a space before each of their lines.
fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
