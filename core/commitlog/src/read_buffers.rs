//! Memory for large reads, used again and again: a fresh megabyte costs more in page faults and zeroing than the read itself.
//! Shared by all shards of a node.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::limits::{READ_BUFFER_BYTES_MIN, READ_BUFFER_STEP_BYTES, READ_BUFFERS_BYTES_MAX};
use crate::lock::lock;

/// Buffers that wait to be used again, at most [`READ_BUFFERS_BYTES_MAX`] bytes of them. Those in use count with whoever
/// holds the bytes.
#[derive(Default)]
pub struct ReadBuffers {
    /// The one used last is at the end.
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    buffers: Vec<Box<[u8]>>,
    bytes: usize,
}

impl ReadBuffers {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<ReadBuffers> {
        Arc::default()
    }

    /// `len` bytes, which `fill` fills. What it does not write may hold anything that was read before.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn filled<E>(
        self: &Arc<Self>,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        if len < READ_BUFFER_BYTES_MIN {
            let mut bytes = vec![0; len];
            fill(&mut bytes)?;
            return Ok(bytes.into());
        }
        let memory = self
            .take(len)
            .unwrap_or_else(|| vec![0; len.next_multiple_of(READ_BUFFER_STEP_BYTES)].into_boxed_slice());
        let mut buffer = Buffer { memory, len, home: Arc::clone(self) };
        fill(&mut buffer.memory[..len])?;
        Ok(Bytes::from_owner(buffer))
    }

    /// Bytes that wait to be used again.
    #[must_use]
    pub fn bytes(&self) -> usize {
        lock(&self.free).bytes
    }

    /// A buffer that is large enough, and not so large that much of it would lie idle while somebody holds the bytes.
    fn take(&self, len: usize) -> Option<Box<[u8]>> {
        let mut free = lock(&self.free);
        let at = free.buffers.iter().rposition(|buffer| (len..=len + len / 4).contains(&buffer.len()))?;
        let buffer = free.buffers.remove(at);
        free.bytes -= buffer.len();
        Some(buffer)
    }

    fn put(&self, buffer: Box<[u8]>) {
        let mut free = lock(&self.free);
        free.bytes += buffer.len();
        free.buffers.push(buffer);
        while free.bytes > READ_BUFFERS_BYTES_MAX {
            let oldest = free.buffers.remove(0);
            free.bytes -= oldest.len();
        }
    }
}

/// Memory that goes home when nobody holds a slice of it any more.
struct Buffer {
    memory: Box<[u8]>,
    len: usize,
    home: Arc<ReadBuffers>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn read(buffers: &Arc<ReadBuffers>, len: usize, byte: u8) -> Bytes {
        let fill = |memory: &mut [u8]| {
            memory.fill(byte);
            Ok::<_, ()>(())
        };
        buffers.filled(len, fill).unwrap()
    }

    #[test]
    fn memory_is_used_again_once_its_last_slice_is_gone() {
        let buffers = ReadBuffers::new();
        let first = read(&buffers, 100 * KIB, 1);
        let (at, slice) = (first.as_ptr(), first.slice(10..20));
        drop(first);
        assert_eq!(buffers.bytes(), 0, "a slice holds it");
        assert_ne!(read(&buffers, 100 * KIB, 2).as_ptr(), at);
        assert_eq!(slice, [1; 10][..]);
        drop(slice);
        assert_eq!(buffers.bytes(), 2 * 112 * KIB);
        let again = read(&buffers, 90 * KIB, 3);
        assert_eq!((again.as_ptr(), again.len()), (at, 90 * KIB));
        assert!(again.iter().all(|byte| *byte == 3));
    }

    #[test]
    fn what_waits_is_bounded_and_fits() {
        let buffers = ReadBuffers::new();
        let held: Vec<_> = (0..40).map(|_| read(&buffers, 512 * KIB, 0)).collect();
        drop(held);
        assert_eq!(buffers.bytes(), READ_BUFFERS_BYTES_MAX);
        // 64 KiB would pin 512: it gets memory of its own.
        let small = read(&buffers, 64 * KIB, 0);
        assert_eq!(buffers.bytes(), READ_BUFFERS_BYTES_MAX);
        drop(small);
        assert!(buffers.bytes() <= READ_BUFFERS_BYTES_MAX);
    }

    #[test]
    fn small_reads_and_failed_ones_leave_nothing_behind() {
        let buffers = ReadBuffers::new();
        drop(read(&buffers, 100, 0));
        assert_eq!(buffers.bytes(), 0);
        assert_eq!(buffers.filled(100 * KIB, |_| Err("the disk")), Err("the disk"));
        assert_eq!(buffers.bytes(), 112 * KIB, "the memory is whole");
    }
}
