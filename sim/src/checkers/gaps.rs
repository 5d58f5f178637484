//! No gap without a recorded cause: what a reader is served begins at what it asked for and has every offset.

use super::{Check, ReadBatch, broken};
use crate::history::Place;

const PROMISE: &str = "no gap without a recorded cause";

pub(super) fn contiguous(place: Place, wanted: u64, high_watermark: u64, batches: &[ReadBatch]) -> Check {
    let Some(first) = batches.first() else { return Ok(()) };
    if wanted < first.base || wanted > first.last {
        let what = format!("{place:?}: asked for {wanted}, served {}..={}", first.base, first.last);
        return broken(PROMISE, what);
    }
    let mut next = first.base;
    for batch in batches {
        if batch.base != next {
            return broken(PROMISE, format!("{place:?}: offset {next} is followed by {}", batch.base));
        }
        for (expected, (offset, _)) in (batch.base..).zip(&batch.records) {
            if expected != *offset {
                return broken(PROMISE, format!("{place:?}: offset {expected} is missing in its batch"));
            }
        }
        if batch.records.len() as u64 != batch.last + 1 - batch.base {
            return broken(
                PROMISE,
                format!("{place:?}: the batch at {} lacks records at its end", batch.base),
            );
        }
        next = batch.last + 1;
    }
    if next > high_watermark {
        let what = format!("{place:?}: served up to {next}, the high watermark is {high_watermark}");
        return broken("nothing uncommitted is ever read", what);
    }
    Ok(())
}
