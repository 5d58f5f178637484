//! One input through one target: what came of it.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use crate::targets::Target;

/// What an input did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned within its memory.
    Fine(Trace),
    /// It did what no input may do.
    Finding(Finding),
}

/// What a run leaves to tell it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    allocations: u64,
    /// How many bytes they came to, as a power of two.
    magnitude: u32,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Equal for what is probably one bug: a line of code, or `memory`.
    pub place: String,
    /// In words.
    pub what: String,
}

thread_local! {
    static IS_EXECUTING: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<Finding>> = const { RefCell::new(None) };
}

/// From here on the panic of a target is kept for [`execute`] instead of printed. Our own are printed.
pub fn catch_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IS_EXECUTING.get() {
            PANIC.set(Some(describe(info)));
        } else {
            print(info);
        }
    }));
}

fn describe(info: &PanicHookInfo) -> Finding {
    let place = info.location().map_or_else(|| "nowhere".into(), ToString::to_string);
    let payload = info.payload();
    let words = payload.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
    Finding { place, what: format!("panics: {}", words.unwrap_or("without words")) }
}

/// Runs the target once.
pub fn execute(target: &Target, input: &[u8]) -> Outcome {
    let mut ended = Ok(());
    IS_EXECUTING.set(true);
    let used = allocation_counter::measure(|| {
        ended = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    });
    IS_EXECUTING.set(false);
    if ended.is_err() {
        let unknown = || Finding { place: "nowhere".into(), what: "panics past the hook".into() };
        return Outcome::Finding(PANIC.take().unwrap_or_else(unknown));
    }
    let granted = target.memory.of(input.len());
    if used.bytes_max > granted {
        let what = format!(
            "holds {} bytes at once for an input of {}; {granted} are granted",
            used.bytes_max,
            input.len()
        );
        return Outcome::Finding(Finding { place: "memory".into(), what });
    }
    Outcome::Fine(Trace {
        allocations: used.count_total.min(4_096),
        magnitude: used.bytes_total.max(1).ilog2(),
    })
}

/// Takes away from an input what the finding does not need.
pub fn shrink(target: &Target, input: &[u8], finding: &Finding) -> Vec<u8> {
    let still =
        |input: &[u8]| matches!(execute(target, input), Outcome::Finding(f) if f.place == finding.place);
    let mut input = input.to_vec();
    let mut tries = 4_000;
    let mut piece = input.len().div_ceil(2);
    while piece > 0 && tries > 0 {
        let mut at = 0;
        while at < input.len() && tries > 0 {
            tries -= 1;
            let mut less = input.clone();
            less.drain(at..(at + piece).min(input.len()));
            if still(&less) {
                input = less;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    for at in 0..input.len().min(tries) {
        let kept = std::mem::replace(&mut input[at], 0);
        if kept != 0 && !still(&input) {
            input[at] = kept;
        }
    }
    input
}
