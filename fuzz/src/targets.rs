//! Every decoder of the workspace, in one table.

use forebay_amqp091 as amqp091;
use forebay_commitlog as commitlog;
use forebay_kafka as kafka;
use forebay_machine as machine;
use forebay_record as record;
use forebay_replication::wire::fuzz::{Seal, decode_any};
use forebay_server::node_file;
use forebay_shard as shard;

/// A decoder to feed.
pub struct Target {
    /// Its name, and that of its folder below `corpus/`.
    pub name: &'static str,
    /// Takes any bytes. A panic is a finding.
    pub run: fn(&[u8]),
    /// What of the recorded frames of real clients it starts from, beside its folder.
    pub frames: Frames,
    /// Longest input, bytes.
    pub input_bytes_max: usize,
    /// Memory that it may hold at any moment while it runs.
    pub memory: Memory,
}

/// The parts of recorded frames that are inputs of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// None.
    Nothing,
    /// Requests, without their lengths.
    Requests,
    /// Responses behind their API key and version.
    Responses,
    /// Subscriptions and shares out of group messages.
    GroupData,
    /// Record batches out of Produce and Fetch.
    Batches,
    /// A stream: frames with their lengths.
    Stream,
    /// A connection: a seed of 8 bytes, then the requests of one client with their lengths.
    Connection,
    /// All that one side of an AMQP connection said on one channel, behind the protocol header.
    AmqpStream,
    /// The properties of AMQP messages.
    AmqpProperties,
    /// The headers among them.
    AmqpTables,
}

/// An allowance of memory: bytes for any input, and bytes for each byte of it.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Whatever the input.
    pub floor: u64,
    /// For each of its bytes.
    pub per_byte: u64,
}

impl Memory {
    /// Bytes for an input of `len` bytes.
    pub fn of(self, len: usize) -> u64 {
        self.floor + self.per_byte * len as u64
    }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Two decoded messages at their limit (`DECODE_MEMORY_FLOOR`, `DECODE_MEMORY_FACTOR`), and copies of the bytes.
const WIRE: Memory = Memory { floor: 130 * KIB, per_byte: 2 * 16 + 8 };
/// Compressed records come to 1 MiB at most in these targets; a handful of copies and decoders' windows are alive at once.
const INFLATED: Memory = Memory { floor: 16 * MIB, per_byte: 16 };
/// Methods, which take more room in memory than on the wire, in lists that double, read twice; and the beginning of a body.
const AMQP: Memory = Memory { floor: 128 * KIB, per_byte: 256 };
/// Copies of the input and what was read from it.
const PLAIN: Memory = Memory { floor: 64 * KIB, per_byte: 64 };

const fn target(name: &'static str, run: fn(&[u8]), memory: Memory) -> Target {
    Target { name, run, frames: Frames::Nothing, input_bytes_max: 8 * 1024, memory }
}

const fn wire(name: &'static str, run: fn(&[u8]), frames: Frames) -> Target {
    Target { name, run, frames, input_bytes_max: 16 * 1024, memory: WIRE }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    wire("kafka-request", kafka::wire::fuzz::fuzz_request, Frames::Requests),
    wire("kafka-response", kafka::wire::fuzz::fuzz_response, Frames::Responses),
    wire("kafka-consumer-protocol", kafka::wire::fuzz::fuzz_consumer_protocol, Frames::GroupData),
    wire("kafka-frame", kafka::wire::fuzz::fuzz_frame, Frames::Stream),
    Target {
        memory: INFLATED,
        ..wire("kafka-session", kafka::session::fuzz::fuzz_session, Frames::Connection)
    },
    Target { memory: AMQP, ..wire("amqp091-stream", amqp091::wire::fuzz::fuzz_stream, Frames::AmqpStream) },
    Target {
        frames: Frames::AmqpProperties,
        ..target("amqp091-properties", amqp091::wire::fuzz::fuzz_properties, PLAIN)
    },
    Target { frames: Frames::AmqpTables, ..target("amqp091-table", amqp091::wire::fuzz::fuzz_table, PLAIN) },
    Target { frames: Frames::Batches, ..target("record-check", record::fuzz::fuzz_check, INFLATED) },
    Target { frames: Frames::Batches, ..target("record-read", record::fuzz::fuzz_records, INFLATED) },
    target("message-batch", record::fuzz::fuzz_message_batch, PLAIN),
    target("machine-commands", machine::fuzz::commands, INFLATED),
    target("machine-checkpoint", machine::fuzz::checkpoint, INFLATED),
    target("entry-body", commitlog::fuzz::body, PLAIN),
    target("segment", commitlog::fuzz::segment, INFLATED),
    Target { input_bytes_max: 64 * 1024, ..target("sidecar", commitlog::fuzz::sidecar, INFLATED) },
    target("directory", commitlog::fuzz::directory, PLAIN),
    target("log-checkpoint", commitlog::fuzz::checkpoint, PLAIN),
    target("manifest", commitlog::fuzz::manifest, PLAIN),
    target("journal", commitlog::fuzz::journal, PLAIN),
    target("hard-state", commitlog::fuzz::hard_state, PLAIN),
    target("node-file", node_file::fuzz, PLAIN),
    target("peer-frame", peer_frame, PLAIN),
    target("turn", shard::fuzz::turn, PLAIN),
    target("part-list", shard::fuzz::parts, PLAIN),
    target("reclaim-decision", shard::fuzz::decision, PLAIN),
    target("reclaim-segments", shard::fuzz::segments, PLAIN),
];

/// A frame between replicas, as it is and with its checksum put right.
fn peer_frame(data: &[u8]) {
    decode_any(data, Seal::Leave);
    decode_any(data, Seal::Mend);
}
