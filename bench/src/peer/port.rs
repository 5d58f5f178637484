//! Free ports for brokers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Below the range from which the system gives ports to outgoing connections: thousands of a loader's connections
/// must not take a broker's port.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static GIVEN: AtomicU16 = AtomicU16::new(0);

/// A port of the loopback interface on which nobody listens. Each call gives another.
pub fn free() -> u16 {
    // Two harnesses at once begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("COUNT is a u16");
    loop {
        let step = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (begin.wrapping_add(step) % COUNT);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether somebody accepts connections there.
pub fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_give_two_ports_that_can_be_listened_at() {
        let (one, two) = (free(), free());
        assert_ne!(one, two);
        assert!(TcpListener::bind(("127.0.0.1", one)).is_ok());
    }
}
