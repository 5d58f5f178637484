//! Producer ids: taken from shard 0 in blocks, given out one by one.

use forebay_machine::{Command, Outcome};
use forebay_model::transaction::TransactionRequest;
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
        self.ask_for_producers(asker, Step::Producers, replies);
    }

    pub(crate) fn producers_allocated(&self, asker: Asker, answer: Answer, replies: &mut Replies) {
        let result = self.first_of_block(answer).map(|first| (first, ProducerEpoch(0)));
        self.finish(&asker, Reply::AllocateProducer(result), replies);
    }

    /// Goes on with a request that needs an id.
    pub(crate) fn with_producer(&self, asker: Asker, request: TransactionRequest, replies: &mut Replies) {
        let taken = lock(&self.producers).take();
        match taken {
            Some(id) => self.transaction_with(asker, request, Ok(id), replies),
            None => self.ask_for_producers(asker, Step::ProducersFor(request), replies),
        }
    }

    pub(crate) fn producers_allocated_for(
        &self,
        asker: Asker,
        request: TransactionRequest,
        answer: Answer,
        replies: &mut Replies,
    ) {
        self.transaction_with(asker, request, self.first_of_block(answer), replies);
    }

    fn ask_for_producers(&self, asker: Asker, step: Step, replies: &mut Replies) {
        let from = asker.connection;
        let call = Call::new(asker, Gather::Step(step));
        let commands = vec![Command::AllocateProducers { count: PRODUCERS_PER_BLOCK }];
        let work = Work::Propose(Ticket { call, part: 0 }, commands);
        self.post_work(self.shards.catalogue(), from, 0, work, replies);
    }

    /// The first id of a new block; the others are there for the next.
    fn first_of_block(&self, answer: Answer) -> Result<ProducerId, Refusal> {
        let first = first_id(answer)?;
        // The newest block replaces what is left of an older one, whose ids are lost and never reused.
        let end = first.0 + i64::from(PRODUCERS_PER_BLOCK);
        *lock(&self.producers) = ProducerBlock { next: first.0 + 1, end };
        Ok(first)
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
