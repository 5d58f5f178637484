//! The weight of a binding to a consistent hash exchange.

use super::{ExchangeRefusal, RoutingKey};
use crate::limits::HASH_WEIGHT_MAX;

/// How much of the keys goes to one destination, beside the weights of the others. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// The weight that a binding key says: a whole number from 1 to [`HASH_WEIGHT_MAX`].
    pub fn of(key: &RoutingKey) -> Result<Weight, ExchangeRefusal> {
        let number = str::from_utf8(key.as_bytes()).ok().and_then(|text| text.parse::<i128>().ok());
        let invalid = |why| Err(ExchangeRefusal::InvalidBinding(why));
        match number {
            None => invalid("the key of a binding to a consistent hash exchange is a whole number"),
            Some(..1) => invalid("the key of a binding to a consistent hash exchange is above 0"),
            Some(number) => match u32::try_from(number) {
                Ok(weight @ ..=HASH_WEIGHT_MAX) => Ok(Weight(weight)),
                _ => Err(ExchangeRefusal::LimitReached { limit: "HASH_WEIGHT_MAX" }),
            },
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_whole_number_above_zero() {
        let weight = |key: &str| Weight::of(&RoutingKey::from(key.as_bytes())).map(Weight::get);
        assert_eq!(weight("1"), Ok(1));
        assert_eq!(weight("+007"), Ok(7));
        assert_eq!(weight(&HASH_WEIGHT_MAX.to_string()), Ok(HASH_WEIGHT_MAX));
        for key in ["", "x", "1.0", " 1", "0", "-1"] {
            assert!(matches!(weight(key), Err(ExchangeRefusal::InvalidBinding(_))), "{key}");
        }
        let limit = Err(ExchangeRefusal::LimitReached { limit: "HASH_WEIGHT_MAX" });
        assert_eq!(weight(&(HASH_WEIGHT_MAX + 1).to_string()), limit);
        assert_eq!(weight("99999999999999999999"), limit);
    }
}
