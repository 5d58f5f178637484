//! Offsets of one partition whose records are dead, as a decision to rewrite a segment names them.
//!
//! ```text
//!   first offset u64 | form u8 | count u32
//!   form 0, runs:   (skipped u32, dead u32) * count     offsets between the run before (or the first offset) and this one; how many are dead
//!   form 1, bitmap: u8 * count                          a bit an offset from the first on, the lowest bit first
//! ```
//! The shorter form is written, runs if they are alike: equal sets give equal bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use forebay_model::Offset;

use crate::reclaim::decision::SHORT;

/// What one set takes in a decision at most, beside its head: less than half of what a decision may be.
pub(crate) const DEAD_SET_BYTES_MAX: usize = 192 * 1024;
/// Of an empty run list.
const HEAD_BYTES: usize = 8 + 1 + 4;
const RUN_BYTES: usize = 8;
const RUNS: u8 = 0;
const BITMAP: u8 = 1;

/// Dead offsets, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeadSet {
    first: Offset,
    /// Half-open, counted from `first`, with living offsets between each two.
    runs: Vec<(u32, u32)>,
}

impl DeadSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many runs it has, for counting memory.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Adds the offsets from `from` to before `end`, which lie behind all that it has. Refused, with nothing changed, where it would
    /// become larger than it may.
    #[must_use]
    pub(crate) fn push(&mut self, from: Offset, end: Offset) -> bool {
        if from >= end {
            return true;
        }
        let first = if self.runs.is_empty() { from } else { self.first };
        let relative = |offset: Offset| u32::try_from(offset.0.checked_sub(first.0)?).ok();
        let (Some(from), Some(end)) = (relative(from), relative(end)) else { return false };
        let grows = self.runs.last().is_some_and(|(_, last)| *last == from);
        debug_assert!(self.runs.last().is_none_or(|(_, last)| *last <= from), "offsets rise");
        let runs = self.runs.len() + usize::from(!grows);
        if (runs * RUN_BYTES).min(bitmap_bytes(end)) > DEAD_SET_BYTES_MAX {
            return false;
        }
        self.first = first;
        match self.runs.last_mut().filter(|_| grows) {
            Some(last) => last.1 = end,
            None => self.runs.push((from, end)),
        }
        true
    }

    /// The runs, ascending.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Offset, Offset)> + '_ {
        let absolute = |delta: u32| Offset(self.first.0 + u64::from(delta));
        self.runs.iter().map(move |(from, end)| (absolute(*from), absolute(*end)))
    }

    /// Whether an offset is dead.
    pub(crate) fn contains(&self, offset: Offset) -> bool {
        self.covers(offset, Offset(offset.0.saturating_add(1)))
    }

    /// Whether all offsets from `from` to before `end` are dead.
    pub(crate) fn covers(&self, from: Offset, end: Offset) -> bool {
        self.run_behind(from).is_some_and(|(run, behind)| run <= from && end <= behind)
    }

    /// Whether any offset from `from` to before `end` is.
    pub(crate) fn touches(&self, from: Offset, end: Offset) -> bool {
        self.run_behind(from).is_some_and(|(run, _)| run < end)
    }

    /// The first run that ends behind `offset`.
    fn run_behind(&self, offset: Offset) -> Option<(Offset, Offset)> {
        let absolute = |delta: u32| Offset(self.first.0 + u64::from(delta));
        let at = self.runs.partition_point(|(_, end)| absolute(*end) <= offset);
        self.runs.get(at).map(|(from, end)| (absolute(*from), absolute(*end)))
    }

    /// The offsets of both; those that no set has room for are left out.
    #[must_use]
    pub(crate) fn union(&self, other: &DeadSet) -> DeadSet {
        let mut runs: Vec<_> = self.runs().chain(other.runs()).collect();
        runs.sort_unstable();
        let mut both = DeadSet::default();
        let mut end = Offset(0);
        for (from, behind) in runs {
            let from = from.max(end);
            if from < behind && !both.push(from, behind) {
                break;
            }
            end = end.max(behind);
        }
        both
    }

    /// Bytes it takes in a decision.
    pub(crate) fn encoded_len(&self) -> usize {
        HEAD_BYTES + self.body_bytes()
    }

    fn body_bytes(&self) -> usize {
        (self.runs.len() * RUN_BYTES).min(self.span_bytes())
    }

    /// Bytes of its bitmap.
    fn span_bytes(&self) -> usize {
        self.runs.last().map_or(0, |(_, end)| bitmap_bytes(*end))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u64_le(self.first.0);
        if self.span_bytes() < self.runs.len() * RUN_BYTES {
            out.put_u8(BITMAP);
            let mut bitmap = vec![0u8; self.span_bytes()];
            for at in self.runs.iter().flat_map(|(from, end)| *from..*end) {
                bitmap[at as usize / 8] |= 1 << (at % 8);
            }
            put_count(out, bitmap.len());
            out.put_slice(&bitmap);
            return;
        }
        out.put_u8(RUNS);
        put_count(out, self.runs.len());
        let mut before = 0;
        for (from, end) in &self.runs {
            out.put_u32_le(from - before);
            out.put_u32_le(end - from);
            before = *end;
        }
    }

    /// Reads what [`DeadSet::encode`] wrote, and nothing else.
    pub(crate) fn decode(left: &mut Bytes) -> Result<DeadSet, &'static str> {
        let first = Offset(left.try_get_u64_le().map_err(|_| SHORT)?);
        let form = left.try_get_u8().map_err(|_| SHORT)?;
        let count = left.try_get_u32_le().map_err(|_| SHORT)? as usize;
        let runs = match form {
            RUNS => decode_runs(left, count)?,
            BITMAP => decode_bitmap(left, count)?,
            _ => return Err("dead offsets have an unknown form"),
        };
        let set = DeadSet { first, runs };
        let span = set.runs.last().map_or(0, |(_, end)| u64::from(*end));
        let begins = set.runs.first().is_some_and(|(from, _)| *from == 0);
        let shortest = (form == BITMAP) == (set.span_bytes() < set.runs.len() * RUN_BYTES);
        if !begins
            || !shortest
            || first.0.checked_add(span).is_none()
            || set.body_bytes() > DEAD_SET_BYTES_MAX
        {
            return Err("dead offsets contradict themselves");
        }
        Ok(set)
    }
}

