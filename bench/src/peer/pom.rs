//! Peers that come from Maven: a `pom.xml` of ours names what they need, by version.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fetch;
use crate::failure::Failure;

/// Fetches what the pom names into `home/libs`, once; answers the text of the pom.
pub fn jars(home: &Path, pom: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(pom)?;
    fetch::once(home, &text, &["java", "mvn"], |dir| {
        let mut maven = Command::new("mvn");
        maven.args(["-B", "-q", "dependency:copy-dependencies", "-f"]).arg(pom);
        maven.arg(format!("-DoutputDirectory={}", dir.join("libs").display()));
        vec![maven]
    })?;
    Ok(text)
}

/// What stands between the first tags of this name.
pub fn value<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(value, _)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_is_found() {
        let pom = "<properties>\n <a.version> 1.2 </a.version><b>3</b></properties><b>4</b>";
        assert_eq!((value(pom, "a.version"), value(pom, "b")), (Some("1.2"), Some("3")));
        assert_eq!(value(pom, "c"), None);
    }
}
