//! The text of values, written into a buffer: what `types::temporal::format_value` says, without a string per value.

use std::io::Write;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::types::interval::format_interval;
use crate::types::temporal::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Zone, format_date, format_decimal, format_timestamp, parse_zone,
};
use crate::types::{append_list, append_text_item};

/// A column whose type was looked at once, for all rows.
pub(super) enum TextColumn<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Text(&'a StringViewArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    /// With the zone's name for years that need more than four digits.
    ZonedTimestamp(&'a TimestampMicrosecondArray, Zone, &'a str),
    Interval(&'a IntervalMonthDayNanoArray),
    /// With its items.
    List(&'a ListArray, Box<TextColumn<'a>>),
}

impl<'a> TextColumn<'a> {
    pub fn new(array: &'a dyn Array) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive()),
            DataType::Int16 => Self::Int16(array.as_primitive()),
            DataType::Int32 => Self::Int32(array.as_primitive()),
            DataType::Int64 => Self::Int64(array.as_primitive()),
            DataType::Float32 => Self::Float32(array.as_primitive()),
            DataType::Float64 => Self::Float64(array.as_primitive()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), *scale),
            DataType::Utf8View => Self::Text(array.as_string_view()),
            DataType::Date32 => Self::Date(array.as_primitive()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
                Self::ZonedTimestamp(array.as_primitive(), parse_zone(zone)?, zone)
            }
            DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano) => Self::Interval(array.as_primitive()),
            DataType::List(_) => {
                let lists = array.as_list();
                Self::List(lists, Box::new(Self::new(lists.values())?))
            }
            other => return Err(Error::internal(format!("a column of the type {other} cannot be written as text"))),
        })
    }

    /// Whether values may be NaN.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float32(_) | Self::Float64(_))
    }

    /// Whether the text of a value may hold delimiters and quotes.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::List(_, _))
    }

    /// Appends the text of a value that is not null.
    pub fn append(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Null => {}
            Self::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int8(array) => append_integer(array.value(row), out),
            Self::Int16(array) => append_integer(array.value(row), out),
            Self::Int32(array) => append_integer(array.value(row), out),
            Self::Int64(array) => append_integer(array.value(row), out),
            Self::Float32(array) => {
                let value = array.value(row);
                match special(value.into()) {
                    Some(text) => out.extend_from_slice(text),
                    None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
                }
            }
            Self::Float64(array) => {
                let value = array.value(row);
                match special(value) {
                    Some(text) => out.extend_from_slice(text),
                    None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
                }
            }
            Self::Decimal(array, scale) => append_decimal(array.value(row), *scale, out),
            Self::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Date(array) => append_date(array.value(row), out),
            Self::Time(array) => append_time(array.value(row), out),
            Self::Timestamp(array) => append_timestamp(array.value(row), out),
            Self::ZonedTimestamp(array, zone, name) => append_zoned(array.value(row), *zone, name, out),
            Self::Interval(array) => out.extend_from_slice(format_interval(array.value(row)).as_bytes()),
            Self::List(lists, items) => {
                let first = lists.value_offsets()[row] as usize;
                append_list(lists.value_length(row) as usize, out, |item, out| {
                    items.append_item(first + item, lists.values().is_valid(first + item), out)
                });
            }
        }
    }
}

impl TextColumn<'_> {
    /// Appends the text of an item of a list; tells whether it is one, and not null.
    fn append_item(&self, row: usize, valid: bool, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Null => return false,
            _ if !valid => return false,
            Self::Text(texts) => append_text_item(texts.value(row), out),
            _ => self.append(row, out),
        }
        true
    }
}

fn append_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn special(value: f64) -> Option<&'static [u8]> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some(b"NaN")
    } else {
        Some(if value > 0.0 { b"Infinity" } else { b"-Infinity" })
    }
}

fn append_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let divisor = u32::try_from(scale).ok().and_then(|scale| 10u128.checked_pow(scale));
    let (Some(divisor), 1..) = (divisor, scale) else {
        out.extend_from_slice(format_decimal(value, scale).as_bytes());
        return;
    };
    if value < 0 {
        out.push(b'-');
    }
    append_integer(value.unsigned_abs() / divisor, out);
    out.push(b'.');
    append_padded(value.unsigned_abs() % divisor, scale.unsigned_abs().into(), out);
}

