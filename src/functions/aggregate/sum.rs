//! `sum` and `avg` of integers, decimals, floats and intervals. All add without rounding and check once, at the end, so
//! that an overflow on the way that later values take back is none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    i256,
};

use super::double_double::DoubleDouble;
use super::exact_sum::ExactSums;
use super::rows::{Coming, vec_growth, vec_memory};
use super::tally::Tally;
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};
use crate::types::coercion::MAX_PRECISION;
use crate::types::sql_name;

/// The sums of all groups for one type of values.
pub(super) trait Sums: Send {
    fn resize(&mut self, groups: usize);

    /// Adds the rows that count, and tallies them.
    fn update(&mut self, column: &ArrayRef, rows: &GroupedRows<'_>, tally: &mut impl Tally);

    fn state_types() -> Vec<DataType>;

    /// The sums as columns; leaves no group behind.
    fn state(&mut self) -> Result<Vec<ArrayRef>>;

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()>;

    /// The sums, null where no value was seen; leaves no group behind.
    fn sums(&mut self, seen: &[bool], result: &DataType) -> Result<ArrayRef>;

    /// The means, null where the count is zero; leaves no group behind.
    fn averages(&mut self, counts: &[i64], result: &DataType) -> Result<ArrayRef>;

    fn memory(&self) -> usize;

    fn growth(&self, coming: Coming) -> usize;
}

/// `sum` and `avg`: sums, and what is to be known of the rows that went into them.
#[derive(Debug)]
pub(super) struct Sum<S, T> {
    result: DataType,
    tally: T,
    sums: S,
}

impl<S: Sums, T: Tally> Sum<S, T> {
    pub(super) fn new(result: &DataType, sums: S) -> Self {
        Self { result: result.clone(), tally: T::default(), sums }
    }

    fn resize(&mut self, groups: usize) {
        self.tally.resize(groups);
        self.sums.resize(groups);
    }
}

impl<S: Sums, T: Tally> Accumulator for Sum<S, T> {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("sum and avg take an argument"))?;
        self.resize(rows.group_count);
        self.sums.update(column, rows, &mut self.tally);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.resize(group_count);
        self.tally.merge(states.first(), groups)?;
        self.sums.merge(states.get(1..).unwrap_or_default(), groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(std::iter::once(self.tally.state()).chain(self.sums.state()?).collect())
    }

    fn state_types(&self) -> Vec<DataType> {
        std::iter::once(T::state_type()).chain(S::state_types()).collect()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        std::mem::take(&mut self.tally).finish(&mut self.sums, &self.result)
    }

    fn memory(&self) -> usize {
        self.tally.memory() + self.sums.memory()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        self.tally.growth(new_groups) + self.sums.growth(Coming { rows, new_groups, bytes })
    }
}

fn out_of_range(what: &str, result: &DataType, hint: &str) -> Error {
    Error::data(format!("a {what} is out of the range of {}", sql_name(result))).with_hint(hint)
}

fn missing(column: &str) -> Error {
    Error::internal(format!("the state of a sum has no {column}"))
}

/// `f(group)` for groups with rows, null for the others.
fn per_group<T>(
    groups: impl Iterator<Item = bool>,
    f: impl Fn(usize) -> Result<T>,
) -> impl Iterator<Item = Result<Option<T>>> {
    groups.enumerate().map(move |(group, any)| any.then(|| f(group)).transpose())
}

fn seen_groups<T>(seen: &[bool], f: impl Fn(usize) -> Result<T>) -> impl Iterator<Item = Result<Option<T>>> {
    per_group(seen.iter().copied(), f)
}

fn counted_groups<T>(counts: &[i64], f: impl Fn(usize) -> Result<T>) -> impl Iterator<Item = Result<Option<T>>> {
    per_group(counts.iter().map(|count| *count > 0), f)
}

/// A sum of integers that fits.
pub(super) fn integer_sum(sum: i128, result: &DataType) -> Result<i64> {
    let hint = "sum decimals instead: sum(x::DECIMAL(38,0))";
    i64::try_from(sum).map_err(|_| out_of_range("sum", result, hint))
}

