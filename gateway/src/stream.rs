//! What a connection reads from and writes to: a socket, or one behind encryption.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

use crate::tls::Tls;

/// A byte stream to a client.
pub(crate) enum Stream {
    /// A socket, unencrypted.
    Plain(TcpStream),
    /// The client has not agreed on keys yet. The first read or write drives that on; it has the time that a first request has.
    Greeting(Box<Accept<TcpStream>>),
    /// An encrypted one.
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn new(socket: TcpStream, tls: Option<&Tls>) -> Stream {
        match tls {
            None => Stream::Plain(socket),
            Some(tls) => Stream::Greeting(Box::new(tls.acceptor().accept(socket))),
        }
    }

    /// Whether what was written has not all been handed to the socket: see [`Stream::poll_flush`].
    pub(crate) fn holds_back(&self) -> bool {
        match self {
            Stream::Plain(_) | Stream::Greeting(_) => false,
            Stream::Encrypted(stream) => stream.get_ref().1.wants_write(),
        }
    }

    /// The certificate that the client has shown, in DER.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        match self {
            Stream::Plain(_) | Stream::Greeting(_) => None,
            Stream::Encrypted(stream) => Some(stream.get_ref().1.peer_certificates()?.first()?.as_ref()),
        }
    }

    /// The encrypted stream, once keys were agreed on. Never asked of a plain one.
    fn poll_encrypted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TlsStream<TcpStream>>>> {
        if let Stream::Greeting(greeting) = self {
            let stream = ready!(Pin::new(greeting.as_mut()).poll(cx))?;
            *self = Stream::Encrypted(Box::new(stream));
        }
        Poll::Ready(match self {
            Stream::Encrypted(stream) => Ok(Pin::new(stream.as_mut())),
            Stream::Plain(_) | Stream::Greeting(_) => Err(io::ErrorKind::Unsupported.into()),
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, into),
            stream => ready!(stream.poll_encrypted(cx))?.poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, from),
            stream => ready!(stream.poll_encrypted(cx))?.poll_write(cx, from),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, from),
            stream => ready!(stream.poll_encrypted(cx))?.poll_write_vectored(cx, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(socket) => socket.is_write_vectored(),
            Stream::Greeting(_) => false,
            Stream::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Greeting(_) => Poll::Ready(Ok(())),
            Stream::Encrypted(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            // Nobody has heard anything of us yet.
            Stream::Greeting(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Stream::Encrypted(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
