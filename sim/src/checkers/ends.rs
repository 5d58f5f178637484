//! What readers of completed transactions may see while others go on: only what its producer has asked to commit, in its order.

use std::collections::BTreeSet;

use super::{Check, NOTHING_OPEN, broken};

/// The transactions of one producer, by their numbers.
#[derive(Debug, Default)]
pub struct Ends {
    /// Those whose commit was asked for, whatever came of it.
    asked: BTreeSet<u64>,
    /// There are records of one that is not known to have ended.
    is_open: bool,
}

impl Ends {
    /// The producer has written records of one whose end it has not asked for yet.
    pub fn opens(&mut self) {
        self.is_open = true;
    }

    /// The commit of one goes out.
    pub fn asks(&mut self, number: u64) {
        self.asked.insert(number);
    }

    /// The producer knows of none that is open.
    pub fn ended(&mut self) {
        self.is_open = false;
    }

    /// Whether a reader may meet records that it may not see.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// A reader has seen records of these, from the first on.
    ///
    /// # Errors
    /// Nobody has asked to commit one of them, or they are not in the order of their producer.
    pub fn seen(&self, partition: u32, numbers: &[u64]) -> Check {
        let strange = numbers.iter().find(|number| !self.asked.contains(number));
        if let Some(number) = strange {
            let what = format!("partition {partition} shows {number}, whose commit nobody has asked for");
            return broken(NOTHING_OPEN, what);
        }
        if !numbers.is_sorted_by(|before, after| before < after) {
            return broken(NOTHING_OPEN, format!("partition {partition} shows {numbers:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_to_commit_is_seen_and_in_its_order() {
        let mut ends = Ends::default();
        ends.opens();
        assert!(ends.seen(0, &[]).is_ok());
        assert!(ends.seen(0, &[1]).is_err(), "it is open");
        ends.asks(1);
        ends.asks(3);
        assert!(ends.seen(0, &[1]).is_ok());
        assert!(ends.seen(0, &[1, 3]).is_ok());
        assert!(ends.seen(0, &[1, 2, 3]).is_err(), "the second was aborted");
        assert!(ends.seen(0, &[3, 1]).is_err());
        assert!(ends.seen(0, &[1, 1]).is_err());
    }
}
