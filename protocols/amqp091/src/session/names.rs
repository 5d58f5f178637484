//! Names that the server chooses, for queues and for consumers.
//!
//! A session draws no randomness. The name of a queue comes from what tells its declaration from every other one: the client's
//! address and port, the connection's number since the server started, how many names the connection got before, and the driver's
//! clock, so that the same client behind a restart of the server gets another one. The four are mixed into 128 bits that look as
//! RabbitMQ's do; whoever knows the four can guess the name, as RabbitMQ's users cannot. Names of consumers need only differ within
//! their channel.

use std::net::{IpAddr, SocketAddr};

use forebay_kit::Instant;

use super::replies::REPLIES_PREFIX;
use crate::wire::ShortStr;

/// Where the names of one connection come from.
#[derive(Debug)]
pub(super) struct Names {
    peer: SocketAddr,
    connection: u64,
    given: u64,
}

/// Digits of names: those of base64 for addresses.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Digits for 128 bits.
const LETTERS: usize = 22;

impl Names {
    pub(super) fn new(peer: SocketAddr, connection: u64) -> Names {
        Names { peer, connection, given: 0 }
    }

    /// A queue's name.
    pub(super) fn queue(&mut self, now: Instant) -> ShortStr {
        ShortStr::shortened(&format!("amq.gen-{}", self.next(now)))
    }

    /// A consumer's tag.
    pub(super) fn consumer(&mut self, now: Instant) -> ShortStr {
        ShortStr::shortened(&format!("amq.ctag-{}", self.next(now)))
    }

    /// The name of a queue for answers.
    pub(super) fn replies(&mut self, now: Instant) -> String {
        format!("{REPLIES_PREFIX}{}", self.next(now))
    }

    fn next(&mut self, now: Instant) -> String {
        self.given += 1;
        let address = match self.peer.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let parts = [
            address as u64,
            (address >> 64) as u64,
            u64::from(self.peer.port()),
            self.connection,
            self.given,
            now.0,
        ];
        let [high, low] =
            [1_u64, 2].map(|seed| parts.into_iter().fold(seed, |mixed, part| mix(mixed ^ part)));
        text(u128::from(high) << 64 | u128::from(low))
    }
}

fn text(mut bits: u128) -> String {
    let mut text = String::with_capacity(LETTERS);
    for _ in 0..LETTERS {
        text.push(char::from(DIGITS[(bits & 63) as usize]));
        bits >>= 6;
    }
    text
}

/// Spreads each bit over all (the end of splitmix64). Different numbers stay different.
fn mix(n: u64) -> u64 {
    let mut n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_differ_by_each_of_what_they_come_from() {
        let peers = ["127.0.0.1:1", "127.0.0.1:2", "[::1]:1"].map(|peer| peer.parse().unwrap());
        let mut seen = BTreeSet::new();
        for peer in peers {
            for connection in 0..10 {
                for now in [Instant(0), Instant(1)] {
                    let mut names = Names::new(peer, connection);
                    for _ in 0..10 {
                        let name = names.queue(now);
                        let text = name.as_str().unwrap().to_owned();
                        assert!(text.starts_with("amq.gen-") && text.len() == 8 + LETTERS, "{text}");
                        assert!(seen.insert(text));
                    }
                }
            }
        }
    }
}
