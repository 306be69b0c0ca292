//! `approx_quantile` by DDSketch (Masson, Rim and Lee, A fast and fully-mergeable quantile sketch with relative-error
//! guarantees, 2019), with its linearly interpolated mapping: a bucket is what rounds to the same double of so many bits
//! behind the leading one. That is the value it stands for: of numbers 7 bits, so that the error is at most 2^-8 of the
//! value, and numbers of up to eight bits are exact.
//!
//! Times are numbers since 1970, all of them large and near each other, so that they have 17 bits: dates are exact from
//! 1253 to 2687, timestamps of today are off by less than two hours.
//!
//! The counts of all groups are one hash table. As they are integers, the sketch does not depend on the order of the
//! rows; no bucket is ever joined with another, as doubles of 7 bits are less than 2^19, and data far fewer.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, LargeListArray, UInt32Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, UInt32Type};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::values::Ranked;
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};
use crate::types::temporal::MICROS_PER_DAY;

/// Bits behind the leading one, of numbers and of times.
const NUMBER_BITS: u32 = 7;
const TIME_BITS: u32 = 17;
/// What a hash table has behind its slots, at most.
const TABLE_END: usize = 64;

/// Which values share a bucket.
#[derive(Clone, Copy)]
struct Buckets {
    /// Bits of a double that are rounded away.
    rounded_bits: u32,
    /// The bucket of zero; those of negative numbers are below.
    zero: u32,
}

impl Buckets {
    /// Those of values that have so many bits behind the leading one.
    fn new(bits: u32) -> Self {
        Self { rounded_bits: 52 - bits, zero: 1 << (11 + bits) }
    }

    /// The bucket of a value. Buckets are in the order of values; NaN is the last.
    #[inline]
    fn bucket(self, value: f64) -> u32 {
        let value = value.normal();
        let magnitude = value.abs().to_bits();
        let rounded = (magnitude + (1 << (self.rounded_bits - 1))) >> self.rounded_bits;
        // The largest numbers would become infinite.
        let largest = if value.is_finite() { (f64::MAX.to_bits()) >> self.rounded_bits } else { u64::from(u32::MAX) };
        let rounded = rounded.min(largest) as u32;
        if value < 0.0 { self.zero - rounded } else { self.zero + rounded }
    }

    /// The value that a bucket stands for.
    fn value_of(self, bucket: u32) -> f64 {
        let magnitude = f64::from_bits(u64::from(bucket.abs_diff(self.zero)) << self.rounded_bits);
        if bucket < self.zero { -magnitude } else { magnitude }
    }
}

/// The sketches of all groups.
pub(super) struct ApproxQuantile {
    fraction: f64,
    /// The type of the values, and of the result.
    data_type: DataType,
    buckets: Buckets,
    group_count: usize,
    /// How many values there are, by group and bucket.
    counts: HashMap<u64, i64, FixedState>,
}

impl ApproxQuantile {
    pub(super) fn new(fraction: f64, data_type: &DataType) -> Self {
        let bits = if *data_type == DataType::Float64 { NUMBER_BITS } else { TIME_BITS };
        let counts = HashMap::with_hasher(FixedState::with_seed(0x0d0e_5ce7));
        Self { fraction, data_type: data_type.clone(), buckets: Buckets::new(bits), group_count: 0, counts }
    }

    #[inline]
    fn add(&mut self, group: u32, bucket: u32, times: i64) {
        *self.counts.entry(u64::from(group) << 32 | u64::from(bucket)).or_insert(0) += times;
    }

    /// Group and bucket with their counts, sorted; leaves nothing behind.
    fn sorted(&mut self) -> Vec<(u64, i64)> {
        let mut sorted: Vec<_> = self.counts.drain().collect();
        self.counts.shrink_to_fit();
        sorted.sort_unstable();
        sorted
    }

    /// The value whose rank among all of a group is `fraction` of the way from the first to the last, rounded down.
    fn pick(&self, buckets: &[(u64, i64)]) -> f64 {
        let total: i64 = buckets.iter().map(|(_, count)| count).sum();
        let rank = (self.fraction * (total - 1) as f64).floor() as i64;
        let mut before = 0;
        let found = buckets.iter().find(|(_, count)| {
            before += count;
            before > rank
        });
        found.or(buckets.last()).map_or(f64::NAN, |(key, _)| self.buckets.value_of(*key as u32))
    }
}

