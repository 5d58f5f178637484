//! Waits until the disk is done with what earlier runs left it. Their data were deleted: a file system that tells the disk so (mounted
//! with `discard`) does that in the background, and a flush that meets it waits hundreds of milliseconds.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::{Failure, check_interrupt};

/// How long the disk has to be idle.
const IDLE: Duration = Duration::from_secs(1);
/// A disk that others keep busy is not waited for any longer.
const WAIT_MAX: Duration = Duration::from_secs(60);
const TABLE: &str = "/proc/diskstats";

/// Has everything written back to the disk of `dir` and waits until that is done, discards included.
pub fn wait(dir: &Path) -> Result<(), Failure> {
    rustix::fs::sync();
    let device = fs::metadata(dir)?.st_dev();
    let device = (rustix::fs::major(device), rustix::fs::minor(device));
    let begin = Instant::now();
    let mut last = Work::default();
    let mut since = begin;
    // A system without the table, or a disk that is not in it, cannot be asked.
    while let Some(work) = work_of(&fs::read_to_string(TABLE).unwrap_or_default(), device) {
        let now = Instant::now();
        if work != last || work.in_flight > 0 {
            (last, since) = (work, now);
        }
        if now - since >= IDLE || now - begin >= WAIT_MAX {
            break;
        }
        check_interrupt()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    if since - begin > Duration::from_secs(1) {
        println!("    waited {} s for the disk", (since - begin).as_secs());
    }
    Ok(())
}

/// What a disk has done so far, and does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Work {
    written: u64,
    in_flight: u64,
    discarded: u64,
}

/// The line of a device in `/proc/diskstats`, as the kernel's `Documentation/admin-guide/iostats.rst` describes it.
fn work_of(table: &str, (major, minor): (u32, u32)) -> Option<Work> {
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines
        .into_iter()
        .find(|line| line.len() > 13 && line[0].parse() == Ok(major) && line[1].parse() == Ok(minor))?;
    let number = |at: usize| line.get(at).map_or(Ok(0), |text| text.parse()).ok();
    Some(Work { written: number(7)?, in_flight: number(11)?, discarded: number(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disks_line_is_found_by_its_numbers() {
        let table = " 254       0 vda 7321572 304652 456670890 9737185 44736807 1946770 2268890064 7766402 3 3581440 18647409 819136 40 1618083864 213992 19798937 929828\n \
                     254      16 vdb 1 2 3 4 5 6 7 8 9 10 11\n";
        let vda = Work { written: 44_736_807, in_flight: 3, discarded: 819_136 };
        assert_eq!(work_of(table, (254, 0)), Some(vda));
        // A kernel before 4.18 does not tell of discards.
        assert_eq!(work_of(table, (254, 16)), Some(Work { written: 5, in_flight: 9, discarded: 0 }));
        assert_eq!(work_of(table, (8, 0)), None);
    }
}
