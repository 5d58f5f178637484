//! One timer per connection for all its deadlines.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_kit::Instant;
use tokio::time::Sleep;

/// Wakes its task at a deadline or before. Deadlines that move away, as an idle deadline does with every byte, do
/// not touch it: it fires at the old one, and its owner looks and arms it again.
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
}

impl Timer {
    pub(crate) fn new() -> Timer {
        Timer { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), armed: None }
    }

    /// Ready when it fired: `deadline` may have come. Else the task is woken at `deadline` at the latest.
    pub(crate) fn poll(&mut self, now: Instant, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.armed.is_none_or(|armed| deadline < armed) {
            let left = Duration::from_nanos(deadline.0.saturating_sub(now.0));
            self.sleep.as_mut().reset(tokio::time::Instant::now() + left);
            self.armed = Some(deadline);
        }
        std::task::ready!(self.sleep.as_mut().poll(cx));
        self.armed = None;
        Poll::Ready(())
    }
}
