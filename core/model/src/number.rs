//! Numbers with a meaning.

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A client's number of a record within a partition; assigned by `apply`, never predicted.
    Offset(u64)
}
number! {
    /// Raft's number of an entry within one shard's log. The first real entry has index 1 or more.
    LogIndex(u64)
}
number! {
    /// A byte's distance from the start of one file.
    Position(u64)
}
number! {
    /// A Raft term.
    Term(u64)
}
number! {
    /// The number of a slot within its entry. Survives rewriting: `(log index, slot)` never changes.
    SlotNumber(u32)
}
number! {
    /// How many of something.
    Count(u64)
}
number! {
    /// How often a record was handed out in vain.
    Attempts(u16)
}
number! {
    /// A client's leader epoch of a partition: base epoch of the extent + (term - term at its opening).
    LeaderEpoch(u32)
}
number! {
    /// A producer's number of a record within a partition; wraps from `i32::MAX` to 0.
    BatchSequence(i32)
}
number! {
    /// Milliseconds since 1970 as a client wrote them; -1 says there is none.
    Timestamp(i64)
}
number! {
    /// Milliseconds since 1970 that the leader put into an entry. Never falls along a log.
    LogTime(i64)
}

impl Offset {
    /// No offset. As a cursor to commit it takes the cursor away; no record ever has it.
    pub const NONE: Offset = Offset(u64::MAX);

    /// The offset `count` records behind this one; `None` past the end of the number space.
    #[must_use]
    pub fn checked_add(self, count: u64) -> Option<Offset> {
        self.0.checked_add(count).map(Offset)
    }
}

impl LogIndex {
    /// The index of the entry behind this one.
    #[must_use]
    pub fn next(self) -> LogIndex {
        LogIndex(self.0 + 1)
    }

    /// The index of the entry before this one; zero stays zero.
    #[must_use]
    pub fn previous(self) -> LogIndex {
        LogIndex(self.0.saturating_sub(1))
    }
}
