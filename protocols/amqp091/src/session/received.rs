//! The messages that a consumer received, out of the payloads that they are stored in.

use forebay_kit::model::subscription::{Delivery, ReceivedPayload, ReceivedRecords};
use forebay_kit::model::{Attempts, Offset};
use forebay_kit::record::PayloadKind;
use forebay_kit::record::message::{Message, Messages, PayloadError};
use forebay_kit::record::message_batch::MessageBatch;

use super::stored::Seen;
use crate::limits::INFLATED_BYTES_MAX;

/// One delivery.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) offset: Offset,
    pub(super) attempt: Attempts,
    /// `None` where no message is at the offset: there is nothing to hand on.
    pub(super) seen: Option<Seen>,
}

/// The deliveries in their order.
pub(super) fn received(records: &ReceivedRecords) -> Result<Vec<Received>, String> {
    let mut all = Vec::new();
    for Delivery { range, attempt } in &records.deliveries {
        let offsets = range.first.0..=range.last.0;
        all.extend(offsets.map(|at| Received { offset: Offset(at), attempt: *attempt, seen: None }));
    }
    for payload in &records.payloads {
        let from = all.partition_point(|one| one.offset < payload.first);
        fill(&mut all[from..], payload)?;
    }
    Ok(all)
}

/// Puts the messages of a payload to the deliveries from its first offset on.
fn fill(wanted: &mut [Received], payload: &ReceivedPayload) -> Result<(), String> {
    match payload.kind {
        PayloadKind::MessageBatch => pick(wanted, payload),
        PayloadKind::RecordBatch => walk(wanted, payload),
    }
}

/// A message batch is opened where its messages lie.
fn pick(wanted: &mut [Received], payload: &ReceivedPayload) -> Result<(), String> {
    let batch = MessageBatch::open(payload.bytes.clone()).map_err(|why| unreadable(payload, &why))?;
    for one in wanted {
        let found = u32::try_from(one.offset.0 - payload.first.0).ok().and_then(|at| batch.get(at));
        let Some(message) = found else { break };
        one.seen = Some(see(message.into(), payload)?);
    }
    Ok(())
}

/// A record batch is read from its beginning.
fn walk(wanted: &mut [Received], payload: &ReceivedPayload) -> Result<(), String> {
    let broken = |why: PayloadError| unreadable(payload, &why);
    let messages = Messages::open(payload.kind, &payload.bytes, INFLATED_BYTES_MAX).map_err(broken)?;
    let mut wanted = wanted.iter_mut().peekable();
    for message in messages {
        let (delta, message) = message.map_err(broken)?;
        let offset = Offset(payload.first.0 + u64::from(delta));
        while wanted.next_if(|one| one.offset < offset).is_some() {}
        match wanted.next_if(|one| one.offset == offset) {
            Some(one) => one.seen = Some(see(message, payload)?),
            None if wanted.peek().is_none() => break,
            None => {}
        }
    }
    Ok(())
}

fn see(message: Message, payload: &ReceivedPayload) -> Result<Seen, String> {
    Seen::of(message).ok_or_else(|| unreadable(payload, &"properties of another form"))
}

fn unreadable(payload: &ReceivedPayload, why: &dyn std::fmt::Display) -> String {
    format!("the messages from offset {} on cannot be read: {why}", payload.first)
}
