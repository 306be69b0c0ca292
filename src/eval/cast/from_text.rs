//! Casts from text. Blanks around a value do not count.

use std::str::FromStr;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::Cast;
use super::numbers::parse_decimal;
use crate::config::Config;
use crate::error::Result;
use crate::functions::scalar::calendar::{session_zone, to_utc};
use crate::types::interval::parse_interval;
use crate::types::temporal::{MICROS_PER_DAY, MICROS_PER_SECOND, parse_date, parse_time, parse_timestamp};

pub(super) fn cast(cast: &Cast<'_>, config: &Config) -> Result<ArrayRef> {
    let texts = cast.from.as_string_view();
    match cast.to {
        DataType::Boolean => cast.each_boolean(texts, parse_boolean),
        DataType::Int8 => cast.each::<_, Int8Type>(texts, trimmed::<i8>),
        DataType::Int16 => cast.each::<_, Int16Type>(texts, trimmed::<i16>),
        DataType::Int32 => cast.each::<_, Int32Type>(texts, trimmed::<i32>),
        DataType::Int64 => cast.each::<_, Int64Type>(texts, trimmed::<i64>),
        DataType::Float32 => cast.each::<_, Float32Type>(texts, |text| {
            let value: f32 = fast_float2::parse(text.trim()).ok()?;
            (!value.is_infinite() || says_infinity(text)).then_some(value)
        }),
        DataType::Float64 => cast.each::<_, Float64Type>(texts, |text| {
            let value: f64 = fast_float2::parse(text.trim()).ok()?;
            (!value.is_infinite() || says_infinity(text)).then_some(value)
        }),
        DataType::Decimal128(precision, scale) => {
            cast.each::<_, Decimal128Type>(texts, |text| parse_decimal(text.trim(), *precision, *scale))
        }
        DataType::Date32 => cast.each::<_, Date32Type>(texts, |text| {
            parse_date(text).or_else(|| {
                let (local, _) = parse_timestamp(text)?;
                i32::try_from(local.div_euclid(MICROS_PER_DAY)).ok()
            })
        }),
        DataType::Time64(_) => cast.each::<_, Time64MicrosecondType>(texts, |text| {
            parse_time(text).or_else(|| parse_timestamp(text).map(|(local, _)| local.rem_euclid(MICROS_PER_DAY)))
        }),
        // An offset does not matter to a timestamp without zone, as in PostgreSQL.
        DataType::Timestamp(_, None) => {
            cast.each::<_, TimestampMicrosecondType>(texts, |text| parse_timestamp(text).map(|(local, _)| local))
        }
        DataType::Timestamp(_, Some(_)) => {
            let zone = session_zone(config)?;
            cast.each::<_, TimestampMicrosecondType>(texts, |text| {
                let (local, offset) = parse_timestamp(text)?;
                match offset {
                    Some(seconds) => local.checked_sub(seconds * MICROS_PER_SECOND),
                    None => Some(to_utc(zone.as_ref(), local)),
                }
            })
        }
        DataType::Interval(_) => {
            cast.each::<_, IntervalMonthDayNanoType>(texts, |text| parse_interval(text, Some("second")).ok())
        }
        _ => Err(cast.missing()),
    }
}

fn trimmed<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// Whether infinity was written, and is not an overflow.
fn says_infinity(text: &str) -> bool {
    text.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'i'))
}

fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "t", "yes", "y", "on", "1"]) {
        Some(true)
    } else if is(&["false", "f", "no", "n", "off", "0"]) {
        Some(false)
    } else {
        None
    }
}
