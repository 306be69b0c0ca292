//! Sums of doubles that are exact, so that they do not depend on the order of the rows, nor on how they were cut into
//! batches, workers and spilled states.
//!
//! A group holds its sum as two doubles. As long as adding a value to them is exact (which is so for most data) that
//! is all; what does not fit goes to a wide fixed-point number of the group (`wide_sum`), made when it is first needed.
//! Only the result is rounded, once.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, LargeBinaryBuilder};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type};
use hashbrown::HashMap;

use super::double_double::{DoubleDouble, Lanes, two_sum};
use super::rows::{Coming, table_growth, vec_growth, vec_memory};
use super::wide_sum::{HELD_BYTES, WIDE_BYTES, WideSum, add_exactly, coming_wide, exact_value};
use crate::error::{Error, Result};

/// Values that are added at once, in lanes of their own.
pub(super) const LANES: usize = 4;

/// The type of a column of pairs. It holds any 128 bits.
const PAIR: DataType = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);

/// Two doubles as the bits of one number: that is how a column holds them side by side.
#[derive(Clone, Copy)]
struct Pair {
    high: f64,
    low: f64,
}

impl Pair {
    #[inline]
    fn of(bits: i128) -> Self {
        Self { high: f64::from_bits(bits as u64), low: f64::from_bits((bits >> 64) as u64) }
    }

    #[inline]
    fn bits(self) -> i128 {
        (u128::from(self.low.to_bits()) << 64 | u128::from(self.high.to_bits())) as i128
    }
}

/// The sums of all groups. The value of a group is that of its pair, `high + low`, plus its wide number; where `high` is
/// not finite, it alone counts: an infinity, or NaN, was among the values.
#[derive(Debug, Default)]
pub(super) struct ExactSums {
    /// See [`Pair`]; zeros are zero.
    pairs: Vec<i128>,
    wide: HashMap<u32, Box<WideSum>>,
}

impl ExactSums {
    pub(super) fn resize(&mut self, groups: usize) {
        self.pairs.resize(groups, 0);
    }

    fn pair(&self, group: usize) -> Pair {
        Pair::of(self.pairs[group])
    }

    /// Adds a value to a group.
    #[inline]
    pub(super) fn add(&mut self, group: usize, value: f64) {
        let pair = &mut self.pairs[group];
        let sum = Pair::of(*pair);
        let (high, error) = two_sum(sum.high, value);
        let (low, rest) = two_sum(sum.low, error);
        // False for NaN too, which is what infinite sums leave behind.
        if rest == 0.0 {
            *pair = Pair { high, low }.bits();
        } else {
            self.add_slowly(group, value);
        }
    }

    /// Adds values to a group.
    pub(super) fn add_all(&mut self, group: usize, values: &[f64]) {
        let (blocks, rest) = values.as_chunks::<LANES>();
        let mut lanes = Lanes::ZERO;
        for block in blocks {
            let (sums, inexact) = lanes.plus(block);
            if inexact == 0 {
                lanes = sums;
            } else {
                self.add_each(group, block);
            }
        }
        self.add_lanes(group, &lanes);
        self.add_each(group, rest);
    }

    #[inline(never)]
    fn add_each(&mut self, group: usize, values: &[f64]) {
        values.iter().for_each(|value| self.add(group, *value));
    }

    /// Adds the sums of all lanes to a group.
    pub(super) fn add_lanes(&mut self, group: usize, lanes: &Lanes<LANES>) {
        self.add_each(group, &lanes.high);
        self.add_each(group, &lanes.low);
    }

    #[cold]
    fn add_slowly(&mut self, group: usize, value: f64) {
        let Pair { high, low } = self.pair(group);
        let add_wide = |part| self.wide.entry(group as u32).or_default().add(part);
        let (high, low) = add_exactly((high, low), value, add_wide);
        self.pairs[group] = Pair { high, low }.bits();
    }

    /// The sum of a group to 106 bits: the same for the same values, whatever order they came in.
    pub(super) fn value(&self, group: usize) -> DoubleDouble {
        let Pair { high, low } = self.pair(group);
        exact_value((high, low), self.wide.get(&(group as u32)).map(Box::as_ref))
    }

