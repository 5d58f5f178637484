//! Which of many things were met already, forgotten without touching them.

/// Things by dense numbers, each with the round in which it was met last.
#[derive(Debug, Default)]
pub(super) struct Marks {
    rounds: Vec<u64>,
    round: u64,
}

impl Marks {
    /// Nothing was met yet, of things with numbers below `len`.
    pub(super) fn begin(&mut self, len: usize) {
        self.round += 1;
        if self.rounds.len() < len {
            self.rounds.resize(len, 0);
        }
    }

    /// Meets a thing; whether it is for the first time.
    pub(super) fn is_first(&mut self, number: u32) -> bool {
        let met = &mut self.rounds[number as usize];
        std::mem::replace(met, self.round) != self.round
    }
}
