//! The simulator itself: a seed decides everything, promises hold, a planted bug is found.

use forebay_sim::counters::Counters;
use forebay_sim::plan::{Bug, Kind, Plan, Seed};
use forebay_sim::run::run;

#[test]
fn a_run_twice_from_one_seed_gives_the_same_trace() {
    let plan = Plan { kinds: Kind::ALL.to_vec(), pace_ms: 300, ..Plan::short(11, None) };
    let (once, twice) = (run(plan.clone(), false), run(plan, false));
    assert_eq!(once.trace, twice.trace);
    assert_eq!(once.took, twice.took);
    assert!(once.counters.all().eq(twice.counters.all()));
    let other = run(Plan::short(12, None), false);
    assert_ne!(once.trace, other.trace, "the trace of another seed is another one");
}

#[test]
fn promises_hold_for_a_few_seeds() {
    for seed in 1..4 {
        let report = run(Plan::short(seed, None), false);
        assert_eq!(report.broken, None, "seed {seed} of the short plans");
    }
}

#[test]
fn promises_hold_where_a_subscription_is_shared() {
    let mut met = Counters::default();
    for seed in 300_000..300_004 {
        let report = run(Plan::short(seed, None), false);
        assert_eq!(report.broken, None, "seed {seed} of the short plans");
        met.merge(&report.counters);
    }
    for name in ["records shared", "records shared again", "deliveries settled"] {
        assert!(met.of(name) > 0, "{name}");
    }
}

#[test]
fn a_flush_that_comes_too_late_is_found() {
    let found = (1..20).any(|seed| run(Plan::short(seed, Some(Bug::EarlyFlush)), false).broken.is_some());
    assert!(found, "the canary lives: the simulator is blind");
}

#[test]
fn promises_hold_for_a_node_alone() {
    for seed in 1..4 {
        let short = Plan::short(seed, None);
        let plan = Plan {
            heal_at: short.heal_at,
            run_ns_min: short.run_ns_min,
            operations_min: 500,
            ..Plan::alone(seed, None)
        };
        let report = run(plan, false);
        assert_eq!(report.broken, None, "seed {seed} of the short plans");
        assert_eq!(report.counters.of("learner added"), 0);
        assert!(report.counters.of("confirms") > 0, "seed {seed}");
    }
}

#[test]
fn a_seed_reads_as_it_prints() {
    for text in ["137", "alone:7"] {
        assert_eq!(text.parse::<Seed>().unwrap().to_string(), text);
    }
    assert!("alone:".parse::<Seed>().is_err());
}
