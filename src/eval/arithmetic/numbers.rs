//! Arithmetic on numbers: checked integers, floats as IEEE 754 has them except that division by zero is an error, and
//! exact decimals.

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;

use super::narrow::narrow;
use super::undefined;
use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::functions::scalar::kernel::{finish, map_primitive_as, primitive};
use crate::types::sql_name;
use crate::types::temporal::format_decimal;

pub(super) fn division_by_zero() -> Error {
    Error::data("division by zero").with_hint("x / NULLIF(y, 0) is null where y is zero")
}

/// Says which type overflowed instead of how the kernel noticed.
pub(super) fn overflow(error: ArrowError, data_type: &DataType) -> Error {
    match error {
        ArrowError::DivideByZero => division_by_zero(),
        ArrowError::ArithmeticOverflow(message) => {
            let operation = message.rsplit(": ").next().unwrap_or(&message).replace("- -", "-");
            Error::data(format!("integer overflow: {operation} does not fit into {}", sql_name(data_type)))
                .with_hint("cast a side to a wider type, DECIMAL or DOUBLE")
        }
        other => other.into(),
    }
}

/// `kernel(left, right)` as a constant where both are constants.
fn run(
    left: &Value,
    right: &Value,
    kernel: fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<arrow::array::ArrayRef, ArrowError>,
) -> Result<Value> {
    let result = kernel(left, right).map_err(|error| overflow(error, left.data_type()))?;
    Ok(finish(&[left.clone(), right.clone()], result))
}

pub(super) fn integers(op: BinaryOp, left: &Value, right: &Value) -> Result<Value> {
    match op {
        BinaryOp::Add => run(left, right, numeric::add),
        BinaryOp::Subtract => run(left, right, numeric::sub),
        BinaryOp::Multiply => run(left, right, numeric::mul),
        BinaryOp::Divide => run(left, right, numeric::div),
        BinaryOp::Modulo => run(left, right, numeric::rem),
        other => Err(undefined(other, left.data_type(), right.data_type())),
    }
}

pub(super) fn floats(op: BinaryOp, left: &Value, right: &Value) -> Result<Value> {
    match op {
        BinaryOp::Add => run(left, right, numeric::add),
        BinaryOp::Subtract => run(left, right, numeric::sub),
        BinaryOp::Multiply => run(left, right, numeric::mul),
        BinaryOp::Divide | BinaryOp::Modulo => {
            let fails = match left.data_type() {
                DataType::Float32 => divides_by_zero::<Float32Type>(left, right, |x| x == 0.0, f32::is_nan)?,
                _ => divides_by_zero::<Float64Type>(left, right, |x| x == 0.0, f64::is_nan)?,
            };
            if fails {
                return Err(division_by_zero());
            }
            run(left, right, if op == BinaryOp::Divide { numeric::div } else { numeric::rem })
        }
        other => Err(undefined(other, left.data_type(), right.data_type())),
    }
}

/// Whether some row divides by zero; NaN divided by zero is NaN, as in PostgreSQL.
fn divides_by_zero<T: ArrowPrimitiveType>(
    left: &Value,
    right: &Value,
    is_zero: fn(T::Native) -> bool,
    is_nan: fn(T::Native) -> bool,
) -> Result<bool> {
    let Some(divisors) = right.values().as_primitive_opt::<T>() else {
        return Err(Error::internal("floats of different sizes were not brought together"));
    };
    // Nearly always there is none, which one pass over the values tells.
    if BooleanArray::from_unary(divisors, is_zero).true_count() == 0 {
        return Ok(false);
    }
    let sides = [left.clone(), right.clone()];
    let (dividends, divisors) = (primitive::<T>(&sides, 0)?, primitive::<T>(&sides, 1)?);
    let rows = if left.is_scalar() { right.values().len() } else { left.values().len() };
    Ok((0..rows).any(|row| dividends.get(row).zip(divisors.get(row)).is_some_and(|(x, y)| is_zero(y) && !is_nan(x))))
}

