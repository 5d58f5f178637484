//! Taking what may not be done out of a request, so that the rest of it can go on.

use forebay_model::{Refusal, Reply, Request};

use super::{Judged, Withheld};

/// Items that were taken out of a request.
pub(super) struct Split<T> {
    /// Where each of them stood.
    places: Vec<usize>,
    refused: Vec<(T, Refusal)>,
    nothing_left: bool,
}

impl<T> Split<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn map<R>(self, said: impl FnMut((T, Refusal)) -> R) -> Vec<R> {
        self.refused.into_iter().map(said).collect()
    }
}

/// Takes what is refused out.
pub(super) fn split<T>(items: &mut Vec<T>, mut refusal: impl FnMut(&T) -> Option<Refusal>) -> Split<T> {
    let judged: Vec<Option<Refusal>> = items.iter().map(&mut refusal).collect();
    let mut split = Split { places: Vec::new(), refused: Vec::new(), nothing_left: false };
    if judged.iter().all(Option::is_none) {
        return split;
    }
    let mut left = Vec::with_capacity(items.len());
    for (place, (item, refusal)) in std::mem::take(items).into_iter().zip(judged).enumerate() {
        match refusal {
            None => left.push(item),
            Some(refusal) => {
                split.places.push(place);
                split.refused.push((item, refusal));
            }
        }
    }
    split.nothing_left = left.is_empty();
    *items = left;
    split
}

pub(super) fn refusals<T, V>(split: Split<T>) -> Vec<Result<V, Refusal>> {
    split.map(|(_, refusal)| Err(refusal))
}

/// What is left of a request whose items were split.
pub(super) fn rest<T>(split: Split<T>, said: impl FnOnce(Split<T>) -> Reply, request: Request) -> Judged {
    if split.is_empty() {
        return Judged::Whole(request);
    }
    if split.nothing_left {
        return Judged::Not(said(split));
    }
    let places = split.places.clone();
    Judged::Partly(Withheld::items(places, said(split)), request)
}