fn decode_runs(left: &mut Bytes, count: usize) -> Result<Vec<(u32, u32)>, &'static str> {
    if count > left.remaining() / RUN_BYTES {
        return Err(SHORT);
    }
    let mut end = 0u32;
    let mut runs = Vec::with_capacity(count);
    for number in 0..count {
        let (skipped, dead) = (left.get_u32_le(), left.get_u32_le());
        let from = end.checked_add(skipped).filter(|_| number == 0 || skipped > 0);
        let behind = from.and_then(|from| from.checked_add(dead)).filter(|_| dead > 0);
        let (Some(from), Some(behind)) = (from, behind) else {
            return Err("runs of dead offsets do not ascend");
        };
        runs.push((from, behind));
        end = behind;
    }
    Ok(runs)
}

fn decode_bitmap(left: &mut Bytes, count: usize) -> Result<Vec<(u32, u32)>, &'static str> {
    if count > left.remaining() || count > DEAD_SET_BYTES_MAX {
        return Err(SHORT);
    }
    let bitmap = left.split_to(count);
    if bitmap.last().is_none_or(|last| *last == 0) {
        return Err("a bitmap of dead offsets is longer than it need be");
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (at, byte) in (0u32..).step_by(8).zip(&bitmap) {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            match runs.last_mut().filter(|(_, end)| *end == at + bit) {
                Some(run) => run.1 += 1,
                None => runs.push((at + bit, at + bit + 1)),
            }
        }
    }
    Ok(runs)
}

