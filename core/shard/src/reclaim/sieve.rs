//! A payload without its dead records. Every replica makes the same of it, so whatever goes wrong leaves it whole: what cannot be
//! taken apart here can be nowhere.

use bytes::Bytes;
use forebay_model::{Offset, Timestamp};
use forebay_record::batch::{BatchHeader, Filtered, filter};

use crate::archive::INFLATED_BYTES_MAX;
use crate::reclaim::dead::DeadSet;

/// What is left of a payload.
pub(crate) enum Sieved {
    /// All of it: nothing in it is dead, or it would not become smaller.
    Whole,
    /// Nothing.
    Empty,
    /// A smaller payload, with this greatest timestamp.
    Less(Bytes, Timestamp),
}

/// Takes the records at dead offsets out of a payload whose first offset is `first`.
pub(crate) fn sieve(payload: &Bytes, first: Offset, dead: &DeadSet) -> Sieved {
    let lives = |delta: u32| !dead.contains(Offset(first.0.saturating_add(u64::from(delta))));
    let left = match filter(payload, INFLATED_BYTES_MAX, lives) {
        Ok(Filtered::Fewer(left)) if left.len() < payload.len() => left,
        Ok(Filtered::Emptied) => return Sieved::Empty,
        // Its producer may have compressed it better than is done here.
        Ok(Filtered::Fewer(_) | Filtered::Unchanged) => return Sieved::Whole,
        Err(error) => {
            tracing::warn!(%error, offset = first.0, "a payload cannot be taken apart and stays whole");
            return Sieved::Whole;
        }
    };
    match BatchHeader::peek(&left) {
        Ok(header) => Sieved::Less(left, header.max_timestamp),
        Err(_) => Sieved::Whole,
    }
}
