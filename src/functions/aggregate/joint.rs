//! Correlation, covariance and the least-squares line through pairs of numbers, as in PostgreSQL.
//!
//! A group holds the sums of x, y, x², y² and xy, the latter three as they are rounded and what that took away apart;
//! all exact (see `joint_sums` and `moments`), so that the result does not depend on the order of the rows; those of
//! integers are integers (`integer_pairs`). Pairs of which one is null do not count.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float64Type};

use super::count::merge_counts;
use super::double_double::{DoubleDouble, Split, two_product};
use super::integer_pairs::IntegerPairs;
use super::joint_sums::JointSums;
use super::moments::{products_about_means, squares_about_mean};
use super::rows::{Coming, vec_growth, vec_memory};
use super::{Accumulator, AggregateSignature, GroupedRows};
use crate::error::{Error, Result};

/// What is worked out of the sums of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    Correlation,
    CovariancePopulation,
    CovarianceSample,
    Slope,
    Intercept,
    /// The square of the correlation.
    Determination,
    AverageX,
    AverageY,
    /// Sums about the means.
    SquaresX,
    SquaresY,
    Products,
}

/// The sums of pairs that measures are worked out of.
pub(super) trait PairSums: Default + Send {
    type Number: ArrowPrimitiveType;

    fn resize(&mut self, groups: usize);

    /// Adds a pair.
    fn add(&mut self, group: usize, y: Native<Self>, x: Native<Self>);

    /// Adds pairs of one group.
    fn add_all(&mut self, group: usize, pairs: impl Iterator<Item = (Native<Self>, Native<Self>)>);

    /// What measures are worked out of, for a group of so many pairs.
    fn line(&self, group: usize, count: i64) -> Line;

    fn state_types() -> Vec<DataType>;

    fn state(&mut self) -> Result<Vec<ArrayRef>>;

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()>;

    fn memory(&self) -> usize;

    fn growth(&self, coming: Coming) -> usize;
}

type Native<S> = <<S as PairSums>::Number as ArrowPrimitiveType>::Native;

/// A measure of each group.
#[derive(Debug)]
pub(super) struct Joint<S> {
    measure: Measure,
    counts: Vec<i64>,
    sums: S,
}

/// A measure of pairs of doubles, or of integers.
pub(super) fn joint(measure: Measure, signature: &AggregateSignature) -> Box<dyn Accumulator> {
    match signature.arguments.first() {
        Some(DataType::Int64) => Box::new(Joint::<IntegerPairs>::new(measure)),
        _ => Box::new(Joint::<JointSums<SUMS>>::new(measure)),
    }
}

/// Values beyond have products whose errors are not worked out as for others.
const LARGE: f64 = 1e150;

/// The sums of a group.
const SUMS: usize = 8;

/// What a pair adds to the sums: y, x, y², x², xy, and the errors of these three.
#[inline]
fn addends(y: f64, x: f64) -> [f64; SUMS] {
    // False for NaN too.
    if y.abs() < LARGE && x.abs() < LARGE {
        let (split_y, split_x) = (Split::of(y), Split::of(x));
        let (yy, yy_error) = split_y.square();
        let (xx, xx_error) = split_x.square();
        let (xy, xy_error) = split_x.times(split_y);
        [y, x, yy, xx, xy, yy_error, xx_error, xy_error]
    } else {
        large_addends(y, x)
    }
}

#[cold]
fn large_addends(y: f64, x: f64) -> [f64; SUMS] {
    let product = |a: f64, b: f64| {
        let (product, error) = two_product(a, b);
        (product, if product.is_finite() { error } else { 0.0 })
    };
    let ((yy, yy_error), (xx, xx_error), (xy, xy_error)) = (product(y, y), product(x, x), product(x, y));
    [y, x, yy, xx, xy, yy_error, xx_error, xy_error]
}

impl PairSums for JointSums<SUMS> {
    type Number = Float64Type;

    fn resize(&mut self, groups: usize) {
        self.resize(groups);
    }

    #[inline]
    fn add(&mut self, group: usize, y: f64, x: f64) {
        self.add(group, &addends(y, x));
    }

    fn add_all(&mut self, group: usize, pairs: impl Iterator<Item = (f64, f64)>) {
        self.add_all(group, pairs.map(|(y, x)| addends(y, x)));
    }

    fn line(&self, group: usize, count: i64) -> Line {
        Line::of_sums(count as f64, self.values(group))
    }

    fn state_types() -> Vec<DataType> {
        Self::state_types()
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        self.state()
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.merge(states, groups)
    }

    fn memory(&self) -> usize {
        self.memory()
    }

    fn growth(&self, coming: Coming) -> usize {
        self.growth(coming)
    }
}

/// The sums of a group, and those of squares and products about the means.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) count: f64,
    pub(super) x: DoubleDouble,
    pub(super) y: DoubleDouble,
    pub(super) xx: DoubleDouble,
    pub(super) yy: DoubleDouble,
    pub(super) xy: DoubleDouble,
}

