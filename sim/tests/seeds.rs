//! The simulator itself: a seed decides everything, promises hold, a planted bug is found.

use forebay_sim::plan::{Bug, Kind, Plan};
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
fn a_flush_that_comes_too_late_is_found() {
    let found = (1..20).any(|seed| run(Plan::short(seed, Some(Bug::EarlyFlush)), false).broken.is_some());
    assert!(found, "the canary lives: the simulator is blind");
}
