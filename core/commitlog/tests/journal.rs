//! Shards that share a journal: what was confirmed out of it survives kills and power cuts, whatever happened to the segments, and
//! what was cut never comes back.

mod support;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_commitlog::{
    Entry, Fault, FlushDone, Journal, Log, LogConfig, Occasion, Replayed, dump, unreplayed,
};
use forebay_env::{Env, IoClass, Job, Spawn, real};
use forebay_model::{LogIndex, ShardId};
use support::*;

const DATA: &str = "/data";
/// Small enough for the next file to be begun all the time.
const FILE_BYTES: u64 = 16 * 1024;

/// Runs jobs when it is told to.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<VecDeque<Job>>>);

impl Spawn for Later {
    fn spawn(&self, class: IoClass, job: Job) {
        assert_eq!(class, IoClass::Flush);
        self.0.lock().unwrap().push_back(job);
    }
}

impl Later {
    /// Runs the `at`-th job that waits, counted around.
    fn run(&self, at: u64) -> bool {
        let mut jobs = self.0.lock().unwrap();
        if jobs.is_empty() {
            return false;
        }
        let at = usize::try_from(at).unwrap() % jobs.len();
        let job = jobs.remove(at).unwrap();
        drop(jobs);
        job();
        true
    }

    fn run_all(&self) {
        while self.run(0) {}
    }
}

fn shard_dir(shard: ShardId) -> PathBuf {
    Path::new(DATA).join(format!("shard-{:04}", shard.0))
}

fn journal_files(disk: &MemDisk) -> Vec<PathBuf> {
    disk.names(Path::new(DATA), ".journal")
}

type Ended = Arc<Mutex<Option<Result<FlushDone, Fault>>>>;

struct Shard {
    log: Log,
    /// What the flush under way will answer.
    flush: Option<Ended>,
}

/// A process with shards that share a journal.
struct Node {
    later: Later,
    journal: Arc<Journal>,
    shards: Vec<Shard>,
}

impl Node {
    fn open(disk: &MemDisk, shards: u32) -> Result<(Node, Replayed), Fault> {
        let later = Later::default();
        let env = Env { disk: disk.arc(), spawn: Arc::new(later.clone()), ..real::env() };
        let (journal, replayed) = Journal::open(&env, Path::new(DATA), &shard_dir, FILE_BYTES)?;
        let open = |number| {
            let shard = ShardId(number);
            let config = LogConfig {
                tail_bytes_max: 0,
                journal: Some(Arc::clone(&journal)),
                ..LogConfig::new(shard, 0x5eed + u64::from(number))
            };
            let (log, _) = Log::open(disk.arc(), &shard_dir(shard), config)?;
            Ok(Shard { log, flush: None })
        };
        let shards = (0..shards).map(open).collect::<Result<Vec<Shard>, Fault>>()?;
        Ok((Node { later, journal, shards }, replayed))
    }

    /// Asks for a flush of everything that the shard has.
    fn ask(&mut self, shard: usize) {
        let Shard { log, flush } = &mut self.shards[shard];
        if let Some(job) = log.begin_flush().unwrap() {
            let ended = Ended::default();
            *flush = Some(Arc::clone(&ended));
            self.journal.flush(job, Box::new(move |result| *ended.lock().unwrap() = Some(result)));
        }
    }

    /// Takes the answer of the flush under way, if it has come.
    fn take(&mut self, shard: usize) -> Result<(), Fault> {
        let Shard { log, flush } = &mut self.shards[shard];
        let Some(ended) = flush.as_ref().and_then(|flush| flush.lock().unwrap().take()) else {
            return Ok(());
        };
        *flush = None;
        log.flushed(ended?);
        Ok(())
    }

    /// Flushes these shards together.
    fn flush(&mut self, shards: &[usize]) {
        shards.iter().for_each(|shard| self.ask(*shard));
        self.later.run_all();
        shards.iter().for_each(|shard| self.take(*shard).unwrap());
    }

