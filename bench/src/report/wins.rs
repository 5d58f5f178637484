//! Where a peer is better than we are: computed, so that nobody can forget to write it down.

use super::metric::{Better, Metric};
use super::results::{Line, Results};
use super::table::confirm_words;
use super::text::{factor, peer_name};

/// What is compared: what a user of a broker pays or waits for.
const JUDGED: [Metric; 9] = [
    Metric::Rate,
    Metric::BrokerCpu,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::RssPeak,
    Metric::WrittenPerByte,
    Metric::Start,
    Metric::Restart,
];

/// A sentence for each row in which a peer is ahead of ours in the same run, in reading order.
pub fn of_peers(results: &Results) -> Vec<String> {
    let peers = results.lines.iter().filter(|line| !line.is_ours());
    peers.filter_map(|peer| sentence(results, peer)).collect()
}

fn sentence(results: &Results, peer: &Line) -> Option<String> {
    // Without one of ours in the same run there is nothing to be ahead of.
    let ours = results.beside(peer, |line| line.is_ours() && line.flushed)?;
    let wins: Vec<String> = JUDGED.iter().filter_map(|metric| win(peer, ours, metric)).collect();
    if wins.is_empty() {
        return None;
    }
    let clients = match peer.subject.client == ours.subject.client {
        true => format!("by {}", peer.client),
        false => format!("by {}, ours by {}", peer.client, ours.client),
    };
    Some(format!(
        "{}, {}, {clients}: **{}** ({}, confirms after: {}) is ahead in {}.",
        peer.subject.story,
        peer.title(),
        peer_name(&peer.subject.peer),
        peer.subject.setting,
        confirm_words(peer.flushed),
        wins.join("; "),
    ))
}

/// One figure in which the peer is ahead.
fn win(peer: &Line, ours: &Line, metric: &Metric) -> Option<String> {
    let (theirs, mine) = (peer.figure(metric)?, ours.figure(metric)?);
    let ahead = match metric.better() {
        Better::Higher => theirs.median() / mine.median(),
        Better::Lower => mine.median() / theirs.median(),
        Better::Neither => return None,
    };
    if !ahead.is_finite() || ahead <= 1.0 {
        return None;
    }
    let noise = match (theirs.width(), mine.width()) {
        (Some(_), Some(_)) if theirs.overlaps(mine) => ", but rounds overlap",
        (Some(_), Some(_)) => "",
        _ => ", noise unknown",
    };
    let (theirs, mine) = (metric.show(theirs.median()), metric.show(mine.median()));
    Some(format!("{metric} ({theirs} against {mine}, {} better{noise})", factor(ahead)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::rounds;

    fn told(ours: &[f64], theirs: &[f64]) -> Vec<String> {
        let mut records = rounds("classic", "64 connections", "forebay", ours);
        records.extend(rounds("classic", "64 connections", "nats", theirs));
        of_peers(&Results::newest(&records))
    }

    #[test]
    fn a_peer_that_is_ahead_is_said_to_be() {
        let [told] = &told(&[100.0, 110.0], &[150.0, 165.0])[..] else { panic!("one sentence") };
        assert!(
            told.starts_with("classic, 64 connections, by franz-go 1.19: **NATS JetStream** (as-it-comes, "),
            "{told}"
        );
        assert!(
            told.ends_with(
                "confirms after: page cache) is ahead in records/s (158 against 105, 1.50x better)."
            ),
            "{told}"
        );
    }

    #[test]
    fn a_win_that_may_be_noise_says_so() {
        assert!(told(&[100.0, 160.0], &[150.0, 165.0])[0].ends_with("better, but rounds overlap)."));
        assert!(told(&[100.0], &[150.0])[0].ends_with("better, noise unknown)."));
    }

    #[test]
    fn where_we_are_ahead_nothing_is_told() {
        assert_eq!(told(&[200.0], &[150.0]), [""; 0]);
    }
}
