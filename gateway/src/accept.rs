//! Accepting: every socket that is let in goes to the next worker in turn.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::limits::ACCEPT_REST_MAX;
use crate::shared::{Client, Shared};
use crate::worker::{Door, Inbox};

/// Accepts until its task is aborted.
pub(crate) async fn accept(door: Door, shared: Arc<Shared>, workers: Rc<[Arc<Inbox>]>) {
    for worker in (0..workers.len()).cycle() {
        let (socket, peer) = next_socket(&door, &shared).await;
        if let Some(client) = admit(&door, &shared, socket, peer) {
            workers[worker].welcome(client);
        }
    }
}

async fn next_socket(door: &Door, shared: &Shared) -> (TcpStream, SocketAddr) {
    loop {
        match door.listener.accept().await {
            Ok(accepted) => return accepted,
            // The client left the kernel's queue before it was its turn.
            Err(why) if is_of_one_client(&why) => {}
            Err(why) => {
                shared.accept_failed(door.spoken.protocol.name(), &why);
                // The client still waits in the kernel, so asking again at once would fail at once.
                tokio::select! {
                    () = shared.admission.one_ended() => {}
                    () = tokio::time::sleep(ACCEPT_REST_MAX) => {}
                }
            }
        }
    }
}

fn is_of_one_client(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Lets a client in, or closes its socket by dropping it.
fn admit(door: &Door, shared: &Shared, socket: TcpStream, peer: SocketAddr) -> Option<Client> {
    let spoken = door.spoken;
    let permit = match shared.admission.admit(peer.ip()) {
        Ok(permit) => permit,
        Err(why) => {
            shared.refuse(spoken.protocol.name(), peer, why);
            return None;
        }
    };
    match prepare(socket) {
        Ok((socket, local)) => Some(Client { socket, peer, local, spoken, permit }),
        Err(why) => {
            tracing::debug!(%peer, error = %why, "the client left while it was let in");
            None
        }
    }
}

fn prepare(socket: TcpStream) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    socket.set_nodelay(true)?;
    let local = socket.local_addr()?;
    // From here on it belongs to another worker's reactor.
    Ok((socket.into_std()?, local))
}