impl Line {
    fn of_sums(count: f64, sums: [DoubleDouble; SUMS]) -> Self {
        let [y, x, yy, xx, xy, yy_error, xx_error, xy_error] = sums;
        let (xx, yy) = (squares_about_mean(count, x, xx, xx_error), squares_about_mean(count, y, yy, yy_error));
        let xy = products_about_means(count, (x, y), xy, xy_error);
        // Rounding may leave something where one side is constant; but sums of squares that are no doubles do not tell.
        let is_constant = |sum: DoubleDouble, about_mean: DoubleDouble| {
            let mean = sum.over(count).high;
            about_mean.high == 0.0 && (mean * mean).is_normal()
        };
        let constant = xy.is_finite() && (is_constant(x, xx) || is_constant(y, yy));
        Self { count, x, y, xx, yy, xy: if constant { xy.scaled(0.0) } else { xy } }
    }

    fn measure(&self, measure: Measure) -> Option<f64> {
        let Self { count, x, y, .. } = *self;
        let (xx, yy, xy) = (self.xx.high, self.yy.high, self.xy.high);
        match measure {
            Measure::Correlation => (xx != 0.0 && yy != 0.0).then(|| self.correlation()),
            Measure::CovariancePopulation => Some(self.xy.over(count).high),
            Measure::CovarianceSample => (count > 1.0).then(|| self.xy.over(count - 1.0).high),
            Measure::Slope => (xx != 0.0).then(|| self.slope()),
            Measure::Intercept => (xx != 0.0).then(|| self.intercept()),
            Measure::Determination if xx == 0.0 => None,
            Measure::Determination if yy == 0.0 => Some(1.0),
            Measure::Determination => Some(self.correlation() * self.correlation()),
            Measure::AverageX => Some(x.over(count).high),
            Measure::AverageY => Some(y.over(count).high),
            Measure::SquaresX => Some(xx),
            Measure::SquaresY => Some(yy),
            Measure::Products => Some(xy),
        }
    }

    /// NaN where a sum of squares or products is out of the range of doubles.
    fn correlation(&self) -> f64 {
        let (xx, yy, xy) = (self.xx.high, self.yy.high, self.xy.high);
        if !xx.is_normal() || !yy.is_normal() || !xy.is_finite() {
            return f64::NAN;
        }
        let product = xx * yy;
        // The product may be out of the range of doubles where its root is not.
        let root = if product.is_normal() { product.sqrt() } else { xx.sqrt() * yy.sqrt() };
        (xy / root).clamp(-1.0, 1.0)
    }

    /// NaN as for the correlation.
    fn slope(&self) -> f64 {
        let (xx, xy) = (self.xx.high, self.xy.high);
        if xx.is_normal() && xy.is_finite() { xy / xx } else { f64::NAN }
    }

    /// `(Σy − bΣx) / n` for the slope b.
    fn intercept(&self) -> f64 {
        self.y.minus(self.x.scaled(self.slope())).over(self.count).high
    }
}

impl<S: PairSums> Joint<S> {
    fn new(measure: Measure) -> Self {
        Self { measure, counts: Vec::new(), sums: S::default() }
    }

    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.sums.resize(groups);
    }

    fn result(&self, (group, &count): (usize, &i64)) -> Option<f64> {
        (count > 0).then(|| self.sums.line(group, count))?.measure(self.measure)
    }
}

impl<S: PairSums> Accumulator for Joint<S> {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let [y, x] = arguments else { return Err(Error::internal("a correlation takes two arguments")) };
        let (y, x) = (y.as_primitive::<S::Number>(), x.as_primitive::<S::Number>());
        self.resize(rows.group_count);
        let nulls = NullBuffer::union(y.nulls(), x.nulls());
        let (y, x, counts, sums) = (y.values(), x.values(), &mut self.counts, &mut self.sums);
        match rows.runs(nulls.as_ref()) {
            Some(runs) => {
                for (group, rows) in runs {
                    counts[group] += rows.len() as i64;
                    let pairs = y[rows.clone()].iter().zip(&x[rows]);
                    sums.add_all(group, pairs.map(|(y, x)| (*y, *x)));
                }
            }
            None => rows.for_each(nulls.as_ref(), |row, group| {
                counts[group] += 1;
                sums.add(group, y[row], x[row]);
            }),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.resize(group_count);
        merge_counts(&mut self.counts, states.first(), groups)?;
        self.sums.merge(states.get(1..).unwrap_or_default(), groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let counts: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.counts)));
        Ok([vec![counts], self.sums.state()?].concat())
    }

    fn state_types(&self) -> Vec<DataType> {
        [vec![DataType::Int64], S::state_types()].concat()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let result: Float64Array = self.counts.iter().enumerate().map(|counted| self.result(counted)).collect();
        *self = Self::new(self.measure);
        Ok(Arc::new(result))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts) + self.sums.memory()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.counts, new_groups) + self.sums.growth(Coming { rows, new_groups, bytes })
    }
}

/// `regr_count`: how many pairs there are.
#[derive(Debug, Default)]
pub(super) struct PairCount(Vec<i64>);

impl Accumulator for PairCount {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let [y, x] = arguments else { return Err(Error::internal("regr_count takes two arguments")) };
        self.0.resize(rows.group_count, 0);
        rows.for_each(NullBuffer::union(y.nulls(), x.nulls()).as_ref(), |_, group| self.0[group] += 1);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.0.resize(group_count, 0);
        merge_counts(&mut self.0, states.first(), groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(std::mem::take(&mut self.0))))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.0)
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.0, new_groups)
    }
}