/// Bytes of a bitmap of so many offsets.
fn bitmap_bytes(offsets: u32) -> usize {
    offsets.div_ceil(8) as usize
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32_le(u32::try_from(count).expect("below DEAD_SET_BYTES_MAX"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(runs: &[(u64, u64)]) -> DeadSet {
        let mut set = DeadSet::default();
        for (from, end) in runs {
            assert!(set.push(Offset(*from), Offset(*end)));
        }
        set
    }

    fn survives(set: &DeadSet) -> usize {
        let mut out = BytesMut::new();
        set.encode(&mut out);
        assert_eq!(out.len(), set.encoded_len());
        let bytes = out.freeze();
        let mut left = bytes.clone();
        assert_eq!(DeadSet::decode(&mut left).as_ref(), Ok(set));
        assert!(left.is_empty());
        for len in 0..bytes.len() {
            assert!(DeadSet::decode(&mut bytes.slice(..len)).is_err(), "{len}");
        }
        bytes.len()
    }

    #[test]
    fn the_shorter_form_is_written_and_read_back() {
        assert_eq!(survives(&set(&[(1 << 40, (1 << 40) + 1_000_000)])), HEAD_BYTES + 8);
        assert_eq!(survives(&set(&[(5, 6), (1_000, 1_001)])), HEAD_BYTES + 16);
        let every_other: Vec<_> = (0..1_000).map(|n| (7 + 2 * n, 8 + 2 * n)).collect();
        assert_eq!(survives(&set(&every_other)), HEAD_BYTES + 250);
        // 8 bytes either way: runs.
        assert_eq!(survives(&set(&[(100, 164)])), HEAD_BYTES + 8);
    }

    #[test]
    fn offsets_are_found_as_in_a_list() {
        let dead = set(&[(10, 12), (12, 15), (20, 21)]);
        assert_eq!(dead.len(), 2);
        let all: Vec<u64> = (0..30).filter(|offset| dead.contains(Offset(*offset))).collect();
        assert_eq!(all, [10, 11, 12, 13, 14, 20]);
        for from in 0..25 {
            for end in from + 1..26 {
                let inside = (from..end).filter(|offset| all.contains(offset)).count() as u64;
                assert_eq!(dead.covers(Offset(from), Offset(end)), inside == end - from, "{from}..{end}");
                assert_eq!(dead.touches(Offset(from), Offset(end)), inside > 0, "{from}..{end}");
            }
        }
        let other = set(&[(3, 11), (14, 25)]);
        assert_eq!(dead.union(&other), set(&[(3, 25)]));
        assert_eq!(dead.union(&set(&[(15, 20)])), set(&[(10, 21)]));
        assert_eq!(dead.union(&DeadSet::default()), dead);
    }

    #[test]
    fn no_set_grows_past_its_limit() {
        let mut dead = DeadSet::default();
        let pushed = (0u64..).step_by(2).take_while(|at| dead.push(Offset(*at), Offset(at + 1))).count();
        assert_eq!(pushed, DEAD_SET_BYTES_MAX * 4);
        assert!(dead.encoded_len() <= HEAD_BYTES + DEAD_SET_BYTES_MAX);
        let mut scattered = set(&[(0, 1)]);
        assert!(scattered.push(Offset(1 << 30), Offset((1 << 30) + 5)), "few runs, however far apart");
        assert!(!scattered.push(Offset(1 << 33), Offset((1 << 33) + 5)), "farther than a run can say");
    }

    #[test]
    fn what_no_set_writes_is_not_read() {
        let decode = |form: u8, count: u32, body: &[u8]| {
            let mut bytes = BytesMut::new();
            bytes.put_u64_le(9);
            bytes.put_u8(form);
            bytes.put_u32_le(count);
            bytes.put_slice(body);
            DeadSet::decode(&mut bytes.freeze()).is_ok()
        };
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        assert!(decode(RUNS, 1, &words(&[0, 500])));
        assert!(!decode(RUNS, 1, &words(&[0, 5])), "a bitmap is shorter");
        assert!(!decode(RUNS, 0, &[]) && !decode(RUNS, u32::MAX, &[]), "none, or none that are there");
        assert!(!decode(RUNS, 1, &words(&[1, 500])), "the first offset is not dead");
        assert!(!decode(RUNS, 2, &words(&[0, 500, 0, 500])), "two that are one");
        assert!(!decode(RUNS, 2, &words(&[0, 500, 7, 0])), "none that is dead");
        assert!(!decode(RUNS, 2, &words(&[0, u32::MAX, 2, 5])), "too far");
        assert!(decode(BITMAP, 1, &[0b1]) && decode(BITMAP, 1, &[0b101]));
        let full = [0xff; 9];
        assert!(!decode(BITMAP, 9, &full), "runs are shorter");
        assert!(!decode(BITMAP, 2, &[0b101, 0]) && !decode(BITMAP, 1, &[0b110]));
        assert!(!decode(2, 1, &[1]));
    }
}
