//! Functions that keep a number's type: absolute value, sign, rounding. Halves round away from zero in `round`, as
//! PostgreSQL rounds numerics and DuckDB all numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};

use super::kernel::{argument, map_primitive, map_primitive_as, primitive};
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::coercion::MAX_PRECISION;
use crate::types::{DataType, is_integer, sql_name};

const CATEGORY: &str = "math";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "abs" | "absolute",
        "abs(x)",
        "The number without its sign.",
        |call| call.returns_argument(&[Take::Number], &[], 0),
        |args, _, _| {
            let value = argument(args, 0)?;
            let result = by_type(
                value.values(),
                Unary {
                    name: "abs",
                    integer: i64::checked_abs,
                    float: f64::abs,
                    decimal: |value: i128, _| value.checked_abs(),
                    result: value.data_type(),
                },
            )?;
            Ok(value.like_me(result))
        }
    ),
    function!(
        "sign",
        "sign(x)",
        "-1, 0 or 1 as the number is negative, zero (or NaN) or positive.",
        |call| call.returns(&[Take::Number], &[], DataType::Int32),
        |args, rows, _| sign(args, rows)
    ),
    function!("ceil" | "ceiling", "ceil(x)", "The least whole number that is not below x.", whole, |args, _, _| {
        to_whole(args, "ceil", f64::ceil, |value, unit| i128::from(value % unit > 0))
    }),
    function!("floor", "floor(x)", "The greatest whole number that is not above x.", whole, |args, _, _| {
        to_whole(args, "floor", f64::floor, |value, unit| -i128::from(value % unit < 0))
    }),
    function!(
        "round",
        "round(x [, digits])",
        "The number rounded to so many digits behind the point, or before it where negative; halves away from zero.",
        to_digits,
        |args, rows, _| match args.len() {
            1 => to_whole(args, "round", f64::round, half_away),
            _ => digits(args, rows, "round", f64::round, half_away),
        }
    ),
    function!(
        "trunc" | "truncate",
        "trunc(x [, digits])",
        "The number cut to so many digits behind the point, or before it where negative.",
        to_digits,
        |args, rows, _| match args.len() {
            1 => to_whole(args, "trunc", f64::trunc, |_, _| 0),
            _ => digits(args, rows, "trunc", f64::trunc, |_, _| 0),
        }
    ),
];

/// What to add to the quotient truncated towards zero, given the dividend and the positive divisor.
type Adjust = fn(i128, i128) -> i128;

fn half_away(value: i128, unit: i128) -> i128 {
    let rest = value % unit;
    if rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs() { value.signum() } else { 0 }
}

/// Rounding to whole numbers keeps integers and floats as they are; a decimal loses its scale.
fn whole(call: &Call<'_>) -> Result<Signature> {
    let arguments = call.arguments(&[Take::Number], &[])?;
    let result = match arguments.first() {
        Some(DataType::Decimal128(precision, scale)) => {
            let digits = i16::from(*precision) - i16::from(*scale) + i16::from(*scale > 0);
            DataType::Decimal128(u8::try_from(digits.max(1)).unwrap_or(MAX_PRECISION).min(MAX_PRECISION), 0)
        }
        Some(other) => other.clone(),
        None => DataType::Null,
    };
    Ok(Signature { arguments, result })
}

/// With a number of digits, which may differ from row to row, a decimal keeps its scale and may grow by a digit.
fn to_digits(call: &Call<'_>) -> Result<Signature> {
    if call.types.len() == 1 {
        return whole(call);
    }
    let mut signature = call.returns_argument(&[Take::Number, Take::Integer], &[], 0)?;
    if let DataType::Decimal128(precision, scale) = signature.result {
        signature.result = DataType::Decimal128((precision + 1).min(MAX_PRECISION), scale);
    }
    Ok(signature)
}

/// A function of one number, for each kind of number.
struct Unary<'a, I, F, D> {
    name: &'static str,
    integer: I,
    float: F,
    decimal: D,
    result: &'a DataType,
}

