//! Accepting: every socket that is let in goes to the next worker in turn.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::admission::Refused;
use crate::limits::{ACCEPT_REST_MAX, TURNED_AWAY_MAX, TURNED_AWAY_WAIT_MAX};
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
fn admit(door: &Door, shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr) -> Option<Client> {
    let spoken = door.spoken;
    let wait = shared.desk.admit(peer.ip(), shared.clock.monotonic());
    if !wait.is_zero() {
        shared.refuse(spoken.protocol.name(), peer, Refused::Quota);
        turn_away(shared, socket, wait);
        return None;
    }
    let permit = match shared.admission.admit(peer.ip()) {
        Ok(permit) => permit,
        Err(why) => {
            shared.refuse(spoken.protocol.name(), peer, why);
            return None;
        }
    };
    match prepare(socket) {
        Ok((socket, local)) => Some(Client { socket, peer, local, spoken, at: door.at.clone(), permit }),
        Err(why) => {
            tracing::debug!(%peer, error = %why, "the client left while it was let in");
            None
        }
    }
}

/// Closes a socket later: who is closed at once comes again at once (KIP-612).
fn turn_away(shared: &Arc<Shared>, socket: TcpStream, wait: Duration) {
    if shared.turned_away.fetch_add(1, Relaxed) >= TURNED_AWAY_MAX {
        shared.turned_away.fetch_sub(1, Relaxed);
        return;
    }
    let shared = Arc::clone(shared);
    spawn_local(async move {
        tokio::time::sleep(wait.min(TURNED_AWAY_WAIT_MAX)).await;
        drop(socket);
        shared.turned_away.fetch_sub(1, Relaxed);
    });
}

fn prepare(socket: TcpStream) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    socket.set_nodelay(true)?;
    let local = socket.local_addr()?;
    // From here on it belongs to another worker's reactor.
    Ok((socket.into_std()?, local))
}
