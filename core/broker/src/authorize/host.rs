//! Where a client comes from, as rules of access may write it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// An address in the two spellings that there are of it.
#[derive(Debug)]
pub(crate) struct Host {
    plain: String,
    in_full: String,
}

impl Host {
    pub(crate) fn of(peer: SocketAddr) -> Host {
        let address = peer.ip().to_canonical();
        let in_full = match address {
            IpAddr::V4(address) => address.to_string(),
            // Java's way, which Kafka's rules have: 0:0:0:0:0:0:0:1 for ::1.
            IpAddr::V6(address) => address.segments().map(|segment| format!("{segment:x}")).join(":"),
        };
        Host { plain: address.to_string(), in_full }
    }

    /// As it is usually written.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// With all its parts.
    pub(super) fn in_full(&self) -> &str {
        &self.in_full
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_spelt_in_two_ways() {
        let spelt = |peer: &str| {
            let host = Host::of(peer.parse().expect("an address"));
            (host.plain().to_owned(), host.in_full().to_owned())
        };
        assert_eq!(spelt("10.0.0.1:9"), ("10.0.0.1".into(), "10.0.0.1".into()));
        assert_eq!(spelt("[::ffff:10.0.0.1]:9"), ("10.0.0.1".into(), "10.0.0.1".into()));
        assert_eq!(spelt("[::1]:9"), ("::1".into(), "0:0:0:0:0:0:0:1".into()));
        assert_eq!(spelt("[2001:db8::a0b]:9"), ("2001:db8::a0b".into(), "2001:db8:0:0:0:0:0:a0b".into()));
    }
}
