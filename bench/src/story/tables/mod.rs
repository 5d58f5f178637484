//! The stories' figures.

mod classic;
mod clients;
mod kafka;
mod life;
mod log;
mod many;
mod stream;

use super::Story;

/// All stories in the order in which they are run.
pub const STORIES: &[Story] = &[
    Story {
        name: "classic",
        about: "124-byte records, each sender waits for its confirm; 1 to 200 connections, nobody reads",
        cases: classic::cases,
    },
    Story {
        name: "produce",
        about: "a stream of large batches: sizes, codecs, partitions, clients",
        cases: stream::produce,
    },
    Story {
        name: "consume",
        about: "groups that catch up from the start of a topic",
        cases: stream::consume,
    },
    Story { name: "tail", about: "groups that keep up with a fixed rate", cases: stream::tail },
    Story {
        name: "latency",
        about: "from when a record was due to when it is read, at fixed rates",
        cases: stream::latency,
    },
    Story {
        name: "topics",
        about: "records to 1, 1,000 and 10,000 topics, cold and warm",
        cases: many::topics,
    },
    Story {
        name: "interleaved",
        about: "one topic is read that lies between 999 others; from the page cache and cold",
        cases: many::interleaved,
    },
    Story {
        name: "segments",
        about: "memory with 10,000 partitions over 10 and over 1,000 segments",
        cases: many::segments,
    },
    Story {
        name: "noisy",
        about: "1,000 small clients alone, and beside one that sends all it can",
        cases: clients::noisy,
    },
    Story {
        name: "shards",
        about: "the same load over 1, 4, 16 and 64 shards that flush",
        cases: clients::shards,
    },
    Story {
        name: "backlog",
        about: "millions of records that nobody has read: written beside, read, restarted with",
        cases: life::backlog,
    },
    Story {
        name: "eos",
        about: "transactions of 100 ms: a stream in them, and a topic copied in them with its reader's cursors",
        cases: kafka::exactly_once,
    },
    Story {
        name: "commits",
        about: "10,000 groups that commit their cursors in turn",
        cases: kafka::commits,
    },
    Story {
        name: "share",
        about: "a topic worked off by 1, 8 and 64 members of one share group",
        cases: kafka::share,
    },
    Story {
        name: "compaction",
        about: "updates of few keys to a topic that is compacted meanwhile, then what is left of them",
        cases: kafka::compaction,
    },
    Story { name: "start", about: "an empty start, then idleness, then a restart", cases: life::start },
    Story { name: "log", about: "the log alone beside fio: one flush after each write", cases: log::cases },
    Story { name: "hour", about: "an hour at half of the peak (--full)", cases: life::hour },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::{Case, Scale, Who};
    use super::*;

    fn all(scale: Scale) -> Vec<(&'static str, Case)> {
        STORIES
            .iter()
            .flat_map(|story| (story.cases)(scale).into_iter().map(|case| (story.name, case)))
            .collect()
    }

    #[test]
    fn no_two_cases_of_a_story_have_one_name() {
        for scale in [Scale::Quick, Scale::Standard, Scale::Full] {
            let mut seen = HashSet::new();
            for (story, case) in all(scale) {
                assert!(seen.insert((story, case.name.clone())), "{story}: {}", case.name);
                assert!(!case.steps.is_empty(), "{story}: {} does nothing", case.name);
            }
        }
    }

    #[test]
    fn only_a_case_of_one_peer_changes_how_its_broker_is_called() {
        for (story, case) in all(Scale::Full) {
            let one = matches!(case.who, Who::Only([_]));
            assert!(case.options.is_empty() || one, "{story}: {}", case.name);
        }
    }

    #[test]
    fn every_story_has_a_case_at_full_length() {
        for story in STORIES {
            assert!(!(story.cases)(Scale::Full).is_empty(), "{}", story.name);
        }
    }
}