/// The mean of `count` numbers with an exact sum.
pub(super) fn mean_of(sum: DoubleDouble, count: f64) -> f64 {
    if sum.high.is_finite() { sum.over(count).high } else { sum.high }
}

/// Integers of up to 64 bits. 2^64 of them do not overflow 128 bits.
#[derive(Debug, Default)]
pub(super) struct IntegerSums(Vec<i128>);

impl Sums for IntegerSums {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }

    fn update(&mut self, column: &ArrayRef, rows: &GroupedRows<'_>, tally: &mut impl Tally) {
        let column = column.as_primitive::<Int64Type>();
        let (values, sums) = (column.values(), &mut self.0);
        match rows.runs(column.nulls()) {
            Some(runs) => {
                for (group, rows) in runs {
                    tally.add(group, rows.len());
                    sums[group] += values[rows].iter().copied().map(i128::from).sum::<i128>();
                }
            }
            None => rows.for_each_value(values, column.nulls(), |group, value| {
                tally.add(group, 1);
                sums[group] += i128::from(value);
            }),
        }
    }

    fn state_types() -> Vec<DataType> {
        vec![DataType::Decimal128(MAX_PRECISION, 0)]
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let sums = Decimal128Array::from(std::mem::take(&mut self.0));
        Ok(vec![Arc::new(sums.with_precision_and_scale(MAX_PRECISION, 0)?)])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let column = states.first().ok_or_else(|| missing("sums"))?.as_primitive::<Decimal128Type>();
        for (&group, sum) in groups.iter().zip(column.values()) {
            self.0[group as usize] += sum;
        }
        Ok(())
    }

    fn sums(&mut self, seen: &[bool], result: &DataType) -> Result<ArrayRef> {
        let sums = std::mem::take(&mut self.0);
        let checked = |group: usize| integer_sum(sums[group], result);
        Ok(Arc::new(seen_groups(seen, checked).collect::<Result<Int64Array>>()?))
    }

    fn averages(&mut self, counts: &[i64], _: &DataType) -> Result<ArrayRef> {
        let sums = std::mem::take(&mut self.0);
        let mean = |group: usize| Ok(mean_of(DoubleDouble::of_integer(sums[group]), counts[group] as f64));
        Ok(Arc::new(counted_groups(counts, mean).collect::<Result<Float64Array>>()?))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.0)
    }

    fn growth(&self, coming: Coming) -> usize {
        vec_growth(&self.0, coming.new_groups)
    }
}

/// Decimals of up to 38 digits, summed in 256 bits.
#[derive(Debug)]
pub(super) struct DecimalSums {
    scale: i8,
    sums: Vec<i256>,
}

impl DecimalSums {
    /// Sums of decimals of that scale.
    pub(super) fn new(scale: i8) -> Self {
        Self { scale, sums: Vec::new() }
    }

    fn decimals(values: impl Iterator<Item = Result<Option<i128>>>, result: &DataType) -> Result<ArrayRef> {
        let array = values.collect::<Result<Decimal128Array>>()?;
        Ok(Arc::new(array.with_data_type(result.clone())))
    }

    /// The value where it has at most 38 digits.
    pub(super) fn narrow(value: i256, what: &str, result: &DataType) -> Result<i128> {
        let narrow = value.to_i128().filter(|value| value.unsigned_abs() < 10u128.pow(MAX_PRECISION.into()));
        narrow.ok_or_else(|| out_of_range(what, result, "cast to DOUBLE, or to a decimal with fewer digits, first"))
    }
}

/// What sums of that scale are multiplied by for means of the type of a result.
pub(super) fn mean_factor(scale: i8, result: &DataType) -> Result<i256> {
    let added_digits = match result {
        DataType::Decimal128(_, result_scale) => u32::try_from(result_scale - scale).unwrap_or(0),
        other => return Err(Error::internal(format!("an average of decimals is no {other}"))),
    };
    Ok(i256::from_i128(10i128.pow(added_digits)))
}

