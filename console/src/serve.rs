//! Accepting and driving HTTP connections.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::limits::{ACCEPT_REST, HEAD_BYTES_MAX};
use crate::routes::Routes;

/// What a client gets when there are too many.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 21\r\n\r\ntoo many connections\n";

/// Serves until it is told to stop, then until its connections have ended or their grace is over.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    routes: Arc<Routes>,
    mut stopped: watch::Receiver<bool>,
) {
    let limits = routes.config.limits;
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, Arc::clone(&routes), Arc::clone(&connections), stopped.clone()));
    }
    // An error says that the console is gone, which is a stop too.
    let _ = stopped.wait_for(|stop| *stop).await;
    accepting.shutdown().await;
    let all = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    // Whatever is left after the grace ends with the runtime.
    let _ = tokio::time::timeout(limits.grace, connections.acquire_many(all)).await;
}

async fn accept(
    listener: TcpListener,
    routes: Arc<Routes>,
    connections: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => match Arc::clone(&connections).try_acquire_owned() {
                Ok(permit) => {
                    tokio::spawn(drive(socket, permit, Arc::clone(&routes), stopped.clone()));
                }
                Err(_) => {
                    routes.refused.increment();
                    // Best effort: a client that cannot take a few bytes now gets none.
                    let _ = socket.try_write(TOO_MANY);
                }
            },
            Err(why) if why.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(why) => {
                tracing::error!(error = %why, "the console cannot accept connections");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn drive(
    socket: TcpStream,
    _permit: OwnedSemaphorePermit,
    routes: Arc<Routes>,
    mut stopped: watch::Receiver<bool>,
) {
    let limits = routes.config.limits;
    let service = service_fn(move |request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        _ = stopped.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(limits.connection_time_max) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = tokio::time::timeout(limits.grace, connection).await {
        log(ended);
    }
}

fn log(ended: Result<(), hyper::Error>) {
    if let Err(why) = ended {
        tracing::debug!(error = %why, "a connection of the console ended early");
    }
}
