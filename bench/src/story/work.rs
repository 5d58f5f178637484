//! One piece of work, and the words that ask a loader for it. `load` and `forebay bench` take the same words.

use std::time::Duration;

/// Which connections the senders of the classic story use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Each sender has one of its own.
    OneEach,
    /// All senders share one, and the client may batch what they send at the same time.
    OneForAll,
}

/// How a stream's batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the codecs' own")]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// A piece of work that a loader can be asked for. Times are in seconds, sizes are the bytes of a record's value, rates
/// are records a second.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Senders that each wait for the confirm of one record before they send the next.
    Classic {
        /// How many.
        senders: u32,
        /// Who shares a connection.
        connections: Connections,
        /// Bytes of a record's value.
        bytes: u32,
        /// The measured time.
        seconds: u32,
    },
    /// A stream of large batches, idempotent where the protocol has that.
    Produce {
        /// Bytes of a record's value.
        bytes: u32,
        /// How batches are compressed.
        codec: Codec,
        /// Partitions of the topic.
        partitions: u32,
        /// Producing clients.
        clients: u32,
        /// The measured time.
        seconds: u32,
    },
    /// Groups that each read a whole topic from its start. It is filled before.
    Consume {
        /// How many.
        groups: u32,
        /// Bytes of a record's value.
        bytes: u32,
        /// Records in the topic.
        records: u64,
    },
    /// Groups that keep up with a fixed rate.
    Tail {
        /// How many.
        groups: u32,
        /// Records a second.
        rate: u32,
        /// Bytes of a record's value.
        bytes: u32,
        /// The measured time.
        seconds: u32,
    },
    /// From when a record was due to when its reader has it, at a fixed rate.
    Latency {
        /// Records a second.
        rate: u32,
        /// Bytes of a record's value.
        bytes: u32,
        /// The measured time.
        seconds: u32,
        /// What the topic keeps, in bytes; without it, all.
        kept_bytes: Option<u64>,
    },
    /// Records to many topics that were just made, and again to the same.
    Topics {
        /// How many.
        topics: u32,
        /// Bytes of a record's value.
        bytes: u32,
        /// Records to each, cold and warm.
        each: u32,
    },
    /// Records to many topics in turn, then some of these read from their start; what is written already is only read.
    Interleaved {
        /// All topics.
        topics: u32,
        /// Records in a batch.
        batch: u32,
        /// Records in each topic.
        records_each: u32,
        /// How many of the topics are read, one after another.
        readings: u32,
    },
    /// Small clients alone, and beside one that sends all it can.
    Noisy {
        /// How many small ones.
        small_clients: u32,
        /// Records a second of each.
        small_rate: u32,
        /// The measured time of each part.
        seconds: u32,
    },
    /// A topic that is filled, written to while it stands, and read.
    Backlog {
        /// Records that it is filled with.
        records: u64,
    },
    /// Appends to a log without a broker, with a flush after each.
    Appends {
        /// Bytes of each.
        bytes: u32,
        /// The measured time.
        seconds: u32,
    },
    /// What only one loader can do, in that loader's words.
    Own {
        /// The name by which that loader knows it.
        name: &'static str,
        /// Its words.
        words: Vec<String>,
        /// For how long behind its warm-up it is mostly the filling of the page cache, in seconds; 0 where it is not.
        fills_s: u32,
    },
}

