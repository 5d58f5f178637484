//! The file of settings: TOML.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::{Origin, Problem, Said};
use super::nearest::nearest_key;
use super::settings::SETTINGS;
use super::table::Many;

/// Files above this many bytes are not settings.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file of settings.
///
/// # Errors
/// When it cannot be read. The operator's fault.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let problem = |what: String| Problem { origin: Origin::File { path: path.into(), line: 0 }, what };
    let meta = std::fs::metadata(path).map_err(|why| problem(format!("cannot be read: {why}")))?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(problem(format!(
            "has {} bytes; a file of settings has at most {FILE_BYTES_MAX}",
            meta.len()
        )));
    }
    std::fs::read_to_string(path).map_err(|why| problem(format!("cannot be read: {why}")))
}

/// What the text of a file says, and what is wrong with it.
pub(super) fn parse(path: &Path, text: &str) -> (Vec<Said>, Vec<Problem>) {
    let at = |position: usize| Origin::File { path: path.into(), line: line_of(text, position) };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(why) => {
            let origin = at(why.span().map_or(0, |span| span.start));
            return (Vec::new(), vec![Problem { origin, what: format!("is not TOML: {}", why.message()) }]);
        }
    };
    let mut leaves = Vec::new();
    flatten("", table.get_ref(), &mut leaves);
    let (mut said, mut problems) = (Vec::new(), Vec::new());
    for (key, position, value) in leaves {
        let origin = at(position);
        match understand(&key, value) {
            Ok((key, text)) => said.push(Said { key, text, origin }),
            Err(what) => problems.push(Problem { origin, what }),
        }
    }
    (said, problems)
}

/// The values of a table and of the tables in it, with their dotted keys and the positions of these.
fn flatten<'t>(
    above: &str,
    table: &'t DeTable<'_>,
    leaves: &mut Vec<(String, usize, &'t Spanned<DeValue<'t>>)>,
) {
    for (name, value) in table {
        let key =
            if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{}", name.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => flatten(&key, inner, leaves),
            _ => leaves.push((key, name.span().start, value)),
        }
    }
}

fn understand(key: &str, value: &Spanned<DeValue<'_>>) -> Result<(&'static str, String), String> {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
        return Err(format!("there is no setting {key}; the nearest is {}", nearest_key(key)));
    };
    let text = match (value.get_ref(), setting.kind.many) {
        (DeValue::Array(items), Many::List) => {
            let items: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            items.ok_or_else(|| format!("{key} is a list of strings"))?.join(",")
        }
        (value, _) => scalar(value).ok_or_else(|| format!("{key} cannot be a {}", value.type_str()))?,
    };
    Ok((setting.key, text))
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(on.to_string()),
        _ => None,
    }
}

fn line_of(text: &str, position: usize) -> usize {
    text.as_bytes().iter().take(position).filter(|b| **b == b'\n').count() + 1
}
