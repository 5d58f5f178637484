//! A toy protocol, a toy front desk and a toy client, for stories about the gateway.
#![allow(dead_code, reason = "each story uses its own part")]

mod client;
mod desk;
mod hall;
mod protocol;

pub use client::Client;
pub use desk::{Answering, Desk};
pub use hall::{Hall, PATIENCE, config};
pub use protocol::Toy;