fn by_type<I, F, D>(array: &ArrayRef, unary: Unary<'_, I, F, D>) -> Result<ArrayRef>
where
    I: Fn(i64) -> Option<i64>,
    F: Fn(f64) -> f64,
    D: Fn(i128, i8) -> Option<i128>,
{
    let Unary { name, integer, float, decimal, result } = unary;
    Ok(match array.data_type() {
        DataType::Int8 => integers::<Int8Type>(name, array.as_primitive(), integer)?,
        DataType::Int16 => integers::<Int16Type>(name, array.as_primitive(), integer)?,
        DataType::Int32 => integers::<Int32Type>(name, array.as_primitive(), integer)?,
        DataType::Int64 => integers::<Int64Type>(name, array.as_primitive(), integer)?,
        DataType::Float32 => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|x| float(x.into()) as f32))
        }
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(float)),
        DataType::Decimal128(_, scale) => {
            let mapped = array.as_primitive::<Decimal128Type>().try_unary::<_, Decimal128Type, Error>(|value| {
                decimal(value, *scale).ok_or_else(|| overflow(name, result))
            })?;
            checked_decimal(name, mapped, result)?
        }
        other => return Err(Error::internal(format!("{name} was given {other}"))),
    })
}

fn integers<T>(name: &str, array: &PrimitiveArray<T>, f: impl Fn(i64) -> Option<i64>) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i64>,
{
    Ok(Arc::new(array.try_unary::<_, T, Error>(|value| {
        f(value.into()).and_then(|value| value.try_into().ok()).ok_or_else(|| overflow(name, &T::DATA_TYPE))
    })?))
}

fn checked_decimal(name: &str, array: PrimitiveArray<Decimal128Type>, to: &DataType) -> Result<ArrayRef> {
    let array = array.with_data_type(to.clone());
    if let DataType::Decimal128(precision, _) = to {
        array.validate_decimal_precision(*precision).map_err(|_| overflow(name, to))?;
    }
    Ok(Arc::new(array))
}

fn overflow(name: &str, data_type: &DataType) -> Error {
    Error::data(format!("{name}: the result does not fit into {}", sql_name(data_type)))
}

fn sign(args: &[Value], rows: usize) -> Result<Value> {
    let value = argument(args, 0)?;
    let float = |x: f64| if x > 0.0 { 1 } else { -i32::from(x < 0.0) };
    match value.data_type() {
        DataType::Int8 => signs::<Int8Type>(args, rows, |x| i32::from(x.signum())),
        DataType::Int16 => signs::<Int16Type>(args, rows, |x| i32::from(x.signum())),
        DataType::Int32 => signs::<Int32Type>(args, rows, i32::signum),
        DataType::Int64 => signs::<Int64Type>(args, rows, |x| i32::from(x > 0) - i32::from(x < 0)),
        DataType::Float32 => signs::<Float32Type>(args, rows, |x| float(x.into())),
        DataType::Float64 => signs::<Float64Type>(args, rows, float),
        _ => signs::<Decimal128Type>(args, rows, |x| i32::from(x > 0) - i32::from(x < 0)),
    }
}

fn signs<T: ArrowPrimitiveType>(args: &[Value], rows: usize, f: impl Fn(T::Native) -> i32) -> Result<Value> {
    let input = primitive::<T>(args, 0)?;
    map_primitive::<Int32Type>(args, rows, |row| Ok(input.get(row).map(&f)))
}

fn to_whole(args: &[Value], name: &'static str, float: fn(f64) -> f64, adjust: Adjust) -> Result<Value> {
    let value = argument(args, 0)?;
    if is_integer(value.data_type()) {
        return Ok(value.clone());
    }
    let types = [value.data_type().clone()];
    let result = whole(&Call { usage: "", types: &types })?.result;
    let rounded = by_type(
        value.values(),
        Unary {
            name,
            integer: Some,
            float,
            decimal: |value: i128, scale| {
                let unit = power_of_ten(i64::from(scale))?;
                Some(value / unit + adjust(value, unit))
            },
            result: &result,
        },
    )?;
    Ok(value.like_me(rounded))
}

