//! Which partitions each member is to read. Nothing is exclusive here: where there are more members than partitions, several read the
//! same. Every member has work and every partition has a reader, evenly.

use std::collections::{BTreeMap, BTreeSet};

/// A partition by the place of its topic among those that are read, and its number.
pub(super) type Place = (usize, u32);

/// Deals the partitions of topics to members. `reads` has for each member the topics that it reads, by their places; `partitions`
/// has how many each topic has.
pub(super) fn deal(reads: &[BTreeSet<usize>], partitions: &[u32]) -> Vec<BTreeSet<Place>> {
    let mut shares = vec![BTreeSet::new(); reads.len()];
    // Members that read the same topics share their partitions; the other topics come by themselves.
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (member, topics) in reads.iter().enumerate() {
        for topic in topics {
            readers.entry(*topic).or_default().push(member);
        }
    }
    let mut alike: BTreeMap<Vec<usize>, Vec<Place>> = BTreeMap::new();
    for (topic, members) in readers {
        let count = partitions.get(topic).copied().unwrap_or(0);
        alike.entry(members).or_default().extend((0..count).map(|number| (topic, number)));
    }
    for (members, places) in alike {
        spread(&members, &places, &mut shares);
    }
    shares
}

/// In turns: the longer list goes through once, the shorter one as often as it takes.
fn spread(members: &[usize], places: &[Place], shares: &mut [BTreeSet<Place>]) {
    if members.is_empty() || places.is_empty() {
        return;
    }
    for turn in 0..members.len().max(places.len()) {
        let (member, place) = (members[turn % members.len()], places[turn % places.len()]);
        shares[member].insert(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(reads: &[&[usize]], partitions: &[u32]) -> (Vec<usize>, BTreeMap<Place, usize>) {
        let reads: Vec<BTreeSet<usize>> =
            reads.iter().map(|topics| topics.iter().copied().collect()).collect();
        let shares = deal(&reads, partitions);
        let mut readers = BTreeMap::new();
        for place in shares.iter().flatten() {
            *readers.entry(*place).or_default() += 1;
        }
        (shares.iter().map(BTreeSet::len).collect(), readers)
    }

    #[test]
    fn every_member_has_work_and_every_partition_a_reader() {
        for members in 1..12 {
            for partitions in 1..12 {
                let reads = vec![&[0][..]; members];
                let (sizes, readers) = counts(&reads, &[partitions]);
                assert_eq!(readers.len(), partitions as usize);
                let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
                assert!(*least >= 1 && most - least <= 1, "{members} {partitions}: {sizes:?}");
                let (least, most) = (readers.values().min().unwrap(), readers.values().max().unwrap());
                assert!(most - least <= 1, "{members} {partitions}: {readers:?}");
            }
        }
    }

    #[test]
    fn members_read_what_they_asked_for_and_nothing_else() {
        let (sizes, readers) = counts(&[&[0], &[0, 1], &[], &[2]], &[4, 2, 0]);
        assert_eq!(sizes, [2, 4, 0, 0]);
        assert_eq!(readers.len(), 6);
        assert_eq!(counts(&[], &[3]).0, []);
    }
}
