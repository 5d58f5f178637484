//! Linearizable reads: one question to the group answers everybody who waited when it was asked.
//!
//! Tokens are given out ascending and become ready in order, so however many readers wait, this holds a few numbers. A
//! question that got no answer (lost on the way, a leader that was not ready) is asked again; the caller decides how long
//! its own client waits.

use std::collections::VecDeque;

use forebay_model::LogIndex;

use crate::output::ReadToken;

/// Ticks without an answer before a question is asked again.
const RETRY_TICKS: u32 = 4;

pub(crate) struct Reads {
    /// Tells this life of the replica from an earlier one of the same peer, whose question may still be answered.
    life: u64,
    given: u64,
    asked: Option<Asked>,
    /// Answered, waiting for the applied state to reach the index; ascending in both.
    answered: VecDeque<(LogIndex, ReadToken)>,
    ready: u64,
}

struct Asked {
    token: u64,
    ticks: u32,
}

impl Reads {
    pub(crate) fn new(life: u64) -> Reads {
        Reads { life, given: 0, asked: None, answered: VecDeque::new(), ready: 0 }
    }

    /// A new token.
    pub(crate) fn give(&mut self) -> ReadToken {
        self.given += 1;
        ReadToken(self.given)
    }

    /// The question to put to Raft now, if there is one.
    pub(crate) fn question(&mut self) -> Option<Vec<u8>> {
        if self.asked.is_some() || self.answered_up_to() == self.given {
            return None;
        }
        self.asked = Some(Asked { token: self.given, ticks: 0 });
        let mut context = self.life.to_le_bytes().to_vec();
        context.extend_from_slice(&self.given.to_le_bytes());
        Some(context)
    }

    pub(crate) fn tick(&mut self) {
        if let Some(asked) = &mut self.asked {
            asked.ticks += 1;
            if asked.ticks >= RETRY_TICKS {
                self.asked = None;
            }
        }
    }

    /// The leader whom the question went to is gone.
    pub(crate) fn ask_again(&mut self) {
        self.asked = None;
    }

    /// Raft's answer: whoever asked before sees everything once `index` is applied. Late answers count too.
    pub(crate) fn answer(&mut self, context: &[u8], index: LogIndex) {
        let Some((life, token)) = context.split_first_chunk::<8>() else { return };
        let (life, token) = (u64::from_le_bytes(*life), token.try_into().map(u64::from_le_bytes));
        let (true, Ok(token)) = (life == self.life, token) else { return };
        if self.asked.as_ref().is_some_and(|asked| asked.token <= token) {
            self.asked = None;
        }
        if token <= self.answered_up_to() || token > self.given {
            return;
        }
        let index = self.answered.back().map_or(index, |(last, _)| index.max(*last));
        self.answered.push_back((index, ReadToken(token)));
    }

    /// The newest token that `applied` makes ready, once.
    pub(crate) fn take_ready(&mut self, applied: LogIndex) -> Option<ReadToken> {
        let mut newest = None;
        while let Some((index, token)) = self.answered.front() {
            if *index > applied {
                break;
            }
            newest = Some(*token);
            self.ready = token.0;
            self.answered.pop_front();
        }
        newest
    }

    fn answered_up_to(&self) -> u64 {
        self.answered.back().map_or(self.ready, |(_, token)| token.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_answers_everybody_who_waited() {
        let mut reads = Reads::new(1);
        let tokens: Vec<_> = (0..100).map(|_| reads.give()).collect();
        let question = reads.question().unwrap();
        let late = reads.give();
        assert_eq!(reads.question(), None, "one question at a time");
        reads.answer(&question, LogIndex(10));
        assert_eq!(reads.take_ready(LogIndex(9)), None, "not applied yet");
        assert_eq!(reads.take_ready(LogIndex(10)), tokens.last().copied());
        assert_eq!(reads.take_ready(LogIndex(10)), None, "once");
        let question = reads.question().unwrap();
        reads.answer(&question, LogIndex(10));
        assert_eq!(reads.take_ready(LogIndex(10)), Some(late));
        assert_eq!(reads.question(), None);
    }

    #[test]
    fn an_answer_to_an_earlier_life_is_not_mine() {
        let mut earlier = Reads::new(1);
        earlier.give();
        let question = earlier.question().unwrap();
        let mut reads = Reads::new(2);
        reads.give();
        reads.question().unwrap();
        reads.answer(&question, LogIndex(1));
        assert_eq!(reads.take_ready(LogIndex(99)), None);
    }

    #[test]
    fn a_lost_question_is_asked_again_and_both_answers_count_once() {
        let mut reads = Reads::new(1);
        let token = reads.give();
        let first = reads.question().unwrap();
        for _ in 0..RETRY_TICKS {
            assert_eq!(reads.question(), None);
            reads.tick();
        }
        let second = reads.question().unwrap();
        reads.answer(&first, LogIndex(5));
        reads.answer(&second, LogIndex(6));
        assert_eq!(reads.take_ready(LogIndex(5)), Some(token));
        assert_eq!(reads.take_ready(LogIndex(9)), None);
    }
}
