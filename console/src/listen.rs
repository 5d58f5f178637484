//! Opening the console's listeners, and why that fails.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::limits::LISTEN_BACKLOG;

/// Why a console does not start. Nothing of it runs then.
#[derive(Debug)]
pub enum StartError {
    /// Listening failed.
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system refuses a thread or what it needs to wait for sockets.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, source) = match self {
            StartError::Thread(source) => return write!(f, "cannot start the console's thread: {source}"),
            StartError::Listen { address, source } => (address, source),
        };
        write!(f, "cannot listen for http on {address}: ")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => f.write_str(
                "the address is already in use. Stop the process that listens there, or choose another address \
                 with --listen http=HOST:PORT",
            ),
            io::ErrorKind::AddrNotAvailable => f.write_str(
                "no interface of this machine has that address. Choose one with --listen http=HOST:PORT",
            ),
            io::ErrorKind::PermissionDenied => f.write_str(
                "this user is not permitted to. Choose a port above 1023 with --listen http=HOST:PORT",
            ),
            _ => write!(f, "{source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } | StartError::Thread(source) => Some(source),
        }
    }
}

/// Listens at `address`. Must be called within a runtime, which then owns the listener.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    try_listen(address).map_err(|source| StartError::Listen { address, source })
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}
