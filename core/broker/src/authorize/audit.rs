//! What was denied to whom, for the operator. Every denial is counted among the refusals; here some are written down, with a target of
//! their own, so that a setting of the log can raise or silence them alone.

use std::sync::Mutex;
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_model::acl::{Operation, ResourceKind};

use crate::broker::lock;
use crate::call::Asker;

/// The target of these lines in the log; docs/operations/security.md names it.
const TARGET: &str = "forebay_audit";
/// Lines of one second; the others are counted.
const LINES_PER_SECOND_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);
/// Characters of a name that are written down: clients choose how long they are.
const NAME_CHARS_MAX: usize = 256;

/// Notes what was denied. A flood of denials is a few lines and a number.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window_start: Monotonic,
    lines: u32,
    suppressed: u64,
}

impl Audit {
    pub(crate) fn denied(
        &self,
        now: Monotonic,
        asker: &Asker,
        operation: Operation,
        kind: ResourceKind,
        name: &str,
    ) {
        if let Some(suppressed) = self.admit(now) {
            tracing::info!(
                target: TARGET,
                principal = %asker.principal,
                host = %asker.host,
                protocol = asker.protocol,
                %operation,
                resource = %kind,
                name = beginning(name),
                suppressed,
                "access denied"
            );
        }
    }

    /// Whether a line may be written now; if so, how many were suppressed since the last one.
    fn admit(&self, now: Monotonic) -> Option<u64> {
        let mut state = lock(&self.state);
        if now.since(state.window_start) >= WINDOW {
            state.window_start = now;
            state.lines = 0;
        }
        if state.lines >= LINES_PER_SECOND_MAX {
            state.suppressed += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

fn beginning(name: &str) -> &str {
    name.char_indices().nth(NAME_CHARS_MAX).map_or(name, |(end, _)| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(beginning("orders"), "orders");
        assert_eq!(beginning(&"ä".repeat(300)), "ä".repeat(NAME_CHARS_MAX));
    }

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let audit = Audit::default();
        let start = Monotonic(5_000_000_000);
        let lines = (0..1_000).filter(|_| audit.admit(start).is_some()).count();
        assert_eq!(lines, LINES_PER_SECOND_MAX as usize);
        assert_eq!(audit.admit(start + WINDOW), Some(1_000 - lines as u64));
    }
}
