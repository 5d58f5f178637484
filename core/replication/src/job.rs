//! Blocking work away from the shard's thread, and how its result comes back.

use std::sync::Arc;

use bytes::Bytes;
use forebay_commitlog::{Entry, Fault, FlushDone, Point, ReadError};
use forebay_env::{Env, IoClass};
use forebay_model::LogIndex;

use crate::message::{Fetch, TransferId};
use crate::output::Fence;
use crate::peer::PeerId;
use crate::transfer::{Attempt, Checked, Looked, Prepared, SourceError};

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
    /// The files for a peer were listed.
    TransferPrepared { peer: PeerId, id: TransferId, result: Result<Prepared, SourceError> },
    /// A piece of a file for a peer was read.
    ChunkRead { peer: PeerId, fetch: Fetch, result: Result<Bytes, SourceError> },
    /// Files that a receiver found damaged were read again here.
    SentLookedAt { damage: Option<Fault> },
    /// What is there of an offer was looked up.
    IncomingLooked { attempt: Attempt, result: Result<Looked, Fault> },
    /// Pieces were written; the file's new length.
    IncomingWritten { attempt: Attempt, result: Result<u64, Fault> },
    /// A complete file was checked.
    IncomingChecked { attempt: Attempt, result: Result<Checked, Fault> },
    /// The job panicked.
    Lost,
}

/// Runs `work` on another thread and posts what it answers, whatever happens.
pub(crate) fn spawn(env: &Env, post: &Post, class: IoClass, work: impl FnOnce() -> Done + Send + 'static) {
    let answer = Answer::to(post);
    env.spawn.spawn(
        class,
        Box::new(move || {
            let done = work();
            answer.give(done);
        }),
    );
}

/// Brings what came of a job. Posts [`Done::Lost`] when the job unwinds: nobody waits for ever.
pub(crate) struct Answer {
    post: Option<Post>,
}

impl Answer {
    pub(crate) fn to(post: &Post) -> Answer {
        Answer { post: Some(post.clone()) }
    }

    pub(crate) fn give(mut self, done: Done) {
        if let Some(post) = self.post.take() {
            post(Completion(done));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(post) = self.post.take() {
            post(Completion(Done::Lost));
        }
    }
}
