//! The scale of a chart: from values to shares of its width, with the values that are written under it.

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From zero, equal steps for equal differences.
    Linear,
    /// Equal steps for equal ratios.
    Logarithmic,
}

/// A scale over the values of one chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

/// How many steps a linear axis has at least; it has at most two and a half times as many.
const STEPS_MIN: f64 = 4.0;

impl Axis {
    /// A scale that holds all `values`; `None` where none can be drawn. A logarithmic one leaves out what is not positive.
    pub fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Option<Axis> {
        let drawn = values.filter(|value| value.is_finite() && (*value > 0.0 || scale == Scale::Linear));
        let (least, most) = drawn
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
        if most <= 0.0 {
            return None;
        }
        Some(match scale {
            Scale::Linear => Axis { scale, low: 0.0, high: most },
            Scale::Logarithmic => {
                let (low, high) = (least.log10().floor(), most.log10().ceil());
                Axis { scale, low: 10f64.powf(low), high: 10f64.powf(high.max(low + 1.0)) }
            }
        })
    }

    /// Where a value lies, from 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => value / self.high,
            Scale::Logarithmic if value <= 0.0 => 0.0,
            Scale::Logarithmic => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        share.clamp(0.0, 1.0)
    }

    /// The values to be written under it.
    pub fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = round_step(self.high / STEPS_MIN);
                (0..)
                    .map(|at| f64::from(at) * step)
                    .take_while(|tick| *tick <= self.high * 1.000_001)
                    .collect()
            }
            Scale::Logarithmic => {
                let decades = (self.high / self.low).log10().round() as i32;
                (0..=decades).map(|decade| self.low * 10f64.powi(decade)).collect()
            }
        }
    }
}

/// The largest of 1, 2 and 5 times a power of ten that is not above `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [5.0, 2.0, 1.0].into_iter().find(|factor| factor * power <= step * 1.000_001);
    factor.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_steps() {
        let axis = Axis::over(Scale::Linear, [300.0, 43_000.0].into_iter()).unwrap();
        assert_eq!(axis.ticks(), [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0]);
        assert_eq!((axis.share(0.0), axis.share(43_000.0)), (0.0, 1.0));
    }

    #[test]
    fn a_logarithmic_axis_has_whole_decades() {
        let axis = Axis::over(Scale::Logarithmic, [19.0, 1220.0].into_iter()).unwrap();
        assert_eq!(
            axis.ticks().iter().map(|tick| tick.round()).collect::<Vec<_>>(),
            [10.0, 100.0, 1000.0, 10_000.0]
        );
        assert!((axis.share(100.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_to_draw_is_no_axis() {
        assert_eq!(Axis::over(Scale::Logarithmic, [0.0].into_iter()), None);
        assert_eq!(Axis::over(Scale::Linear, std::iter::empty()), None);
    }
}
