//! Every served version of every API, with requests of all shapes, and a broker that answers anything it may.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::any_broker::AnyBroker;
use super::super::fuzz::fuzz_session;
use super::*;
use crate::wire::field::Version;
use crate::wire::messages::{self, for_every_message};
use crate::wire::tests::sample::{Sample, Shape, Source};

/// Asks one request and reads its response; false if the session closes instead.
fn is_answered<Q: WireRequest + Sample>(version: Version, shape: Shape, seed: u64) -> bool {
    let mut pair = Pair::new();
    let mut broker = AnyBroker { state: seed };
    let request = Q::sample(&mut Source::new(seed, shape), version);
    pair.ask(version.number, &request);
    while let Some((token, call)) = pair.calls.pop_back() {
        let reply = broker.reply(&call);
        pair.reply(token, reply);
    }
    if pair.closed.is_some() {
        return false;
    }
    if let Some(frame) = pair.next_frame() {
        Q::Response::read(&mut Cursor::new(&frame), version.number).expect("a response its client can read");
    }
    assert!(pair.session.is_idle(), "{} {} was not answered", Q::API.name(), version.number);
    true
}

macro_rules! ask_every_message {
    ($($module:ident: $api:ident, $request:ident, $response:ident;)*) => {
        type Ask = fn(Version, Shape, u64) -> bool;
        const EVERY: &[(ApiKey, Ask)] = &[$((ApiKey::$api, is_answered::<messages::$request>),)*];
    };
}

for_every_message!(ask_every_message);

#[test]
fn every_version_that_is_claimed_is_answered_in_a_shape_that_its_client_can_read() {
    let mut answered = BTreeSet::new();
    for (api, ask) in EVERY {
        let Some((first, last)) = api.api().advertised() else { continue };
        for number in first..=last {
            let version = api.version(number).expect("what is claimed can be read");
            for shape in [Shape::Full, Shape::Null, Shape::Empty, Shape::Mixed] {
                for seed in 0..25 {
                    if ask(version, shape, seed) {
                        answered.insert((*api, number));
                    }
                }
            }
            assert!(answered.contains(&(*api, number)), "{} {number} always closes", api.name());
        }
    }
    assert_eq!(answered.iter().map(|(api, _)| api).collect::<BTreeSet<_>>().len(), 60);
}

#[test]
fn an_api_that_is_refused_ends_the_connection() {
    for key in 0..93 {
        if api(key).api().advertised().is_none() {
            let mut pair = Pair::new();
            pair.receive(bare(key, 0, &[])).unwrap();
            let Some(CloseReason::Protocol(why)) = pair.closed else { panic!("{key} closes") };
            assert!(why.starts_with(&format!("{} is not served: ", api(key).name())), "{why}");
        }
    }
}

type Write = fn(&mut Source, Version, i32) -> Bytes;

fn written<Q: WireRequest + Sample>(source: &mut Source, version: Version, id: i32) -> Bytes {
    let request = Q::sample(source, version);
    request.to_frame(version.number, id, None).expect("a sample fits").into_bytes()
}

macro_rules! write_every_message {
    ($($module:ident: $api:ident, $request:ident, $response:ident;)*) => {
        const WRITE_EVERY: &[(ApiKey, Write)] = &[$((ApiKey::$api, written::<messages::$request>),)*];
    };
}

for_every_message!(write_every_message);

/// A seed for the broker, then requests of any kind; few that are refused, for these end the connection.
fn stream(seed: u64) -> Vec<u8> {
    let served: Vec<_> = WRITE_EVERY.iter().filter(|(api, _)| api.api().advertised().is_some()).collect();
    let mut source = Source::new(seed, Shape::Mixed);
    let mut stream = seed.to_be_bytes().to_vec();
    for id in 0..12 {
        let (api, write) = match source.below(20) {
            0 => WRITE_EVERY[source.below(WRITE_EVERY.len() as u64) as usize],
            _ => *served[source.below(served.len() as u64) as usize],
        };
        let decodes = api.api().decodes.clone();
        let number = decodes.start + source.below(decodes.len() as u64) as i16;
        let version = api.version(number).expect("in range");
        stream.extend_from_slice(&write(&mut source, version, id));
    }
    stream
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whole_connections_hold_together(seed: u64) {
        fuzz_session(&stream(seed));
    }

    #[test]
    fn damaged_connections_hold_together(seed: u64, at: prop::sample::Index, byte: u8) {
        let mut stream = stream(seed);
        let at = at.index(stream.len());
        stream[at] = byte;
        fuzz_session(&stream);
    }

    #[test]
    fn noise_holds_together(data: Vec<u8>) {
        fuzz_session(&data);
    }
}