/// Digits with zeros in front of them.
fn append_padded(value: u128, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits);
}

fn append_two(value: i64, out: &mut Vec<u8>) {
    let value = value.rem_euclid(100) as u8;
    out.extend_from_slice(&[b'0' + value / 10, b'0' + value % 10]);
}

/// Year, month and day of days since 1970-01-01, after H. Hinnant's "chrono-compatible low-level date algorithms".
fn civil_from_days(days: i32) -> (i64, i64, i64) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn append_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        out.extend_from_slice(format_date(days).as_bytes());
        return;
    }
    append_two(year / 100, out);
    append_two(year, out);
    out.push(b'-');
    append_two(month, out);
    out.push(b'-');
    append_two(day, out);
}

fn append_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    append_two(seconds / 3600, out);
    out.push(b':');
    append_two(seconds / 60 % 60, out);
    out.push(b':');
    append_two(seconds % 60, out);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    if fraction != 0 {
        out.push(b'.');
        append_padded(fraction.unsigned_abs().into(), 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn append_timestamp(micros: i64, out: &mut Vec<u8>) {
    match i32::try_from(micros.div_euclid(MICROS_PER_DAY)) {
        Ok(days) => append_date(days, out),
        Err(_) => {
            out.extend_from_slice(format_timestamp(micros, None).as_bytes());
            return;
        }
    }
    out.push(b' ');
    append_time(micros.rem_euclid(MICROS_PER_DAY), out);
}

fn append_zoned(micros: i64, zone: Zone, name: &str, out: &mut Vec<u8>) {
    let offset = zone.offset_seconds(micros);
    let Some(local) = offset.checked_mul(MICROS_PER_SECOND).and_then(|offset| micros.checked_add(offset)) else {
        out.extend_from_slice(format_timestamp(micros, Some(name)).as_bytes());
        return;
    };
    append_timestamp(local, out);
    out.push(if offset < 0 { b'-' } else { b'+' });
    let minutes = offset.abs() / 60;
    append_two(minutes / 60, out);
    if minutes % 60 != 0 {
        // Writing to a vector cannot fail.
        let _ = write!(out, ":{:02}", minutes % 60);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;
    use proptest::prelude::*;

    use super::*;
    use crate::types::temporal::format_value;

    fn same(array: ArrayRef) {
        let column = TextColumn::new(&array).unwrap();
        for row in 0..array.len() {
            let mut out = Vec::new();
            column.append(row, &mut out);
            assert_eq!(Some(String::from_utf8(out).unwrap()), format_value(&array, row));
        }
    }

    proptest! {
        #[test]
        fn texts_are_those_of_format_value(
            ints in prop::collection::vec(any::<i64>(), 1..20),
            days in prop::collection::vec(-800_000i32..3_000_000, 1..20),
            micros in prop::collection::vec(-100_000_000_000_000_000i64..100_000_000_000_000_000, 1..20),
            floats in prop::collection::vec(prop::num::f64::ANY, 1..20),
            decimals in prop::collection::vec(any::<i128>().prop_map(|value| value / 100), 1..20),
        ) {
            same(Arc::new(Int64Array::from(ints.clone())));
            same(Arc::new(Date32Array::from(days)));
            same(Arc::new(TimestampMicrosecondArray::from(micros.clone())));
            same(Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("America/New_York")));
            same(Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("-05:30")));
            same(Arc::new(Time64MicrosecondArray::from_iter_values(micros.iter().map(|m| m.rem_euclid(MICROS_PER_DAY)))));
            same(Arc::new(Float64Array::from(floats.clone())));
            same(Arc::new(Float32Array::from_iter_values(floats.iter().map(|&value| value as f32))));
            for scale in [0, 3, 38] {
                let array = Decimal128Array::from(decimals.clone()).with_precision_and_scale(38, scale).unwrap();
                same(Arc::new(array));
            }
        }
    }

    #[test]
    fn times_print_without_trailing_zeros() {
        same(Arc::new(TimestampMicrosecondArray::from(vec![0, 1, -1, 1_500_000, i64::MAX, i64::MIN])));
        same(Arc::new(Date32Array::from(vec![0, -719_528, 2_932_896, 2_932_897, i32::MAX, i32::MIN])));
    }
}
