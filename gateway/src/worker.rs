//! One thread with its connections, and the inbox through which other threads reach it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_broker::{ConnectionId, Delivered, Outbox};
use forebay_kit::{BytesMut, Token};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use crate::accept::accept;
use crate::admission::Refused;
use crate::connection;
use crate::listen::Listener;
use crate::mailbox::{Mailbox, Order};
use crate::shared::{Client, Shared, Spoken};

/// Work from other threads.
enum Work {
    Client(Client),
    Replies(Vec<Delivered>),
    Order(Order),
}

/// The way into a worker. What waits in it is bounded by what its connections may have open: one entry per admitted
/// client, one reply per open request.
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    work: Vec<Work>,
    /// The worker has gone; nobody will take anything.
    is_closed: bool,
}

impl Inbox {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Inbox> {
        Arc::new(Inbox { shared, waiting: Mutex::default(), arrived: Notify::new() })
    }

    pub(crate) fn welcome(&self, client: Client) {
        self.put(Work::Client(client));
    }

    pub(crate) fn give_order(&self, order: Order) {
        self.put(Work::Order(order));
    }

    fn put(&self, work: Work) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            drop(waiting);
            return turn_away(&self.shared, work);
        }
        let was_empty = waiting.work.is_empty();
        waiting.work.push(work);
        drop(waiting);
        // Whoever put something into the empty inbox has woken the worker, and it takes all at once.
        if was_empty {
            self.shared.metrics.wakeups.increment();
            self.arrived.notify_one();
        }
    }

    /// Exchanges what waits for an empty vector, whose memory is used again.
    fn take_into(&self, taken: &mut Vec<Work>) {
        std::mem::swap(&mut self.lock().work, taken);
    }

    /// Takes nothing more, and turns away what still waits.
    fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        let left = std::mem::take(&mut waiting.work);
        drop(waiting);
        left.into_iter().for_each(|work| turn_away(&self.shared, work));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes when nobody serves any more.
fn turn_away(shared: &Shared, work: Work) {
    match work {
        Work::Client(client) => {
            shared.refuse(client.spoken.protocol.name(), client.peer, Refused::Draining);
        }
        Work::Replies(replies) => shared.metrics.replies_dropped.add(replies.len() as u64),
        Work::Order(_) => {}
    }
}

impl Outbox for Inbox {
    fn deliver(&self, batch: Vec<Delivered>) {
        if batch.is_empty() {
            return;
        }
        self.shared.metrics.reply_batches.increment();
        self.shared.metrics.replies.add(batch.len() as u64);
        self.put(Work::Replies(batch));
    }
}

/// What the tasks of one worker share.
pub(crate) struct Local {
    pub shared: Arc<Shared>,
    pub inbox: Arc<Inbox>,
    connections: RefCell<HashMap<ConnectionId, Rc<Mailbox>>>,
    /// Where sockets are read into; what a connection keeps of it is split off.
    pub scratch: RefCell<BytesMut>,
    order: Cell<Order>,
}

impl Local {
    /// Gives a new connection its mailbox.
    pub(crate) fn register(&self, id: ConnectionId) -> Rc<Mailbox> {
        let mailbox = Rc::new(Mailbox::new(self.order.get()));
        self.connections.borrow_mut().insert(id, Rc::clone(&mailbox));
        mailbox
    }

    pub(crate) fn deregister(&self, id: ConnectionId) {
        self.connections.borrow_mut().remove(&id);
        if self.is_done() {
            self.inbox.arrived.notify_one();
        }
    }

    fn is_done(&self) -> bool {
        self.order.get() == Order::Stop && self.connections.borrow().is_empty()
    }

    fn fan_out(&self, replies: Vec<Delivered>) {
        let connections = self.connections.borrow();
        for Delivered { connection, token, reply } in replies {
            match connections.get(&connection) {
                Some(mailbox) => mailbox.put(Token(token), reply),
                None => self.shared.metrics.replies_dropped.increment(),
            }
        }
    }

    fn obey(&self, order: Order) {
        self.order.set(self.order.get().max(order));
        for mailbox in self.connections.borrow().values() {
            mailbox.give_order(order);
        }
    }
}

/// A listener and what is spoken there.
pub(crate) struct Door {
    pub listener: TcpListener,
    pub spoken: Spoken,
    /// What is asked of clients there.
    pub at: Listener,
}

/// One thread of the gateway, before it runs.
pub(crate) struct Worker {
    pub runtime: Runtime,
    pub shared: Arc<Shared>,
    pub inbox: Arc<Inbox>,
    /// Listeners to accept on, and the workers that get the sockets in turn. Only one worker has any.
    pub doors: Vec<Door>,
    pub colleagues: Vec<Arc<Inbox>>,
}

/// What a worker waits for sockets with.
pub(crate) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

impl Worker {
    /// Serves until it was told to stop and its last connection is gone.
    pub(crate) fn run(self) {
        let Worker { runtime, shared, inbox, doors, colleagues } = self;
        let local = Rc::new(Local {
            shared,
            inbox,
            connections: RefCell::default(),
            scratch: RefCell::default(),
            order: Cell::default(),
        });
        LocalSet::new().block_on(&runtime, serve(local, doors, colleagues.into()));
    }
}

async fn serve(local: Rc<Local>, doors: Vec<Door>, colleagues: Rc<[Arc<Inbox>]>) {
    let accepting: Vec<AbortHandle> = doors
        .into_iter()
        .map(|door| spawn_local(accept(door, Arc::clone(&local.shared), Rc::clone(&colleagues))))
        .map(|task| task.abort_handle())
        .collect();
    let mut work = Vec::new();
    while !local.is_done() {
        local.inbox.arrived.notified().await;
        local.inbox.take_into(&mut work);
        for item in work.drain(..) {
            match item {
                Work::Replies(replies) => local.fan_out(replies),
                Work::Client(client) if local.order.get() == Order::Serve => {
                    spawn_local(connection::serve(Rc::clone(&local), client));
                }
                Work::Client(_) => turn_away(&local.shared, item),
                Work::Order(order) => {
                    accepting.iter().for_each(AbortHandle::abort);
                    local.obey(order);
                }
            }
        }
    }
    local.inbox.close();
}
