//! The known name that a misspelt one was probably meant to be.

use super::settings::SETTINGS;

/// The nearest of `names`. A name's last word counts too: `retention` means `topic.retention`.
fn nearest(wanted: &str, names: impl Iterator<Item = String>) -> String {
    let last_word = |name: &str| name.rsplit(['.', '=']).next().map(str::to_owned).unwrap_or_default();
    let score = |name: &str| {
        let whole = strsim::jaro_winkler(wanted, name);
        // A little less, so that a whole name wins over a word of another.
        whole.max(strsim::jaro_winkler(wanted, &last_word(name)) * 0.95)
    };
    let best = names.map(|name| (score(&name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.expect("there are settings").1
}

/// The known key nearest to one that is not known.
pub(super) fn nearest_key(wanted: &str) -> String {
    nearest(wanted, SETTINGS.iter().map(|setting| setting.key.to_owned()))
}

/// The known variable nearest to one that is not known.
pub(super) fn nearest_variable(wanted: &str) -> String {
    let others = std::iter::once(super::table::FILE_VARIABLE.to_owned());
    nearest(wanted, SETTINGS.iter().map(|setting| setting.variable()).chain(others))
}

/// The flag of a setting nearest to one that is not known, both without their dashes.
#[must_use]
pub fn nearest_flag(wanted: &str) -> String {
    let others = ["config", "print-config"].map(str::to_owned).into_iter();
    nearest(wanted, SETTINGS.iter().map(|setting| setting.flag()).chain(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        for (wanted, meant) in [
            ("datadir", "data_dir"),
            ("topic.retentoin", "topic.retention"),
            ("retention", "topic.retention"),
            ("topics.retention_bytes", "topic.retention_bytes"),
            ("listeners", "listen"),
            ("message.max.bytes", "message.bytes_max"),
            ("shard.sync", "shards.sync"),
        ] {
            assert_eq!(nearest_key(wanted), meant, "{wanted}");
        }
        assert_eq!(nearest_variable("FOREBAY_DATADIR"), "FOREBAY_DATA_DIR");
        assert_eq!(nearest_variable("FOREBAY_CONFG"), "FOREBAY_CONFIG");
        assert_eq!(nearest_flag("date-dir"), "data-dir");
    }
}
