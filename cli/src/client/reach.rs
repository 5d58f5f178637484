//! The first connection to a cluster, and what may be the matter when it fails.

use super::cluster::{Cluster, ClusterOptions};
use super::error::ClientError;
use super::security::Security;

/// Connects; with a hint where somebody is there and does not talk with us. `config` is the flag that would help.
///
/// # Errors
/// When nobody answers.
pub fn reach(options: ClusterOptions, config: &str) -> Result<Cluster, ClientError> {
    let Security { tls, credentials } = &options.security;
    let what = match (tls, credentials) {
        (Some(_), _) => return Cluster::connect(options),
        (None, Some(_)) => "TLS",
        (None, None) => "TLS or a login (SASL)",
    };
    let hint = |why: String| format!("{why}; if this listener asks for {what}, {config} FILE says how");
    Cluster::connect(options).map_err(|error| match error {
        ClientError::Lost { address, why } => ClientError::Lost { address, why: hint(why) },
        ClientError::Garbled { address, why } => ClientError::Garbled { address, why: hint(why) },
        error => error,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::client::Interrupt;

    /// What is said of a broker that answers the first bytes with these, and hangs up.
    fn said_of(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let broker = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = stream.read(&mut [0; 1024]).unwrap();
            assert!(asked > 0);
            stream.write_all(answer).unwrap();
        });
        let patience = Duration::from_secs(10);
        let (security, interrupt) = (Security::default(), Interrupt::default());
        let options = ClusterOptions { bootstrap: vec![address], security, patience, interrupt };
        let why = reach(options, "--from-config").err().map(|why| why.to_string()).unwrap_or_default();
        broker.join().unwrap();
        why
    }

    #[test]
    fn a_listener_that_wants_tls_or_a_login_is_said_to_want_it() {
        let tls_alert = &[21, 3, 3, 0, 2, 2, 10];
        for answer in [&[][..], tls_alert] {
            let said = said_of(answer);
            assert!(said.contains("TLS or a login (SASL), --from-config FILE says how"), "{said}");
        }
    }
}
