//! The values of one figure over the rounds of a run.

use serde::{Deserialize, Serialize};

/// What one figure was in each round; at least one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Of one round.
    pub fn one(value: f64) -> Spread {
        assert!(value.is_finite(), "a figure is a number");
        Spread(vec![value])
    }

    /// One round more.
    pub fn add(&mut self, value: f64) {
        assert!(value.is_finite(), "a figure is a number");
        self.0.push(value);
    }

    /// How many rounds there were.
    pub fn rounds(&self) -> usize {
        self.0.len()
    }

    /// The middle value; between two, their mean.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
    }

    /// The lowest value.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The highest value.
    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// From the lowest to the highest; `None` for one round, which shows nothing about the next.
    pub fn width(&self) -> Option<f64> {
        (self.rounds() > 1).then(|| self.max() - self.min())
    }

    /// Whether some value may have come from either side.
    pub fn overlaps(&self, other: &Spread) -> bool {
        self.min() <= other.max() && other.min() <= self.max()
    }
}

impl TryFrom<Vec<f64>> for Spread {
    type Error = &'static str;

    fn try_from(values: Vec<f64>) -> Result<Spread, &'static str> {
        match values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            true => Err("a figure needs at least one value, and each must be a number"),
            false => Ok(Spread(values)),
        }
    }
}

impl From<Spread> for Vec<f64> {
    fn from(spread: Spread) -> Vec<f64> {
        spread.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::try_from(vec![40.0, 10.0, 20.0, 30.0]).unwrap();
        assert_eq!((spread.median(), spread.min(), spread.max()), (25.0, 10.0, 40.0));
        assert_eq!(spread.width(), Some(30.0));
    }

    #[test]
    fn one_round_says_nothing_about_the_noise() {
        assert_eq!(Spread::one(3.0).width(), None);
    }

    #[test]
    fn a_file_cannot_bring_a_spread_without_values() {
        assert!(serde_json::from_str::<Spread>("[]").is_err());
        assert!(serde_json::from_str::<Spread>("[1.5, 2]").is_ok());
    }
}
