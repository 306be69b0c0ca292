//! Sums of doubles that are exact, so that they do not depend on the order of the rows, nor on how they were cut into
//! batches, workers and spilled states.
//!
//! A group holds its sum as two doubles. As long as adding a value to them is exact (which is so for most data) that
//! is all; what does not fit goes to a wide fixed-point number of the group, made when it is first needed. The wide
//! number is the accumulator of Kulisch in the small form of Neal (Fast exact summation using small and large
//! superaccumulators, 2015). Only the result is rounded, once.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, LargeBinaryBuilder};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type};
use hashbrown::HashMap;

use super::double_double::{DoubleDouble, Lanes, two_sum};
use super::rows::{vec_growth, vec_memory};
use crate::error::{Error, Result};

/// Words of a wide number: 2098 bits reach from the least to the greatest double; the rest takes carries and the sign.
const WORDS: usize = 34;
const MANTISSA_BITS: u32 = 52;
const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;

/// A fixed-point number in two's complement, least word first, in units of 2^-1074.
#[derive(Clone, Debug, PartialEq)]
struct WideSum([u64; WORDS]);

impl Default for WideSum {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl WideSum {
    /// Adds a finite double.
    fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = ((bits >> MANTISSA_BITS) & 0x7ff) as usize;
        let (mantissa, shift) = match exponent {
            0 => (bits & MANTISSA_MASK, 0),
            _ => (bits & MANTISSA_MASK | 1 << MANTISSA_BITS, exponent - 1),
        };
        let shifted = u128::from(mantissa) << (shift % 64);
        let parts = [shifted as u64, (shifted >> 64) as u64];
        if value.is_sign_negative() { self.subtract_at(shift / 64, parts) } else { self.add_at(shift / 64, parts) }
    }

    fn add_at(&mut self, start: usize, parts: [u64; 2]) {
        let mut carry = false;
        for (index, word) in self.0.iter_mut().skip(start).enumerate() {
            let part = parts.get(index).copied().unwrap_or(0);
            if index >= parts.len() && !carry {
                return;
            }
            let (sum, first) = word.overflowing_add(part);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }

    fn subtract_at(&mut self, start: usize, parts: [u64; 2]) {
        let mut borrow = false;
        for (index, word) in self.0.iter_mut().skip(start).enumerate() {
            let part = parts.get(index).copied().unwrap_or(0);
            if index >= parts.len() && !borrow {
                return;
            }
            let (rest, first) = word.overflowing_sub(part);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            *word = rest;
            borrow = first || second;
        }
    }

    fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (word, part) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(part);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }

    fn is_negative(&self) -> bool {
        self.0[WORDS - 1] >> 63 == 1
    }

    fn magnitude(&self) -> [u64; WORDS] {
        let mut words = self.0;
        if self.is_negative() {
            let mut carry = true;
            for word in &mut words {
                let (sum, overflow) = (!*word).overflowing_add(u64::from(carry));
                *word = sum;
                carry = overflow;
            }
        }
        words
    }

    /// The nearest double, ties to even; infinite where it is too large for one.
    fn round(&self) -> f64 {
        let words = self.magnitude();
        let Some(top) = words.iter().rposition(|word| *word != 0) else { return 0.0 };
        let highest = top * 64 + 63 - words[top].leading_zeros() as usize;
        // The least bit of the mantissa stands at `shift`. A double's bits are `exponent << 52 | mantissa` without the
        // leading one, so that adding the mantissa with it raises the exponent by one, and rounding up carries right.
        let shift = highest.saturating_sub(MANTISSA_BITS as usize);
        let low = u128::from(words[shift / 64]) >> (shift % 64);
        let high = words.get(shift / 64 + 1).map_or(0, |word| u128::from(*word) << (64 - shift % 64));
        let mut mantissa = (low | high) as u64 & (MANTISSA_MASK << 1 | 1);
        if shift > 0 {
            // The bit behind the mantissa decides, then the bits behind it, then whether the mantissa is odd.
            let (word, half) = ((shift - 1) / 64, 1 << ((shift - 1) % 64));
            let sticky = words[word] & (half - 1) != 0 || words[..word].iter().any(|word| *word != 0);
            mantissa += u64::from(words[word] & half != 0 && (sticky || mantissa & 1 == 1));
        }
        let bits = ((shift as u64) << MANTISSA_BITS) + mantissa;
        let value = if bits >= f64::INFINITY.to_bits() { f64::INFINITY } else { f64::from_bits(bits) };
        if self.is_negative() { -value } else { value }
    }

