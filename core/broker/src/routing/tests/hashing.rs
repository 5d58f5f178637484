//! How keys are shared out. The hashes are the same every time, so the figures are too.

use forebay_model::Timestamp;

use super::*;

const KEYS: usize = 20_000;

fn hashed(weights: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.declare("h", ExchangeKind::ConsistentHash, &[]);
    weights.iter().for_each(|(queue, weight)| world.bind("h", queue, weight));
    world
}

/// The queue of each key.
fn owners(world: &mut World) -> Vec<String> {
    let owner = |key: usize| {
        let found = world.route("h", &format!("key {key}"));
        assert_eq!(found.len(), 1, "one queue, always");
        found[0].to_string()
    };
    (0..KEYS).map(owner).collect()
}

fn moved(before: &[String], after: &[String]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}

#[test]
fn keys_are_shared_out_by_weight() {
    let mut world = hashed(&[("one", "1"), ("two", "2"), ("three", "3"), ("ten", "10")]);
    let owners = owners(&mut world);
    for (queue, weight) in [("one", 1), ("two", 2), ("three", 3), ("ten", 10)] {
        let keys = owners.iter().filter(|owner| *owner == queue).count();
        let share = KEYS * weight / 16;
        assert!(keys.abs_diff(share) < share / 10, "{queue}: {keys} of {share}");
    }
}

#[test]
fn many_queues_share_alike() {
    let names: Vec<_> = (0..100).map(|n| format!("queue {n}")).collect();
    let mut world = hashed(&names.iter().map(|name| (name.as_str(), "1")).collect::<Vec<_>>());
    let owners = owners(&mut world);
    let share = KEYS / names.len();
    for name in &names {
        let keys = owners.iter().filter(|owner| *owner == name).count();
        assert!(keys.abs_diff(share) < share / 3, "{name}: {keys} of {share}");
    }
}

#[test]
fn few_keys_move_when_a_queue_leaves_and_all_come_back_with_it() {
    for (queues, moved_at_most) in [(10, 2), (100, 3)] {
        let names: Vec<_> = (0..queues).map(|n| format!("queue {n}")).collect();
        let mut world = hashed(&names.iter().map(|name| (name.as_str(), "1")).collect::<Vec<_>>());
        let before = owners(&mut world);
        world.remove_queue("queue 3");
        let without = owners(&mut world);
        let share = KEYS / queues;
        let moved_keys = moved(&before, &without);
        assert!(moved_keys >= share / 2 && moved_keys <= share * moved_at_most, "{moved_keys} of {share}");
        // The same name is the same place, whatever became of the queue meanwhile.
        world.bind("h", "queue 3", "1");
        assert_eq!(moved(&before, &owners(&mut world)), 0);
    }
}

#[test]
fn the_way_to_a_set_of_bindings_does_not_matter() {
    let mut one = hashed(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let mut other = hashed(&[("d", "4"), ("c", "3"), ("a", "5"), ("b", "2"), ("a", "1")]);
    other.remove_queue("d");
    other.unbind(&to_queue("h", "a", "5", &[]));
    assert_eq!(owners(&mut one), owners(&mut other));
}

#[test]
fn the_hash_of_a_key_is_for_all_time() {
    // Nodes of two versions route side by side while they are replaced one by one: these owners never change.
    let mut world = hashed(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    let owners: String = (0..32).map(|key| world.route("h", &format!("key {key}"))[0].to_string()).collect();
    assert_eq!(owners, "dbbdaccbdabbddadaadabbbadaaabaad");
}

#[test]
fn what_is_hashed_is_what_was_declared() {
    let queues: Vec<_> = (0..50).map(|n| format!("q{n}")).collect();
    for arguments in [
        &[][..],
        &[text("hash-header", "h")],
        &[text("hash-property", "message_id")],
        &[text("hash-property", "correlation_id")],
        &[text("hash-property", "timestamp")],
    ] {
        let mut world = World::new();
        world.declare("x", ExchangeKind::ConsistentHash, arguments);
        queues.iter().for_each(|queue| world.bind("x", queue, "1"));
        let seen = |world: &mut World, what: usize, n: u8| {
            let (mine, header) = ([b'a', n], [number("h", n.into())]);
            let message = Routed {
                keys: if what == 0 { &[&mine[..]] } else { &[b"same"] },
                headers: if what == 1 { &header } else { &[] },
                message_id: (what == 2).then_some(&mine),
                correlation_id: (what == 3).then_some(&mine),
                timestamp: (what == 4).then_some(Timestamp(n.into())),
            };
            let found = world.publish("x", &message).unwrap();
            assert_eq!(found.len(), 1);
            found[0].to_string()
        };
        let looked_at: Vec<bool> = (0..5)
            .map(|what| {
                let first = seen(&mut world, what, 0);
                (1..20).any(|n| seen(&mut world, what, n) != first)
            })
            .collect();
        assert_eq!(looked_at.iter().filter(|yes| **yes).count(), 1, "{arguments:?}: {looked_at:?}");
    }
}

#[test]
fn a_message_goes_by_its_first_key_and_by_the_last_header() {
    let mut world = hashed(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    for key in 0..20 {
        let first = format!("key {key}");
        let alone = world.route("h", &first).join(" ");
        let keys: [&[u8]; 3] = [first.as_bytes(), b"another", b"and another"];
        assert_eq!(world.publish("h", &Routed { keys: &keys, ..Routed::default() }).unwrap(), [alone]);
    }
}
