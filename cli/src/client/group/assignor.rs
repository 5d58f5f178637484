//! Who gets what: the range assignor.

use std::collections::BTreeMap;

use crate::client::place::Place;

/// Gives every member its share: of each topic, the members that want it, in the order of their ids, get ranges of
/// partitions whose sizes differ by one at most.
pub fn range(
    members: &[(String, Vec<String>)],
    partitions: &BTreeMap<String, usize>,
) -> BTreeMap<String, Vec<Place>> {
    let mut shares: BTreeMap<String, Vec<Place>> =
        members.iter().map(|(member, _)| (member.clone(), Vec::new())).collect();
    for (topic, count) in partitions {
        let mut takers: Vec<&str> = members
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| member.as_str())
            .collect();
        takers.sort_unstable();
        let mut next = 0;
        for (i, taker) in takers.iter().enumerate() {
            let size = count / takers.len() + usize::from(i < count % takers.len());
            let share = shares.get_mut(*taker).expect("every taker is a member");
            share.extend((next..next + size).map(|number| Place::new(topic, number as i32)));
            next += size;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(share: &[Place], topic: &str) -> Vec<i32> {
        share.iter().filter(|place| &*place.topic == topic).map(|place| place.partition).collect()
    }

    #[test]
    fn partitions_are_dealt_in_ranges_to_those_who_want_them() {
        let both = vec!["a".to_owned(), "b".to_owned()];
        let members = [
            ("m2".to_owned(), both.clone()),
            ("m1".to_owned(), both),
            ("m3".to_owned(), vec!["b".to_owned()]),
        ];
        let partitions = BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 2)]);
        let shares = range(&members, &partitions);
        assert_eq!(numbers(&shares["m1"], "a"), [0, 1, 2]);
        assert_eq!(numbers(&shares["m2"], "a"), [3, 4]);
        assert_eq!(numbers(&shares["m3"], "a"), [0; 0]);
        assert_eq!(numbers(&shares["m1"], "b"), [0]);
        assert_eq!(numbers(&shares["m2"], "b"), [1]);
        assert_eq!(numbers(&shares["m3"], "b"), [0; 0]);
    }
}
