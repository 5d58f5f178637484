//! `forebay consume`.

use std::collections::BTreeMap;
use std::io::{BufWriter, StdoutLock, Write};
use std::time::{Duration, Instant};

use super::connect::connect;
use crate::args::{Begin, Consume};
use crate::client::cluster::AutoCreate;
use crate::client::fetcher::{Amount, Fetched, Fetcher, is_out_of_range};
use crate::client::group::member::Standing;
use crate::client::group::{Member, MemberOptions, committed};
use crate::client::offsets::{self, Which};
use crate::client::{Cluster, Place};
use crate::exit::Failure;
use crate::output::progress::Progress;
use crate::output::record::Format;

/// How long one fetch waits for records.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// How often a group's offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// How long a member may be silent.
const SESSION: Duration = Duration::from_secs(45);

/// Reads until the end, the count, or Ctrl-C.
///
/// # Errors
/// When it cannot be read or written. What was written out until then is committed.
pub fn run(args: &Consume) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    cluster.work_with(&args.topics, AutoCreate::Forbidden)?;
    let mut reader = Reader::new(args, cluster);
    let result = reader.read();
    reader.finish(result)
}

struct Reader<'a> {
    args: &'a Consume,
    cluster: Cluster,
    fetcher: Fetcher,
    member: Option<Member>,
    /// Where to stop, per partition, unless we follow.
    ends: BTreeMap<Place, i64>,
    /// What is written out and not committed: the offsets to go on from.
    uncommitted: BTreeMap<Place, i64>,
    committed_at: Instant,
    left: Option<u64>,
    format: Format,
    out: BufWriter<StdoutLock<'static>>,
    progress: Progress,
    records: u64,
    bytes: u64,
}

