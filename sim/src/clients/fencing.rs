//! The process of a producer that was taken over by another one: its batches under way come to an end, one way or the
//! other, and it sends nothing more.

use std::collections::VecDeque;

use forebay_model::Refusal;
use forebay_model::publish::Published;

use super::producer::{IN_FLIGHT_MAX, InFlight};
use super::{Desk, is_uncertain};
use crate::checkers::{self, Check};

/// The batches that were left.
pub(super) struct Fenced {
    left: VecDeque<InFlight>,
    hit: usize,
}

impl Fenced {
    pub(super) fn new(left: VecDeque<InFlight>) -> Fenced {
        Fenced { left, hit: 0 }
    }

    pub(super) fn waits_for(&self, token: u64) -> bool {
        self.left.iter().any(|flight| flight.waits == Some(token))
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn answered(&mut self, desk: &mut Desk<'_>, token: u64, result: Option<Published>) -> Check {
        let Some(at) = self.left.iter().position(|flight| flight.waits == Some(token)) else { return Ok(()) };
        let Some(flight) = self.left.remove(at) else { return Ok(()) };
        match result {
            Some(Ok(appended)) => {
                let (base, start) = (appended.base_offset.0, appended.start_offset.0);
                let now_ms = desk.now_ms();
                checkers::confirmed(&mut desk.cluster.history, flight.batch, base, start, now_ms)
            }
            Some(Err(refusal)) if !is_uncertain(&refusal) => {
                if refusal == Refusal::DuplicateSequence {
                    return Ok(());
                }
                if refusal == Refusal::ProducerFenced {
                    self.hit += 1;
                    if self.hit == IN_FLIGHT_MAX {
                        desk.cluster.counters.hit("producer fenced with five batches in flight");
                    }
                }
                let sent = desk.cluster.history.sent(flight.batch);
                sent.open -= 1;
                if sent.open == 0 {
                    checkers::refused_for_good(&mut desk.cluster.history, flight.batch)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
