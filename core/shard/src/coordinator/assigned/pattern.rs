//! Regular expressions that members read topics by. A name matches as a whole.

use std::collections::BTreeSet;

use forebay_machine::Catalog;
use forebay_model::acl::Viewer;
use forebay_model::{Refusal, TopicId};
use regex::{Regex, RegexBuilder};

use super::limits::{PATTERN_BYTES_MAX, PATTERN_PROGRAM_BYTES_MAX};

/// A pattern, and what it matched last.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// The version of the catalogue that it was held against.
    looked_at: Option<u64>,
    topics: BTreeSet<TopicId>,
}

impl Pattern {
    /// # Errors
    /// [`Refusal::InvalidPattern`] when it is none, too long, or too large a one.
    pub(super) fn compile(text: &str) -> Result<Pattern, Refusal> {
        if text.len() > PATTERN_BYTES_MAX {
            let why = format!("a regular expression has at most {PATTERN_BYTES_MAX} bytes");
            return Err(Refusal::InvalidPattern(why));
        }
        // First by itself: within the brackets an expression could close them.
        let compile = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(PATTERN_PROGRAM_BYTES_MAX)
                .dfa_size_limit(PATTERN_PROGRAM_BYTES_MAX)
                .build()
                .map_err(|error| Refusal::InvalidPattern(error.to_string()))
        };
        compile(text)?;
        let regex = compile(&format!("^(?:{text})$"))?;
        Ok(Pattern { regex, looked_at: None, topics: BTreeSet::new() })
    }

    /// The topics whose names match, as far as the viewer may see them. It is asked about once per version of the topics and the rules:
    /// whichever member comes first then stands for all, as in Apache Kafka.
    pub(super) fn topics(&mut self, topics: &Catalog, viewer: Option<&Viewer>) -> &BTreeSet<TopicId> {
        if self.looked_at != Some(topics.version()) {
            let sees = |name: &str| viewer.is_none_or(|viewer| topics.acls().shows(viewer, name));
            let matching = topics
                .public_topics()
                .filter(|topic| self.regex.is_match(topic.name.as_str()) && sees(topic.name.as_str()));
            self.topics = matching.map(|topic| topic.id).collect();
            self.looked_at = Some(topics.version());
        }
        &self.topics
    }
}
