//! Blocking work away from the shard's thread, and how its result comes back.

use std::sync::Arc;

use forebay_commitlog::{Entry, Fault, FlushDone, Point, ReadError};
use forebay_env::{Env, IoClass};
use forebay_model::LogIndex;

use crate::output::Fence;

/// Posts a completion into the shard's mailbox; the shard then calls `Replica::complete` with it.
pub type Post = Arc<dyn Fn(Completion) + Send + Sync>;

/// The result of a background job, for `Replica::complete`.
#[derive(Debug)]
pub struct Completion(pub(crate) Done);

#[derive(Debug)]
pub(crate) enum Done {
    /// A flush ended.
    Flushed(Result<Option<FlushDone>, Fault>),
    /// Entries for a follower that lags were read.
    ColdRead { low: LogIndex, result: Result<Vec<Entry>, ReadError> },
    /// A checkpoint was written and made current, or not.
    Checkpointed { point: Point, result: Result<(), Fence> },
    /// The job panicked.
    Lost,
}

/// Runs `work` on another thread and posts what it answers, whatever happens.
pub(crate) fn spawn(env: &Env, post: &Post, class: IoClass, work: impl FnOnce() -> Done + Send + 'static) {
    let post = post.clone();
    env.spawn.spawn(
        class,
        Box::new(move || {
            let ticket = Ticket { post: Some(post) };
            let done = work();
            ticket.redeem(done);
        }),
    );
}

/// Posts [`Done::Lost`] when the job unwinds: nobody waits for ever.
struct Ticket {
    post: Option<Post>,
}

impl Ticket {
    fn redeem(mut self, done: Done) {
        if let Some(post) = self.post.take() {
            post(Completion(done));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(post) = self.post.take() {
            post(Completion(Done::Lost));
        }
    }
}
