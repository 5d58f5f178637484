//! What this machine is, as far as figures depend on it; and when and from which commit a run was made.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cpus: usize,
    /// Their model, as the kernel names it.
    pub cpu_model: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's name and release.
    pub kernel: String,
    /// The kind of file system that holds the brokers' data.
    pub filesystem: String,
}

impl Machine {
    /// Looks at this machine; `data` is where brokers keep their data. What cannot be read is left empty.
    pub fn look(data: &Path) -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Machine {
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            cpu_model: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            memory_mib: kib_of(&read("/proc/meminfo"), "MemTotal").unwrap_or_default() / 1024,
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            filesystem: filesystem_of(&read("/proc/self/mounts"), data).unwrap_or_default(),
        }
    }
}

/// The value of the first line `name : value`.
pub(crate) fn value_of(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_string())
    })
}

/// The number of a line `name: 12345 kB`.
pub(crate) fn kib_of(text: &str, name: &str) -> Option<u64> {
    value_of(text, name)?.strip_suffix("kB")?.trim().parse().ok()
}

/// The file system with the longest mount point that the path lies under.
fn filesystem_of(mounts: &str, path: &Path) -> Option<String> {
    let under = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        path.starts_with(point).then(|| (point.len(), kind.to_string()))
    });
    under.max().map(|(_, kind)| kind)
}

/// The commit that is checked out, with `+` behind it where tracked files differ from it; empty without git.
pub fn commit(root: &Path) -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git").current_dir(root).args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_string())
    };
    let Some(head) = git(&["rev-parse", "--short=12", "HEAD"]) else { return String::new() };
    let differs = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    if differs { head + "+" } else { head }
}

/// The moment in UTC, to the second: `2026-11-21T17:20:00Z`.
pub fn utc_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    utc(since.as_secs())
}

fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (mut year, mut left) = (1970, days);
    while left >= days_of_year(year) {
        left -= days_of_year(year);
        year += 1;
    }
    let february = days_of_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

fn days_of_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_281_600), "2026-11-21T17:20:00Z");
        assert_eq!(utc(1_798_761_599), "2026-12-31T23:59:59Z");
    }

    #[test]
    fn the_nearest_mount_point_says_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nproc /proc proc rw 0 0\n";
        let of = |path: &str| filesystem_of(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/tmp/x"), "tmpfs");
        assert_eq!(of("/tmpx"), "ext4");
    }

    #[test]
    fn sizes_are_read_from_the_kernels_tables() {
        let text = "MemTotal:       24689152 kB\nMemFree: 1 kB\n";
        assert_eq!(kib_of(text, "MemTotal"), Some(24_689_152));
        assert_eq!(kib_of(text, "Swap"), None);
    }
}