fn power_of_ten(exponent: i64) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// `value` with the last `drop` digits rounded to zeros; `None` on overflow.
fn drop_digits(value: i128, drop: i64, adjust: Adjust) -> Option<i128> {
    if drop <= 0 {
        return Some(value);
    }
    match power_of_ten(drop) {
        Some(unit) => (value / unit + adjust(value, unit)).checked_mul(unit),
        // More digits than any value has, even to be rounded up.
        None => Some(0),
    }
}

fn digits(args: &[Value], rows: usize, name: &'static str, float: fn(f64) -> f64, adjust: Adjust) -> Result<Value> {
    let wanted = primitive::<Int64Type>(args, 1)?;
    let data_type = argument(args, 0)?.data_type();
    match data_type {
        DataType::Int8 => integer_digits::<Int8Type>(args, rows, name, adjust),
        DataType::Int16 => integer_digits::<Int16Type>(args, rows, name, adjust),
        DataType::Int32 => integer_digits::<Int32Type>(args, rows, name, adjust),
        DataType::Int64 => integer_digits::<Int64Type>(args, rows, name, adjust),
        DataType::Float32 => {
            let input = primitive::<Float32Type>(args, 0)?;
            map_primitive::<Float32Type>(args, rows, |row| {
                Ok(input.get(row).zip(wanted.get(row)).map(|(x, digits)| float_digits(x.into(), digits, float) as f32))
            })
        }
        DataType::Float64 => {
            let input = primitive::<Float64Type>(args, 0)?;
            map_primitive::<Float64Type>(args, rows, |row| {
                Ok(input.get(row).zip(wanted.get(row)).map(|(x, digits)| float_digits(x, digits, float)))
            })
        }
        DataType::Decimal128(precision, scale) => {
            let input = primitive::<Decimal128Type>(args, 0)?;
            let grown = (*precision + 1).min(MAX_PRECISION);
            let result = DataType::Decimal128(grown, *scale);
            let limit = power_of_ten(grown.into()).unwrap_or(i128::MAX);
            map_primitive_as::<Decimal128Type>(args, rows, &result, |row| {
                let Some((value, digits)) = input.get(row).zip(wanted.get(row)) else { return Ok(None) };
                drop_digits(value, i64::from(*scale).saturating_sub(digits), adjust)
                    .filter(|rounded| rounded.abs() < limit)
                    .map(Some)
                    .ok_or_else(|| overflow(name, &result))
            })
        }
        other => Err(Error::internal(format!("{name} was given {other}"))),
    }
}

fn integer_digits<T>(args: &[Value], rows: usize, name: &str, adjust: Adjust) -> Result<Value>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i128>,
{
    let (input, wanted) = (primitive::<T>(args, 0)?, primitive::<Int64Type>(args, 1)?);
    map_primitive::<T>(args, rows, |row| {
        let Some((value, digits)) = input.get(row).zip(wanted.get(row)) else { return Ok(None) };
        let value: i64 = value.into();
        drop_digits(value.into(), digits.saturating_neg(), adjust)
            .and_then(|rounded| rounded.try_into().ok())
            .map(Some)
            .ok_or_else(|| overflow(name, &T::DATA_TYPE))
    })
}

fn float_digits(x: f64, digits: i64, float: fn(f64) -> f64) -> f64 {
    // A double has 17 significant digits and no exponent beyond 308: more digits leave it, fewer make it zero.
    let digits = digits.clamp(-400, 400) as i32;
    if !x.is_finite() || digits > 323 {
        return x;
    }
    if digits < 0 {
        let unit = 10f64.powi(-digits);
        return if unit.is_finite() { float(x / unit) * unit } else { 0.0 * x };
    }
    let scaled = x * 10f64.powi(digits);
    if scaled.abs() < 9_007_199_254_740_992.0 { float(scaled) / 10f64.powi(digits) } else { x }
}