/// The mean of decimals, rounded half away from zero to the scale of the result; see [`mean_factor`].
pub(super) fn decimal_mean(sum: i256, count: i64, factor: i256, result: &DataType) -> Result<i128> {
    let scaled = sum.checked_mul(factor);
    let count = i256::from_i128(count.into());
    let divided = scaled.and_then(|scaled| scaled.checked_div_rem(count));
    let (quotient, rest) = divided.ok_or_else(|| Error::internal("an average of decimals overflowed"))?;
    let up = rest.wrapping_abs().wrapping_add(rest.wrapping_abs()) >= count;
    let step = if !up { i256::ZERO } else { i256::from_i128(if rest.is_negative() { -1 } else { 1 }) };
    DecimalSums::narrow(quotient.wrapping_add(step), "mean", result)
}

impl Sums for DecimalSums {
    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, i256::ZERO);
    }

    fn update(&mut self, column: &ArrayRef, rows: &GroupedRows<'_>, tally: &mut impl Tally) {
        let column = column.as_primitive::<Decimal128Type>();
        let (values, sums) = (column.values(), &mut self.sums);
        rows.for_each_value(values, column.nulls(), |group, value| {
            tally.add(group, 1);
            sums[group] = sums[group].wrapping_add(i256::from_i128(value));
        });
    }

    /// The scale of a state is that of the values; its type does not say it.
    fn state_types() -> Vec<DataType> {
        vec![DataType::Decimal256(76, 0)]
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let sums = Decimal256Array::from(std::mem::take(&mut self.sums));
        Ok(vec![Arc::new(sums.with_precision_and_scale(76, 0)?)])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let column = states.first().ok_or_else(|| missing("sums"))?.as_primitive::<Decimal256Type>();
        for (&group, sum) in groups.iter().zip(column.values()) {
            let group = group as usize;
            self.sums[group] = self.sums[group].wrapping_add(*sum);
        }
        Ok(())
    }

    fn sums(&mut self, seen: &[bool], result: &DataType) -> Result<ArrayRef> {
        let sums = std::mem::take(&mut self.sums);
        Self::decimals(seen_groups(seen, |group| Self::narrow(sums[group], "sum", result)), result)
    }

    fn averages(&mut self, counts: &[i64], result: &DataType) -> Result<ArrayRef> {
        let sums = std::mem::take(&mut self.sums);
        let factor = mean_factor(self.scale, result)?;
        let mean = |group: usize| decimal_mean(sums[group], counts[group], factor, result);
        Self::decimals(counted_groups(counts, mean), result)
    }

    fn memory(&self) -> usize {
        vec_memory(&self.sums)
    }

    fn growth(&self, coming: Coming) -> usize {
        vec_growth(&self.sums, coming.new_groups)
    }
}

/// Floats; see `exact_sum`.
#[derive(Debug, Default)]
pub(super) struct FloatSums(ExactSums);

impl Sums for FloatSums {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups);
    }

    fn update(&mut self, column: &ArrayRef, rows: &GroupedRows<'_>, tally: &mut impl Tally) {
        let column = column.as_primitive::<Float64Type>();
        let (values, sums) = (column.values(), &mut self.0);
        match rows.runs(column.nulls()) {
            Some(runs) => {
                for (group, rows) in runs {
                    tally.add(group, rows.len());
                    sums.add_all(group, &values[rows]);
                }
            }
            None => rows.for_each_value(values, column.nulls(), |group, value| {
                tally.add(group, 1);
                sums.add(group, value);
            }),
        }
    }

    fn state_types() -> Vec<DataType> {
        ExactSums::state_types()
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(self.0.state())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.0.merge(states, groups)
    }

    fn sums(&mut self, seen: &[bool], _: &DataType) -> Result<ArrayRef> {
        let sums: Float64Array =
            seen_groups(seen, |group| Ok(self.0.value(group).high)).collect::<Result<Float64Array>>()?;
        self.0.clear();
        Ok(Arc::new(sums))
    }

    fn averages(&mut self, counts: &[i64], _: &DataType) -> Result<ArrayRef> {
        let mean = |group: usize| Ok(mean_of(self.0.value(group), counts[group] as f64));
        let means: Float64Array = counted_groups(counts, mean).collect::<Result<Float64Array>>()?;
        self.0.clear();
        Ok(Arc::new(means))
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }

    fn growth(&self, coming: Coming) -> usize {
        self.0.growth(coming)
    }
}

