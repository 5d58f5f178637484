//! The confirms of a channel: which publishes are not answered yet, and what is said of those that are.

use std::collections::VecDeque;

/// Publishes that wait for their confirms, by tags that rise from 1.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    /// The tag of the last publish.
    last: u64,
    /// The publishes from the oldest that waits to the last: whether they wait.
    waiting: VecDeque<bool>,
    /// What became of publishes since the last word, in any order.
    known: Vec<(u64, Verdict)>,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ack,
    Nack,
}

/// Something to tell the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) verdict: Verdict,
    pub(super) tag: u64,
    /// It goes for all up to the tag that were not answered before.
    pub(super) multiple: bool,
}

impl Confirms {
    /// The tag of the next publish.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.waiting.push_back(true);
        self.last
    }

    pub(super) fn know(&mut self, tag: u64, verdict: Verdict) {
        self.known.push((tag, verdict));
    }

    /// What is to be said now: in the order of tags, and neighbours that share a verdict in one word as long as nothing before them
    /// waits.
    pub(super) fn words(&mut self) -> Vec<Word> {
        let mut known = std::mem::take(&mut self.known);
        known.sort_unstable();
        for (tag, _) in &known {
            self.tell(*tag);
        }
        let oldest = self.oldest();
        let mut words: Vec<Word> = Vec::new();
        for (tag, verdict) in known {
            match words.last_mut() {
                Some(last) if tag < oldest && last.verdict == verdict => {
                    (last.tag, last.multiple) = (tag, true);
                }
                _ => words.push(Word { verdict, tag, multiple: false }),
            }
        }
        words
    }

    fn tell(&mut self, tag: u64) {
        let oldest = self.oldest();
        let at = tag.checked_sub(oldest).and_then(|at| usize::try_from(at).ok());
        if let Some(waits) = at.and_then(|at| self.waiting.get_mut(at)) {
            *waits = false;
        }
        while self.waiting.front() == Some(&false) {
            self.waiting.pop_front();
        }
    }

    /// The tag of the oldest publish that waits, or else of the next one.
    fn oldest(&self) -> u64 {
        self.last + 1 - self.waiting.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Ack, Nack};
    use super::*;

    fn word(verdict: Verdict, tag: u64, multiple: bool) -> Word {
        Word { verdict, tag, multiple }
    }

    fn told(confirms: &mut Confirms, known: &[(u64, Verdict)]) -> Vec<Word> {
        known.iter().for_each(|(tag, verdict)| confirms.know(*tag, *verdict));
        confirms.words()
    }

    #[test]
    fn neighbours_are_told_in_one_word_unless_something_before_them_waits() {
        let mut confirms = Confirms::default();
        assert_eq!((1..=8).map(|_| confirms.next()).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
        assert_eq!(told(&mut confirms, &[]), []);
        assert_eq!(told(&mut confirms, &[(2, Ack), (1, Ack)]), [word(Ack, 2, true)]);
        // 3 waits: a word for all up to 5 would be one for it too.
        assert_eq!(told(&mut confirms, &[(5, Ack), (4, Ack)]), [word(Ack, 4, false), word(Ack, 5, false)]);
        assert_eq!(told(&mut confirms, &[(3, Nack)]), [word(Nack, 3, false)]);
        assert_eq!(
            told(&mut confirms, &[(7, Nack), (8, Ack), (6, Nack)]),
            [word(Nack, 7, true), word(Ack, 8, false)]
        );
        assert_eq!(confirms.next(), 9);
        assert_eq!(told(&mut confirms, &[(9, Ack)]), [word(Ack, 9, false)]);
    }
}
