//! Publishes on their way: those of one input go to the broker in as few posts as their order allows.

use std::collections::VecDeque;

use forebay_kit::model::post::{Post, PostItem};
use forebay_kit::model::publish::Confirm;
use forebay_kit::model::queue::NamespaceName;

use super::shared::Place;
use crate::limits::{
    POST_BYTES_MAX, POST_ITEMS_MAX, POST_TIMEOUT_MS, POSTS_OPEN_MAX, PUBLISHES_OPEN_BYTES_MAX,
    PUBLISHES_OPEN_MAX,
};
use crate::wire::{Content, ShortStr};

/// What is kept of a publish until its fate is known.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) place: Place,
    /// By which tag it is confirmed, on a channel with confirms.
    pub(super) tag: Option<u64>,
    /// What goes back if nobody gets it, where it is mandatory.
    pub(super) returned: Option<Box<Returned>>,
    bytes: usize,
}

/// A mandatory message as it came.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) exchange: ShortStr,
    pub(super) routing_key: ShortStr,
    pub(super) content: Content,
}

/// Messages that go together.
#[derive(Debug)]
struct Gathered {
    items: Vec<PostItem>,
    postings: Vec<Posting>,
    bytes: usize,
    confirm: Confirm,
}

/// All publishes of a connection whose fate is not known.
#[derive(Debug)]
pub(super) struct Publishes {
    posts_max: usize,
    waiting: VecDeque<Gathered>,
    posts: usize,
    messages: usize,
    bytes: usize,
}

impl Publishes {
    pub(super) fn new(requests_open_max: usize) -> Publishes {
        let posts_max = POSTS_OPEN_MAX.min(requests_open_max).max(1);
        Publishes { posts_max, waiting: VecDeque::new(), posts: 0, messages: 0, bytes: 0 }
    }

    /// Whether no more may come until some are answered. Behind as many posts as may be open, one more gathers messages.
    pub(super) fn are_full(&self) -> bool {
        self.posts + self.waiting.len() > self.posts_max + 1
            || self.messages >= PUBLISHES_OPEN_MAX
            || self.bytes >= PUBLISHES_OPEN_BYTES_MAX
    }

    pub(super) fn are_none(&self) -> bool {
        self.messages == 0
    }

    /// Puts a message behind the others.
    pub(super) fn add(
        &mut self,
        place: Place,
        tag: Option<u64>,
        returned: Option<Box<Returned>>,
        item: PostItem,
    ) {
        let confirm = if tag.is_some() { Confirm::Quorum } else { Confirm::None };
        let bytes = item.properties.len() + item.body.len();
        let fits = |last: &&mut Gathered| {
            last.confirm == confirm && last.items.len() < POST_ITEMS_MAX && last.bytes < POST_BYTES_MAX
        };
        if self.waiting.back_mut().filter(fits).is_none() {
            self.waiting.push_back(Gathered { items: Vec::new(), postings: Vec::new(), bytes: 0, confirm });
        }
        if let Some(last) = self.waiting.back_mut() {
            last.items.push(item);
            last.postings.push(Posting { place, tag, returned, bytes });
            last.bytes += bytes;
        }
        self.messages += 1;
        self.bytes += bytes;
    }

    /// The next post that may go.
    pub(super) fn next(&mut self, namespace: &NamespaceName) -> Option<(Post, Vec<Posting>)> {
        if self.posts >= self.posts_max {
            return None;
        }
        let Gathered { items, postings, confirm, .. } = self.waiting.pop_front()?;
        self.posts += 1;
        let post = Post { namespace: namespace.clone(), items, confirm, timeout_ms: POST_TIMEOUT_MS };
        Some((post, postings))
    }

    /// A post was answered.
    pub(super) fn answered(&mut self, postings: &[Posting]) {
        self.posts -= 1;
        self.messages -= postings.len();
        self.bytes -= postings.iter().map(|posting| posting.bytes).sum::<usize>();
    }
}
