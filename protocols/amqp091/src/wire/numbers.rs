//! Numbers of the protocol that must not be taken for one another.

use std::fmt;

use crate::limits::{FRAME_BYTES_DEFAULT, FRAME_BYTES_MIN};

/// A channel of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

/// Names a delivery within its channel; in a confirm, a publish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryTag(pub u64);

/// The bytes a whole frame may have, those of its own form included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameMax(u32);

/// A method by its two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId {
    /// Its class, such as 60 for `basic`.
    pub class: u16,
    /// Its number in the class.
    pub method: u16,
}

/// Bytes of a frame that are not payload: its head and its end.
pub const FRAME_OVERHEAD: usize = 8;

impl ChannelId {
    /// Where a connection speaks of itself.
    pub const CONNECTION: Self = Self(0);
}

impl FrameMax {
    /// What we propose.
    pub const DEFAULT: Self = Self(FRAME_BYTES_DEFAULT);

    /// `None` where it is less than every peer must take.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes < FRAME_BYTES_MIN { None } else { Some(Self(bytes)) }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// Bytes of payload that fit.
    #[must_use]
    pub const fn payload(self) -> usize {
        self.0 as usize - FRAME_OVERHEAD
    }
}

impl Default for FrameMax {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.class, self.method)
    }
}
