//! Several exact sums a group, side by side, for aggregates that take several sums of each row: one place in memory is
//! touched for a row, and the sums share instructions. The sums are those of `exact_sum`.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, LargeBinaryBuilder};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use hashbrown::HashMap;

use super::double_double::{DoubleDouble, Lanes};
use super::rows::{Coming, table_growth, vec_growth, vec_memory};
use super::wide_sum::{HELD_BYTES, WIDE_BYTES, WideSum, add_exactly, coming_wide, exact_value};
use crate::error::{Error, Result};

/// The sums of all groups.
#[derive(Debug)]
pub(super) struct JointSums<const SUMS: usize> {
    /// Of each group: what its sums are rounded to, and what is left of them.
    halves: Vec<[[f64; SUMS]; 2]>,
    /// By group and number of the sum.
    wide: HashMap<(u32, u8), Box<WideSum>>,
}

impl<const SUMS: usize> Default for JointSums<SUMS> {
    fn default() -> Self {
        Self { halves: Vec::new(), wide: HashMap::new() }
    }
}

impl<const SUMS: usize> JointSums<SUMS> {
    const HALVES_BYTES: usize = size_of::<[[f64; SUMS]; 2]>();

    pub(super) fn resize(&mut self, groups: usize) {
        self.halves.resize(groups, [[0.0; SUMS]; 2]);
    }

    #[inline]
    fn slot(&mut self, group: usize) -> &mut [[f64; SUMS]; 2] {
        &mut self.halves[group]
    }

    /// Adds a value to each of the sums of a group.
    #[inline]
    pub(super) fn add(&mut self, group: usize, values: &[f64; SUMS]) {
        let slot = self.slot(group);
        let (sums, inexact) = load(slot).plus(values);
        if inexact == 0 {
            store(slot, &sums);
        } else {
            self.add_slowly(group, values);
        }
    }

    /// Adds rows of values to the sums of a group.
    #[inline]
    pub(super) fn add_all(&mut self, group: usize, rows: impl Iterator<Item = [f64; SUMS]>) {
        let mut sums = load(self.slot(group));
        for values in rows {
            let (after, inexact) = sums.plus(&values);
            if inexact == 0 {
                sums = after;
            } else {
                store(self.slot(group), &sums);
                self.add_slowly(group, &values);
                sums = load(self.slot(group));
            }
        }
        store(self.slot(group), &sums);
    }

    #[cold]
    fn add_slowly(&mut self, group: usize, values: &[f64; SUMS]) {
        let [high, low] = &mut self.halves[group];
        for (number, ((high, low), value)) in high.iter_mut().zip(low).zip(values).enumerate() {
            let add_wide = |part| self.wide.entry((group as u32, number as u8)).or_default().add(part);
            (*high, *low) = add_exactly((*high, *low), *value, add_wide);
        }
    }

    /// The sums of a group to 106 bits: the same for the same values, whatever order they came in.
    pub(super) fn values(&self, group: usize) -> [DoubleDouble; SUMS] {
        let Lanes { high, low } = load(&self.halves[group]);
        std::array::from_fn(|number| {
            let wide = match self.wide.is_empty() {
                true => None,
                false => self.wide.get(&(group as u32, number as u8)).map(Box::as_ref),
            };
            exact_value((high[number], low[number]), wide)
        })
    }

    /// The exact total of some of the sums of a group; `None` where one is not finite.
    pub(super) fn total(&self, group: usize, numbers: Range<usize>) -> Option<WideSum> {
        let [high, low] = &self.halves[group];
        let mut total = WideSum::default();
        for number in numbers {
            if !high[number].is_finite() {
                return None;
            }
            total.add(high[number]);
            total.add(low[number]);
            if let Some(wide) = self.wide.get(&(group as u32, number as u8)) {
                total.merge(wide);
            }
        }
        Some(total)
    }

    pub(super) fn state_types() -> Vec<DataType> {
        vec![DataType::FixedSizeBinary(Self::HALVES_BYTES as i32), DataType::LargeBinary]
    }

