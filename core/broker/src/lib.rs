//! The front desk: authorise, route, place.
#![forbid(unsafe_code)]

mod outbox;

pub use outbox::{ClientInfo, ConnectionId, Delivered, FrontDesk, Outbox};
