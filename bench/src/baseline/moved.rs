//! The rule of what counts as a move.

use crate::report::metric::{Better, Metric};
use crate::report::spread::Spread;

/// How far a figure moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// Then.
    pub before: Spread,
    /// Now.
    pub now: Spread,
    /// The change of the median as a fraction of the earlier one; infinite from zero.
    pub fraction: f64,
    /// The same, positive where it is for the worse.
    pub worse: f64,
    /// What it means.
    pub noise: Noise,
}

/// Whether a move can be told from chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// The medians lie farther apart than the rounds of either side, and the rounds of the two sides do not overlap.
    Above,
    /// They do not.
    Within,
    /// One side has a single round, so nobody knows what the next one would have given.
    Unknown,
}

impl Moved {
    /// From one run to another.
    pub fn between(metric: &Metric, before: &Spread, now: &Spread) -> Moved {
        let difference = now.median() - before.median();
        let fraction = match before.median() {
            _ if difference == 0.0 => 0.0,
            0.0 => f64::INFINITY,
            median => difference / median.abs(),
        };
        let worse = if metric.better() == Better::Higher { -fraction } else { fraction };
        let noise = match (before.width(), now.width()) {
            (Some(then), Some(since)) => match difference.abs() > then.max(since) && !before.overlaps(now) {
                true => Noise::Above,
                false => Noise::Within,
            },
            _ => Noise::Unknown,
        };
        Moved { before: before.clone(), now: now.clone(), fraction, worse, noise }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(before: &[f64], now: &[f64]) -> Moved {
        let spread = |values: &[f64]| Spread::try_from(values.to_vec()).unwrap();
        Moved::between(&Metric::Rate, &spread(before), &spread(now))
    }

    #[test]
    fn a_move_is_above_the_noise_when_it_is_wider_than_the_rounds_of_either_side() {
        assert_eq!(moved(&[100.0, 104.0, 102.0], &[110.0, 112.0, 111.0]).noise, Noise::Above);
        assert_eq!(moved(&[100.0, 120.0, 102.0], &[121.0, 122.0, 121.5]).noise, Noise::Within);
    }

    #[test]
    fn rounds_that_overlap_are_noise_even_where_the_medians_are_far_apart() {
        assert_eq!(moved(&[0.9, 0.9, 2.0], &[1.9, 2.6, 2.6]).noise, Noise::Within);
    }

    #[test]
    fn one_round_on_either_side_leaves_the_noise_unknown() {
        assert_eq!(moved(&[100.0], &[200.0, 201.0]).noise, Noise::Unknown);
        assert_eq!(moved(&[100.0, 101.0], &[200.0]).noise, Noise::Unknown);
    }

    #[test]
    fn counts_that_repeat_exactly_show_the_smallest_move() {
        assert_eq!(moved(&[1000.0, 1000.0], &[1001.0, 1001.0]).noise, Noise::Above);
        assert_eq!(moved(&[1000.0, 1000.0], &[1000.0, 1000.0]).noise, Noise::Within);
    }

    #[test]
    fn the_metric_says_which_way_is_worse() {
        let (before, now) = (Spread::one(100.0), Spread::one(150.0));
        assert_eq!(Moved::between(&Metric::Rate, &before, &now).worse, -0.5);
        assert_eq!(Moved::between(&Metric::P99, &before, &now).worse, 0.5);
        assert_eq!(Moved::between(&Metric::Errors, &Spread::one(0.0), &now).worse, f64::INFINITY);
        assert_eq!(Moved::between(&Metric::Errors, &Spread::one(0.0), &Spread::one(0.0)).worse, 0.0);
    }
}
