//! Which code has run, as the compiler counts it with `-C instrument-coverage`.
//!
//! The counters lie in a section of this very program. They are read as a debugger reads them, through /proc/self/mem:
//! no unsafe code, no nightly compiler, no runtime of another language. Without instrumentation, or without /proc, there are
//! none, and the fuzzer goes by memory alone.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Where the compiler's runtime puts the counters, 8 bytes each.
const SECTION: &[u8] = b"__llvm_prf_cnts";
const COUNTER_BYTES: usize = 8;

/// The counters of this process.
pub struct Coverage {
    memory: File,
    start: u64,
    now: Vec<u8>,
    /// Per counter, whether it has ever been above zero.
    seen: Vec<bool>,
}

impl Coverage {
    /// Finds the counters, if there are any.
    pub fn find() -> Option<Coverage> {
        let program = fs::read("/proc/self/exe").ok()?;
        let (address, bytes) = section(&program)?;
        let start = load_base()?.checked_add(address)?;
        let bytes = usize::try_from(bytes).ok()? / COUNTER_BYTES * COUNTER_BYTES;
        let memory = File::open("/proc/self/mem").ok()?;
        let mut coverage =
            Coverage { memory, start, now: vec![0; bytes], seen: vec![false; bytes / COUNTER_BYTES] };
        coverage.fresh();
        // A program whose own start left no trace is not counting.
        (coverage.reached() > 0).then_some(coverage)
    }

    /// Counters that were zero at the last look and are not now.
    pub fn fresh(&mut self) -> Vec<usize> {
        if self.memory.read_exact_at(&mut self.now, self.start).is_err() {
            return Vec::new();
        }
        let (words, _) = self.now.as_chunks::<COUNTER_BYTES>();
        let mut fresh = Vec::new();
        for (number, (word, seen)) in words.iter().zip(&mut self.seen).enumerate() {
            if !*seen && *word != [0; COUNTER_BYTES] {
                *seen = true;
                fresh.push(number);
            }
        }
        fresh
    }

    /// The present values of some counters.
    pub fn values(&self, counters: &[usize]) -> Vec<[u8; COUNTER_BYTES]> {
        let read = |number: &usize| {
            let mut word = [0; COUNTER_BYTES];
            let at = self.start + (*number * COUNTER_BYTES) as u64;
            self.memory.read_exact_at(&mut word, at).map_or([0; COUNTER_BYTES], |()| word)
        };
        counters.iter().map(read).collect()
    }

    /// Counters that move while `work` runs.
    pub fn moved(&mut self, work: impl FnOnce()) -> Vec<usize> {
        self.fresh();
        let before = self.now.clone();
        work();
        self.fresh();
        let (before, _) = before.as_chunks::<COUNTER_BYTES>();
        let (after, _) = self.now.as_chunks::<COUNTER_BYTES>();
        let moved = before.iter().zip(after).enumerate().filter(|(_, (before, after))| before != after);
        moved.map(|(number, _)| number).collect()
    }

    /// Counters that have ever been above zero.
    pub fn reached(&self) -> usize {
        self.seen.iter().filter(|seen| **seen).count()
    }
}

/// The address, relative to where the program is loaded, and the length of the counters' section in an ELF file of 64 bits.
fn section(program: &[u8]) -> Option<(u64, u64)> {
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let short = |at: usize| program.get(at..)?.first_chunk().map(|b| u64::from(u16::from_le_bytes(*b)));
    let word = |at: usize| program.get(at..)?.first_chunk().map(|b| u64::from(u32::from_le_bytes(*b)));
    let long = |at: usize| program.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b));
    let at = |number: u64| usize::try_from(number).ok();
    let (table, line, count, names) = (long(0x28)?, short(0x3a)?, short(0x3c)?, short(0x3e)?);
    let header = |number: u64| at(table.checked_add(number.checked_mul(line)?)?);
    let names = long(header(names)? + 0x18)?;
    (0..count).find_map(|number| {
        let header = header(number)?;
        let name = program.get(at(names.checked_add(word(header)?)?)?..)?;
        let is_it = name.starts_with(SECTION) && name.get(SECTION.len()) == Some(&0);
        is_it.then_some((long(header + 0x10)?, long(header + 0x20)?))
    })
}

/// Where this program is loaded: the first of its mappings.
fn load_base() -> Option<u64> {
    let program = fs::read_link("/proc/self/exe").ok()?;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let first = maps.lines().find(|line| line.ends_with(program.to_str().unwrap_or("\0")))?;
    u64::from_str_radix(first.split('-').next()?, 16).ok()
}
