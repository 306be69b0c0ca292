//! `skewness` and `kurtosis`, by the definitions of DuckDB, which are those of most statistics packages: the adjusted
//! Fisher–Pearson coefficient and the unbiased excess kurtosis.
//!
//! A group holds the sums of x, x², x³ and x⁴, each exact (the powers too, as sums of doubles), and the moments about the
//! mean are worked out of them without rounding: no digit is lost however far the values are from zero, and the result
//! does not depend on the order of the rows. The powers of values beyond 1e77, or all within 1e-77 of their mean, are no
//! doubles: the result is NaN then.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::count::merge_counts;
use super::double_double::{Split, two_product, two_sum};
use super::joint_sums::JointSums;
use super::moments::CentralMoments;
use super::rows::{Coming, vec_growth, vec_memory};
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
    powers: JointSums<SUMS>,
}

/// Values beyond have powers whose errors are not worked out as for others.
const LARGE: f64 = 1e70;

/// Numbers of a group: x, x² as two doubles, x³ as three, x⁴ as six.
const SUMS: usize = 12;

/// Which of them add up to a power.
const POWERS: [Range<usize>; 4] = [0..1, 1..3, 3..6, 6..12];

/// What a value adds to the sums: doubles that are its powers exactly, by products of two doubles that are.
#[inline]
fn powers(x: f64, product: impl Fn(f64, f64) -> (f64, f64)) -> [f64; SUMS] {
    let (square, error) = product(x, x);
    let (cube, first) = product(square, x);
    let (second, fifth) = product(error, x);
    let (second, third) = two_sum(first, second);
    // The last sum is exact: it has no more than 53 bits above the last of x³. Then x⁴ = square² + 2 square·error + error².
    let [a, b, c] = [product(square, square), product(2.0 * square, error), product(error, error)];
    [x, square, error, cube, second, third + fifth, a.0, a.1, b.0, b.1, c.0, c.1]
}

#[inline]
fn addends(x: f64) -> [f64; SUMS] {
    // False for NaN too.
    if x.abs() < LARGE { powers(x, |a, b| Split::of(a).times(Split::of(b))) } else { large_addends(x) }
}

#[cold]
fn large_addends(x: f64) -> [f64; SUMS] {
    let exact = powers(x, two_product);
    if exact.iter().all(|part| part.is_finite()) {
        return exact;
    }
    [x, x * x, 0.0, x * x * x, 0.0, 0.0, x * x * x * x, 0.0, 0.0, 0.0, 0.0, 0.0]
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
        let [Some(first), Some(second), Some(third), Some(fourth)] =
            POWERS.map(|numbers| Some(self.powers.total(group, numbers)?.to_exact()))
        else {
            return Some(f64::NAN);
        };
        let moments = CentralMoments::new(count.unsigned_abs(), [first, second, third, fourth])?;
        let n = count as f64;
        Some(match self.feature {
            Feature::Skewness => (n * (n - 1.0)).sqrt() / (n - 2.0) * moments.skewness(),
            Feature::KurtosisPopulation => moments.kurtosis() - 3.0,
            Feature::KurtosisSample => {
                (n - 1.0) * ((n + 1.0) * moments.kurtosis() - 3.0 * (n - 1.0)) / ((n - 2.0) * (n - 3.0))
            }
        })
    }
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
        [vec![DataType::Int64], JointSums::<SUMS>::state_types()].concat()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let result: Float64Array = self.counts.iter().enumerate().map(|counted| self.result(counted)).collect();
        *self = Self::new(self.feature);
        Ok(Arc::new(result))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts) + self.powers.memory()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.counts, new_groups) + self.powers.growth(Coming { rows, new_groups, bytes })
    }
}
