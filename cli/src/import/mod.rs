//! Moving in: topics of another cluster are taken over, every batch as it is and at its offset, then where groups are.
//!
//! | file | noun |
//! |---|---|
//! | [`topics`] | which topics, and the same ones here |
//! | [`lane`] | a partition on its way over |
//! | [`batch`] | a batch of the source |
//! | [`source`], [`target`] | raw batches fetched; orders of an import published |
//! | [`worker`], [`crew`] | a thread that carries batches over; several of them |
//! | [`groups`], [`acls`] | where groups are; who may do what |
//! | [`cut_over`] | the end of an import |
//! | [`verify`] | both sides read again and compared |
//! | [`check`], [`finding`] | what of a cluster would be different here |
//! | [`run`] | all of it, pass by pass |
//! | [`report`] | what became of it, in words and as JSON |
//!
//! No file is kept beside the target: a partition under import knows its source and where it ends, and takes each batch once.

pub mod acls;
pub mod batch;
pub mod check;
pub mod crew;
pub mod cut_over;
pub mod finding;
pub mod groups;
pub mod lane;
pub mod report;
pub mod run;
pub mod source;
pub mod target;
pub mod topics;
pub mod verify;
pub mod worker;

use crate::client::{ClientError, Cluster, ClusterOptions};

/// Both ends of an import.
pub struct Sides {
    /// How to connect to where records come from.
    pub source_options: ClusterOptions,
    /// How to connect to where they go.
    pub target_options: ClusterOptions,
    /// Where they come from.
    pub source: Cluster,
    /// Where they go.
    pub target: Cluster,
}

impl Sides {
    /// Connects to both.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub fn connect(source: ClusterOptions, target: ClusterOptions) -> Result<Sides, ClientError> {
        Ok(Sides {
            source: reach(source.clone())?,
            target: reach(target.clone())?,
            source_options: source,
            target_options: target,
        })
    }
}

/// What may be the matter where a broker is there and has nothing to say to us.
const NO_LOGIN: &str =
    "if this listener asks for TLS or a login (SASL): neither is spoken here yet, name one without";

/// Connects to a cluster.
///
/// # Errors
/// When it does not answer; with a hint where it is there and does not talk with us.
pub fn reach(options: ClusterOptions) -> Result<Cluster, ClientError> {
    let hint = |why: String| format!("{why}; {NO_LOGIN}");
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
        let interrupt = Interrupt::default();
        let options =
            ClusterOptions { bootstrap: vec![address], patience: Duration::from_secs(10), interrupt };
        let why = reach(options).err().map(|why| why.to_string()).unwrap_or_default();
        broker.join().unwrap();
        why
    }

    #[test]
    fn a_listener_that_wants_tls_or_a_login_is_said_to_want_it() {
        let tls_alert = &[21, 3, 3, 0, 2, 2, 10];
        for answer in [&[][..], tls_alert] {
            let said = said_of(answer);
            assert!(said.contains("TLS or a login (SASL)"), "{said}");
        }
    }
}
