//! Where inputs come from: committed seeds, recorded frames, and what earlier runs found worth keeping.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use forebay_kafka::wire::{AnyRequest, AnyResponse, Cursor, RequestHead, RequestHeader};

use crate::amqp;
use crate::exchange::Exchange;
use crate::targets::{Frames, Target};

/// Inputs kept in a target's folder below target/; above it a run keeps new ones in memory alone.
const KEPT_FILES_MAX: usize = 4_096;

/// The committed seeds of a target.
pub fn committed(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// What runs on this machine found, out of git's sight.
pub fn workshop() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("fuzz")
}

/// The folder of the inputs that a target's runs on this machine have kept.
pub fn kept(target: &str) -> PathBuf {
    workshop().join("corpus").join(target)
}

/// The folder of findings.
pub fn findings() -> PathBuf {
    workshop().join("findings")
}

/// The seeds of a target: its committed files, and its parts of the recorded frames.
pub fn seeds(target: &Target, exchanges: &[Exchange]) -> Result<Vec<Vec<u8>>, String> {
    let mut seeds = files(&committed(target.name))?;
    seeds.extend(from_frames(target.frames, exchanges));
    seeds.retain(|seed| seed.len() <= target.input_bytes_max);
    Ok(seeds)
}

/// The files of a folder in the order of their names; none if there is no folder.
pub fn files(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let Ok(listed) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = listed.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read(&path).map_err(|why| format!("{}: {why}", path.display())))
        .collect()
}

/// Keeps an input for later runs.
pub fn keep(folder: &Path, input: &[u8]) -> Result<(), String> {
    let told = |why: std::io::Error| format!("{}: {why}", folder.display());
    fs::create_dir_all(folder).map_err(told)?;
    if fs::read_dir(folder).map_err(told)?.count() < KEPT_FILES_MAX {
        fs::write(folder.join(name_of(input)), input).map_err(told)?;
    }
    Ok(())
}

/// A file name that equal inputs share.
pub fn name_of(input: &[u8]) -> String {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The parts of recorded frames that are inputs of a target.
pub fn from_frames(frames: Frames, exchanges: &[Exchange]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = match frames {
        Frames::Nothing => Vec::new(),
        Frames::Requests => exchanges.iter().map(|e| e.request.clone()).collect(),
        Frames::Responses => exchanges.iter().filter_map(tagged_response).collect(),
        Frames::GroupData => exchanges.iter().flat_map(|e| parts(e).group_data).collect(),
        Frames::Batches => exchanges.iter().flat_map(|e| parts(e).batches).collect(),
        Frames::Stream => exchanges.iter().map(|e| with_length(&e.request)).collect(),
        Frames::Connection => connections(exchanges),
        Frames::AmqpStream => amqp::streams(),
        Frames::AmqpProperties => amqp::properties(),
        Frames::AmqpTables => amqp::tables(),
    };
    found.sort();
    found.dedup();
    found
}

/// A response behind the API key and the version that its request names, one byte each.
fn tagged_response(exchange: &Exchange) -> Option<Vec<u8>> {
    let head = RequestHead::peek(&Bytes::copy_from_slice(&exchange.request)).ok()?;
    let tag = [u8::try_from(head.api_key).ok()?, u8::try_from(head.api_version).ok()?];
    Some([&tag, exchange.response.as_ref()?.as_slice()].concat())
}

fn with_length(frame: &[u8]) -> Vec<u8> {
    let length = i32::try_from(frame.len()).expect("a recorded frame is short");
    [&length.to_be_bytes(), frame].concat()
}

/// Every request alone, and all of each client behind each other.
fn connections(exchanges: &[Exchange]) -> Vec<Vec<u8>> {
    const SEED: [u8; 8] = *b"seedseed";
    let mut found: Vec<Vec<u8>> =
        exchanges.iter().map(|e| [&SEED[..], &with_length(&e.request)].concat()).collect();
    for client in exchanges.chunk_by(|a, b| a.client() == b.client()) {
        let stream: Vec<u8> = client.iter().flat_map(|e| with_length(&e.request)).collect();
        found.push([&SEED[..], &stream].concat());
    }
    found
}

/// What lies inside frames and has a decoder of its own.
#[derive(Default)]
struct Parts {
    batches: Vec<Vec<u8>>,
    group_data: Vec<Vec<u8>>,
}

fn parts(exchange: &Exchange) -> Parts {
    let mut parts = Parts::default();
    let frame = Bytes::copy_from_slice(&exchange.request);
    let mut cursor = Cursor::new(&frame);
    let Ok(header) = RequestHeader::decode(&mut cursor) else { return parts };
    match AnyRequest::read(&mut cursor, &header) {
        Ok(AnyRequest::Produce(request)) => {
            let partitions = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
            let records = partitions.filter_map(|partition| partition.records);
            parts.batches.extend(records.map(|records| records.into_bytes().to_vec()));
        }
        Ok(AnyRequest::JoinGroup(request)) => {
            parts.group_data.extend(request.protocols.iter().map(|protocol| protocol.metadata.to_vec()));
        }
        Ok(AnyRequest::SyncGroup(request)) => {
            parts.group_data.extend(request.assignments.iter().map(|share| share.assignment.to_vec()));
        }
        _ => {}
    }
    let Some(response) = &exchange.response else { return parts };
    let frame = Bytes::copy_from_slice(response);
    match AnyResponse::read(&mut Cursor::new(&frame), header.api, header.api_version) {
        Ok((_, AnyResponse::Fetch(response))) => {
            let partitions = response.responses.into_iter().flat_map(|topic| topic.partitions);
            let records = partitions.filter_map(|partition| partition.records);
            parts.batches.extend(records.map(|records| records.into_bytes().to_vec()));
        }
        Ok((_, AnyResponse::JoinGroup(response))) => {
            parts.group_data.extend(response.members.iter().map(|member| member.metadata.to_vec()));
        }
        Ok((_, AnyResponse::SyncGroup(response))) => parts.group_data.push(response.assignment.to_vec()),
        _ => {}
    }
    parts
}
