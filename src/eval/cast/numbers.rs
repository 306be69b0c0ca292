//! Casts between numbers. Floats become integers with halves to even, decimals with halves away from zero, as in
//! PostgreSQL; a float becomes the decimal that its shortest text is.

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};

use super::Cast;
use crate::error::Result;
use crate::types::temporal::format_decimal;

/// The largest integer up to which doubles hold every integer.
const EXACT: u128 = 1 << 53;

pub(super) fn cast(cast: &Cast<'_>) -> Result<ArrayRef> {
    match cast.from.data_type() {
        DataType::Int8 => from_integers::<Int8Type>(cast),
        DataType::Int16 => from_integers::<Int16Type>(cast),
        DataType::Int32 => from_integers::<Int32Type>(cast),
        DataType::Int64 => from_integers::<Int64Type>(cast),
        DataType::Float32 => {
            let input = cast.from.as_primitive::<Float32Type>();
            match cast.to {
                // Through the shortest text of four bytes, not of eight.
                DataType::Decimal128(precision, scale) => cast.each::<_, Decimal128Type>(input, |value| {
                    parse_decimal(zmij::Buffer::new().format(value), *precision, *scale)
                }),
                _ => from_floats(cast, input),
            }
        }
        DataType::Float64 => from_floats(cast, cast.from.as_primitive::<Float64Type>()),
        DataType::Decimal128(_, scale) => from_decimals(cast, *scale),
        _ => Err(cast.missing()),
    }
}

fn from_integers<T>(cast: &Cast<'_>) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let input: &PrimitiveArray<T> = cast.from.as_primitive();
    match cast.to {
        DataType::Boolean => cast.each_boolean(input, |value| Some(value.into() != 0)),
        DataType::Int8 => cast.each::<_, Int8Type>(input, |value| i8::try_from(value.into()).ok()),
        DataType::Int16 => cast.each::<_, Int16Type>(input, |value| i16::try_from(value.into()).ok()),
        DataType::Int32 => cast.each::<_, Int32Type>(input, |value| i32::try_from(value.into()).ok()),
        DataType::Int64 => Ok(std::sync::Arc::new(input.unary::<_, Int64Type>(Into::into))),
        DataType::Float32 => Ok(std::sync::Arc::new(input.unary::<_, Float32Type>(|value| value.into() as f32))),
        DataType::Float64 => Ok(std::sync::Arc::new(input.unary::<_, Float64Type>(|value| value.into() as f64))),
        DataType::Decimal128(precision, scale) => cast.each::<_, Decimal128Type>(input, |value| {
            rescale(i128::from(value.into()), 0, *scale).filter(|value| fits(*value, *precision))
        }),
        _ => Err(cast.missing()),
    }
}

/// The integer nearest to a float, halves to even; `None` where there is none.
fn to_integer<I: TryFrom<i64>>(value: f64) -> Option<I> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let rounded = value.round_ties_even();
    if (-LIMIT..LIMIT).contains(&rounded) { I::try_from(rounded as i64).ok() } else { None }
}

fn from_floats<T>(cast: &Cast<'_>, input: &PrimitiveArray<T>) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    match cast.to {
        DataType::Boolean => cast.each_boolean(input, |value| Some(value.into() != 0.0)),
        DataType::Int8 => cast.each::<_, Int8Type>(input, |value| to_integer(value.into())),
        DataType::Int16 => cast.each::<_, Int16Type>(input, |value| to_integer(value.into())),
        DataType::Int32 => cast.each::<_, Int32Type>(input, |value| to_integer(value.into())),
        DataType::Int64 => cast.each::<_, Int64Type>(input, |value| to_integer(value.into())),
        DataType::Float32 => cast.each::<_, Float32Type>(input, |value| {
            let (wide, narrow) = (value.into(), value.into() as f32);
            (narrow.is_infinite() == wide.is_infinite()).then_some(narrow)
        }),
        DataType::Float64 => Ok(std::sync::Arc::new(input.unary::<_, Float64Type>(Into::into))),
        DataType::Decimal128(precision, scale) => cast.each::<_, Decimal128Type>(input, |value| {
            parse_decimal(zmij::Buffer::new().format(value.into()), *precision, *scale)
        }),
        _ => Err(cast.missing()),
    }
}

fn from_decimals(cast: &Cast<'_>, scale: i8) -> Result<ArrayRef> {
    let input = cast.from.as_primitive::<Decimal128Type>();
    let whole = |value: i128| rescale(value, scale, 0);
    match cast.to {
        DataType::Boolean => cast.each_boolean(input, |value| Some(value != 0)),
        DataType::Int8 => cast.each::<_, Int8Type>(input, |value| i8::try_from(whole(value)?).ok()),
        DataType::Int16 => cast.each::<_, Int16Type>(input, |value| i16::try_from(whole(value)?).ok()),
        DataType::Int32 => cast.each::<_, Int32Type>(input, |value| i32::try_from(whole(value)?).ok()),
        DataType::Int64 => cast.each::<_, Int64Type>(input, |value| i64::try_from(whole(value)?).ok()),
        DataType::Float32 => {
            cast.each::<_, Float32Type>(input, |value| decimal_to_float(value, scale).map(|x| x as f32))
        }
        DataType::Float64 => cast.each::<_, Float64Type>(input, |value| decimal_to_float(value, scale)),
        DataType::Decimal128(to_precision, to_scale) => cast.each::<_, Decimal128Type>(input, |value| {
            rescale(value, scale, *to_scale).filter(|value| fits(*value, *to_precision))
        }),
        _ => Err(cast.missing()),
    }
}

/// The double nearest to a decimal.
fn decimal_to_float(value: i128, scale: i8) -> Option<f64> {
    // Both are exact doubles, so that the quotient is rounded once.
    if value.unsigned_abs() <= EXACT && (0..=22).contains(&scale) {
        return Some(value as f64 / 10f64.powi(scale.into()));
    }
    fast_float2::parse(format_decimal(value, scale)).ok()
}

fn fits(value: i128, precision: u8) -> bool {
    10i128.checked_pow(precision.into()).is_none_or(|limit| value > -limit && value < limit)
}

/// A decimal at another scale, halves away from zero; `None` on overflow.
fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    if to >= from {
        return value.checked_mul(10i128.checked_pow(u32::try_from(to - from).ok()?)?);
    }
    let Some(unit) = 10i128.checked_pow(u32::try_from(from - to).ok()?) else { return Some(0) };
    let (quotient, rest) = (value / unit, value % unit);
    let up = rest.unsigned_abs() * 2 >= unit.unsigned_abs();
    Some(quotient + if up { value.signum() } else { 0 })
}

/// Reads a decimal such as `-12.5` or `1.25e3`, exactly, then rounds it to the scale with halves away from zero; `None`
/// where it is none or does not fit.
pub(super) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes());
    if !digits().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits().all(|byte| byte == b'0') {
        return Some(0);
    }
    // How many of the digits stand before the point of the scaled value.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    if kept < 0 {
        return Some(0);
    }
    let mut value: i128 = 0;
    let mut digits = digits();
    for _ in 0..kept {
        let digit = digits.next().map_or(0, |byte| byte - b'0');
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    if digits.next().is_some_and(|byte| byte >= b'5') {
        value += 1;
    }
    let value = if negative { -value } else { value };
    fits(value, precision).then_some(value)
}
