//! What members say of records: by ranges, with one word for all of a range or one for each of its records.

use forebay_kit::model::Offset;
use forebay_kit::model::subscription::{OffsetRange, SettleItem, Settlement, Verdict};

use super::Place;
use crate::wire::ErrorCode;

/// A range of records and what is said of them, as both requests have it.
pub(super) struct Said<'a> {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) words: &'a [i8],
}

/// What was said of the partitions of a request: what goes to the broker, and for each partition in order whether it does.
#[derive(Default)]
pub(super) struct Verdicts {
    pub(super) items: Vec<SettleItem>,
    pub(super) partitions: Vec<(Place, Option<ErrorCode>)>,
}

impl Verdicts {
    /// Takes over what is said of one partition.
    pub(super) fn add<'a>(&mut self, place: Place, said: impl Iterator<Item = Said<'a>>, may_renew: bool) {
        let item = place.partition().and_then(|partition| {
            let verdicts = verdicts(said, may_renew)?;
            Ok(SettleItem { partition, verdicts })
        });
        let refused = item.as_ref().err().copied();
        self.items.extend(item);
        self.partitions.push((place, refused));
    }
}

/// Ranges rise and do not overlap.
fn verdicts<'a>(
    said: impl Iterator<Item = Said<'a>>,
    may_renew: bool,
) -> Result<Vec<(OffsetRange, Verdict)>, ErrorCode> {
    let mut verdicts: Vec<(OffsetRange, Verdict)> = Vec::new();
    for Said { first, last, words } in said {
        let first = u64::try_from(first).map_err(|_| ErrorCode::InvalidRequest)?;
        let last = u64::try_from(last).map_err(|_| ErrorCode::InvalidRequest)?;
        let rises = verdicts.last().is_none_or(|(before, _)| before.last < Offset(first));
        if first > last || !rises {
            return Err(ErrorCode::InvalidRequest);
        }
        match words {
            [word] => {
                let range = OffsetRange { first: Offset(first), last: Offset(last) };
                verdicts.push((range, verdict(*word, may_renew)?));
            }
            words if words.len() as u64 == last - first + 1 => {
                for (offset, word) in (first..=last).zip(words) {
                    add(&mut verdicts, Offset(offset), verdict(*word, may_renew)?);
                }
            }
            _ => return Err(ErrorCode::InvalidRequest),
        }
    }
    Ok(verdicts)
}

/// Adds one record; neighbours of which the same is said become one range.
fn add(verdicts: &mut Vec<(OffsetRange, Verdict)>, offset: Offset, verdict: Verdict) {
    match verdicts.last_mut() {
        Some((range, last)) if *last == verdict && range.end() == offset => range.last = offset,
        _ => verdicts.push((OffsetRange { first: offset, last: offset }, verdict)),
    }
}

fn verdict(word: i8, may_renew: bool) -> Result<Verdict, ErrorCode> {
    match word {
        // There is no record at this offset: nobody will ever have it.
        0 | 1 => Ok(Verdict::End(Settlement::Accept)),
        2 => Ok(Verdict::End(Settlement::Release { counts: true })),
        3 => Ok(Verdict::End(Settlement::Reject)),
        4 if may_renew => Ok(Verdict::Renew),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: Verdict = Verdict::End(Settlement::Accept);
    const RELEASE: Verdict = Verdict::End(Settlement::Release { counts: true });

    fn range(first: u64, last: u64, verdict: Verdict) -> (OffsetRange, Verdict) {
        (OffsetRange { first: Offset(first), last: Offset(last) }, verdict)
    }

    fn said(all: &[(i64, i64, &[i8])]) -> Result<Vec<(OffsetRange, Verdict)>, ErrorCode> {
        let all = all.iter().map(|(first, last, words)| Said { first: *first, last: *last, words });
        verdicts(all, true)
    }

    #[test]
    fn one_word_is_for_all_records_of_a_range_or_there_is_one_for_each() {
        assert_eq!(said(&[(5, 9, &[2])]), Ok(vec![range(5, 9, RELEASE)]));
        let each = said(&[(5, 9, &[0, 1, 2, 2, 4])]);
        assert_eq!(each, Ok(vec![range(5, 6, ACCEPT), range(7, 8, RELEASE), range(9, 9, Verdict::Renew)]));
        assert_eq!(said(&[(5, 5, &[1]), (6, 6, &[1])]).map(|all| all.len()), Ok(2));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let wrong: &[&[(i64, i64, &[i8])]] = &[
            &[(5, 4, &[1])],
            &[(-1, 4, &[1])],
            &[(5, 9, &[])],
            &[(5, 9, &[1, 1])],
            &[(5, 9, &[5])],
            &[(5, 9, &[-1])],
            &[(5, 9, &[1]), (9, 10, &[1])],
            &[(5, 9, &[1]), (0, 1, &[1])],
        ];
        for all in wrong {
            assert_eq!(said(all), Err(ErrorCode::InvalidRequest), "{all:?}");
        }
        let old = [Said { first: 5, last: 9, words: &[4] }];
        assert_eq!(verdicts(old.into_iter(), false), Err(ErrorCode::InvalidRequest), "before version 2");
    }
}