impl Accumulator for ApproxQuantile {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("approx_quantile takes an argument"))?;
        let buckets = self.buckets;
        let mut add = |group: usize, value: f64| self.add(group as u32, buckets.bucket(value), 1);
        if let Some(column) = column.as_primitive_opt::<Float64Type>() {
            rows.for_each_value(column.values(), column.nulls(), add);
        } else {
            // Days or microseconds.
            let column = cast(column, &DataType::Int64)?;
            let column = column.as_primitive::<Int64Type>();
            rows.for_each_value(column.values(), column.nulls(), |group, value| add(group, value as f64));
        }
        self.group_count = rows.group_count;
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [buckets, counts] = states else {
            return Err(Error::internal("the state of approx_quantile has two columns"));
        };
        let (buckets, counts) = (buckets.as_list::<i64>(), counts.as_list::<i64>());
        let counts = counts.values().as_primitive::<Int64Type>().values();
        let values = buckets.values().as_primitive::<UInt32Type>().values();
        self.group_count = group_count;
        for (&group, ends) in groups.iter().zip(buckets.offsets().windows(2)) {
            let range = ends[0] as usize..ends[1] as usize;
            for (&bucket, &times) in values[range.clone()].iter().zip(&counts[range]) {
                self.add(group, bucket, times);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let mut offsets = vec![0i64; std::mem::take(&mut self.group_count) + 1];
        let sorted = self.sorted();
        for (key, _) in &sorted {
            offsets[(key >> 32) as usize + 1] += 1;
        }
        for index in 1..offsets.len() {
            offsets[index] += offsets[index - 1];
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let list = |values: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Ok(Arc::new(LargeListArray::try_new(field, offsets.clone(), values, None)?))
        };
        let buckets = UInt32Array::from_iter_values(sorted.iter().map(|(key, _)| *key as u32));
        let counts = Int64Array::from_iter_values(sorted.iter().map(|(_, count)| *count));
        Ok(vec![list(Arc::new(buckets))?, list(Arc::new(counts))?])
    }

    fn state_types(&self) -> Vec<DataType> {
        let list = |of| DataType::LargeList(Arc::new(Field::new_list_field(of, true)));
        vec![list(DataType::UInt32), list(DataType::Int64)]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let mut result: Vec<Option<f64>> = vec![None; std::mem::take(&mut self.group_count)];
        for buckets in self.sorted().chunk_by(|(a, _), (b, _)| a >> 32 == b >> 32) {
            if let Some((key, _)) = buckets.first() {
                result[(key >> 32) as usize] = Some(self.pick(buckets));
            }
        }
        if self.data_type == DataType::Float64 {
            return Ok(Arc::new(Float64Array::from(result)));
        }
        // A bucket at the end of a day reaches into the next one, where there are no times of day.
        let most = if matches!(self.data_type, DataType::Time64(_)) { MICROS_PER_DAY - 1 } else { i64::MAX };
        let result = result.into_iter().map(|value| value.map(|value| (value.round() as i64).min(most)));
        let result: Int64Array = result.collect();
        Ok(cast(&result, &self.data_type)?)
    }

    /// The counts are sorted at the end, and written to two columns, with an offset a group.
    fn memory(&self) -> usize {
        let sorted = self.counts.len() * (size_of::<(u64, i64)>() + size_of::<u32>() + size_of::<i64>());
        self.counts.allocation_size() + sorted + self.group_count * 3 * size_of::<i64>()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        // A count of a state has twelve bytes.
        let entries = rows + bytes / 12;
        let slots = match self.counts.capacity() - self.counts.len() < entries {
            true => 2 * (self.counts.len() + entries).next_power_of_two() * (size_of::<(u64, i64)>() + 1) + TABLE_END,
            false => 0,
        };
        let sorted = entries * (size_of::<(u64, i64)>() + size_of::<u32>() + size_of::<i64>());
        slots + sorted + new_groups * 3 * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BITS: [u32; 2] = [NUMBER_BITS, TIME_BITS];

    #[test]
    fn buckets_of_short_numbers_are_exact() {
        let short = (-256i32..=256).map(f64::from);
        let short: Vec<f64> = short.chain([0.5, -0.125, 996.0, f64::INFINITY, f64::NEG_INFINITY]).collect();
        for buckets in BITS.map(Buckets::new) {
            let (bucket, value_of) = (|value| buckets.bucket(value), |bucket| buckets.value_of(bucket));
            assert!(short.iter().all(|&value| value_of(bucket(value)) == value));
            assert!(value_of(bucket(f64::NAN)).is_nan() && value_of(bucket(-f64::NAN)).is_nan());
            assert!(value_of(bucket(f64::MAX)).is_finite() && value_of(bucket(f64::MIN)).is_finite());
            assert!(bucket(f64::NAN) > bucket(f64::INFINITY) && bucket(f64::INFINITY) > bucket(f64::MAX));
            assert_eq!(bucket(-0.0), buckets.zero);
        }
    }

    proptest! {
        #[test]
        fn a_bucket_is_within_its_error_and_in_order(a in -1e6f64..1e6, b in -1e6f64..1e6, exponent in -300i32..300) {
            let (a, b) = (a * 10f64.powi(exponent), b * 10f64.powi(exponent));
            prop_assume!(a.is_normal());
            for bits in BITS {
                let buckets = Buckets::new(bits);
                prop_assert!((buckets.value_of(buckets.bucket(a)) - a).abs() <= a.abs() / f64::from(2 << bits));
                if a < b {
                    prop_assert!(buckets.bucket(a) <= buckets.bucket(b));
                }
            }
        }
    }
}
