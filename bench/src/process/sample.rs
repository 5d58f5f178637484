//! What the kernel counts for processes: CPU, memory, bytes written; and what a folder takes on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use crate::failure::Failure;
use crate::machine::kib_of;

/// What a set of processes has used up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// CPU seconds, user and system, of all their threads and of the children they have waited for.
    pub cpu_s: f64,
    /// Resident memory now, in bytes. Pages they share count for each.
    pub rss_bytes: u64,
    /// The sum of the most that each had resident, in bytes: what they had at different times adds up.
    pub rss_peak_bytes: u64,
    /// Bytes they caused to be sent to the storage layer (`write_bytes` of /proc/PID/io).
    pub written_bytes: u64,
}

impl Sample {
    /// Looks at a group and all that descends from it.
    pub fn of_family(leader: u32) -> Sample {
        Sample::of(&family(&[leader]))
    }

    /// Looks at all of them. A process that has ended meanwhile counts through the parent that waited for it.
    pub fn of(pids: &[u32]) -> Sample {
        let mut sum = Sample::default();
        for pid in pids {
            let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let status = read("status");
            sum.cpu_s += Stat::parse(&read("stat")).map_or(0, |s| s.ticks) as f64 / ticks_per_second();
            sum.rss_bytes += kib_of(&status, "VmRSS").unwrap_or_default() * 1024;
            sum.rss_peak_bytes += kib_of(&status, "VmHWM").unwrap_or_default() * 1024;
            sum.written_bytes += written_of(&read("io")).unwrap_or_default();
        }
        sum
    }
}

/// What /proc/PID/stat says that is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    group: u32,
    /// User and system time, its own and of the children it has waited for.
    ticks: u64,
}

impl Stat {
    /// The name in parentheses may hold anything, so the fields are counted from the last parenthesis.
    fn parse(text: &str) -> Option<Stat> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // The manual's field N (from 1) stands at N - 3 here.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let small = |field: usize| u32::try_from(number(field)?).ok();
        let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
        let state = fields.first()?.chars().next()?;
        Some(Stat { state, parent: small(4)?, group: small(5)?, ticks })
    }
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// CPU seconds that this machine has worked since its start, whoever for; what its host took away from it counts too.
pub fn machine_busy_s() -> Option<f64> {
    busy_ticks(&fs::read_to_string("/proc/stat").ok()?).map(|ticks| ticks as f64 / ticks_per_second())
}

/// The first line's user, nice, system, irq, softirq and steal; idle and iowait, between them, are no work.
fn busy_ticks(stat: &str) -> Option<u64> {
    let numbers = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let all: Vec<u64> = numbers.map_while(|word| word.parse().ok()).collect();
    (all.len() >= 8).then(|| all[..3].iter().chain(&all[5..8]).sum())
}

fn written_of(io: &str) -> Option<u64> {
    crate::machine::value_of(io, "write_bytes")?.parse().ok()
}

/// Whether a process of this group still runs. One that has ended and waits to be seen by its parent does not.
pub fn group_runs(leader: u32) -> bool {
    all_processes().values().any(|stat| stat.group == leader && stat.state != 'Z')
}

/// The processes of these groups and all that descend from them, whatever group they have moved to.
pub fn family(leaders: &[u32]) -> Vec<u32> {
    belonging_to(leaders, &all_processes())
}

fn all_processes() -> BTreeMap<u32, Stat> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|text| Stat::parse(&text));
        if let Some(stat) = stat {
            all.insert(pid, stat);
        }
    }
    all
}

fn belonging_to(leaders: &[u32], all: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let mut found: Vec<u32> = all
        .iter()
        .filter(|(pid, s)| leaders.contains(pid) || leaders.contains(&s.group))
        .map(|(p, _)| *p)
        .collect();
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, s)| found.contains(&s.parent) && !found.contains(pid))
            .map(|(p, _)| *p)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// What the files under a folder take on the disk, holes left out. What vanishes meanwhile counts nothing.
pub fn disk_used(dir: &Path) -> u64 {
    let mut sum = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        sum += if meta.is_dir() { disk_used(&entry.path()) } else { meta.blocks() * 512 };
    }
    sum
}

/// Has the pages of all files under a folder leave the page cache, after they were flushed.
pub fn drop_from_page_cache(dir: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            drop_from_page_cache(&entry.path())?;
        } else if kind.is_file() {
            let file = fs::File::open(entry.path())?;
            file.sync_all()?;
            let whole = None;
            fadvise(&file, 0, whole, Advice::DontNeed)
                .map_err(|why| Failure::new(format!("{}: {why}", entry.path().display())))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_move_the_fields() {
        let text = "42 (a) b (c) S 7 8 9 0 -1 4194560 100 200 0 0 11 12 13 14 20 0 5 0 123 456 789";
        assert_eq!(Stat::parse(text), Some(Stat { state: 'S', parent: 7, group: 8, ticks: 50 }));
        assert_eq!(Stat::parse("42 (short) S 7"), None);
    }

    #[test]
    fn a_family_has_children_that_left_the_group_and_nobody_elses() {
        let stat = |parent, group| Stat { state: 'S', parent, group, ticks: 0 };
        let all = BTreeMap::from([
            (10, stat(1, 10)),
            (11, stat(10, 10)),
            (12, stat(11, 12)),
            (13, stat(12, 12)),
            (14, stat(1, 10)),
            (20, stat(1, 20)),
        ]);
        let mut found = belonging_to(&[10], &all);
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12, 13, 14]);
    }

    #[test]
    fn our_own_process_is_seen_to_work() {
        let me = std::process::id();
        let before = Sample::of(&[me]);
        let mut sum = 0_u64;
        while Sample::of(&[me]).cpu_s <= before.cpu_s {
            sum = std::hint::black_box((0..1_000_000).fold(sum, u64::wrapping_add));
        }
        assert!(before.rss_bytes > 100_000 && before.rss_peak_bytes >= before.rss_bytes);
    }

    #[test]
    fn a_machine_that_waits_does_not_work() {
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 1 1 1 1 1 1 1 1 1\n"), Some(63));
        assert_eq!(busy_ticks("intr 5\n"), None);
        assert!(machine_busy_s().unwrap() > 0.0);
    }

    #[test]
    fn written_bytes_are_those_that_reached_storage() {
        assert_eq!(
            written_of("rchar: 1\nwchar: 999\nwrite_bytes: 4096\ncancelled_write_bytes: 1\n"),
            Some(4096)
        );
    }

    #[test]
    fn a_folder_takes_what_its_files_take() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/file"), [1; 100_000]).unwrap();
        fs::File::create(dir.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        let used = disk_used(dir.path());
        assert!((100_000..1_000_000).contains(&used), "{used}");
    }
}
