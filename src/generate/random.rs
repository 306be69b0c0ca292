//! Random numbers by row and column: no state is carried from row to row, so any row can be made on its own.
//!
//! Each value is `mix(key of the column + row × an odd constant)`, which is the SplitMix64 generator of Steele, Lea
//! and Flood ("Fast splittable pseudorandom number generators", OOPSLA 2014) in the variant of its output function
//! by D. Stafford ("mix13"), started at a point of its own for every column and read at the row's place.

/// The increment of SplitMix64: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Stafford's mix 13.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The random numbers of one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    key: u64,
}

impl Column {
    pub fn new(seed: u64, column: u64) -> Self {
        Self { key: mix(mix(seed.wrapping_add(GAMMA)) ^ mix(column.wrapping_mul(GAMMA).wrapping_add(1))) }
    }

    /// 64 random bits for the row.
    pub fn bits(self, row: u64) -> u64 {
        mix(self.key.wrapping_add(row.wrapping_mul(GAMMA)))
    }

    /// A whole number below `bound`. (Multiply and shift, without the rejection that Lemire's method ends with: for
    /// bounds below 2^32 a value's share is off by less than 2^-32 of it.)
    pub fn below(self, row: u64, bound: u64) -> u64 {
        ((u128::from(self.bits(row)) * u128::from(bound)) >> 64) as u64
    }

    /// A double in [0, 1), one of 2^53 evenly spaced ones.
    pub fn unit(self, row: u64) -> f64 {
        (self.bits(row) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether an event of that probability happens.
    pub fn happens(self, row: u64, probability: f64) -> bool {
        probability > 0.0 && self.unit(row) < probability
    }
}

/// The Poisson distribution, by inversion: a table of its cumulative probabilities, and a guide to where in it to look.
#[derive(Debug)]
pub(super) struct Poisson {
    /// The least value in the table.
    first: i64,
    /// Up to which 53-bit number each value reaches.
    cumulative: Vec<u64>,
    /// For the upper bits of a number, where in the table to begin.
    guide: Vec<usize>,
}

const GUIDE_BITS: u32 = 10;
const UNIT_BITS: u32 = 53;

impl Poisson {
    /// The distribution of that mean; probabilities below about 1e-20 are left out.
    pub fn new(mean: f64) -> Self {
        let spread = 10.0 * mean.sqrt() + 20.0;
        let first = (mean - spread).max(0.0).floor();
        // Relative to the most likely value's, so that nothing underflows where it matters.
        let mode = mean.floor();
        let mut weights = Vec::new();
        let mut value = first;
        while value <= mean + spread {
            let (from, to) = (value.min(mode), value.max(mode));
            let mut log_ratio = 0.0;
            let mut step = from + 1.0;
            while step <= to {
                log_ratio += (mean / step).ln();
                step += 1.0;
            }
            weights.push(if value < mode { -log_ratio } else { log_ratio }.exp());
            value += 1.0;
        }
        let total: f64 = weights.iter().sum();
        let scale = (1u64 << UNIT_BITS) as f64;
        let mut sum = 0.0;
        let mut cumulative: Vec<u64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                (sum / total * scale) as u64
            })
            .collect();
        if let Some(last) = cumulative.last_mut() {
            *last = u64::MAX;
        }
        let guide = (0..1u64 << GUIDE_BITS)
            .map(|upper| cumulative.partition_point(|&reached| reached <= upper << (UNIT_BITS - GUIDE_BITS)))
            .collect();
        Self { first: first as i64, cumulative, guide }
    }

    /// The value for 64 random bits.
    pub fn value(&self, bits: u64) -> i64 {
        let point = bits >> (64 - UNIT_BITS);
        let start = self.guide.get((point >> (UNIT_BITS - GUIDE_BITS)) as usize).copied().unwrap_or(0);
        let steps = self.cumulative.iter().skip(start).take_while(|&&reached| reached <= point).count();
        self.first + (start + steps) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly() {
        let column = Column::new(1, 2);
        let mut counts = [0u32; 10];
        for row in 0..100_000 {
            counts[column.below(row, 10) as usize] += 1;
            let unit = column.unit(row);
            assert!((0.0..1.0).contains(&unit));
        }
        for count in counts {
            assert!((9_600..10_400).contains(&count), "{counts:?}");
        }
        let mean = (0..100_000).map(|row| column.unit(row)).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
    }

    #[test]
    fn columns_and_seeds_differ() {
        let first = |seed, column| Column::new(seed, column).bits(0);
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(2, 0));
        assert_ne!(first(1, 0), first(0, 1));
    }

    #[test]
    fn poisson_has_its_mean_and_variance() {
        for mean in [3.0, 1000.0] {
            let poisson = Poisson::new(mean);
            let column = Column::new(7, 7);
            let values: Vec<f64> = (0..100_000).map(|row| poisson.value(column.bits(row)) as f64).collect();
            let average = values.iter().sum::<f64>() / 1e5;
            let variance = values.iter().map(|value| (value - average).powi(2)).sum::<f64>() / 1e5;
            assert!((average / mean - 1.0).abs() < 0.02, "{average}");
            assert!((variance / mean - 1.0).abs() < 0.04, "{variance}");
            assert!(values.iter().all(|&value| value >= 0.0));
        }
    }
}
