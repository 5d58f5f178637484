//! What is dead of one payload.

use forebay_model::{LogTime, Offset};

use crate::compaction::found::NEVER;

/// The dead records of a payload, gathered in their order.
pub(crate) struct InPayload {
    /// Offsets, half-open.
    runs: Vec<(Offset, Offset)>,
    records: u64,
    dead: u64,
    /// How many of the dead ones the start of the partition took.
    trimmed: u64,
    bytes: u64,
    /// Of dead records that were not known to be.
    dead_bytes: u64,
    due: LogTime,
}

impl Default for InPayload {
    fn default() -> InPayload {
        InPayload { runs: Vec::new(), records: 0, dead: 0, trimmed: 0, bytes: 0, dead_bytes: 0, due: NEVER }
    }
}

impl InPayload {
    /// A payload up to `end` of which all before `until` is dead; with its bytes, and when they have to go, if that was not known.
    pub(crate) fn run(from: Offset, until: Offset, end: Offset, news: Option<(u64, LogTime)>) -> InPayload {
        let (dead_bytes, due) = news.unwrap_or((0, NEVER));
        let (records, dead) = (end.0 - from.0, until.0 - from.0);
        InPayload { runs: vec![(from, until)], records, dead, trimmed: 0, bytes: dead_bytes, dead_bytes, due }
    }

    /// There is one more record, of so many bytes.
    pub(crate) fn record(&mut self, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
    }

    /// It lies before the start of the partition.
    pub(crate) fn trimmed(&mut self, offset: Offset) {
        self.trimmed += 1;
        self.dead(offset, None);
    }

    /// It is dead; with its bytes, and when they have to go, if that was not known.
    pub(crate) fn dead(&mut self, offset: Offset, news: Option<(u64, LogTime)>) {
        self.dead += 1;
        let end = Offset(offset.0.saturating_add(1));
        match self.runs.last_mut().filter(|(_, behind)| *behind == offset) {
            Some(run) => run.1 = end,
            None => self.runs.push((offset, end)),
        }
        if let Some((bytes, due)) = news {
            self.dead_bytes += bytes;
            self.due = self.due.min(due);
        }
    }

    /// Whether anything is dead that the start of the partition does not take by itself.
    pub(crate) fn is_worth_it(&self) -> bool {
        self.dead > self.trimmed
    }

    /// Whether nothing lives.
    pub(crate) fn is_whole(&self) -> bool {
        self.dead == self.records
    }

    pub(crate) fn runs(&self) -> &[(Offset, Offset)] {
        &self.runs
    }

    /// When some of it has to go.
    pub(crate) fn due(&self) -> LogTime {
        self.due
    }

    /// How many of a payload's stored `bytes` are dead and were not known to be: compressed, about as many as before compression.
    pub(crate) fn share_of(&self, bytes: u64) -> u64 {
        let share = u128::from(bytes) * u128::from(self.dead_bytes) / u128::from(self.bytes.max(1));
        u64::try_from(share).unwrap_or(u64::MAX).min(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_records_are_counted_by_their_share() {
        let mut found = InPayload::default();
        (0..4).for_each(|_| found.record(25));
        found.trimmed(Offset(10));
        assert!(!found.is_worth_it());
        found.dead(Offset(11), Some((25, LogTime(7))));
        found.dead(Offset(13), None);
        assert!(found.is_worth_it() && !found.is_whole());
        assert_eq!(found.runs(), [(Offset(10), Offset(12)), (Offset(13), Offset(14))]);
        assert_eq!((found.share_of(1_000), found.due()), (250, LogTime(7)));
        let all = InPayload::run(Offset(3), Offset(9), Offset(9), Some((70, NEVER)));
        assert!(all.is_whole() && all.share_of(70) == 70);
        assert!(!InPayload::run(Offset(3), Offset(8), Offset(9), None).is_whole());
    }
}