    /// As `flush`; what settles a full file was queued last and does not get its turn.
    fn flush_without_settling(&mut self, shards: &[usize]) {
        shards.iter().for_each(|shard| self.ask(*shard));
        let waits = |node: &Node, shard: usize| {
            node.shards[shard].flush.as_ref().is_some_and(|flush| flush.lock().unwrap().is_none())
        };
        let mut next = 0;
        while shards.iter().any(|shard| waits(self, *shard)) {
            let count = self.later.0.lock().unwrap().len() as u64;
            // The newest first, and whatever else when that did not help.
            self.later.run((count - 1 + next) % count);
            next = 0;
        }
        shards.iter().for_each(|shard| self.take(*shard).unwrap());
    }

    /// Flushes both shards while the next write finds no room.
    fn flush_failing_writes(&mut self, disk: &MemDisk) {
        (0..2).for_each(|shard| self.ask(shard));
        // The batch; what comes of it cuts the file, and then there is room again.
        disk.fill_up_once(Fails::Write);
        self.later.run_all();
        (0..2).for_each(|shard| self.take(shard).unwrap());
    }

    fn append(&mut self, shard: usize, entry: Entry) {
        self.shards[shard].log.append(&[entry]).unwrap();
    }

    fn contents(&self, shard: usize) -> Vec<(u64, u64)> {
        contents(&self.shards[shard].log, 1)
    }
}

fn open(disk: &MemDisk, shards: u32) -> (Node, Replayed) {
    Node::open(disk, shards).unwrap()
}

/// Two shards whose entries 1 are flushed where they are, and 2 to 4 in the journal alone.
fn two_in_the_journal() -> (MemDisk, Node) {
    let disk = MemDisk::default();
    let (mut node, _) = open(&disk, 2);
    for index in 1..=4 {
        (0..2).for_each(|shard| node.append(shard, entry(1, index, 2)));
        node.flush(&[0, 1]);
    }
    (disk, node)
}

/// What a power cut leaves that takes every unflushed byte.
fn without_power(disk: &MemDisk) -> MemDisk {
    (0..).map(|seed| disk.power_cut(&mut Dice(seed))).find(lost_all_it_could).expect("one of them")
}