    /// The sums as columns: the halves, and of wide numbers each its number and bytes. Leaves no group behind.
    pub(super) fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let Self { halves, wide } = std::mem::take(self);
        let groups = halves.len();
        let mut column = LargeBinaryBuilder::with_capacity(groups, wide.len() * (1 + WIDE_BYTES));
        if wide.is_empty() {
            column.append_nulls(groups);
        } else {
            let mut bytes = Vec::new();
            for group in 0..groups as u32 {
                for number in 0..SUMS as u8 {
                    if let Some(wide) = wide.get(&(group, number)) {
                        bytes.push(number);
                        bytes.extend_from_slice(&wide.to_bytes());
                    }
                }
                column.append_option((!bytes.is_empty()).then_some(&bytes));
                bytes.clear();
            }
        }
        let halves = halves.into_flattened().into_flattened();
        let halves = FixedSizeBinaryArray::try_new(Self::HALVES_BYTES as i32, Buffer::from(halves), None)?;
        Ok(vec![Arc::new(halves), Arc::new(column.finish())])
    }

    /// Adds states.
    pub(super) fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let wrong = || Error::internal("the state of joint sums is not what was written");
        let [halves, wide] = states else { return Err(wrong()) };
        let halves = halves.as_fixed_size_binary();
        for (row, &group) in groups.iter().enumerate() {
            let (words, _) = halves.value(row).as_chunks();
            let value = |at: usize| words.get(at).map_or(0.0, |word| f64::from_ne_bytes(*word));
            self.add(group as usize, &std::array::from_fn(value));
            self.add(group as usize, &std::array::from_fn(|number| value(SUMS + number)));
        }
        let wide = wide.as_binary::<i64>();
        if wide.null_count() < wide.len() {
            for (&group, bytes) in groups.iter().zip(wide) {
                for part in bytes.unwrap_or_default().chunks(1 + WIDE_BYTES) {
                    let (&number, bytes) = part.split_first().ok_or_else(wrong)?;
                    self.wide.entry((group, number)).or_default().merge(&WideSum::from_bytes(bytes)?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn memory(&self) -> usize {
        let offsets = (self.halves.len() + 1) * size_of::<i64>();
        // A wide number once here and once in the state.
        vec_memory(&self.halves) + offsets + self.wide.allocation_size() + self.wide.len() * HELD_BYTES
    }

    pub(super) fn growth(&self, coming: Coming) -> usize {
        let wide = coming_wide(coming, self.halves.len(), SUMS, self.wide.len());
        let slot = size_of::<((u32, u8), Box<WideSum>)>();
        let index = table_growth(self.wide.len(), self.wide.capacity(), wide, slot);
        let per_group = vec_growth(&self.halves, coming.new_groups) + coming.new_groups * size_of::<i64>();
        per_group + wide * HELD_BYTES + index
    }
}

#[inline]
fn load<const SUMS: usize>([high, low]: &[[f64; SUMS]; 2]) -> Lanes<SUMS> {
    Lanes { high: *high, low: *low }
}

#[inline]
fn store<const SUMS: usize>(slot: &mut [[f64; SUMS]; 2], sums: &Lanes<SUMS>) {
    *slot = [sums.high, sums.low];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUMS: usize = 8;

    proptest! {
        #[test]
        fn each_sum_is_that_of_a_wide_number(
            rows in prop::collection::vec(
                prop::array::uniform8((-1e6f64..1e6, -300i32..300).prop_map(|(m, e)| m * 10f64.powi(e))), 0..20,
            ),
            cut in 0usize..20,
        ) {
            let mut exact = [const { None::<WideSum> }; SUMS].map(Option::unwrap_or_default);
            for row in &rows {
                exact.iter_mut().zip(row).for_each(|(sum, value)| sum.add(*value));
            }
            let (left, right) = rows.split_at(cut.min(rows.len()));
            let mut total = JointSums::<SUMS>::default();
            total.resize(2);
            for (part, at_once) in [(left, true), (right, false)] {
                let mut sums = JointSums::<SUMS>::default();
                sums.resize(1);
                if at_once {
                    sums.add_all(0, part.iter().copied());
                } else {
                    part.iter().for_each(|row| sums.add(0, row));
                }
                total.merge(&sums.state().unwrap(), &[1]).unwrap();
            }
            prop_assert_eq!(total.values(1), exact.map(|sum| sum.to_double_double()));
            prop_assert_eq!(total.values(0), [DoubleDouble::of_sum(0.0, 0.0); SUMS]);
        }
    }

    #[test]
    fn infinities_stay_in_their_own_sum() {
        let mut sums = JointSums::<SUMS>::default();
        sums.resize(1);
        sums.add(0, &[1.0, f64::INFINITY, f64::INFINITY, f64::NAN, 0.1, 0.0, -0.0, 1e308]);
        sums.add(0, &[2.0, 1.0, f64::NEG_INFINITY, 1.0, 0.2, 0.0, -0.0, 1e308]);
        let high = sums.values(0).map(|value| value.high);
        assert_eq!(high[..2], [3.0, f64::INFINITY]);
        assert!(high[2].is_nan() && high[3].is_nan());
        assert_eq!(high[4..], [0.1 + 0.2, 0.0, 0.0, f64::INFINITY]);
    }
}
