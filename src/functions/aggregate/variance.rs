//! Variance and standard deviation.
//!
//! The sums of the values and of their squares are exact (see `exact_sum`), so that the result is the same for any
//! order of the rows; `Σx² − (Σx)²/n` is worked out with 106 bits, where the cancellation that spoils it in doubles
//! leaves enough digits. Values beyond 1e154, whose squares are no doubles, give infinity.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::count::merge_counts;
use super::double_double::two_product;
use super::exact_sum::ExactSums;
use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// Which measure of spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// Divides by `n - 1` and is null for a single value; otherwise by `n`.
    pub(super) sample: bool,
    /// The square root of the variance.
    pub(super) deviation: bool,
}

#[derive(Debug)]
pub(super) struct Variance {
    spread: Spread,
    counts: Vec<i64>,
    sums: ExactSums,
    squares: ExactSums,
}

impl Variance {
    pub(super) fn new(spread: Spread) -> Self {
        Self { spread, counts: Vec::new(), sums: ExactSums::default(), squares: ExactSums::default() }
    }

    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.sums.resize(groups);
        self.squares.resize(groups);
    }

    fn result(&self, group: usize) -> Option<f64> {
        let count = self.counts[group];
        if count == 0 || (self.spread.sample && count == 1) {
            return None;
        }
        let (sum, squares) = (self.sums.value(group), self.squares.value(group));
        if !sum.high.is_finite() || !squares.high.is_finite() {
            let overflow = sum.high.is_finite() && squares.high == f64::INFINITY;
            return Some(if overflow { f64::INFINITY } else { f64::NAN });
        }
        let about_mean = squares.minus(sum.times(sum.over(count as f64)));
        let divisor = if self.spread.sample { count - 1 } else { count };
        let variance = about_mean.over(divisor as f64).high.max(0.0);
        Some(if self.spread.deviation { variance.sqrt() } else { variance })
    }
}

impl Accumulator for Variance {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("a variance takes an argument"))?;
        let column = column.as_primitive::<Float64Type>();
        self.resize(rows.group_count);
        let (counts, sums, squares) = (&mut self.counts, &mut self.sums, &mut self.squares);
        let values = column.values();
        rows.for_each(column.nulls(), |row, group| {
            let value = values[row];
            counts[group] += 1;
            sums.add(group, value);
            let (square, error) = two_product(value, value);
            squares.add(group, square);
            if square.is_finite() && error != 0.0 {
                squares.add(group, error);
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.resize(group_count);
        merge_counts(&mut self.counts, states.first(), groups)?;
        let (sums, squares) = states.get(1..).unwrap_or_default().split_at_checked(3).unwrap_or_default();
        self.sums.merge(sums, groups)?;
        self.squares.merge(squares, groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let counts: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.counts)));
        Ok(std::iter::once(counts).chain(self.sums.state()).chain(self.squares.state()).collect())
    }

    fn state_types(&self) -> Vec<DataType> {
        [vec![DataType::Int64], ExactSums::state_types(), ExactSums::state_types()].concat()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let result: Float64Array = (0..self.counts.len()).map(|group| self.result(group)).collect();
        *self = Self::new(self.spread);
        Ok(Arc::new(result))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts) + self.sums.memory() + self.squares.memory()
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.counts, new_groups) + self.sums.growth(new_groups) + self.squares.growth(new_groups)
    }
}
