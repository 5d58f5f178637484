//! The shard's side of groups: requests go to the coordinator, its proposals into the log.

use forebay_env::Monotonic;
use forebay_machine::Outcome;
use forebay_model::Refusal;
use forebay_model::group::GroupRequest;

use crate::shard::Shard;
use crate::work::Answer;

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn group_request(&mut self, _now: Monotonic, ticket: T, request: GroupRequest) {
        let reply = crate::refuse_group(&request, &Refusal::Loading);
        self.answers.push((ticket, Answer::Group(reply)));
    }

    pub(crate) fn group_applied(&mut self, _key: u64, _outcomes: Vec<Outcome>) {}

    pub(crate) fn group_refused(&mut self, _key: u64, _refusal: &Refusal) {}

    pub(crate) fn list_groups(&mut self, ticket: T) {
        self.answers.push((ticket, Answer::Groups(Ok(Vec::new()))));
    }
}
