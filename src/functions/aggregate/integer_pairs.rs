//! Sums of pairs of integers, of their squares and products: exact, as integers of 192 bits, and cheaper than those of
//! doubles.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Int64Type, i256};

use super::double_double::DoubleDouble;
use super::joint::{Line, PairSums};
use super::rows::{Coming, vec_growth, vec_memory};
use crate::error::{Error, Result};

/// Words of a group: Σy, Σx, and then Σy², Σx² and Σxy, each as its lower 128 bits, without a sign, and what is above.
const WORDS: usize = 8;
const GROUP_BYTES: usize = WORDS * size_of::<i128>();

/// The sums of all groups. None can overflow: a product has less than 2^127, and there are less than 2^63 rows.
#[derive(Debug, Default)]
pub(super) struct IntegerPairs {
    words: Vec<i128>,
}

/// Adds words of a group to those of another.
#[inline]
fn add(to: &mut [i128; WORDS], words: &[i128; WORDS]) {
    to[0] += words[0];
    to[1] += words[1];
    for low in [2, 4, 6] {
        let (sum, carries) = to[low].cast_unsigned().overflowing_add(words[low].cast_unsigned());
        to[low] = sum.cast_signed();
        to[low + 1] += words[low + 1] + i128::from(carries);
    }
}

/// What a pair adds.
#[inline]
fn words_of(y: i64, x: i64) -> [i128; WORDS] {
    let (y, x) = (i128::from(y), i128::from(x));
    let xy = x * y;
    // A square has no sign to go on with above.
    [y, x, y * y, 0, x * x, 0, xy, xy >> 127]
}

/// An integer to 106 bits: the same for the same integer.
fn rounded(integer: i256) -> DoubleDouble {
    let (low, high) = integer.to_parts();
    if high == low.cast_signed() >> 127 {
        return DoubleDouble::of_integer(low.cast_signed());
    }
    let parts = [(low >> 64, 64), (low & u128::from(u64::MAX), 0)];
    parts.into_iter().fold(DoubleDouble::of_integer(high).scaled(2f64.powi(128)), |sum, (part, exponent)| {
        sum.plus(DoubleDouble::of_integer(part.cast_signed()).scaled(2f64.powi(exponent)))
    })
}

impl IntegerPairs {
    #[inline]
    fn group(&mut self, group: usize) -> &mut [i128; WORDS] {
        &mut self.words.as_chunks_mut().0[group]
    }
}

impl PairSums for IntegerPairs {
    type Number = Int64Type;

    fn resize(&mut self, groups: usize) {
        self.words.resize(groups * WORDS, 0);
    }

    #[inline]
    fn add(&mut self, group: usize, y: i64, x: i64) {
        add(self.group(group), &words_of(y, x));
    }

    fn add_all(&mut self, group: usize, pairs: impl Iterator<Item = (i64, i64)>) {
        let sums = self.group(group);
        pairs.for_each(|(y, x)| add(sums, &words_of(y, x)));
    }

    /// `(n Σxy − Σx Σy) / n` is rounded only in the end: exactly zero where all values are the same.
    fn line(&self, group: usize, count: i64) -> Line {
        let [y, x, yy, yy_high, xx, xx_high, xy, xy_high] = self.words.as_chunks::<WORDS>().0[group];
        let n = i256::from_i128(i128::from(count));
        // Below 2^63 · 2^189.
        let about_means = |low: i128, high: i128, a: i128, b: i128| {
            let products = i256::from_parts(low.cast_unsigned(), high).wrapping_mul(n);
            let means = i256::from_i128(a).wrapping_mul(i256::from_i128(b));
            rounded(products.wrapping_sub(means)).over(count as f64)
        };
        Line {
            count: count as f64,
            x: DoubleDouble::of_integer(x),
            y: DoubleDouble::of_integer(y),
            xx: about_means(xx, xx_high, x, x),
            yy: about_means(yy, yy_high, y, y),
            xy: about_means(xy, xy_high, x, y),
        }
    }

