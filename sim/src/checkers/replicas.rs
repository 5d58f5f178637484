//! Replicas agree: equal applied indexes mean equal states, equal segment ids equal canonical bytes.

use std::collections::BTreeMap;
use std::hash::Hasher;

use forebay_model::{NodeId, ShardId};

use super::{Check, broken};
use crate::trace::Fnv;
use crate::world::machine::{Driven, Machine};

/// States are compared at indexes that this divides.
const EVERY: u64 = 8;
/// How the name of a segment ends that was never rewritten.
const APPENDED: &str = "-00000000000000000000.seg";
/// The file header of a segment, in bytes.
const SEGMENT_HEADER_BYTES: usize = 32;
/// The header of an entry, in bytes.
const ENTRY_HEADER_BYTES: usize = 48;
/// Where the part of it begins that differs between replicas.
const LOCAL_AT: usize = 36;
/// Where it says of what kind it is...
const KIND_AT: usize = 4;
/// ...and what it says there at the end of a segment.
const KIND_SEAL: u8 = 3;
/// Where it says how long its body is.
const BODY_LEN_AT: usize = 28;

/// The states seen.
#[derive(Debug, Default)]
pub struct Replicas {
    states: BTreeMap<(ShardId, u64), (u64, NodeId)>,
    last: BTreeMap<(ShardId, NodeId), u64>,
    files_seen: BTreeMap<(ShardId, NodeId), Files>,
    /// What all processes did with their segments.
    pub files: Files,
    /// How often a state was compared with another node's.
    pub compared: u64,
}

/// What was done with segment files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files {
    /// Segments unlinked.
    pub unlinked: u64,
    /// Segments rewritten...
    pub rewritten: u64,
    /// ...and those of them that a reader or a snapshot held.
    pub rewritten_held: u64,
    /// Checkpoints of other replicas installed.
    pub installs: u64,
}

impl Files {
    fn of(driven: &Driven) -> Files {
        let metrics = &driven.opened.metrics;
        Files {
            unlinked: metrics.segments_unlinked.value(),
            rewritten: metrics.segments_rewritten.value(),
            rewritten_held: metrics.segments_rewritten_held.value(),
            installs: metrics.installs.value(),
        }
    }

    fn add(&mut self, now: Files, before: Files) {
        self.unlinked += now.unlinked - before.unlinked;
        self.rewritten += now.rewritten - before.rewritten;
        self.rewritten_held += now.rewritten_held - before.rewritten_held;
        self.installs += now.installs - before.installs;
    }
}

impl Replicas {
    /// Looks at a shard after a turn.
    pub fn look(&mut self, node: NodeId, driven: &Driven) -> Check {
        let now = Files::of(driven);
        let before = self.files_seen.insert((driven.opened.id, node), now).unwrap_or_default();
        self.files.add(now, before);
        let index = driven.opened.shard.machine().applied().index.0;
        let last = self.last.insert((driven.opened.id, node), index);
        if last == Some(index) || !index.is_multiple_of(EVERY) {
            return Ok(());
        }
        self.compare(node, driven)
    }

    /// Compares the state with the one that others had at the same index.
    pub fn compare(&mut self, node: NodeId, driven: &Driven) -> Check {
        let machine = driven.opened.shard.machine();
        let index = machine.applied().index.0;
        let mut hash = Fnv::default();
        for (kind, bytes) in machine.encode_checkpoint() {
            hash.write_u32(kind.0);
            hash.write(&bytes);
        }
        let hash = hash.finish();
        match self.states.get(&(driven.opened.id, index)) {
            Some((other, first)) if *other != hash => {
                let what = format!("shard {} at entry {index}: nodes {first} and {node}", driven.opened.id);
                broken("replicas' states are equal", what)
            }
            Some((_, first)) => {
                self.compared += u64::from(*first != node);
                Ok(())
            }
            None => {
                self.states.insert((driven.opened.id, index), (hash, node));
                Ok(())
            }
        }
    }

    /// Forgets what a node had applied: it was restarted.
    pub fn forget(&mut self, node: NodeId) {
        self.last.retain(|(_, of), _| *of != node);
        self.files_seen.retain(|(_, of), _| *of != node);
    }
}

