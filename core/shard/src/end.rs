//! How a shard ends: in good order when it is asked to, for good when it cannot go on, for a while when another leads. Whoever
//! waits is answered each time.

use forebay_model::Refusal;
use forebay_replication::Fence;

use crate::mailbox::Room;
use crate::shard::Shard;
use crate::work::{Answer, TransactionAnswer};

impl<T: Clone + Send + 'static> Shard<T> {
    /// Begins to end the shard in good order: everybody who waits is answered, everything written is flushed and
    /// recorded as such. What comes meanwhile is refused. Turns go on until one returns [`NextTurn::Never`](crate::NextTurn::Never); from then on
    /// the mailbox gives back whatever is posted.
    pub fn close(&mut self) {
        self.closing = true;
        self.abandon(&Refusal::ShuttingDown);
        self.deliver();
        self.replica.close();
    }

    /// Refuses what came while the shard closed, and lets nothing more in.
    pub(crate) fn refuse_the_rest(&mut self) {
        self.mailbox.close();
        let rest = self.mailbox.take(Room { bytes: usize::MAX, paced_bytes: usize::MAX });
        let refusal = self.not_leading();
        let work = rest.work.into_iter().filter_map(|(_, parcel)| parcel.work.refuse(&refusal));
        self.answers.extend(work);
        self.answers.extend(rest.reads.into_iter().filter_map(|read| read.refuse(&refusal)));
    }

    pub(crate) fn fence(&mut self, why: String) {
        if self.fenced.is_some() {
            return;
        }
        tracing::error!(
            shard = self.config.id.0,
            why,
            "storage failed: this shard is fenced and confirms nothing more until the node is repaired and restarted"
        );
        // A replica that went on would keep the others from electing one that can serve.
        self.replica.fence(Fence::Shard(why.clone()));
        self.fenced = Some(why);
        self.metrics.fenced.set(1);
        self.abandon(&Refusal::Storage);
    }

    /// Answers everybody who waits for something that this replica cannot finish. What never reached the log has certainly
    /// not happened and is refused as `certain` says. What was proposed is unknown whatever the reason: the other replicas
    /// may hold it already and commit it.
    pub(crate) fn abandon(&mut self, certain: &Refusal) {
        self.pending_bytes = 0;
        for asking in self.pending.take_all() {
            self.refuse_asking(asking, &Refusal::Unknown);
        }
        self.unload_groups(&Refusal::Unknown);
        let mut askers = self.draft.abandon();
        askers.extend(self.stalled.take().into_iter().flat_map(|turn| turn.draft.into_askers()));
        self.refuse_askers(askers, certain);
        for (source, big) in std::mem::take(&mut self.big) {
            self.answers.push((big.ticket, Answer::Published(Err(certain.clone()))));
            self.mailbox.release(source);
        }
        for fetch in self.waiting.take_all() {
            self.answers.push(fetch.refuse(certain));
        }
        for receive in self.receiving.take_all() {
            self.answers.push(receive.refuse(certain));
        }
        self.deliveries.clear();
        self.sharers.clear();
        self.refuse_barriers(certain);
        // What they ended has ended; they only do not hear it.
        for ticket in self.relays.clear() {
            let unknown = TransactionAnswer::Instance(Err(Refusal::Unknown));
            self.answers.push((ticket, Answer::Transaction(unknown)));
        }
    }
}
