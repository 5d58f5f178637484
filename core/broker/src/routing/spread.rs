//! Consistent hashing: every key goes to one target, by the weights of the targets.

use super::targets::Target;

/// Where a target stands: a hash of its name that nobody can steer.
pub(super) type Point = u128;

/// Bits of a point that tell branches of one fork apart, and so sixteen branches.
const FORK_BITS: u32 = 4;

/// Targets as a tree over the bits of their points. At every fork the branches compete for a key, each with a number of its own drawn
/// from the key, and with the weight of all below it; the tree is the same however it came about. A target that goes leaves its
/// keys to the others of its fork; besides, one in as many keys as there are targets changes its branch at each of the forks above.
#[derive(Debug, Default)]
pub(super) struct Spread {
    root: Fork,
}

/// Branches by rising bits.
#[derive(Debug, Default)]
struct Fork {
    branches: Vec<Branch>,
}

#[derive(Debug)]
struct Branch {
    bits: u8,
    /// What tells its numbers from those of others; it hangs on the way to it alone.
    salt: u64,
    weight: u64,
    below: Below,
}

/// A fork has two leaves below it at least; only the root may have fewer.
#[derive(Debug)]
enum Below {
    Leaf(Leaf),
    Fork(Fork),
}

#[derive(Clone, Copy, Debug)]
struct Leaf {
    point: Point,
    target: Target,
}

impl Spread {
    pub(super) fn add(&mut self, point: Point, target: Target, weight: u32) {
        self.root.add(0, Leaf { point, target }, weight.into());
    }

    pub(super) fn remove(&mut self, point: Point, weight: u32) {
        self.root.remove(0, point, weight.into());
    }

    /// The target of a key; `None` if there is no target.
    pub(super) fn choose(&self, key: u64) -> Option<Target> {
        let mut fork = &self.root;
        loop {
            let branch = match &fork.branches[..] {
                [one] => one,
                branches => best(branches, key)?,
            };
            match &branch.below {
                Below::Leaf(leaf) => return Some(leaf.target),
                Below::Fork(below) => fork = below,
            }
        }
    }
}

impl Fork {
    fn add(&mut self, depth: u32, leaf: Leaf, weight: u64) {
        let bits = bits(leaf.point, depth);
        match self.branches.binary_search_by_key(&bits, |branch| branch.bits) {
            Ok(place) => self.branches[place].add(depth, leaf, weight),
            Err(place) => {
                let salt = salt(leaf.point, depth);
                self.branches.insert(place, Branch { bits, salt, weight, below: Below::Leaf(leaf) });
            }
        }
    }

    fn remove(&mut self, depth: u32, point: Point, weight: u64) {
        let place = self.branches.binary_search_by_key(&bits(point, depth), |branch| branch.bits);
        let place = place.expect("a binding that goes was there");
        let branch = &mut self.branches[place];
        branch.weight -= weight;
        match &mut branch.below {
            Below::Leaf(_) if branch.weight == 0 => drop(self.branches.remove(place)),
            Below::Leaf(_) => {}
            Below::Fork(fork) => {
                fork.remove(depth + 1, point, weight);
                if let [Branch { below: Below::Leaf(last), .. }] = fork.branches[..] {
                    branch.below = Below::Leaf(last);
                }
            }
        }
    }
}

impl Branch {
    fn add(&mut self, depth: u32, leaf: Leaf, weight: u64) {
        match &mut self.below {
            Below::Leaf(same) if same.point == leaf.point => {}
            Below::Leaf(other) => {
                let mut fork = Fork::default();
                fork.add(depth + 1, *other, self.weight);
                fork.add(depth + 1, leaf, weight);
                self.below = Below::Fork(fork);
            }
            Below::Fork(fork) => fork.add(depth + 1, leaf, weight),
        }
        self.weight += weight;
    }

    /// The lowest rank among branches wins. It is drawn so that each wins as often as its weight says.
    fn rank(&self, key: u64) -> f64 {
        rank(mix(key ^ self.salt), self.weight)
    }
}

fn bits(point: Point, depth: u32) -> u8 {
    (way(point, depth) & 0xf) as u8
}

/// The branch that wins a key; of two with one rank the first.
fn best(branches: &[Branch], key: u64) -> Option<&Branch> {
    let ranked = branches.iter().map(|branch| (branch.rank(key), branch));
    ranked.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, branch)| branch)
}

/// The bits that lead to a branch.
fn way(point: Point, depth: u32) -> Point {
    point >> (Point::BITS - FORK_BITS * (depth + 1))
}

/// The salt of the branch at which a point stands at this depth.
pub(super) fn salt(point: Point, depth: u32) -> u64 {
    let way = way(point, depth);
    mix(way as u64 ^ mix((way >> 64) as u64 ^ mix(depth.into())))
}

/// An exponentially distributed number from a hash, divided by a weight: the lowest of several belongs to each as often as its share
/// of all weights.
pub(super) fn rank(hash: u64, weight: u64) -> f64 {
    // 52 bits and a half fit a float exactly, and are neither 0 nor 1.
    let uniform = ((hash >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    -logarithm(uniform) / weight as f64
}

/// The natural logarithm by additions, multiplications and divisions alone, which give the same bits on every machine; libraries
/// differ in the last one, and two nodes must not send one key to two queues.
fn logarithm(number: f64) -> f64 {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const BIAS: i64 = 1023;
    let bits = number.to_bits();
    let mut exponent = (bits >> FRACTION_BITS) as i64 - BIAS;
    let mut fraction = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | (BIAS as u64) << FRACTION_BITS);
    if fraction > std::f64::consts::SQRT_2 {
        (fraction, exponent) = (fraction / 2.0, exponent + 1);
    }
    // ln(f) = 2 * artanh((f - 1) / (f + 1)), of which the series below is good for nine digits.
    let s = (fraction - 1.0) / (fraction + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q / 11.0))));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

/// Spreads a change of any bit over all of them.
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        for n in 1..10_000u32 {
            let number = f64::from(n) / 10_000.0;
            assert!((logarithm(number) - number.ln()).abs() < 1e-8, "{number}");
        }
        let tiny = 0.5 / (1u64 << 52) as f64;
        assert!((logarithm(tiny) - tiny.ln()).abs() < 1e-8);
    }

    #[test]
    fn ranks_are_above_zero_and_finite_at_both_ends() {
        for hash in [0, u64::MAX] {
            assert!(rank(hash, 1).is_finite() && rank(hash, 1) > 0.0, "{hash}");
        }
    }
}