    /// The nearest double, and the nearest double to what is left.
    fn to_double_double(&self) -> DoubleDouble {
        let high = self.round();
        if !high.is_finite() {
            return DoubleDouble { high, low: 0.0 };
        }
        let mut rest = self.clone();
        rest.add(-high);
        DoubleDouble { high, low: rest.round() }
    }

    fn to_bytes(&self) -> [u8; WORDS * 8] {
        let mut bytes = [0; WORDS * 8];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut words = [0; WORDS];
        let chunks = bytes.chunks_exact(8).map(<[u8; 8]>::try_from);
        if bytes.len() != WORDS * 8 {
            return Err(Error::internal("the state of a sum has a wrong length"));
        }
        for (word, chunk) in words.iter_mut().zip(chunks.flatten()) {
            *word = u64::from_le_bytes(chunk);
        }
        Ok(Self(words))
    }
}

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
        let sum = self.pair(group);
        if !value.is_finite() || !sum.high.is_finite() {
            // The sum of infinities is NaN where they differ in sign, in any order.
            self.pairs[group] = Pair { high: sum.high + value, ..sum }.bits();
            return;
        }
        let (high, error) = two_sum(sum.high, value);
        let (low, rest) = two_sum(sum.low, error);
        let wide = self.wide.entry(group as u32).or_default();
        if rest.is_finite() {
            self.pairs[group] = Pair { high, low }.bits();
            wide.add(rest);
        } else {
            wide.add(value);
        }
    }

    /// The sum of a group in these sums and in others to 106 bits, where both are finite.
    pub(super) fn value_with(&self, others: &Self, group: usize) -> DoubleDouble {
        let mut total = WideSum::default();
        for sums in [self, others] {
            let Pair { high, low } = sums.pair(group);
            total.add(high);
            total.add(low);
            if let Some(wide) = sums.wide.get(&(group as u32)) {
                total.merge(wide);
            }
        }
        total.to_double_double()
    }

    /// The sum of a group to 106 bits: the same for the same values, whatever order they came in.
    pub(super) fn value(&self, group: usize) -> DoubleDouble {
        let Pair { high, low } = self.pair(group);
        if !high.is_finite() {
            return DoubleDouble { high: if high.is_nan() { f64::NAN } else { high }, low: 0.0 };
        }
        match self.wide.get(&(group as u32)) {
            None => DoubleDouble::of_sum(high, low),
            Some(wide) => {
                let mut total = (**wide).clone();
                total.add(high);
                total.add(low);
                total.to_double_double()
            }
        }
    }

    pub(super) fn state_types() -> Vec<DataType> {
        vec![PAIR, DataType::LargeBinary]
    }

    /// The sums as columns; leaves no group behind.
    pub(super) fn state(&mut self) -> Vec<ArrayRef> {
        let wide = std::mem::take(&mut self.wide);
        let groups = self.pairs.len();
        let mut column = LargeBinaryBuilder::with_capacity(groups, wide.len() * WORDS * 8);
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
        let wide = self.wide.allocation_size() + 2 * self.wide.len() * size_of::<WideSum>();
        vec_memory(&self.pairs) + offsets + wide
    }

    pub(super) fn growth(&self, new_groups: usize) -> usize {
        vec_growth(&self.pairs, new_groups) + new_groups * size_of::<i64>()
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

    #[test]
    fn a_wide_number_rounds_as_the_hardware_does() {
        for (a, b) in
            [(1.0, 2f64.powi(-53)), (1.0, 3.0 * 2f64.powi(-54)), (-1e308, 1e290), (5e-324, 5e-324), (-3.5, 0.0)]
        {
            let mut wide = WideSum::default();
            wide.add(a);
            wide.add(b);
            assert_eq!(wide.to_double_double(), DoubleDouble::of_sum(a, b), "{a} {b}");
            assert_eq!(WideSum::from_bytes(&wide.to_bytes()).unwrap(), wide);
        }
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
            let mut parts = [ExactSums::default(), ExactSums::default()];
            for (part, values) in parts.iter_mut().zip([left, right]) {
                part.resize(1);
                part.add_all(0, values);
            }
            prop_assert_eq!(parts[0].value_with(&parts[1], 0), exact);
        }
    }
}
