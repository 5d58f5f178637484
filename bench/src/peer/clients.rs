//! The loaders that drive Kafka's and NATS' protocols: `load` with the public client libraries, and our own light
//! generator, `forebay bench`.

use std::process::Command;

use super::Broker;
use crate::place::Place;
use crate::story::{Codec, JsonLines, Load, Work};

/// The name of the loader with the public libraries, before it says itself which library it used.
const PUBLIC: &str = "load";
/// The name of the light generator.
const LIGHT: &str = "forebay-bench";

/// What drives this work on a broker that speaks Kafka's protocol.
pub fn for_kafka(place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
    let mut loads = vec![public(place, broker, work)];
    loads.extend(light(place, broker, work));
    loads
}

/// What drives this work on NATS.
pub fn for_nats(place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
    if nats_does(work) { vec![public(place, broker, work)] } else { vec![] }
}

/// Whether NATS is asked for the work. It has no partitions, its client compresses nothing, and the loader makes and
/// reads many topics through Kafka's protocol alone.
pub fn nats_does(work: &Work) -> bool {
    match work {
        Work::Produce { codec, partitions, .. } => *codec == Codec::None && *partitions == 1,
        Work::Topics { .. } | Work::Interleaved { .. } | Work::Noisy { .. } => false,
        _ => true,
    }
}

fn public(place: &Place, broker: &Broker, work: &Work) -> Load {
    let mut command = Command::new(place.loader());
    command.arg(work.name()).arg("--broker").arg(broker.address()).args(work.words());
    // Where the loader has limits of both kinds, the other one is lifted.
    let lifted: &[&str] = match work {
        Work::Produce { .. } => &["--records", "0"],
        Work::Consume { .. } => &["--seconds", "0"],
        _ => &[],
    };
    command.args(lifted);
    Load { client: PUBLIC.into(), before: vec![], command, dialect: Box::new(JsonLines), notes: vec![] }
}

/// The light generator speaks Kafka's protocol only, and knows the works whose public clients can be the limit.
fn light(place: &Place, broker: &Broker, work: &Work) -> Option<Load> {
    let ask = |name: &str| {
        let mut command = Command::new(place.forebay());
        command.args(["bench", name, "--json", "--broker", broker.host_and_port()]);
        command
    };
    let mut before = vec![];
    let mut command = ask(work.name());
    match work {
        Work::Classic { .. } | Work::Produce { .. } | Work::Latency { .. } => {
            command.args(work.words());
        }
        Work::Consume { groups, bytes, records } => {
            // It reads what is there; a public client would have filled the topic itself. Whoever runs both names it.
            let mut fill = ask("produce");
            fill.args(["--bytes", &bytes.to_string(), "--records", &records.to_string()]);
            before.push(fill);
            command.args(["--groups", &groups.to_string(), "--records", &records.to_string()]);
        }
        _ => return None,
    }
    let client = format!("{LIGHT} {}", env!("CARGO_PKG_VERSION"));
    Some(Load { client, before, command, dialect: Box::new(JsonLines), notes: vec![] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Connections;
    use std::path::Path;

    fn words(command: &Command) -> String {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    fn broker(address: &str) -> Broker {
        Broker::new("thing", Path::new("/nowhere/at/all"), address.into())
    }

    #[test]
    fn classic_is_driven_on_kafka_by_both_loaders_in_the_same_words() {
        let work = Work::Classic { senders: 64, connections: Connections::OneEach, bytes: 124, seconds: 5 };
        let loads = for_kafka(&Place::at("/w"), &broker("kafka://127.0.0.1:9"), &work);
        let [public, light] = &loads[..] else { panic!("two loaders") };
        assert_eq!(
            words(&public.command),
            "classic --broker kafka://127.0.0.1:9 --connections 64 --bytes 124 --seconds 5"
        );
        assert_eq!(
            words(&light.command),
            "bench classic --json --broker 127.0.0.1:9 --connections 64 --bytes 124 --seconds 5"
        );
    }

    #[test]
    fn the_light_reader_finds_its_topic_filled() {
        let work = Work::Consume { groups: 10, bytes: 1024, records: 500 };
        let loads = for_kafka(&Place::at("/w"), &broker("kafka://127.0.0.1:9"), &work);
        assert_eq!(
            words(&loads[1].before[0]),
            "bench produce --json --broker 127.0.0.1:9 --bytes 1024 --records 500"
        );
        assert_eq!(
            words(&loads[1].command),
            "bench consume --json --broker 127.0.0.1:9 --groups 10 --records 500"
        );
    }

    #[test]
    fn nats_is_not_asked_for_what_it_has_not() {
        let produce =
            |codec, partitions| Work::Produce { bytes: 1, codec, partitions, clients: 1, seconds: 1 };
        let count = |work| for_nats(&Place::at("/w"), &broker("nats://127.0.0.1:9"), &work).len();
        assert_eq!(count(produce(Codec::None, 1)), 1);
        assert_eq!(count(produce(Codec::Zstd, 1)) + count(produce(Codec::None, 16)), 0);
    }
}
