//! How long everything takes.

/// How much time a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Minutes: to see that things work and roughly where they stand.
    Quick,
    /// What the page of figures is made from.
    Standard,
    /// Hours: all combinations, the largest backlog, an hour at half of the peak.
    Full,
}

impl Scale {
    /// The value for this scale.
    pub fn pick<T>(self, quick: T, standard: T, full: T) -> T {
        match self {
            Scale::Quick => quick,
            Scale::Standard => standard,
            Scale::Full => full,
        }
    }

    /// The measured window of a case without a length of its own, in seconds.
    pub fn seconds(self) -> u32 {
        self.pick(3, 10, 30)
    }

    /// How long the same work is done before it is measured, in seconds. Where a compiler is at work on the broker while it runs,
    /// that takes longer: Kafka's rate of synchronous sends doubled between five seconds and twenty-five.
    pub fn warm_s(self, is_compiled_as_it_runs: bool) -> u32 {
        if is_compiled_as_it_runs { self.pick(5, 25, 30) } else { self.pick(1, 5, 10) }
    }

    /// How often everything is run unless told otherwise.
    pub fn rounds(self) -> u32 {
        self.pick(1, 3, 3)
    }
}
