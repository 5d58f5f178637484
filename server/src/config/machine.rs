//! What the defaults depend on: cores and memory.

use std::path::Path;

/// The machine as far as defaults care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores this process may use.
    pub cores: usize,
    /// Memory this process may use: the machine's, or its control group's if that is less. Zero: unknown.
    pub memory_bytes: u64,
}

impl Machine {
    /// The machine this process runs on.
    #[must_use]
    pub fn detect() -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        let memory = memory_of(
            &read("/proc/meminfo"),
            &[&read("/sys/fs/cgroup/memory.max"), &read("/sys/fs/cgroup/memory/memory.limit_in_bytes")],
        );
        Machine { cores, memory_bytes: memory }
    }
}

/// The total of /proc/meminfo, unless one of the control group's limits is less ("max" and absence are none).
fn memory_of(meminfo: &str, limits: &[&str]) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total_kib = total.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let total = total_kib.map(|kib| kib.saturating_mul(1024));
    let limits = limits.iter().filter_map(|text| text.trim().parse::<u64>().ok());
    limits.chain(total).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16384000 kB\nMemFree:         1000 kB\n";

    #[test]
    fn the_lesser_of_machine_and_control_group_counts() {
        assert_eq!(memory_of(MEMINFO, &["max\n", ""]), 16_384_000 * 1024);
        assert_eq!(memory_of(MEMINFO, &["1073741824\n", ""]), 1 << 30);
        assert_eq!(memory_of(MEMINFO, &["", "9223372036854771712\n"]), 16_384_000 * 1024);
        assert_eq!(memory_of("", &["", ""]), 0);
    }
}
