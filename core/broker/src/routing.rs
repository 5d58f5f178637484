//! Routing: from an exchange, keys and headers to queues. An index, not a scan: what a publish costs hangs on what it matches, hardly on
//! how much is bound.
//!
//! A [`Router`] follows the [`Exchanges`](forebay_machine::Exchanges) of one namespace change by change and decides nothing itself. It
//! is read by many threads at once, each with a [`Scratch`] of its own, in which the result stands.

mod direct;
mod found;
mod hashed;
mod headers;
mod interner;
mod marks;
mod message;
mod number_hash;
mod router;
mod scratch;
mod spread;
mod targets;
#[cfg(test)]
mod tests;
mod topic;

pub use self::message::Routed;
pub use self::router::{NotRouted, Router};
pub use self::scratch::Scratch;