/// `10^exponent`; `None` where it is negative or too large.
fn power(exponent: i16) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// Decimals of any scales; `None` from a step below is an overflow.
pub(super) fn decimals(
    op: BinaryOp,
    sides: &[Value; 2],
    rows: usize,
    (left_scale, right_scale): (i8, i8),
    result: &DataType,
) -> Result<Value> {
    let DataType::Decimal128(precision, scale) = *result else {
        return Err(Error::internal(format!("arithmetic of decimals as {result}")));
    };
    let (s1, s2, scale) = (i16::from(left_scale), i16::from(right_scale), i16::from(scale));
    // Factors that bring both sides to the scale of the result.
    let (to_left, to_right) = (power(scale - s1), power(scale - s2));
    let limit = power(precision.into()).unwrap_or(i128::MAX);
    if let Some(value) = narrow(op, sides, (to_left, to_right), result, limit)? {
        return Ok(value);
    }
    let aligned = move |l: i128, r: i128| Some((l.checked_mul(to_left?)?, r.checked_mul(to_right?)?));
    let shown = |l, r| {
        let (l, r) = (format_decimal(l, left_scale), format_decimal(r, right_scale));
        Error::data(format!("decimal overflow: {l} {} {r} does not fit into {}", op.symbol(), sql_name(result)))
            .with_hint("cast a side to DOUBLE, or to a decimal of fewer digits")
    };
    let run = |f: &dyn Fn(i128, i128) -> Option<i128>| decimal_rows(sides, rows, result, limit, f, &shown);
    match op {
        BinaryOp::Add => run(&|l, r| aligned(l, r).and_then(|(l, r)| l.checked_add(r))),
        BinaryOp::Subtract => run(&|l, r| aligned(l, r).and_then(|(l, r)| l.checked_sub(r))),
        BinaryOp::Multiply => run(&i128::checked_mul),
        BinaryOp::Modulo | BinaryOp::Divide => {
            let divisors = primitive::<Decimal128Type>(sides, 1)?;
            let dividends = primitive::<Decimal128Type>(sides, 0)?;
            let rows_there = if sides.iter().all(Value::is_scalar) { 1 } else { rows };
            if (0..rows_there).any(|row| divisors.get(row) == Some(0) && dividends.get(row).is_some()) {
                return Err(division_by_zero());
            }
            if op == BinaryOp::Modulo {
                return run(&|l, r| aligned(l, r).and_then(|(l, r)| l.checked_rem(r)));
            }
            // (l / 10^s1) / (r / 10^s2) × 10^scale = l × 10^(scale - s1 + s2) / r
            let factor = scale - s1 + s2;
            run(&|l, r| divide_decimal(l, factor, r))
        }
        other => Err(undefined(other, sides[0].data_type(), sides[1].data_type())),
    }
}

fn decimal_rows(
    sides: &[Value; 2],
    rows: usize,
    result: &DataType,
    limit: i128,
    f: &dyn Fn(i128, i128) -> Option<i128>,
    overflow: &dyn Fn(i128, i128) -> Error,
) -> Result<Value> {
    let (left, right) = (primitive::<Decimal128Type>(sides, 0)?, primitive::<Decimal128Type>(sides, 1)?);
    map_primitive_as::<Decimal128Type>(sides, rows, result, |row| {
        let Some((l, r)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
        match f(l, r) {
            Some(value) if value > -limit && value < limit => Ok(Some(value)),
            _ => Err(overflow(l, r)),
        }
    })
}

/// `l × 10^exponent / r` rounded to the nearest, halves away from zero.
fn divide_decimal(l: i128, exponent: i16, r: i128) -> Option<i128> {
    let exponent = u32::try_from(exponent).ok()?;
    if let Some(dividend) = 10i128.checked_pow(exponent).and_then(|factor| l.checked_mul(factor)) {
        let (quotient, rest) = (dividend.checked_div(r)?, dividend.checked_rem(r)?);
        let up = rest.unsigned_abs() >= r.unsigned_abs() - rest.unsigned_abs();
        return quotient.checked_add(if up { dividend.signum() * r.signum() } else { 0 });
    }
    let factor = i256::from_i128(10).checked_pow(exponent)?;
    let dividend = i256::from_i128(l).checked_mul(factor)?;
    let divisor = i256::from_i128(r);
    let quotient = dividend.checked_div(divisor)?.to_i128()?;
    let rest = dividend.checked_rem(divisor)?.to_i128()?;
    let up = rest.unsigned_abs() >= r.unsigned_abs() - rest.unsigned_abs();
    quotient.checked_add(if up { l.signum() * r.signum() } else { 0 })
}
