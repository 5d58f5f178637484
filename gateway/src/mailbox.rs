//! Where the replies for one connection wait for its task. It never leaves the worker's thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

use forebay_kit::Token;
use forebay_kit::model::Reply;

/// What the gateway wants of its connections; it only ever advances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Serve.
    #[default]
    Serve,
    /// Finish what is open, then close.
    Drain,
    /// Close now.
    Stop,
}

/// What waits for a connection's task. Holds at most one reply per open request.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    replies: RefCell<VecDeque<(Token, Reply)>>,
    order: Cell<Order>,
    waker: RefCell<Option<Waker>>,
}

impl Mailbox {
    pub(crate) fn new(order: Order) -> Mailbox {
        Mailbox { order: Cell::new(order), ..Mailbox::default() }
    }

    /// Adds a reply and wakes the task; waking it again before it ran costs next to nothing.
    pub(crate) fn put(&self, token: Token, reply: Reply) {
        self.replies.borrow_mut().push_back((token, reply));
        self.wake();
    }

    pub(crate) fn take(&self) -> Option<(Token, Reply)> {
        self.replies.borrow_mut().pop_front()
    }

    pub(crate) fn give_order(&self, order: Order) {
        self.order.set(self.order.get().max(order));
        self.wake();
    }

    pub(crate) fn order(&self) -> Order {
        self.order.get()
    }

    /// Wakes this task when something comes.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
