//! Waits, at the start, until every shard is led: a node that was only opened has not applied what it found.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use forebay_broker::Broker;
use forebay_model::ShardId;
use forebay_shard::ShardStatus;

/// How long a start waits. An election takes a fraction of a second, the replay before it as long as there is log.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long it waits before clients can connect.
pub(crate) const UNHEARD_MAX: Duration = Duration::from_secs(1);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// A shard that serves nobody at the end of the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unled {
    shard: ShardId,
    /// Why it never will, in this process.
    fenced: Option<String>,
}

impl fmt::Display for Unled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fenced {
            Some(why) => write!(f, "shard {} is fenced: {why}", self.shard),
            None => write!(f, "shard {} has no leader yet", self.shard),
        }
    }
}

/// [`wait`]s for the shards of a broker.
pub(crate) async fn of(broker: &Broker, within: Duration) -> Vec<Unled> {
    let shards = || broker.shards().iter().map(|shard| (shard.id, shard.board.status())).collect();
    wait(within, shards, tokio::time::sleep).await
}

/// Waits until every shard of `look` is led or fenced, at most so many looks of a moment as are in `within`. Answers
/// with the shards that are not led.
pub(crate) async fn wait<P: Future<Output = ()>>(
    within: Duration,
    mut look: impl FnMut() -> Vec<(ShardId, ShardStatus)>,
    mut pause: impl FnMut(Duration) -> P,
) -> Vec<Unled> {
    for _ in 0..within.div_duration_f64(LOOK) as u64 {
        if look().iter().all(|(_, status)| status.leader.is_some() || status.fenced.is_some()) {
            break;
        }
        pause(LOOK).await;
    }
    let unled = look().into_iter().filter(|(_, status)| status.leader.is_none() || status.fenced.is_some());
    unled.map(|(shard, status)| Unled { shard, fenced: status.fenced }).collect()
}

#[cfg(test)]
mod tests {
    use forebay_model::NodeId;

    use super::*;

    fn led() -> ShardStatus {
        ShardStatus { leader: Some(NodeId(1)), ..ShardStatus::default() }
    }

    fn fenced() -> ShardStatus {
        ShardStatus { fenced: Some("the medium is gone".into()), ..ShardStatus::default() }
    }

    /// Waits for shards that stand at each look as `at` says; answers with the pauses it took, and what was said.
    fn waited(at: impl Fn(u64) -> Vec<ShardStatus>) -> (u64, Vec<String>) {
        let pauses = std::cell::Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let look = || (0..).map(ShardId).zip(at(pauses.get())).collect();
        let pause = |_| {
            pauses.set(pauses.get() + 1);
            std::future::ready(())
        };
        let unled = runtime.block_on(wait(LOOK * 10, look, pause));
        (pauses.get(), unled.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_node_is_ready_when_the_last_of_its_shards_is_led() {
        let last = |look| if look < 7 { ShardStatus::default() } else { led() };
        assert_eq!(waited(|look| vec![led(), last(look)]), (7, Vec::new()));
    }

    #[test]
    fn a_shard_that_is_not_led_in_time_is_named() {
        let (pauses, said) = waited(|_| vec![led(), ShardStatus::default()]);
        assert_eq!((pauses, said), (10, vec!["shard 1 has no leader yet".to_owned()]));
    }

    #[test]
    fn nobody_waits_for_a_shard_that_is_fenced() {
        let (pauses, said) = waited(|_| vec![led(), fenced()]);
        assert_eq!((pauses, said), (0, vec!["shard 1 is fenced: the medium is gone".to_owned()]));
    }
}