impl<'a> Reader<'a> {
    fn new(args: &'a Consume, cluster: Cluster) -> Reader<'a> {
        let member = args.group.as_ref().map(|group| {
            Member::new(MemberOptions { group: group.clone(), topics: args.topics.clone(), session: SESSION })
        });
        let line = Format::Line { key_separator: args.key_separator.clone() };
        Reader {
            args,
            cluster,
            fetcher: Fetcher::default(),
            member,
            ends: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            committed_at: Instant::now(),
            left: args.count,
            format: if args.json { Format::Json } else { line },
            out: BufWriter::new(std::io::stdout().lock()),
            progress: Progress::new("read", true),
            records: 0,
            bytes: 0,
        }
    }

    fn read(&mut self) -> Result<(), Failure> {
        let share = match &mut self.member {
            Some(member) => member.join(&mut self.cluster)?,
            None => self.chosen_places()?,
        };
        self.begin(&share)?;
        while self.left != Some(0) {
            self.cluster.interrupt().check()?;
            self.stay()?;
            self.release_finished();
            if !self.args.follow && self.fetcher.positions().is_empty() {
                break;
            }
            match self.fetcher.fetch(&mut self.cluster, FETCH_WAIT, Amount::Much) {
                Ok(fetched) => self.write(fetched)?,
                Err(why) if is_out_of_range(&why) => self.come_into_range()?,
                Err(why) => return Err(why.into()),
            }
            self.progress.tick(self.records, self.bytes);
        }
        Ok(())
    }

    /// The last words, whatever happened: what is written out is committed, and the group need not wait for us.
    fn finish(mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.progress.clear();
        self.cluster.ignore_interrupt();
        let committed = self.commit();
        if let Some(mut member) = self.member.take() {
            member.leave(&mut self.cluster);
        }
        result?;
        committed?;
        self.progress.finish(self.records, self.bytes);
        Ok(())
    }

    fn chosen_places(&self) -> Result<Vec<Place>, Failure> {
        let mut places: Vec<Place> = self.args.topics.iter().flat_map(|t| self.cluster.places(t)).collect();
        if !self.args.partition.is_empty() {
            for number in &self.args.partition {
                if let Some(topic) =
                    self.args.topics.iter().find(|t| !places.contains(&Place::new(t, *number)))
                {
                    let count = self.cluster.partition_count(topic);
                    return Err(Failure::usage(format!(
                        "topic {topic} has no partition {number}; it has {count}"
                    )));
                }
            }
            places.retain(|place| self.args.partition.contains(&place.partition));
        }
        Ok(places)
    }

    /// Begins with a share: where the group committed, or else where the user said.
    fn begin(&mut self, share: &[Place]) -> Result<(), Failure> {
        let mut positions = match &self.args.group {
            Some(group) if !share.is_empty() => committed::fetch(&mut self.cluster, group, Some(share))?,
            _ => BTreeMap::new(),
        };
        let fresh: Vec<Place> =
            share.iter().filter(|place| !positions.contains_key(place)).cloned().collect();
        if !fresh.is_empty() {
            let chosen = self.chosen_beginning(&fresh)?;
            if self.member.is_some() {
                // Where the group begins is remembered even if there is nothing to read yet.
                self.uncommitted.extend(chosen.clone());
            }
            positions.extend(chosen);
        }
        self.ends = if self.args.follow || share.is_empty() {
            BTreeMap::new()
        } else {
            offsets::list(&mut self.cluster, share, Which::Latest)?
        };
        self.fetcher.assign(positions);
        Ok(())
    }

    fn chosen_beginning(&mut self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Failure> {
        let which = match self.args.from.unwrap_or(Begin::Earliest) {
            Begin::Earliest => Which::Earliest,
            Begin::Latest => Which::Latest,
            Begin::Time(ms) => Which::At(ms),
            Begin::Offset(offset) => {
                let wanted = places.iter().map(|place| (place.clone(), offset)).collect();
                return self.in_range(wanted);
            }
        };
        Ok(offsets::list_or_latest(&mut self.cluster, places, which)?)
    }

    /// As a member: says that we are alive, commits now and then, and follows the group when it is shared out anew.
    fn stay(&mut self) -> Result<(), Failure> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let mut standing = member.stay(&mut self.cluster)?;
        if standing == Standing::Member && self.committed_at.elapsed() >= COMMIT_EVERY {
            standing = self.commit()?;
        }
        match standing {
            Standing::Member => return Ok(()),
            Standing::MustRejoin => {
                // Refused means that somebody else will read it again: that is what at least once means.
                self.commit()?;
            }
            Standing::Expelled => {}
        }
        self.uncommitted.clear();
        let Some(member) = &mut self.member else { return Ok(()) };
        let share = member.join(&mut self.cluster)?;
        self.begin(&share)
    }

    fn commit(&mut self) -> Result<Standing, Failure> {
        self.committed_at = Instant::now();
        let Some(member) = &mut self.member else { return Ok(Standing::Member) };
        let standing = member.commit(&mut self.cluster, &self.uncommitted)?;
        if standing == Standing::Member {
            self.uncommitted.clear();
        }
        Ok(standing)
    }

    fn release_finished(&mut self) {
        let finished = |(place, end): (&Place, &i64)| {
            let position = self.fetcher.positions().get(place)?;
            (position >= end).then(|| place.clone())
        };
        let finished: Vec<Place> = self.ends.iter().filter_map(finished).collect();
        finished.iter().for_each(|place| self.fetcher.release(place));
    }

    fn write(&mut self, fetched: Vec<Fetched>) -> Result<(), Failure> {
        let mut written = BTreeMap::new();
        for Fetched { place, records, next } in fetched {
            let mut go_on_from = next;
            let end = self.ends.get(&place).copied().unwrap_or(i64::MAX);
            for record in records {
                let offset = record.offset.0 as i64;
                if self.left == Some(0) || offset >= end {
                    go_on_from = offset;
                    break;
                }
                self.format.write(&mut self.out, &place, &record)?;
                self.left = self.left.map(|left| left - 1);
                self.records += 1;
                self.bytes += record.value.map_or(0, |value| value.len() as u64);
            }
            written.insert(place, go_on_from);
        }
        // Only what has left us is committed.
        self.out.flush()?;
        if self.member.is_some() {
            self.uncommitted.extend(written);
        }
        Ok(())
    }

    fn come_into_range(&mut self) -> Result<(), Failure> {
        let positions = self.fetcher.positions().clone();
        let nearest = self.in_range(positions)?;
        nearest.iter().for_each(|(place, position)| self.fetcher.seek(place, *position));
        Ok(())
    }

    /// The same positions, but that one which is not there goes to the nearest that is, and the user is told.
    fn in_range(&mut self, mut positions: BTreeMap<Place, i64>) -> Result<BTreeMap<Place, i64>, Failure> {
        let places: Vec<Place> = positions.keys().cloned().collect();
        let starts = offsets::list(&mut self.cluster, &places, Which::Earliest)?;
        let ends = offsets::list(&mut self.cluster, &places, Which::Latest)?;
        for (place, position) in &mut positions {
            let start = starts.get(place).copied().unwrap_or(0);
            let end = ends.get(place).copied().unwrap_or(i64::MAX);
            let nearest = (*position).clamp(start, end.max(start));
            if nearest != *position {
                self.progress.clear();
                eprintln!("forebay: {place} has no offset {position}: going on at {nearest}");
                *position = nearest;
            }
        }
        Ok(positions)
    }
}