/// Whether the last segment of the first shard has lost its second entry.
fn lost_all_it_could(disk: &MemDisk) -> bool {
    (0..2).all(|shard| {
        let segments = disk.names(&shard_dir(ShardId(shard)), ".seg");
        let bytes = disk.bytes(segments.last().expect("a segment"));
        let text = slot_text(1, 2, 0);
        !bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn what_several_shards_flush_at_once_is_written_to_one_file_and_flushed_once() {
    let (disk, mut node) = two_in_the_journal();
    assert_eq!(journal_files(&disk).len(), 1);
    (0..2).for_each(|shard| node.append(shard, entry(1, 5, 2)));
    disk.take_trace();
    node.flush(&[0, 1]);
    let flushed: Vec<String> =
        disk.take_trace().into_iter().filter(|step| step.starts_with("flush")).collect();
    assert!(matches!(&flushed[..], [one] if one.contains(".journal")), "{flushed:?}");
    assert!(node.shards.iter().all(|shard| shard.log.durable_index() == LogIndex(5)));
}

#[test]
fn a_file_of_the_journal_is_printed_as_text() {
    let (disk, mut node) = two_in_the_journal();
    node.append(1, entry(2, 4, 1));
    let name = journal_files(&disk)[0].clone();
    let mut text = Vec::new();
    dump(&*disk.arc(), &name, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["journal file 1", "batch 1"], "{text}");
    assert!(lines[2].starts_with("  shard 0 segment 1: ") && lines[2].contains(" bytes at "), "{text}");
    assert_eq!(lines.last(), Some(&"  shard 1: nothing before this counts"), "{text}");
}

#[test]
fn one_shard_alone_flushes_its_segment() {
    let (disk, mut node) = two_in_the_journal();
    node.append(0, entry(1, 5, 2));
    disk.take_trace();
    node.flush(&[0]);
    let flushed: Vec<String> =
        disk.take_trace().into_iter().filter(|step| step.starts_with("flush")).collect();
    assert!(matches!(&flushed[..], [one] if one.contains(".seg")), "{flushed:?}");
}

#[test]
fn what_only_the_journal_has_comes_back_after_a_power_cut() {
    let (disk, node) = two_in_the_journal();
    drop(node);
    let disk = without_power(&disk);
    let lacking = unreplayed(&*disk.arc(), Path::new(DATA), &shard_dir).unwrap();
    assert_eq!(lacking.into_iter().collect::<Vec<_>>(), [ShardId(0), ShardId(1)]);
    let (node, replayed) = open(&disk, 2);
    assert_eq!((replayed.files, replayed.pieces, replayed.segments), (1, 6, 2));
    for shard in 0..2 {
        assert_eq!(node.contents(shard), [(1, 1), (1, 2), (1, 3), (1, 4)]);
    }
    assert!(journal_files(&disk).is_empty());
    assert!(unreplayed(&*disk.arc(), Path::new(DATA), &shard_dir).unwrap().is_empty());
}

#[test]
fn an_entry_that_was_cut_does_not_come_back_from_the_journal() {
    let (disk, mut node) = two_in_the_journal();
    node.append(0, entry(2, 3, 1));
    // Alone, so that the new entry is in its segment and not in the journal.
    node.flush(&[0]);
    drop(node);
    let (node, _) = open(&disk.copy(), 2);
    assert_eq!(node.contents(0), [(1, 1), (1, 2), (2, 3)]);
    assert_eq!(node.contents(1), [(1, 1), (1, 2), (1, 3), (1, 4)]);
}

#[test]
fn a_cut_keeps_what_stands_before_it_and_was_in_the_journal_alone() {
    let (disk, mut node) = two_in_the_journal();
    // Nothing of it is flushed: the cut alone is on the medium.
    node.append(0, entry(2, 4, 1));
    drop(node);
    for seed in 0..50 {
        let (node, _) = open(&disk.power_cut(&mut Dice(seed)), 2);
        let found = node.contents(0);
        assert_eq!(found[..3], [(1, 1), (1, 2), (1, 3)], "seed {seed}: {found:?}");
        assert!(!found.contains(&(1, 4)), "seed {seed}: {found:?}");
    }
}

#[test]
fn a_cut_that_fails_half_way_has_cost_nothing_before_it() {
    for skip in 0..4 {
        let (disk, mut node) = two_in_the_journal();
        disk.fail(Fails::Write, skip);
        let cut = node.shards[0].log.append(&[entry(2, 4, 1)]);
        assert!(cut.is_err(), "{skip} writes pass: of the void record, the cut, the entry and its zeros");
        disk.heal();
        for seed in 0..40 {
            let (node, _) = open(&disk.power_cut(&mut Dice(seed)), 2);
            let found = node.contents(0);
            assert_eq!(found[..3], [(1, 1), (1, 2), (1, 3)], "{skip}, seed {seed}: {found:?}");
        }
    }
}

#[test]
fn a_flush_that_waits_while_its_log_is_cut_says_nothing_in_the_journal() {
    let (disk, mut node) = two_in_the_journal();
    for shard in 0..2 {
        node.append(shard, entry(1, 5, 2));
        node.ask(shard);
    }
    node.append(0, entry(2, 3, 1));
    node.later.run_all();
    (0..2).for_each(|shard| node.take(shard).unwrap());
    node.flush(&[0]);
    assert_eq!(node.shards[0].log.durable_index(), LogIndex(3));
    drop(node);
    let (node, _) = open(&disk.copy(), 2);
    assert_eq!(node.contents(0), [(1, 1), (1, 2), (2, 3)]);
    assert_eq!(node.contents(1).len(), 5);
}

#[test]
fn what_is_large_and_what_begins_or_ends_a_segment_is_flushed_where_it_is() {
    let (disk, mut node) = two_in_the_journal();
    let large = |index| Entry { index: LogIndex(index), ..entry(1, index, 2_000) };
    assert!(large(5).body.len() > 33 * 1024);
    for next in [vec![large(5)], vec![seal(1, 6)], vec![entry(1, 7, 2)]] {
        for shard in 0..2 {
            node.shards[shard].log.append(&next).unwrap();
        }
        disk.take_trace();
        node.flush(&[0, 1]);
        let trace = disk.take_trace();
        assert!(!trace.iter().any(|step| step.contains(".journal")), "{trace:?}");
    }
    assert!(node.shards.iter().all(|shard| shard.log.durable_index() == LogIndex(7)));
}

#[test]
fn the_journal_goes_when_every_shard_is_idle() {
    let (disk, mut node) = two_in_the_journal();
    for shard in 0..2 {
        assert_eq!(journal_files(&disk).len(), 1);
        let job =
            node.shards[shard].log.record_durable(Occasion::Idle).unwrap().expect("something to record");
        let done = job.run().unwrap();
        node.shards[shard].log.flushed(done);
    }
    assert!(journal_files(&disk).is_empty());
    // And is begun again.
    (0..2).for_each(|shard| node.append(shard, entry(1, 5, 2)));
    node.flush(&[0, 1]);
    assert_eq!(journal_files(&disk).len(), 1);
    drop(node);
    let (node, _) = open(&without_power_since(&disk, 5), 2);
    assert!((0..2).all(|shard| node.contents(shard).len() == 5));
}

/// What a power cut leaves that takes entry `index` from the segments.
fn without_power_since(disk: &MemDisk, index: u64) -> MemDisk {
    let text = slot_text(1, index, 0);
    let lost = |disk: &MemDisk| {
        let segments = disk.names(&shard_dir(ShardId(0)), ".seg");
        !disk.bytes(&segments[0]).windows(text.len()).any(|window| window == text.as_bytes())
    };
    (0..).map(|seed| disk.power_cut(&mut Dice(seed))).find(lost).expect("one of them")
}

#[test]
fn full_files_go_once_their_segments_are_flushed() {
    let (disk, mut node) = two_in_the_journal();
    let mut most = 0;
    for index in 5..200 {
        (0..2).for_each(|shard| node.append(shard, entry(1, index, 2)));
        node.flush(&[0, 1]);
        most = most.max(journal_files(&disk).len());
    }
    assert!(most <= 2, "{most} files");
    let names = journal_files(&disk);
    assert!(names[0].to_string_lossy().contains("-") && names.len() == 1, "{names:?}");
    assert!(!names[0].to_string_lossy().contains("00000000000000000001-"), "it is a later one: {names:?}");
}

#[test]
fn shards_flush_their_own_while_no_file_can_go() {
    let disk = MemDisk::default();
    let (mut node, _) = open(&disk, 2);
    for index in 1..400 {
        (0..2).for_each(|shard| node.append(shard, entry(1, index, 2)));
        (0..2).for_each(|shard| node.ask(shard));
        node.flush_without_settling(&[0, 1]);
    }
    assert!(journal_files(&disk).len() <= 4);
    assert!(node.shards.iter().all(|shard| shard.log.durable_index() == LogIndex(399)));
}

#[test]
fn a_full_disk_costs_the_journal_and_nobody_else_anything() {
    let (disk, mut node) = two_in_the_journal();
    disk.fill_up(Fails::Write, 2);
    (0..2).for_each(|shard| node.append(shard, entry(1, 5, 2)));
    node.flush(&[0, 1]);
    assert!(node.shards.iter().all(|shard| shard.log.durable_index() == LogIndex(5)));
    drop(node);
    let (node, _) = open(&without_power_of(&disk), 2);
    assert!((0..2).all(|shard| node.contents(shard).len() == 5));
}

fn without_power_of(disk: &MemDisk) -> MemDisk {
    disk.heal();
    disk.power_cut(&mut Dice(7))
}

#[test]
fn a_flush_of_the_journal_that_fails_fences_those_that_waited_for_it_alone() {
    let disk = MemDisk::default();
    let (mut node, _) = open(&disk, 3);
    for index in 1..=3 {
        (0..3).for_each(|shard| node.append(shard, entry(1, index, 2)));
        node.flush(&[0, 1, 2]);
    }
    (0..2).for_each(|shard| node.append(shard, entry(1, 4, 2)));
    disk.fail(Fails::Flush, 0);
    (0..2).for_each(|shard| node.ask(shard));
    node.later.run_all();
    disk.heal();
    for shard in 0..2 {
        let why = node.take(shard).unwrap_err().to_string();
        assert!(why.contains(".journal"), "{why}");
        assert!(node.shards[shard].log.check().is_err());
    }
    // The third goes on, without it.
    node.append(2, entry(1, 4, 2));
    node.flush(&[2]);
    assert_eq!(node.shards[2].log.durable_index(), LogIndex(4));
    drop(node);
    let (node, _) = open(&disk.power_cut(&mut Dice(1)), 3);
    assert!((0..2).all(|shard| node.contents(shard).len() >= 3));
    assert_eq!(node.contents(2).len(), 4);
}

#[test]
fn a_batch_that_was_not_finished_is_no_damage_and_one_in_the_middle_is() {
    let (disk, node) = two_in_the_journal();
    drop(node);
    let name = journal_files(&disk)[0].clone();
    let whole = disk.bytes(&name);
    let batches = 3;
    for batch in 0..batches {
        for byte in [0, 7, 20, 39, 60, 200] {
            let copy = disk.copy();
            copy.flip(&name, (batch * 4096 + byte) * 8 + 3);
            match Node::open(&copy, 2) {
                Ok((_, replayed)) => {
                    assert_eq!((batch, replayed.pieces), (batches - 1, 2 * (batches as u64 - 1)))
                }
                Err(Fault::Corrupt(corruption)) => {
                    assert!(batch < batches - 1);
                    assert_eq!((corruption.file, corruption.position.0), (name.clone(), batch as u64 * 4096));
                }
                Err(fault) => panic!("{fault}"),
            }
        }
    }
    for len in 0..whole.len().min(3 * 4096) {
        let copy = disk.copy();
        copy.put(&name, whole[..len].to_vec());
        let (node, _) = open(&copy, 2);
        assert_eq!(node.contents(0).len(), 4, "the page cache has them anyway");
    }
}

/// Writes to both shards until the journal has so many files, none of which is settled.
fn fill_files(disk: &MemDisk, node: &mut Node, files: usize) {
    while journal_files(disk).len() < files {
        (0..2).for_each(|shard| {
            let next = node.shards[shard].log.last_index().0 + 1;
            node.append(shard, entry(1, next, 2));
        });
        node.flush_without_settling(&[0, 1]);
    }
}

#[test]
fn a_journal_that_lacks_a_file_is_refused_and_a_foreign_file_is_left_alone() {
    let (disk, mut node) = two_in_the_journal();
    fill_files(&disk, &mut node, 3);
    drop(node);
    let foreign = Path::new(DATA).join("1-2.journal");
    disk.put(&foreign, b"not ours".to_vec());
    let whole = disk.copy();
    open(&whole, 2);
    assert_eq!(journal_files(&whole), [foreign]);
    disk.remove(&journal_files(&disk)[1]);
    let Err(Fault::Corrupt(found)) = Node::open(&disk, 2) else { panic!("it is opened") };
    assert!(found.to_string().contains("gap"), "{found}");
}

#[test]
fn a_file_that_was_removed_does_not_come_back_without_what_voids_it() {
    let (disk, mut node) = two_in_the_journal();
    fill_files(&disk, &mut node, 2);
    let last = node.shards[0].log.last_index().0;
    // What voids it stands in the second file; of the new entry the journal says nothing.
    node.append(0, entry(2, 3, 1));
    node.flush_without_settling(&[0]);
    // The first one is unlinked, but its directory is not flushed any more.
    disk.fail(Fails::SyncDir, 0);
    node.later.run_all();
    assert_eq!(journal_files(&disk).len(), 1);
    drop(node);
    disk.heal();
    for seed in 0..300 {
        let mut dice = Dice(seed);
        // Whoever comes next is killed as well, somewhere in its open, and then the power fails.
        let next = disk.fork();
        next.fail(Fails::Any, dice.roll(80));
        let _ = Node::open(&next, 2);
        next.heal();
        let (node, _) = open(&next.power_cut(&mut dice), 2);
        assert_eq!(node.contents(0), [(1, 1), (1, 2), (2, 3)], "seed {seed}, {last} entries before");
    }
}

#[test]
fn a_bit_that_flips_where_something_is_voided_brings_nothing_back() {
    let (disk, mut node) = two_in_the_journal();
    node.append(0, entry(2, 3, 1));
    node.flush(&[0]);
    drop(node);
    let name = journal_files(&disk)[0].clone();
    for byte in 3 * 4096..3 * 4096 + 80 {
        for batch in 0..2 {
            let copy = disk.copy();
            copy.flip(&name, (byte + batch * 4096) * 8);
            match Node::open(&copy, 2) {
                Ok((node, _)) => assert_eq!(node.contents(0), [(1, 1), (1, 2), (2, 3)], "byte {byte}"),
                Err(fault) => assert!(matches!(fault, Fault::Corrupt(_)) && batch == 0, "{fault}"),
            }
        }
    }
}

#[test]
fn a_cut_that_finds_no_room_in_the_journal_empties_it() {
    let (disk, mut node) = two_in_the_journal();
    disk.fill_up(Fails::Write, 0);
    // What voids its part finds no room, so the journal goes; then the entry finds none.
    assert!(node.shards[0].log.append(&[entry(2, 3, 1)]).is_err());
    disk.heal();
    assert!(journal_files(&disk).is_empty());
    drop(node);
    for seed in 0..20 {
        let (node, _) = open(&disk.power_cut(&mut Dice(seed)), 2);
        assert_eq!(node.contents(1).len(), 4, "seed {seed}");
        assert!(node.contents(0).starts_with(&[(1, 1), (1, 2)]), "seed {seed}");
    }
}

#[test]
fn a_batch_that_found_no_room_leaves_nothing_and_the_next_one_takes_its_place() {
    let (disk, mut node) = two_in_the_journal();
    (0..2).for_each(|shard| node.append(shard, entry(1, 5, 2)));
    let before = disk.bytes(&journal_files(&disk)[0]).len();
    node.flush_failing_writes(&disk);
    assert!(disk.bytes(&journal_files(&disk)[0]).len() < before, "its zeros went with it");
    assert!(node.shards.iter().all(|shard| shard.log.durable_index() == LogIndex(5)));
    (0..2).for_each(|shard| node.append(shard, entry(1, 6, 2)));
    node.flush(&[0, 1]);
    drop(node);
    let (node, replayed) = open(&disk.copy(), 2);
    assert_eq!(replayed.pieces, 8);
    assert!((0..2).all(|shard| node.contents(shard).len() == 6));
}

/// What one shard was told.
#[derive(Clone, Default)]
struct Told {
    /// The entries it has, by term.
    terms: Vec<u64>,
    /// The same before the last cut, while that may not have happened.
    before: Option<Vec<u64>>,
    durable: usize,
}

#[test]
fn whatever_happens_what_was_confirmed_is_there_and_what_was_cut_is_not() {
    let (mut cuts, mut replays, mut faults, mut rotated, mut cut_short) = (0, 0, 0, 0, 0);
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let mut disk = MemDisk::default();
        let count = 2 + dice.roll(2) as usize;
        let mut told = vec![Told::default(); count];
        let mut term = 1;
        for life in 0..4 {
            while dice.roll(3) == 0 {
                disk.fail_somehow(&mut dice, 40);
                let opened = Node::open(&disk, count as u32).is_ok();
                disk.heal();
                if !opened {
                    cut_short += 1;
                    disk = disk.power_cut(&mut dice);
                }
            }
            let (mut node, replayed) = match Node::open(&disk, count as u32) {
                Ok(opened) => opened,
                Err(fault) => panic!("seed {seed}, life {life}: {fault}"),
            };
            replays += replayed.pieces;
            for (at, told) in told.iter_mut().enumerate() {
                let found: Vec<u64> = node.contents(at).into_iter().map(|(term, _)| term).collect();
                let fits = |terms: &Vec<u64>| terms.starts_with(&found) && found.len() >= told.durable;
                let fits = fits(&told.terms) || told.before.as_ref().is_some_and(fits);
                assert!(fits, "seed {seed}, life {life}, shard {at}: {found:?} of {:?}", told.terms);
                *told = Told { durable: found.len(), terms: found, before: None };
            }
            if dice.roll(3) == 0 {
                disk.fail_somehow(&mut dice, 120);
            }
            'life: for _ in 0..dice.roll(250) {
                let at = dice.roll(count as u64) as usize;
                match dice.roll(24) {
                    0..=9 => {
                        let index = told[at].terms.len() as u64 + 1;
                        let next = match dice.roll(20) {
                            0 => seal(term, index),
                            1 => entry(term, index, 1_500),
                            _ => entry(term, index, 2),
                        };
                        told[at].terms.push(term);
                        if node.shards[at].log.append(&[next]).is_err() {
                            faults += 1;
                            break 'life;
                        }
                    }
                    10..=14 => {
                        for at in 0..count {
                            if node.shards[at].log.check().is_err() {
                                faults += 1;
                                break 'life;
                            }
                            if node.shards[at].flush.is_none() {
                                node.ask(at);
                            }
                        }
                    }
                    15..=20 => {
                        node.later.run(dice.roll(8));
                        for (at, told) in told.iter_mut().enumerate() {
                            if node.take(at).is_err() {
                                faults += 1;
                                break 'life;
                            }
                            told.durable = told.durable.max(node.shards[at].log.durable_index().0 as usize);
                        }
                    }
                    21 => {
                        let Ok(job) = node.shards[at].log.record_durable(Occasion::Idle) else { break 'life };
                        let Some(job) = job else { continue };
                        match job.run() {
                            Ok(done) => node.shards[at].log.flushed(done),
                            Err(_) => break 'life,
                        }
                        told[at].durable = node.shards[at].log.durable_index().0 as usize;
                    }
                    _ => {
                        let len = told[at].terms.len() as u64;
                        if len < 2 || dice.roll(3) > 0 {
                            continue;
                        }
                        let from = len - dice.roll(len.min(6)).min(len - 1);
                        term += 1;
                        let mut next = told[at].terms.clone();
                        next.truncate(from as usize - 1);
                        next.push(term);
                        let before = std::mem::replace(&mut told[at].terms, next);
                        // Of what is replaced nothing was confirmed.
                        told[at].durable = told[at].durable.min(from as usize - 1);
                        if node.shards[at].log.append(&[entry(term, from, 2)]).is_err() {
                            told[at].before = Some(before);
                            faults += 1;
                            break 'life;
                        }
                        cuts += 1;
                    }
                }
            }
            rotated += u64::from(journal_files(&disk).len() > 1);
            disk.heal();
            drop(node);
            disk = if dice.roll(3) == 0 { disk.copy() } else { disk.power_cut(&mut dice) };
        }
    }
    println!(
        "{cuts} cuts, {replays} pieces replayed, {faults} faults, {rotated} lives with several files, {cut_short} opens cut short"
    );
    assert!(cut_short > 50);
    assert!(cuts > 1000 && replays > 500 && faults > 50 && rotated > 5);
}
