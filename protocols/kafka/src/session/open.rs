//! The open requests of a connection, in the order in which they came. Replies come in any order; responses leave in this one.

use std::collections::VecDeque;

use forebay_kit::model::Reply;
use forebay_kit::{SessionError, Token};

use super::asked::Asked;
use crate::wire::{ApiKey, EncodeError, Response, Rope};

/// What of a request's header its response needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

/// The replies to one request of a client: most ask the broker once.
pub(super) enum Replies {
    One(Reply),
    Many(Vec<Reply>),
}

/// How an exchange ends.
pub(super) enum Ending {
    /// With this frame.
    Frame(Rope),
    /// With this frame, and a moment later with the connection, for this reason.
    Last(Rope, String),
    /// With the connection, for this reason.
    Close(String),
}

/// The head of the queue, once it can be answered.
pub(super) enum Ready {
    Ending(Ending),
    Replied(Head, Asked, Replies),
}

/// One request and its response to be.
struct Exchange {
    /// Token of its first call; the others follow.
    first: u64,
    state: State,
}

enum State {
    Waiting { head: Head, asked: Asked, replies: Gathered },
    Ended(Ending),
}

enum Gathered {
    One(Option<Reply>),
    Many { replies: Vec<Option<Reply>>, missing: usize },
}

#[derive(Default)]
pub(super) struct OpenRequests {
    exchanges: VecDeque<Exchange>,
    next_token: u64,
    /// Calls that wait for their replies.
    calls: usize,
}

impl OpenRequests {
    pub(super) fn len(&self) -> usize {
        self.exchanges.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.exchanges.clear();
        self.calls = 0;
    }

    /// Whether the last request changes what those behind it may ask for: Kafka carries out one request of a connection after the
    /// other, and clients ask right behind a change for what came of it.
    pub(super) fn is_changing(&self) -> bool {
        let last = self.exchanges.back();
        last.is_some_and(|last| matches!(&last.state, State::Waiting { head, .. } if is_change(head.api)))
    }

    /// Whether a request of this kind shows what one that waits for its replies is changing: Kafka would have carried that out before it
    /// looked at this one. What changes goes on, however many there are: the log keeps their order.
    pub(super) fn delays(&self, api: ApiKey) -> bool {
        let Some(shown) = shown(api) else { return false };
        let changes = |exchange: &Exchange| match &exchange.state {
            State::Waiting { head, replies, .. } => !replies.is_complete() && is_changed(shown, head.api),
            State::Ended(_) => false,
        };
        self.exchanges.iter().any(changes)
    }

    /// Calls that wait for their replies; a request that names many groups has many.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// A token that belongs to no exchange.
    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token - 1
    }

    /// Adds an exchange that needs no reply.
    pub(super) fn end(&mut self, ending: Ending) {
        self.exchanges.push_back(Exchange { first: self.next_token, state: State::Ended(ending) });
    }

    /// Adds an exchange of `calls` calls; their tokens begin at the one returned.
    pub(super) fn wait(&mut self, head: Head, asked: Asked, calls: usize) -> u64 {
        let first = self.next_token;
        self.next_token += calls as u64;
        self.calls += calls;
        let replies = match calls {
            1 => Gathered::One(None),
            _ => Gathered::Many { replies: (0..calls).map(|_| None).collect(), missing: calls },
        };
        self.exchanges.push_back(Exchange { first, state: State::Waiting { head, asked, replies } });
        first
    }

    /// Takes a reply to where it belongs.
    pub(super) fn take(&mut self, token: Token, reply: Reply) -> Result<(), SessionError> {
        // Exchanges without calls share the number of the next one with calls, and stand before it.
        let behind = self.exchanges.partition_point(|exchange| exchange.first <= token.0);
        let exchange = behind.checked_sub(1).and_then(|at| self.exchanges.get_mut(at));
        let Some(Exchange { first, state: State::Waiting { replies, .. } }) = exchange else {
            return Err(nobody_asked(token));
        };
        match (replies, usize::try_from(token.0 - *first)) {
            (Gathered::One(slot @ None), Ok(0)) => *slot = Some(reply),
            (Gathered::Many { replies, missing }, Ok(at)) => match replies.get_mut(at) {
                Some(slot @ None) => {
                    *slot = Some(reply);
                    *missing -= 1;
                }
                _ => return Err(nobody_asked(token)),
            },
            _ => return Err(nobody_asked(token)),
        }
        self.calls -= 1;
        Ok(())
    }

    /// Takes the first exchange out if it has all its replies.
    pub(super) fn pop(&mut self) -> Option<Ready> {
        let complete = match &self.exchanges.front()?.state {
            State::Ended(_) => true,
            State::Waiting { replies, .. } => replies.is_complete(),
        };
        if !complete {
            return None;
        }
        Some(match self.exchanges.pop_front()?.state {
            State::Ended(ending) => Ready::Ending(ending),
            State::Waiting { head, asked, replies } => Ready::Replied(head, asked, replies.complete()),
        })
    }
}

