//! Opening listeners, and why that fails.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use forebay_kit::model::login::Mechanism;
use tokio::net::{TcpListener, TcpSocket};

use crate::limits::LISTEN_BACKLOG;
use crate::tls::Tls;

/// One address to listen at, and what is asked of who comes there.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where. Port 0 takes any free port.
    pub address: SocketAddr,
    /// How clients may log in, and have to before anything else; `None` where nobody is asked who they are.
    pub login: Option<Arc<[Mechanism]>>,
    /// What connections are encrypted with, if they are. Where nobody has to log in, a client's certificate says who it is.
    pub tls: Option<Arc<Tls>>,
}

/// An address at which nobody is asked who they are.
impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Listener {
        Listener { address, login: None, tls: None }
    }
}

/// The same.
impl From<(Ipv4Addr, u16)> for Listener {
    fn from(address: (Ipv4Addr, u16)) -> Listener {
        SocketAddr::from(address).into()
    }
}

/// Why a gateway does not start. Nothing of it runs then.
#[derive(Debug)]
pub enum StartError {
    /// The settings contradict each other; the text names the one to change.
    Config(String),
    /// Somebody listens there already.
    AddressInUse {
        /// For which protocol.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The address belongs to no interface of this machine.
    AddressNotHere {
        /// For which protocol.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The operating system does not let this user listen there.
    NotPermitted {
        /// For which protocol.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// Listening failed in another way.
    Listen {
        /// For which protocol.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system refuses a thread or what a thread needs to wait for sockets.
    Thread(io::Error),
}

impl StartError {
    fn listen(protocol: &'static str, address: SocketAddr, source: io::Error) -> StartError {
        match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressInUse { protocol, address },
            io::ErrorKind::AddrNotAvailable => StartError::AddressNotHere { protocol, address },
            io::ErrorKind::PermissionDenied => StartError::NotPermitted { protocol, address },
            _ => StartError::Listen { protocol, address, source },
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(text) => f.write_str(text),
            StartError::AddressInUse { protocol, address } => write!(
                f,
                "cannot listen for {protocol} on {address}: the address is already in use. Stop the process that \
                 listens there, or choose another address with --listen {protocol}=HOST:PORT"
            ),
            StartError::AddressNotHere { protocol, address } => write!(
                f,
                "cannot listen for {protocol} on {address}: no interface of this machine has that address. \
                 Choose one with --listen {protocol}=HOST:PORT"
            ),
            StartError::NotPermitted { protocol, address } => write!(
                f,
                "cannot listen for {protocol} on {address}: this user is not permitted to. \
                 Choose a port above 1023 with --listen {protocol}=HOST:PORT"
            ),
            StartError::Listen { protocol, address, source } => {
                write!(f, "cannot listen for {protocol} on {address}: {source}")
            }
            StartError::Thread(source) => write!(f, "cannot start a gateway thread: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } | StartError::Thread(source) => Some(source),
            _ => None,
        }
    }
}

/// Listens at `address`. Must be called within a runtime, which then owns the listener.
pub(crate) fn listen(protocol: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    try_listen(address).map_err(|source| StartError::listen(protocol, address, source))
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server gets its port back although connections of its predecessor still linger in the kernel.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it: a client whose machine vanished is found even when nothing is ever written.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}
