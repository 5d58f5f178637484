//! ListTransactions.

use forebay_kit::SessionError;
use forebay_kit::model::transaction::{Decision, TransactionListing, TransactionPhase};
use forebay_kit::model::{Reply, Request};
use regex::{Regex, RegexBuilder};

use super::{code, phase_name};
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_PROGRAM_BYTES_MAX};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::wire::messages::list_transactions::TransactionState;
use crate::wire::messages::{ListTransactionsRequest, ListTransactionsResponse};
use crate::wire::{ErrorCode, Str};

/// States that Apache Kafka knows and that no transaction here is ever seen in.
const PASSED: &[&str] = &["PrepareEpochFence", "Dead"];

/// Which transactions are wanted; all where a list is empty.
pub(in crate::session) struct Asked {
    states: Vec<Str>,
    unknown: Vec<Str>,
    producers: Vec<i64>,
    open_ms_min: Option<u64>,
    /// Their ids match it as a whole.
    pattern: Option<Box<Regex>>,
}

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: ListTransactionsRequest,
) -> Step<ListTransactionsResponse> {
    let pattern = match pattern(request.transactional_id_pattern.as_ref().map_or("", Str::as_str)) {
        Ok(pattern) => pattern,
        Err(()) => {
            let error_code = ErrorCode::InvalidRegularExpression;
            return Step::Answer(ListTransactionsResponse { error_code, ..Default::default() });
        }
    };
    let states = request.state_filters.iter().map(Str::detached);
    let (states, unknown): (Vec<Str>, Vec<Str>) = states.partition(|state| is_state(state.as_str()));
    let asked = Asked {
        states,
        unknown,
        producers: request.producer_id_filters,
        open_ms_min: u64::try_from(request.duration_filter).ok(),
        pattern,
    };
    Step::One(Request::ListTransactions, asked.into())
}

/// Nothing is asked of ids by an empty text.
fn pattern(text: &str) -> Result<Option<Box<Regex>>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > PATTERN_BYTES_MAX {
        return Err(());
    }
    let compile = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        let builder = builder.size_limit(PATTERN_PROGRAM_BYTES_MAX).dfa_size_limit(PATTERN_PROGRAM_BYTES_MAX);
        builder.build().map_err(|_| ())
    };
    // First by itself: within the brackets an expression could close them.
    compile(text)?;
    compile(&format!("^(?:{text})$")).map(|regex| Some(Box::new(regex)))
}

fn is_state(name: &str) -> bool {
    let phases = [
        TransactionPhase::Empty,
        TransactionPhase::Open,
        TransactionPhase::Ending(Decision::Commit),
        TransactionPhase::Ending(Decision::Abort),
        TransactionPhase::Committed,
        TransactionPhase::Aborted,
    ];
    phases.into_iter().map(phase_name).chain(PASSED.iter().copied()).any(|known| known == name)
}

impl Answer for Asked {
    type Response = ListTransactionsResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ListTransactionsResponse, SessionError> {
        let Reply::ListTransactions(listed) = replies.one()? else { return Err(strange("ListTransactions")) };
        let listed = match listed {
            Ok(listed) => listed,
            Err(refusal) => {
                return Ok(ListTransactionsResponse {
                    error_code: code(&refusal, version),
                    ..Default::default()
                });
            }
        };
        let wanted =
            listed.into_iter().filter(|listing| self.wants(listing)).map(|listing| TransactionState {
                transactional_id: Str::from(&*listing.id.0),
                producer_id: listing.producer.0,
                transaction_state: Str::from_static(phase_name(listing.phase)),
            });
        let transaction_states = wanted.collect();
        Ok(ListTransactionsResponse {
            transaction_states,
            unknown_state_filters: self.unknown,
            ..Default::default()
        })
    }
}

impl Asked {
    /// Filters that are all unknown want nothing.
    fn wants(&self, listing: &TransactionListing) -> bool {
        let any_state = self.states.is_empty() && self.unknown.is_empty();
        (any_state || self.states.iter().any(|state| state.as_str() == phase_name(listing.phase)))
            && (self.producers.is_empty() || self.producers.contains(&listing.producer.0))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&listing.id.0))
            && self.open_ms_min.is_none_or(|min| listing.open_ms.is_some_and(|open| open > min))
    }
}
