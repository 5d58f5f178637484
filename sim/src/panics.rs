//! Panics of the code under test: caught, kept quiet, and told with their place.

use std::sync::{Mutex, Once, PoisonError};

static LAST: Mutex<String> = Mutex::new(String::new());
static HOOK: Once = Once::new();

/// From now on panics are remembered instead of printed.
pub fn remember() {
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        }));
    });
}

/// What the last panic said.
pub fn last() -> String {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