impl Gathered {
    fn is_complete(&self) -> bool {
        match self {
            Gathered::One(reply) => reply.is_some(),
            Gathered::Many { missing, .. } => *missing == 0,
        }
    }

    fn complete(self) -> Replies {
        match self {
            Gathered::One(reply) => Replies::One(reply.expect("popped when complete")),
            Gathered::Many { replies, .. } => Replies::Many(replies.into_iter().flatten().collect()),
        }
    }
}

impl Replies {
    /// The only reply.
    pub(super) fn one(self) -> Result<Reply, SessionError> {
        match self {
            Replies::One(reply) => Ok(reply),
            Replies::Many(_) => Err(SessionError::Bug("several replies where one was expected".into())),
        }
    }

    /// All replies, in the order of their calls.
    pub(super) fn all(self) -> Vec<Reply> {
        match self {
            Replies::One(reply) => vec![reply],
            Replies::Many(replies) => replies,
        }
    }
}

impl Head {
    /// The response as a frame.
    pub(super) fn frame<R: Response>(self, response: &R) -> Result<Rope, SessionError> {
        debug_assert_eq!(R::API, self.api);
        response.to_frame(self.version, self.correlation_id).map_err(|error| self.unspeakable(error))
    }

    /// We made a response that its version cannot say.
    fn unspeakable(self, error: EncodeError) -> SessionError {
        SessionError::Bug(format!("a {} response in version {}: {error}", self.api.name(), self.version))
    }
}

/// The broker answered something else than it was asked.
#[cold]
pub(super) fn strange(wanted: &'static str) -> SessionError {
    SessionError::Bug(format!("the broker's reply is not the {wanted} that was asked for"))
}

#[cold]
fn nobody_asked(token: Token) -> SessionError {
    SessionError::Bug(format!("a reply for token {}, which is not open", token.0))
}

/// What administrators change: everything behind it waits. Records and cursors come too often for that; see [`OpenRequests::delays`].
fn is_change(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::CreateTopics
            | ApiKey::DeleteTopics
            | ApiKey::CreatePartitions
            | ApiKey::DeleteRecords
            | ApiKey::AlterConfigs
            | ApiKey::IncrementalAlterConfigs
            | ApiKey::CreateAcls
            | ApiKey::DeleteAcls
            | ApiKey::AlterClientQuotas
            | ApiKey::AlterUserScramCredentials
            | ApiKey::DeleteGroups
            | ApiKey::OffsetDelete
            | ApiKey::AlterShareGroupOffsets
            | ApiKey::DeleteShareGroupOffsets
    )
}

/// What requests show, or go by, that others change all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The records of partitions, and where these end.
    Records,
    /// How far groups are.
    Cursors,
    /// How far share groups are.
    SharedCursors,
    /// Where transactions stand.
    Transactions,
}

/// What of it a request of this kind shows or goes by.
pub(super) fn shown(api: ApiKey) -> Option<Shown> {
    match api {
        ApiKey::Fetch
        | ApiKey::ListOffsets
        | ApiKey::OffsetForLeaderEpoch
        | ApiKey::DeleteRecords
        | ApiKey::DescribeProducers
        | ApiKey::DescribeLogDirs
        | ApiKey::ShareFetch => Some(Shown::Records),
        ApiKey::OffsetFetch => Some(Shown::Cursors),
        ApiKey::DescribeShareGroupOffsets => Some(Shown::SharedCursors),
        // An end takes what the transaction wrote as it is then, on other shards too.
        ApiKey::DescribeTransactions | ApiKey::ListTransactions | ApiKey::EndTxn => Some(Shown::Transactions),
        _ => None,
    }
}

/// Whether a request of this kind changes it.
fn is_changed(shown: Shown, by: ApiKey) -> bool {
    match shown {
        Shown::Records => matches!(by, ApiKey::Produce | ApiKey::EndTxn),
        Shown::Cursors => matches!(by, ApiKey::OffsetCommit | ApiKey::TxnOffsetCommit | ApiKey::EndTxn),
        Shown::SharedCursors => matches!(by, ApiKey::ShareAcknowledge | ApiKey::ShareFetch),
        Shown::Transactions => matches!(
            by,
            ApiKey::InitProducerId
                | ApiKey::AddPartitionsToTxn
                | ApiKey::AddOffsetsToTxn
                | ApiKey::TxnOffsetCommit
                | ApiKey::Produce
                | ApiKey::EndTxn
        ),
    }
}