    fn state_types() -> Vec<DataType> {
        vec![DataType::FixedSizeBinary(GROUP_BYTES as i32)]
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let words = Buffer::from(std::mem::take(&mut self.words));
        Ok(vec![Arc::new(FixedSizeBinaryArray::try_new(GROUP_BYTES as i32, words, None)?)])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let [words] = states else {
            return Err(Error::internal("the state of sums of integers has one column"));
        };
        let states = words.as_fixed_size_binary();
        for (row, &group) in groups.iter().enumerate() {
            let (words, _) = states.value(row).as_chunks();
            let word = |at: usize| words.get(at).map_or(0, |word| i128::from_ne_bytes(*word));
            add(self.group(group as usize), &std::array::from_fn(word));
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        vec_memory(&self.words)
    }

    fn growth(&self, coming: Coming) -> usize {
        vec_growth(&self.words, coming.new_groups * WORDS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_those_of_small_pairs_and_any_cut_gives_them(
            pairs in prop::collection::vec((-1_000_000i64..1_000_000, -1_000_000i64..1_000_000), 0..30), cut in 0usize..30,
        ) {
            let mut total = IntegerPairs::default();
            total.resize(2);
            for part in [&pairs[..cut.min(pairs.len())], &pairs[cut.min(pairs.len())..]] {
                let mut sums = IntegerPairs::default();
                sums.resize(1);
                sums.add_all(0, part.iter().copied());
                total.merge(&sums.state().unwrap(), &[1]).unwrap();
            }
            let sum = |of: fn(i64, i64) -> i64| pairs.iter().map(|(y, x)| i128::from(of(*y, *x))).sum::<i128>();
            let n = pairs.len() as i128;
            let about_means = |of: fn(i64, i64) -> i64, a: i128, b: i128| (n * sum(of) - a * b) as f64 / n as f64;
            let (y, x) = (sum(|y, _| y), sum(|_, x| x));
            if n > 0 {
                let line = total.line(1, pairs.len() as i64);
                prop_assert_eq!((line.y.high, line.x.high), (y as f64, x as f64));
                let expected = [about_means(|y, _| y * y, y, y), about_means(|_, x| x * x, x, x), about_means(|y, x| y * x, y, x)];
                for (found, expected) in [line.yy, line.xx, line.xy].into_iter().zip(expected) {
                    prop_assert!((found.high - expected).abs() <= expected.abs() * 1e-15, "{:?} {}", found, expected);
                }
            }
        }
    }

    #[test]
    fn the_greatest_integers_carry_into_the_words_above() {
        let mut sums = IntegerPairs::default();
        sums.resize(1);
        for _ in 0..1000 {
            sums.add(0, i64::MIN, i64::MIN);
            sums.add(0, i64::MAX, i64::MIN);
        }
        let two = 2f64.powi(63);
        let line = sums.line(0, 2000);
        assert_eq!((line.y.high, line.x.high), (-1000.0, -2000.0 * two));
        // All x are the same; half of the y are 2^64 - 1 from the other half.
        assert_eq!((line.xx.high, line.xy.high), (0.0, 0.0));
        assert_eq!(line.yy.high, 2000.0 * two * two);
        let [_, _, yy, yy_high, xx, xx_high, xy, xy_high] = sums.words.as_chunks::<WORDS>().0[0];
        let high = |low: i128, high| rounded(i256::from_parts(low.cast_unsigned(), high)).high;
        assert_eq!((high(yy, yy_high), high(xx, xx_high)), (2000.0 * two * two, 2000.0 * two * two));
        // 1000 times 2^126 - 2^63 (2^63 - 1).
        assert_eq!(high(xy, xy_high), 1000.0 * two);
    }

    #[test]
    fn equal_moments_of_this_century_have_no_spread() {
        let mut sums = IntegerPairs::default();
        sums.resize(1);
        (0..1000).for_each(|n| sums.add(0, 1_700_000_000_123_457, n));
        let line = sums.line(0, 1000);
        assert_eq!((line.yy.high, line.xy.high), (0.0, 0.0));
        assert_eq!(line.xx.high, 83_333_250.0);
    }
}
