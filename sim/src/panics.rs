//! Panics of the code under test: caught, kept quiet, and told with their place.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// Simulations on several threads do not hear each other's.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// From now on panics are remembered instead of printed.
pub fn remember() {
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| LAST.set(info.to_string())));
    });
}

/// What the last panic of this thread said.
pub fn last() -> String {
    LAST.with_borrow(String::clone)
}
