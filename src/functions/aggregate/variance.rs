//! Variance and standard deviation.
//!
//! The sums of the values and of their squares are exact (see `exact_sum`), so that the result is the same for any
//! order of the rows; `Σx² − (Σx)²/n` is worked out with 106 bits, where the cancellation that spoils it in doubles
//! leaves enough digits (see `moments`). Values beyond 1e154, whose squares are no doubles, give infinity.
//!
//! A square has twice the digits of a double. What it is rounded to and the error of that are summed apart: together
//! they would hardly ever fit into two doubles.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::count::merge_counts;
use super::double_double::{DoubleDouble, Lanes, square, two_product};
use super::exact_sum::{ExactSums, LANES};
use super::moments::squares_about_mean;
use super::rows::{Coming, vec_growth, vec_memory};
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
    moments: Moments,
}

/// The sums of each group.
#[derive(Debug, Default)]
struct Moments {
    values: ExactSums,
    /// Of the squares rounded to doubles.
    squares: ExactSums,
    /// Of what rounding took from the squares.
    errors: ExactSums,
}

/// A value beyond has a square whose error is not worked out as for others.
pub(super) const LARGE: f64 = 1e150;

impl Moments {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups);
        self.squares.resize(groups);
        self.errors.resize(groups);
    }

    #[inline]
    fn add(&mut self, group: usize, value: f64) {
        self.values.add(group, value);
        let (squared, error) = square(value);
        // False for NaN too.
        if value.abs() < LARGE {
            self.squares.add(group, squared);
            self.errors.add(group, error);
        } else {
            self.add_large(group, value);
        }
    }

    #[cold]
    fn add_large(&mut self, group: usize, value: f64) {
        let (squared, error) = two_product(value, value);
        self.squares.add(group, squared);
        if squared.is_finite() {
            self.errors.add(group, error);
        }
    }

    fn add_all(&mut self, group: usize, values: &[f64]) {
        let (blocks, rest) = values.as_chunks::<LANES>();
        let (mut sums, mut squares, mut errors) = (Lanes::ZERO, Lanes::ZERO, Lanes::ZERO);
        for block in blocks {
            let (squared, error) = squares_of(block);
            let (sums_after, inexact_sums) = sums.plus(block);
            let (squares_after, inexact_squares) = squares.plus(&squared);
            let (errors_after, inexact_errors) = errors.plus(&error);
            let small = block.iter().fold(true, |small, value| small & (value.abs() < LARGE));
            if inexact_sums | inexact_squares | inexact_errors == 0 && small {
                (sums, squares, errors) = (sums_after, squares_after, errors_after);
            } else {
                self.add_each(group, block);
            }
        }
        self.values.add_lanes(group, &sums);
        self.squares.add_lanes(group, &squares);
        self.errors.add_lanes(group, &errors);
        self.add_each(group, rest);
    }

    #[inline(never)]
    fn add_each(&mut self, group: usize, values: &[f64]) {
        values.iter().for_each(|value| self.add(group, *value));
    }

    fn memory(&self) -> usize {
        self.values.memory() + self.squares.memory() + self.errors.memory()
    }

    fn growth(&self, coming: Coming) -> usize {
        self.values.growth(coming) + self.squares.growth(coming) + self.errors.growth(coming)
    }
}

/// The squares of some values, and their errors.
#[inline]
fn squares_of<const N: usize>(values: &[f64; N]) -> ([f64; N], [f64; N]) {
    let (mut squares, mut errors) = ([0.0; N], [0.0; N]);
    for lane in 0..N {
        (squares[lane], errors[lane]) = square(values[lane]);
    }
    (squares, errors)
}

impl Variance {
    pub(super) fn new(spread: Spread) -> Self {
        Self { spread, counts: Vec::new(), moments: Moments::default() }
    }

    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.moments.resize(groups);
    }

    fn result(&self, group: usize) -> Option<f64> {
        let Moments { values, squares, errors } = &self.moments;
        let sums = || [values.value(group), squares.value(group), errors.value(group)];
        self.spread.of(self.counts[group], sums)
    }
}

impl Spread {
    /// The measure of `count` values, from their sum, that of their squares as they are rounded, and that of what was
    /// rounded away; `None` where there are too few.
    pub(super) fn of(self, count: i64, sums: impl FnOnce() -> [DoubleDouble; 3]) -> Option<f64> {
        if count == 0 || (self.sample && count == 1) {
            return None;
        }
        let [sum, squares, errors] = sums();
        let about_mean = squares_about_mean(count as f64, sum, squares, errors);
        let divisor = if self.sample { count - 1 } else { count };
        let variance = about_mean.over(divisor as f64).high;
        Some(if self.deviation { variance.sqrt() } else { variance })
    }
}

impl Accumulator for Variance {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("a variance takes an argument"))?;
        let column = column.as_primitive::<Float64Type>();
        self.resize(rows.group_count);
        let (values, counts, moments) = (column.values(), &mut self.counts, &mut self.moments);
        match rows.runs(column.nulls()) {
            Some(runs) => {
                for (group, rows) in runs {
                    counts[group] += rows.len() as i64;
                    moments.add_all(group, &values[rows]);
                }
            }
            None => rows.for_each_value(values, column.nulls(), |group, value| {
                counts[group] += 1;
                moments.add(group, value);
            }),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.resize(group_count);
        merge_counts(&mut self.counts, states.first(), groups)?;
        let Moments { values, squares, errors } = &mut self.moments;
        let mut columns = states.get(1..).unwrap_or_default().chunks(ExactSums::state_types().len());
        for sums in [values, squares, errors] {
            sums.merge(columns.next().unwrap_or_default(), groups)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let counts: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.counts)));
        let Moments { values, squares, errors } = &mut self.moments;
        Ok([vec![counts], values.state(), squares.state(), errors.state()].concat())
    }

    fn state_types(&self) -> Vec<DataType> {
        let sums = ExactSums::state_types();
        [vec![DataType::Int64], sums.clone(), sums.clone(), sums].concat()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let result: Float64Array = (0..self.counts.len()).map(|group| self.result(group)).collect();
        *self = Self::new(self.spread);
        Ok(Arc::new(result))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts) + self.moments.memory()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.counts, new_groups) + self.moments.growth(Coming { rows, new_groups, bytes })
    }
}