/// A sum of intervals whose parts fit.
pub(super) fn interval_sum(months: i64, days: i64, nanos: i128, result: &DataType) -> Result<IntervalMonthDayNano> {
    match (i32::try_from(months), i32::try_from(days), i64::try_from(nanos)) {
        (Ok(months), Ok(days), Ok(nanos)) => Ok(IntervalMonthDayNano::new(months, days, nanos)),
        _ => Err(out_of_range("sum", result, "sum fewer or shorter intervals")),
    }
}

/// Intervals; months, days and nanoseconds are summed apart, as in PostgreSQL.
#[derive(Debug, Default)]
pub(super) struct IntervalSums {
    months: Vec<i64>,
    days: Vec<i64>,
    nanos: Vec<i128>,
}

impl Sums for IntervalSums {
    fn resize(&mut self, groups: usize) {
        self.months.resize(groups, 0);
        self.days.resize(groups, 0);
        self.nanos.resize(groups, 0);
    }

    fn update(&mut self, column: &ArrayRef, rows: &GroupedRows<'_>, tally: &mut impl Tally) {
        let column = column.as_primitive::<IntervalMonthDayNanoType>();
        let values = column.values();
        rows.for_each_value(values, column.nulls(), |group, value| {
            tally.add(group, 1);
            self.months[group] += i64::from(value.months);
            self.days[group] += i64::from(value.days);
            self.nanos[group] += i128::from(value.nanoseconds);
        });
    }

    fn state_types() -> Vec<DataType> {
        vec![DataType::Int64, DataType::Int64, DataType::Decimal128(MAX_PRECISION, 0)]
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let nanos = Decimal128Array::from(std::mem::take(&mut self.nanos));
        Ok(vec![
            Arc::new(Int64Array::from(std::mem::take(&mut self.months))),
            Arc::new(Int64Array::from(std::mem::take(&mut self.days))),
            Arc::new(nanos.with_precision_and_scale(MAX_PRECISION, 0)?),
        ])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let [months, days, nanos] = states else { return Err(missing("months, days and nanoseconds")) };
        let (months, days) = (months.as_primitive::<Int64Type>(), days.as_primitive::<Int64Type>());
        let nanos = nanos.as_primitive::<Decimal128Type>();
        for (row, &group) in groups.iter().enumerate() {
            let group = group as usize;
            self.months[group] += months.value(row);
            self.days[group] += days.value(row);
            self.nanos[group] += nanos.value(row);
        }
        Ok(())
    }

    fn sums(&mut self, seen: &[bool], result: &DataType) -> Result<ArrayRef> {
        let Self { months, days, nanos } = std::mem::take(self);
        let sum = |group: usize| interval_sum(months[group], days[group], nanos[group], result);
        let sums: Vec<_> = seen_groups(seen, sum).collect::<Result<_>>()?;
        Ok(Arc::new(arrow::array::IntervalMonthDayNanoArray::from(sums)))
    }

    fn averages(&mut self, _: &[i64], result: &DataType) -> Result<ArrayRef> {
        Err(Error::internal(format!("there is no average of type {result}")))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.months) + vec_memory(&self.days) + vec_memory(&self.nanos)
    }

    fn growth(&self, Coming { new_groups, .. }: Coming) -> usize {
        vec_growth(&self.months, new_groups) + vec_growth(&self.days, new_groups) + vec_growth(&self.nanos, new_groups)
    }
}
