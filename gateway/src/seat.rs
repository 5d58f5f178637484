//! A connection's place in its worker and at the front desk.

use std::rc::Rc;
use std::sync::Arc;

use forebay_broker::{ClientInfo, ConnectionId};

use crate::end::guarded;
use crate::mailbox::Mailbox;
use crate::metrics::ProtocolMetrics;
use crate::shared::{Shared, Spoken};
use crate::worker::Local;

/// Holds everything by which others know a connection; all of it is undone when dropped, however it ends.
pub(crate) struct Seat {
    pub id: ConnectionId,
    pub spoken: Spoken,
    pub mailbox: Rc<Mailbox>,
    pub worker: Rc<Local>,
    at_desk: bool,
    has_left: bool,
}

impl Seat {
    pub(crate) fn take(worker: &Rc<Local>, spoken: Spoken) -> Seat {
        let id = worker.shared.next_connection();
        let seat = Seat {
            id,
            spoken,
            mailbox: worker.register(id),
            worker: Rc::clone(worker),
            at_desk: false,
            has_left: false,
        };
        seat.counts().accepted.increment();
        seat.counts().open.add(1);
        seat
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.worker.shared
    }

    pub(crate) fn counts(&self) -> &ProtocolMetrics {
        &self.worker.shared.metrics.protocols[self.spoken.index]
    }

    /// Announces the connection at the front desk.
    pub(crate) fn open_desk(&mut self, client: ClientInfo) {
        self.at_desk = true;
        self.shared().desk.open(self.id, Arc::clone(&self.worker.inbox) as _, client);
    }

    /// The client is gone: it is no longer counted, and the front desk hears of it. Once.
    pub(crate) fn leave(&mut self) {
        if std::mem::replace(&mut self.has_left, true) {
            return;
        }
        self.counts().open.add(-1);
        if self.at_desk {
            let closed = guarded(|| self.shared().desk.close(self.id));
            if let Err(end) = closed {
                tracing::error!(connection = self.id.0, detail = end.detail(), "the front desk panicked");
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
        self.worker.deregister(self.id);
    }
}
