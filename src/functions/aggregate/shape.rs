//! `skewness` and `kurtosis`, by the definitions of DuckDB, which are those of most statistics packages: the adjusted
//! Fisher–Pearson coefficient and the unbiased excess kurtosis.
//!
//! A group holds the sums of x, x², x³ and x⁴. A power is two doubles, its error is below 2^-100 of it; the sums of
//! those are exact (see `joint_sums` and `moments`), so that the result does not depend on the order of the rows. The
//! powers of values beyond 1e77, or all below 1e-77, are no doubles: the result is NaN then.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::count::merge_counts;
use super::double_double::{Split, two_product, two_sum};
use super::joint_sums::{JointSums, SUMS};
use super::moments::PowersAboutMean;
use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// What is told of the shape of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Feature {
    Skewness,
    KurtosisSample,
    KurtosisPopulation,
}

/// A feature of each group.
#[derive(Debug)]
pub(super) struct Shape {
    feature: Feature,
    counts: Vec<i64>,
    powers: JointSums,
}

/// Values beyond have powers whose errors are not worked out as for others.
const LARGE: f64 = 1e70;

/// What a value adds to the sums: itself, its powers as they are rounded, each followed by its error, and nothing.
#[inline]
fn addends(x: f64) -> [f64; SUMS] {
    // False for NaN too.
    if x.abs() < LARGE {
        let value = Split::of(x);
        let (square, square_error) = value.square();
        let (cube, error) = Split::of(square).times(value);
        let (cube, cube_error) = two_sum(cube, error + square_error * x);
        let (fourth, error) = Split::of(cube).times(value);
        let (fourth, fourth_error) = two_sum(fourth, error + cube_error * x);
        [x, square, square_error, cube, cube_error, fourth, fourth_error, 0.0]
    } else {
        large_addends(x)
    }
}

#[cold]
fn large_addends(x: f64) -> [f64; SUMS] {
    let times_x = |(power, error): (f64, f64)| {
        let (product, rest) = two_product(power, x);
        let (product, rest) = two_sum(product, rest + error * x);
        if product.is_finite() { (product, rest) } else { (power * x, 0.0) }
    };
    let square = times_x((x, 0.0));
    let cube = times_x(square);
    let fourth = times_x(cube);
    [x, square.0, square.1, cube.0, cube.1, fourth.0, fourth.1, 0.0]
}

impl Shape {
    pub(super) fn new(feature: Feature) -> Self {
        Self { feature, counts: Vec::new(), powers: JointSums::default() }
    }

    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.powers.resize(groups);
    }

    fn result(&self, (group, &count): (usize, &i64)) -> Option<f64> {
        let least = match self.feature {
            Feature::Skewness => 3,
            Feature::KurtosisSample => 4,
            Feature::KurtosisPopulation => 2,
        };
        if count < least {
            return None;
        }
        let n = count as f64;
        let [sum, square, square_error, cube, cube_error, fourth, fourth_error, _] = self.powers.values(group);
        let (cubes, fourths) = (cube.plus(cube_error), fourth.plus(fourth_error));
        let PowersAboutMean { second, third, fourth } =
            PowersAboutMean::new(n, sum, (square, square_error), cubes, fourths);
        // All values are the same.
        if second == 0.0 {
            return None;
        }
        let variance = second / n;
        let ratio = match self.feature {
            Feature::Skewness => ratio(third / n, variance * variance.sqrt()),
            _ => ratio(fourth / n, variance * variance),
        };
        Some(match self.feature {
            Feature::Skewness => (n * (n - 1.0)).sqrt() / (n - 2.0) * ratio,
            Feature::KurtosisPopulation => ratio - 3.0,
            Feature::KurtosisSample => (n - 1.0) * ((n + 1.0) * ratio - 3.0 * (n - 1.0)) / ((n - 2.0) * (n - 3.0)),
        })
    }
}

/// NaN rather than what is left of powers out of the range of doubles.
fn ratio(moment: f64, power_of_deviation: f64) -> f64 {
    if power_of_deviation.is_normal() { moment / power_of_deviation } else { f64::NAN }
}

impl Accumulator for Shape {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("skewness and kurtosis take an argument"))?;
        let column = column.as_primitive::<Float64Type>();
        self.resize(rows.group_count);
        let (values, counts, powers) = (column.values(), &mut self.counts, &mut self.powers);
        match rows.runs(column.nulls()) {
            Some(runs) => {
                for (group, rows) in runs {
                    counts[group] += rows.len() as i64;
                    powers.add_all(group, values[rows].iter().map(|value| addends(*value)));
                }
            }
            None => rows.for_each_value(values, column.nulls(), |group, value| {
                counts[group] += 1;
                powers.add(group, &addends(value));
            }),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.resize(group_count);
        merge_counts(&mut self.counts, states.first(), groups)?;
        self.powers.merge(states.get(1..).unwrap_or_default(), groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let counts: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.counts)));
        Ok([vec![counts], self.powers.state()?].concat())
    }

    fn state_types(&self) -> Vec<DataType> {
        [vec![DataType::Int64], JointSums::state_types()].concat()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let result: Float64Array = self.counts.iter().enumerate().map(|counted| self.result(counted)).collect();
        *self = Self::new(self.feature);
        Ok(Arc::new(result))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts) + self.powers.memory()
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.counts, new_groups) + self.powers.growth(new_groups)
    }
}