impl Work {
    /// The loader's name for it.
    pub fn name(&self) -> &'static str {
        match self {
            Work::Classic { .. } => "classic",
            Work::Produce { .. } => "produce",
            Work::Consume { .. } => "consume",
            Work::Tail { .. } => "tail",
            Work::Latency { .. } => "latency",
            Work::Topics { .. } => "topics",
            Work::Interleaved { .. } => "interleaved",
            Work::Noisy { .. } => "noisy",
            Work::Backlog { .. } => "backlog",
            Work::Appends { .. } => "append",
            Work::Own { name, .. } => name,
        }
    }

    /// The loader's words, without its name and without those that every work has.
    pub fn words(&self) -> Vec<String> {
        match self {
            Work::Classic { senders, connections, bytes, seconds } => {
                let mut words = flags(&[("connections", senders), ("bytes", bytes), ("seconds", seconds)]);
                if *connections == Connections::OneForAll {
                    words.push("--one-connection".into());
                }
                words
            }
            Work::Produce { bytes, codec, partitions, clients, seconds } => flags(&[
                ("bytes", bytes),
                ("codec", &codec.name()),
                ("partitions", partitions),
                ("clients", clients),
                ("seconds", seconds),
            ]),
            Work::Consume { groups, bytes, records } => {
                flags(&[("groups", groups), ("bytes", bytes), ("records", records)])
            }
            Work::Tail { groups, rate, bytes, seconds } => {
                flags(&[("groups", groups), ("rate", rate), ("bytes", bytes), ("seconds", seconds)])
            }
            Work::Latency { rate, bytes, seconds, kept_bytes } => {
                let mut words = flags(&[("rate", rate), ("bytes", bytes), ("seconds", seconds)]);
                if let Some(kept) = kept_bytes {
                    words.extend(["--topic-config".to_owned(), format!("retention.bytes={kept}")]);
                }
                words
            }
            Work::Topics { topics, bytes, each } => {
                flags(&[("topics", topics), ("bytes", bytes), ("each", each)])
            }
            Work::Interleaved { topics, batch, records_each, readings } => flags(&[
                ("topics", topics),
                ("batch", batch),
                ("records-each", records_each),
                ("readings", readings),
            ]),
            Work::Noisy { small_clients, small_rate, seconds } => {
                flags(&[("small-clients", small_clients), ("small-rate", small_rate), ("seconds", seconds)])
            }
            Work::Backlog { records } => flags(&[("records", records)]),
            Work::Appends { bytes, seconds } => flags(&[("bytes", bytes), ("seconds", seconds)]),
            Work::Own { words, .. } => words.clone(),
        }
    }

    /// The length of its measured window, where it has one.
    pub fn seconds(&self) -> Option<u32> {
        match self {
            Work::Classic { seconds, .. }
            | Work::Produce { seconds, .. }
            | Work::Tail { seconds, .. }
            | Work::Latency { seconds, .. }
            | Work::Noisy { seconds, .. }
            | Work::Appends { seconds, .. } => Some(*seconds),
            _ => None,
        }
    }

    /// For how long it does mostly that behind its warm-up: fill the page cache.
    pub fn fills_page_cache(&self) -> Option<Duration> {
        let seconds = match self {
            Work::Produce { seconds, .. } => *seconds,
            Work::Own { fills_s, .. } => *fills_s,
            _ => 0,
        };
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// The same at another rate; `None` for work that has none.
    pub fn at_rate(&self, new: u32) -> Option<Work> {
        let mut work = self.clone();
        match &mut work {
            Work::Tail { rate, .. } | Work::Latency { rate, .. } => *rate = new,
            _ => return None,
        }
        Some(work)
    }
}

fn flags(pairs: &[(&str, &dyn ToString)]) -> Vec<String> {
    pairs.iter().flat_map(|(name, value)| [format!("--{name}"), value.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_work_is_asked_for_in_the_loaders_words() {
        let classic =
            Work::Classic { senders: 64, connections: Connections::OneForAll, bytes: 124, seconds: 5 };
        assert_eq!(classic.name(), "classic");
        assert_eq!(classic.words().join(" "), "--connections 64 --bytes 124 --seconds 5 --one-connection");
        let produce =
            Work::Produce { bytes: 1024, codec: Codec::Zstd, partitions: 16, clients: 8, seconds: 5 };
        assert_eq!(
            produce.words().join(" "),
            "--bytes 1024 --codec zstd --partitions 16 --clients 8 --seconds 5"
        );
        let interleaved = Work::Interleaved { topics: 1000, batch: 16, records_each: 1600, readings: 9 };
        assert_eq!(
            interleaved.words().join(" "),
            "--topics 1000 --batch 16 --records-each 1600 --readings 9"
        );
    }
}
