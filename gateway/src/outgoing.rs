//! Bytes on their way to a client.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use forebay_kit::Bytes;
use tokio::io::AsyncWrite;

use crate::limits::WRITE_PIECES_MAX;

/// What a session gave and the socket has not taken. Its bound is kept by who pushes.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Writes as many pieces as one call takes; returns the bytes that went.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); WRITE_PIECES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.forget(written);
        Poll::Ready(Ok(written))
    }

    fn forget(&mut self, written: usize) {
        self.bytes -= written;
        let mut left = written;
        while left > 0 {
            let first = self.pieces.front_mut().expect("no more is written than was there");
            if first.len() > left {
                // The piece goes on behind what was written.
                drop(first.split_to(left));
                return;
            }
            left -= first.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes at most `at_once` bytes per call.
    struct Narrow {
        taken: Vec<u8>,
        at_once: usize,
        calls: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(from)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            from: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = from.iter().flat_map(|s| s.iter().copied()).take(self.at_once).collect();
            self.taken.extend_from_slice(&all);
            self.calls += 1;
            Poll::Ready(Ok(all.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write_all(outgoing: &mut Outgoing, narrow: &mut Narrow) {
        let mut cx = Context::from_waker(Waker::noop());
        while !outgoing.is_empty() {
            assert!(matches!(outgoing.poll_write(narrow, &mut cx), Poll::Ready(Ok(_))));
        }
    }

    #[test]
    fn many_pieces_leave_in_one_write() {
        let mut outgoing = Outgoing::default();
        let mut narrow = Narrow { taken: Vec::new(), at_once: usize::MAX, calls: 0 };
        for i in 0..WRITE_PIECES_MAX {
            outgoing.push(Bytes::copy_from_slice(&(i as u32).to_be_bytes()));
        }
        write_all(&mut outgoing, &mut narrow);
        assert_eq!((narrow.calls, narrow.taken.len()), (1, 4 * WRITE_PIECES_MAX));
    }

    #[test]
    fn a_socket_that_takes_little_at_a_time_gets_everything_in_order() {
        let text: Vec<u8> = (0..10_000_u32).flat_map(u32::to_be_bytes).collect();
        for at_once in [1, 7, 256, 999] {
            let mut outgoing = Outgoing::default();
            let mut narrow = Narrow { taken: Vec::new(), at_once, calls: 0 };
            text.chunks(13).for_each(|piece| outgoing.push(Bytes::copy_from_slice(piece)));
            outgoing.push(Bytes::new());
            assert_eq!(outgoing.bytes(), text.len());
            write_all(&mut outgoing, &mut narrow);
            assert_eq!(narrow.taken, text);
        }
    }
}
