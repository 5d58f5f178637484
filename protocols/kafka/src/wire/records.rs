//! Record data: batches as they came, never looked into here.

use std::fmt;

use bytes::Bytes;

/// Record batches in one or more pieces that together are the field's bytes. A request decodes to one piece, a slice of its
/// frame. A response may be put together from many (a patched batch header, the rest of the batch, the next batch) and is
/// written without copying them.
#[derive(Clone, Default)]
pub struct Records {
    first: Bytes,
    /// Empty, and so free, while there is one piece.
    more: Vec<Bytes>,
}

impl Records {
    /// No record data; not the same as null on the wire.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.more.push(piece);
        }
    }

    /// The pieces, in order; the first may be empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Total bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The bytes in one piece. Copies unless there is only one, as there is after decoding.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut all = Vec::with_capacity(self.len());
        self.pieces().for_each(|piece| all.extend_from_slice(piece));
        all.into()
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self { first: bytes, more: Vec::new() }
    }
}

/// Equal when the bytes are, however they are cut into pieces.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.pieces().flatten().eq(other.pieces().flatten())
    }
}

impl Eq for Records {}

/// The length only: what clients send does not belong in logs.
impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
