//! Free ports that stay free while their broker is down.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Mutex;

/// Below the range from which the system gives ports to outgoing connections: a client that keeps trying
/// to reach a broker that is down must not be given the broker's own port.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port on which nobody listens and which this process has not given before.
pub fn free() -> u16 {
    loop {
        let port = FIRST + (random() % u64::from(COUNT)) as u16;
        let fresh =
            GIVEN.lock().expect("no thread panics holding the ports").get_or_insert_default().insert(port);
        if fresh && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A number from the system's randomness.
pub fn random() -> u64 {
    getrandom::u64().expect("the system has randomness")
}
