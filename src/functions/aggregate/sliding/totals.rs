//! `sum`, `avg` and the variances: totals that values are added to when they enter and taken from when they leave. Both
//! are exact, so that a window's total is that of its values, whatever went through it before.

use std::marker::PhantomData;

use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, i256,
};

use super::column::HeldColumn;
use super::slider::{Slide, Slider};
use super::{SlidingAggregate, WindowKind};
use crate::error::{Error, Result};
use crate::functions::aggregate::AggregateSignature;
use crate::functions::aggregate::double_double::{DoubleDouble, square, two_product};
use crate::functions::aggregate::sum::{DecimalSums, decimal_mean, integer_sum, interval_sum, mean_factor, mean_of};
use crate::functions::aggregate::values::{PrimitiveValues, Ranked, Values};
use crate::functions::aggregate::variance::{LARGE, Spread};
use crate::functions::aggregate::wide_sum::{WideSum, add_exactly, exact_value};
use crate::types::Scalar;

/// `sum` of a type.
pub(super) fn sum(signature: &AggregateSignature, _: &[Scalar], kind: WindowKind) -> Result<Box<dyn SlidingAggregate>> {
    let result = signature.result.clone();
    Ok(match signature.arguments.as_slice() {
        [DataType::Int64] => {
            let sum = move |total: &mut IntegerTotal, _| integer_sum(total.0, &result).map(Some);
            totalled::<_, Int64Type, _>(IntegerTotal::default(), sum, signature, kind)
        }
        [DataType::Float64] => {
            let sum = |total: &mut FloatTotal, _| Ok(Some(total.value().high));
            totalled::<_, Float64Type, _>(FloatTotal::default(), sum, signature, kind)
        }
        [DataType::Decimal128(_, _)] => {
            let sum = move |total: &mut DecimalTotal, _| DecimalSums::narrow(total.0, "sum", &result).map(Some);
            totalled::<_, Decimal128Type, _>(DecimalTotal::default(), sum, signature, kind)
        }
        [DataType::Interval(_)] => {
            let sum = move |total: &mut IntervalTotal, _| {
                interval_sum(total.months, total.days, total.nanos, &result).map(Some)
            };
            totalled::<_, IntervalMonthDayNanoType, _>(IntervalTotal::default(), sum, signature, kind)
        }
        other => return Err(Error::internal(format!("no sum over {other:?}"))),
    })
}

/// `avg` of a type.
pub(super) fn average(
    signature: &AggregateSignature,
    _: &[Scalar],
    kind: WindowKind,
) -> Result<Box<dyn SlidingAggregate>> {
    let result = signature.result.clone();
    Ok(match signature.arguments.as_slice() {
        [DataType::Int64] => {
            let mean =
                |total: &mut IntegerTotal, count| Ok(Some(mean_of(DoubleDouble::of_integer(total.0), count as f64)));
            totalled::<_, Float64Type, _>(IntegerTotal::default(), mean, signature, kind)
        }
        [DataType::Float64] => {
            let mean = |total: &mut FloatTotal, count| Ok(Some(mean_of(total.value(), count as f64)));
            totalled::<_, Float64Type, _>(FloatTotal::default(), mean, signature, kind)
        }
        [DataType::Decimal128(_, scale)] => {
            let factor = mean_factor(*scale, &result)?;
            let mean =
                move |total: &mut DecimalTotal, count| decimal_mean(total.0, count as i64, factor, &result).map(Some);
            totalled::<_, Decimal128Type, _>(DecimalTotal::default(), mean, signature, kind)
        }
        other => return Err(Error::internal(format!("no mean over {other:?}"))),
    })
}

/// A variance or standard deviation.
pub(super) fn spread(spread: Spread, kind: WindowKind) -> Box<dyn SlidingAggregate> {
    let result = move |total: &mut Moments, count| Ok(total.spread(spread, count as i64));
    let totals = Totalled::<_, Float64Type, _> { total: Moments::default(), result, output: PhantomData };
    Box::new(Slider::new(totals, &DataType::Float64, kind))
}

fn totalled<T: Total + 'static, O: ArrowPrimitiveType, F>(
    total: T,
    result: F,
    signature: &AggregateSignature,
    kind: WindowKind,
) -> Box<dyn SlidingAggregate>
where
    O::Native: Ranked,
    <T::Input as ArrowPrimitiveType>::Native: Ranked,
    F: Fn(&mut T, u64) -> Result<Option<O::Native>> + Send + 'static,
{
    let totals = Totalled::<T, O, F> { total, result, output: PhantomData };
    Box::new(Slider::new(totals, &signature.result, kind))
}

/// What values are added to and taken from.
trait Total: Default + Send {
    type Input: ArrowPrimitiveType;

    fn add(&mut self, value: <Self::Input as ArrowPrimitiveType>::Native);

    fn subtract(&mut self, value: <Self::Input as ArrowPrimitiveType>::Native);
}

/// A total and what is told of it.
struct Totalled<T, O, F> {
    total: T,
    result: F,
    output: PhantomData<fn() -> O>,
}

impl<T: Total, O: ArrowPrimitiveType, F> Slide for Totalled<T, O, F>
where
    O::Native: Ranked,
    <T::Input as ArrowPrimitiveType>::Native: Ranked,
    F: Fn(&mut T, u64) -> Result<Option<O::Native>> + Send,
{
    type Input = PrimitiveValues<T::Input>;
    type Output = PrimitiveValues<O>;

    #[inline]
    fn enter(&mut self, _: u64, value: <Self::Input as Values>::Item<'_>, _: &HeldColumn) -> Result<()> {
        self.total.add(value);
        Ok(())
    }

    #[inline]
    fn leave(&mut self, _: u64, value: <Self::Input as Values>::Item<'_>) {
        self.total.subtract(value);
    }

    fn clear(&mut self) {
        self.total = T::default();
    }

    #[inline]
    fn result<'a>(&'a mut self, count: u64, _: &'a HeldColumn) -> Result<Option<O::Native>> {
        (self.result)(&mut self.total, count)
    }

    fn memory(&self) -> usize {
        0
    }

    fn growth(&self, _: usize, _: usize) -> usize {
        0
    }
}