    pub(super) fn state_types() -> Vec<DataType> {
        vec![PAIR, DataType::LargeBinary]
    }

    /// The sums as columns; leaves no group behind.
    pub(super) fn state(&mut self) -> Vec<ArrayRef> {
        let wide = std::mem::take(&mut self.wide);
        let groups = self.pairs.len();
        let mut column = LargeBinaryBuilder::with_capacity(groups, wide.len() * WIDE_BYTES);
        if wide.is_empty() {
            column.append_nulls(groups);
        } else {
            for group in 0..groups {
                column.append_option(wide.get(&(group as u32)).map(|wide| wide.to_bytes()));
            }
        }
        let pairs = Decimal128Array::from(std::mem::take(&mut self.pairs)).with_data_type(PAIR);
        vec![Arc::new(pairs), Arc::new(column.finish())]
    }

    /// Adds states.
    pub(super) fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let [pairs, wide] = states else {
            return Err(Error::internal("the state of a sum of floats has two columns"));
        };
        for (&group, &bits) in groups.iter().zip(pairs.as_primitive::<Decimal128Type>().values()) {
            let Pair { high, low } = Pair::of(bits);
            self.add(group as usize, high);
            self.add(group as usize, low);
        }
        let wide = wide.as_binary::<i64>();
        if wide.null_count() < wide.len() {
            for (&group, bytes) in groups.iter().zip(wide) {
                if let Some(bytes) = bytes {
                    self.wide.entry(group).or_default().merge(&WideSum::from_bytes(bytes)?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn memory(&self) -> usize {
        let offsets = (self.pairs.len() + 1) * size_of::<i64>();
        // A wide number once here and once in the state.
        let wide = self.wide.allocation_size() + self.wide.len() * HELD_BYTES;
        vec_memory(&self.pairs) + offsets + wide
    }

    pub(super) fn growth(&self, coming: Coming) -> usize {
        let wide = coming_wide(coming, self.pairs.len(), 1, self.wide.len());
        let slot = size_of::<(u32, Box<WideSum>)>();
        let index = table_growth(self.wide.len(), self.wide.capacity(), wide, slot);
        let per_group = vec_growth(&self.pairs, coming.new_groups) + coming.new_groups * size_of::<i64>();
        per_group + wide * HELD_BYTES + index
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(values: &[f64]) -> DoubleDouble {
        let mut sums = ExactSums::default();
        sums.resize(1);
        values.iter().for_each(|value| sums.add(0, *value));
        sums.value(0)
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[1e300, 1e200, 1.0, -1e300, -1e200, 1e-300]).high, 1.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308]).high, 1e308);
        assert_eq!(sum(&[1e308, 1e308]).high, f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, 1e292, -1e292, -f64::MAX, 5e-324]).high, 5e-324);
        assert_eq!(sum(&[f64::INFINITY, 1.0, -1e308]).high, f64::INFINITY);
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY, 3.0]).high.is_nan());
        assert_eq!(sum(&[0.1; 10]).high, 1.0);
    }

    proptest! {
        #[test]
        fn any_order_and_any_cut_gives_the_same_bits(
            values in prop::collection::vec((-1e6f64..1e6, -300i32..300).prop_map(|(m, e)| m * 10f64.powi(e)), 1..60),
            seed in any::<u64>(), cut in 0usize..60,
        ) {
            let mut wide = WideSum::default();
            values.iter().for_each(|value| wide.add(*value));
            let exact = wide.to_double_double();
            let mut shuffled = values.clone();
            let mut state = seed;
            for index in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                shuffled.swap(index, (state >> 33) as usize % (index + 1));
            }
            prop_assert_eq!(sum(&values), exact);
            prop_assert_eq!(sum(&shuffled), exact);
            let mut at_once = ExactSums::default();
            at_once.resize(1);
            at_once.add_all(0, &shuffled);
            prop_assert_eq!(at_once.value(0), exact);

            let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
            let mut total = ExactSums::default();
            total.resize(1);
            for part in [left, right] {
                let mut sums = ExactSums::default();
                sums.resize(1);
                part.iter().for_each(|value| sums.add(0, *value));
                total.merge(&sums.state(), &[0]).unwrap();
            }
            prop_assert_eq!(total.value(0), exact);
        }
    }
}