/// How many segments were found equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Pairs of equal bytes...
    pub equal: u64,
    /// ...and those of them that were rewritten.
    pub rewritten: u64,
    /// Pairs of equal lists of what the log orders to be there.
    pub lists: u64,
}

/// Equal segment ids have equal canonical bytes on all machines, and replicas that applied the same log want the same ids.
pub fn segments_agree<'a>(
    machines: impl Iterator<Item = &'a Machine> + Clone,
    shard: ShardId,
) -> Result<Compared, super::Broken> {
    let mut compared = bytes_agree(machines.clone(), shard)?;
    compared.lists = lists_agree(machines, shard)?;
    Ok(compared)
}

fn lists_agree<'a>(
    machines: impl Iterator<Item = &'a Machine>,
    shard: ShardId,
) -> Result<u64, super::Broken> {
    let mut first = BTreeMap::new();
    let mut equal = 0;
    for machine in machines {
        let shards = machine.process.iter().flat_map(|process| &process.shards);
        for driven in shards.filter(|driven| driven.opened.id == shard) {
            let (applied, list) = driven.opened.shard.ordered_segments();
            match first.get(&applied) {
                None => {
                    first.insert(applied, (machine.id, list));
                }
                Some((_, other)) if *other == list => equal += 1,
                Some((node, other)) => {
                    let what = format!(
                        "shard {shard} at entry {applied}: node {node} wants {other:?}, node {} wants {list:?}",
                        machine.id
                    );
                    return Err(super::Broken { promise: "equal logs order equal segments", what });
                }
            }
        }
    }
    Ok(equal)
}

fn bytes_agree<'a>(
    machines: impl Iterator<Item = &'a Machine>,
    shard: ShardId,
) -> Result<Compared, super::Broken> {
    let dir = Machine::shard_dir(shard);
    let mut first: BTreeMap<String, (NodeId, Vec<u8>)> = BTreeMap::new();
    let mut compared = Compared::default();
    // What a medium does to its bits is no disagreement.
    for machine in machines.filter(|machine| machine.excuse.is_none()) {
        for (name, bytes) in machine.disk.contents(&dir) {
            if !name.ends_with(".seg") {
                continue;
            }
            let bytes = canonical(bytes);
            match first.get(&name) {
                None => {
                    first.insert(name, (machine.id, bytes));
                }
                Some((_, other)) if *other == bytes => {
                    compared.equal += 1;
                    compared.rewritten += u64::from(!name.ends_with(APPENDED));
                }
                Some((node, other)) => {
                    let at = other.iter().zip(&bytes).position(|(a, b)| a != b);
                    let what = format!(
                        "shard {shard} {name}: node {node} has {} bytes, node {} has {}, first difference at {at:?}; \
                         entries {:?} and {:?}",
                        other.len(),
                        machine.id,
                        bytes.len(),
                        entries(other),
                        entries(&bytes),
                    );
                    return Err(super::Broken { promise: "equal segment ids mean equal bytes", what });
                }
            }
        }
    }
    Ok(compared)
}

/// The bytes with every entry's local part zeroed, and without the zeros that wait for entries: a sealed segment has none.
fn canonical(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = SEGMENT_HEADER_BYTES;
    let mut sealed = false;
    loop {
        if !sealed && bytes.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0)) {
            bytes.truncate(at);
        }
        let Some(header) = bytes.get_mut(at..at + ENTRY_HEADER_BYTES) else { break };
        sealed = header[KIND_AT] == KIND_SEAL;
        header[LOCAL_AT..].fill(0);
        let len = &header[BODY_LEN_AT..BODY_LEN_AT + 4];
        let len = u32::from_le_bytes(len.try_into().expect("four bytes"));
        at += ENTRY_HEADER_BYTES + len as usize;
    }
    bytes
}

/// Terms, indexes and lengths of the entries, for people.
fn entries(bytes: &[u8]) -> Vec<(u64, u64, u32)> {
    let mut at = SEGMENT_HEADER_BYTES;
    let mut all = Vec::new();
    while let Some(header) = bytes.get(at..at + ENTRY_HEADER_BYTES) {
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let len = u32::from_le_bytes(header[BODY_LEN_AT..BODY_LEN_AT + 4].try_into().expect("four bytes"));
        all.push((word(8), word(16), len));
        at += ENTRY_HEADER_BYTES + len as usize;
    }
    all
}
