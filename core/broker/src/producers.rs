//! Producer ids: taken from shard 0 in blocks, given out one by one.

use forebay_machine::{Command, Outcome};
use forebay_model::{ProducerEpoch, ProducerId, Refusal, Reply};
use forebay_shard::{Answer, Work};

use crate::broker::{Inner, Replies, lock};
use crate::call::{Asker, Call, Gather, Step, Ticket};

/// Ids fetched at once. What a node does not give out before it stops is never used.
const PRODUCERS_PER_BLOCK: u32 = 1000;

/// The ids left of the present block.
#[derive(Debug, Default)]
pub(crate) struct ProducerBlock {
    next: i64,
    end: i64,
}

impl ProducerBlock {
    fn take(&mut self) -> Option<ProducerId> {
        if self.next >= self.end {
            return None;
        }
        self.next += 1;
        Some(ProducerId(self.next - 1))
    }
}

impl Inner {
    /// Gives out an id with epoch 0. What an idempotent producer had before does not matter: without a
    /// transactional id nothing ties two of its lives together.
    pub(crate) fn allocate_producer(&self, asker: Asker, replies: &mut Replies) {
        if let Some(id) = lock(&self.producers).take() {
            return self.finish(&asker, Reply::AllocateProducer(Ok((id, ProducerEpoch(0)))), replies);
        }
        let from = asker.connection;
        let call = Call::new(asker, Gather::Step(Step::Producers));
        let commands = vec![Command::AllocateProducers { count: PRODUCERS_PER_BLOCK }];
        let work = Work::Propose(Ticket { call, part: 0 }, commands);
        self.post_work(self.shards.catalogue(), from, 0, work, replies);
    }

    pub(crate) fn producers_allocated(&self, asker: Asker, answer: Answer, replies: &mut Replies) {
        let result = match first_id(answer) {
            Err(refusal) => Err(refusal),
            Ok(first) => {
                // The newest block replaces what is left of an older one, whose ids are lost and never reused.
                let mut block = lock(&self.producers);
                *block = ProducerBlock { next: first.0 + 1, end: first.0 + i64::from(PRODUCERS_PER_BLOCK) };
                Ok((first, ProducerEpoch(0)))
            }
        };
        self.finish(&asker, Reply::AllocateProducer(result), replies);
    }
}

fn first_id(answer: Answer) -> Result<ProducerId, Refusal> {
    match answer {
        Answer::Outcomes(proposed) => match proposed?.outcomes.into_iter().next() {
            Some(Outcome::ProducersAllocated { first, .. }) => Ok(first),
            Some(Outcome::Refused(refusal)) => Err(refusal),
            other => panic!("a block of producer ids was asked for, not {other:?}"),
        },
        other => panic!("outcomes were asked for, not {other:?}"),
    }
}
