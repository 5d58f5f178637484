//! A load generator that costs its machine as little as a client can, so that what is measured is the broker.
//!
//! Requests are prepared once; from one to the next only numbers, times and the checksum are patched. Sockets do not block
//! and share a thread; a message on its own costs one write, one read and its part of a poll.
//!
//! | file | noun |
//! |---|---|
//! | [`classic`], [`shared`], [`produce`], [`consume`], [`latency`] | the stories |
//! | [`crew`], [`pump`] | threads, and what each does until the time is over |
//! | [`steady`] | lanes that always have something to send |
//! | [`setup`] | a topic that is as asked, its leaders, open links to them |
//! | [`prepared`] | a Produce request of which a few bytes are patched |
//! | [`confirm`] | what a Produce answer says of its one batch |
//! | [`lane`] | a connection with requests on their way, and their numbers |
//! | [`reader`] | a connection that is read over |
//! | [`schedule`], [`alarm`] | when records are due, and a clock that wakes us then |
//! | [`link`] | a socket that does not block, and its frames |
//! | [`payload`] | values like those of the real world |
//! | [`window`] | when the measured time begins and ends |
//! | [`tally`] | what was counted |
//! | [`measure`] | how it is written down |

pub mod alarm;
pub mod classic;
pub mod confirm;
pub mod consume;
pub mod crew;
pub mod lane;
pub mod latency;
pub mod link;
pub mod measure;
pub mod payload;
pub mod prepared;
pub mod produce;
pub mod pump;
pub mod reader;
pub mod schedule;
pub mod setup;
pub mod shared;
pub mod steady;
pub mod tally;
pub mod window;