/// Of integers of up to 64 bits. 2^64 of them do not overflow 128 bits.
#[derive(Default)]
struct IntegerTotal(i128);

impl Total for IntegerTotal {
    type Input = Int64Type;

    #[inline]
    fn add(&mut self, value: i64) {
        self.0 += i128::from(value);
    }

    #[inline]
    fn subtract(&mut self, value: i64) {
        self.0 -= i128::from(value);
    }
}

/// Of decimals of up to 38 digits, in 256 bits.
#[derive(Default)]
struct DecimalTotal(i256);

impl Total for DecimalTotal {
    type Input = Decimal128Type;

    #[inline]
    fn add(&mut self, value: i128) {
        self.0 = self.0.wrapping_add(i256::from_i128(value));
    }

    #[inline]
    fn subtract(&mut self, value: i128) {
        self.0 = self.0.wrapping_sub(i256::from_i128(value));
    }
}

/// Of the parts of intervals.
#[derive(Default)]
struct IntervalTotal {
    months: i64,
    days: i64,
    nanos: i128,
}

impl Total for IntervalTotal {
    type Input = IntervalMonthDayNanoType;

    fn add(&mut self, value: IntervalMonthDayNano) {
        self.months += i64::from(value.months);
        self.days += i64::from(value.days);
        self.nanos += i128::from(value.nanoseconds);
    }

    fn subtract(&mut self, value: IntervalMonthDayNano) {
        self.months -= i64::from(value.months);
        self.days -= i64::from(value.days);
        self.nanos -= i128::from(value.nanoseconds);
    }
}

/// An exact sum of finite doubles: two doubles, and a wide number for what does not fit them (see `exact_sum`).
#[derive(Default)]
struct FiniteTotal {
    high: f64,
    low: f64,
    wide: Option<Box<WideSum>>,
}

impl FiniteTotal {
    #[inline]
    fn add(&mut self, value: f64) {
        let wide = &mut self.wide;
        (self.high, self.low) =
            add_exactly((self.high, self.low), value, |part| wide.get_or_insert_default().add(part));
    }

    /// The value to 106 bits. Where that is all of it, the wide number goes: later results cost less.
    fn value(&mut self) -> DoubleDouble {
        let value = exact_value((self.high, self.low), self.wide.as_deref());
        if let Some(wide) = &mut self.wide
            && value.is_finite()
        {
            for part in [self.high, self.low] {
                wide.add(part);
            }
            for part in [value.high, value.low] {
                wide.add(-part);
            }
            (self.high, self.low) = (value.high, value.low);
            if **wide == WideSum::default() {
                self.wide = None;
            }
        }
        value
    }
}

/// Of doubles. Infinities and NaNs, which leave nothing that a value could be taken from, are counted.
#[derive(Default)]
struct FloatTotal {
    finite: FiniteTotal,
    nans: u64,
    infinities: u64,
    negative_infinities: u64,
}

impl FloatTotal {
    #[cold]
    fn special(&mut self, value: f64) -> &mut u64 {
        if value.is_nan() {
            &mut self.nans
        } else if value > 0.0 {
            &mut self.infinities
        } else {
            &mut self.negative_infinities
        }
    }

    fn value(&mut self) -> DoubleDouble {
        let infinite = match (self.nans, self.infinities, self.negative_infinities) {
            (0, 0, 0) => return self.finite.value(),
            (0, _, 0) => f64::INFINITY,
            (0, 0, _) => f64::NEG_INFINITY,
            _ => f64::NAN,
        };
        DoubleDouble { high: infinite, low: 0.0 }
    }
}

impl Total for FloatTotal {
    type Input = Float64Type;

    #[inline]
    fn add(&mut self, value: f64) {
        if value.is_finite() { self.finite.add(value) } else { *self.special(value) += 1 }
    }

    #[inline]
    fn subtract(&mut self, value: f64) {
        if value.is_finite() { self.finite.add(-value) } else { *self.special(value) -= 1 }
    }
}

/// What a variance is worked out of; see `variance`.
#[derive(Default)]
struct Moments {
    values: FloatTotal,
    /// Of the squares rounded to doubles; they may be infinite.
    squares: FloatTotal,
    /// Of what rounding took from the squares.
    errors: FiniteTotal,
}

impl Moments {
    /// A square and what rounding took from it.
    #[inline]
    fn square(value: f64) -> (f64, f64) {
        // False for NaN too.
        if value.abs() < LARGE {
            return square(value);
        }
        let (squared, error) = two_product(value, value);
        (squared, if squared.is_finite() { error } else { 0.0 })
    }

    fn spread(&mut self, spread: Spread, count: i64) -> Option<f64> {
        let Self { values, squares, errors } = self;
        spread.of(count, || [values.value(), squares.value(), errors.value()])
    }
}

impl Total for Moments {
    type Input = Float64Type;

    #[inline]
    fn add(&mut self, value: f64) {
        let (squared, error) = Self::square(value);
        self.values.add(value);
        self.squares.add(squared);
        self.errors.add(error);
    }

    #[inline]
    fn subtract(&mut self, value: f64) {
        let (squared, error) = Self::square(value);
        self.values.subtract(value);
        self.squares.subtract(squared);
        self.errors.add(-error);
    }
}
