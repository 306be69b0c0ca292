//! From the types of Parquet files to the engine's, exactly: a value that does not fit is an error, never rounded.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, FieldRef, Int64Type, IntervalMonthDayNano, TimeUnit, TimestampMicrosecondType,
};

use crate::batch::shown_items;
use crate::error::{Error, Result};
use crate::types::temporal::{MICROS_PER_DAY, format_timestamp, parse_zone};
use crate::types::{INTERVAL, TEXT, TIME, TIMESTAMP, list_of, timestamp_tz};

/// Bytes of Parquet's INTERVAL: months, days and milliseconds, each an unsigned 32-bit integer.
pub(super) const INTERVAL_BYTES: i32 = 12;
const NANOS_PER_MILLI: i64 = 1_000_000;
const MILLIS_PER_DAY: i64 = 86_400_000;
/// Digits of the largest unsigned 64-bit integer.
const UINT64_DIGITS: u8 = 20;

/// The engine's type for what the Parquet reader gives; `None` where there is none. Timestamps with zone are shown in `zone`.
pub(in crate::io) fn engine_type(read: &DataType, zone: &str) -> Option<DataType> {
    Some(match read {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => read.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(UINT64_DIGITS, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(precision, scale) if *precision <= 38 && *scale >= 0 => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Utf8View => TEXT,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => timestamp_tz(zone),
        DataType::FixedSizeBinary(INTERVAL_BYTES) => INTERVAL,
        DataType::List(item) => match engine_type(item.data_type(), zone)? {
            DataType::Null | DataType::List(_) => return None,
            item => list_of(item),
        },
        _ => return None,
    })
}

/// An array of the Parquet reader as the engine's type `own`, then as `to`, the type of the column over all files.
pub(in crate::io) fn convert(array: &ArrayRef, own: &DataType, to: &DataType) -> Result<ArrayRef> {
    let array = if array.data_type() == own { array.clone() } else { to_engine(array, own)? };
    if own == to { Ok(array) } else { widen(&array, to) }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?)
}

fn to_engine(array: &ArrayRef, own: &DataType) -> Result<ArrayRef> {
    Ok(match (array.data_type(), own) {
        (DataType::List(_), DataType::List(item)) => with_items(array, item, |items| {
            if items.data_type() == item.data_type() { Ok(items.clone()) } else { to_engine(items, item.data_type()) }
        })?,
        (DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) => {
            let micros = micros(&cast(array, &DataType::Int64)?, *unit)?.reinterpret_cast::<TimestampMicrosecondType>();
            Arc::new(micros.with_timezone_opt(zone.clone()))
        }
        (DataType::Time32(unit) | DataType::Time64(unit), DataType::Time64(_)) => {
            let ints = cast(&cast_time(array)?, &DataType::Int64)?;
            let micros: Time64MicrosecondArray = micros(&ints, *unit)?.reinterpret_cast();
            Arc::new(micros)
        }
        (DataType::Date64, DataType::Date32) => {
            let millis = cast(array, &DataType::Int64)?;
            let days: Date32Array = millis.as_primitive::<Int64Type>().try_unary(|millis| {
                i32::try_from(millis / MILLIS_PER_DAY).ok().filter(|_| millis % MILLIS_PER_DAY == 0).ok_or_else(|| {
                    Error::data(format!("{millis} milliseconds since 1970 are no whole day")).with_hint(
                        "the file stores dates as milliseconds; store them as timestamps where they have a time of day",
                    )
                })
            })?;
            Arc::new(days)
        }
        (DataType::FixedSizeBinary(INTERVAL_BYTES), DataType::Interval(_)) => {
            let bytes = array.as_fixed_size_binary();
            let intervals: Result<IntervalMonthDayNanoArray> =
                bytes.iter().map(|bytes| bytes.map(interval).transpose()).collect();
            Arc::new(intervals?)
        }
        _ => cast(array, own)?,
    })
}

/// Lists with their items as others.
fn with_items(array: &ArrayRef, item: &FieldRef, f: impl FnOnce(&ArrayRef) -> Result<ArrayRef>) -> Result<ArrayRef> {
    let lists = shown_items(array.as_list::<i32>());
    let items = f(lists.values())?;
    Ok(Arc::new(ListArray::try_new(item.clone(), lists.offsets().clone(), items, lists.nulls().cloned())?))
}

/// Times of 32 bits as integers of 32 bits, those of 64 bits as they are.
fn cast_time(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Time32(_) => cast(array, &DataType::Int32),
        _ => Ok(array.clone()),
    }
}

/// Counts of `unit` as microseconds.
fn micros(counts: &ArrayRef, unit: TimeUnit) -> Result<Int64Array> {
    let counts = counts.as_primitive::<Int64Type>();
    let scaled = |factor: i64| {
        counts.try_unary(|count| {
            count.checked_mul(factor).ok_or_else(|| {
                Error::data(format!("the timestamp of {count} {unit:?}s since 1970 is out of range"))
                    .with_hint("timestamps reach from about 290,000 BC to AD 294,000")
            })
        })
    };
    match unit {
        TimeUnit::Second => scaled(1_000_000),
        TimeUnit::Millisecond => scaled(1_000),
        TimeUnit::Microsecond => Ok(counts.clone()),
        TimeUnit::Nanosecond => counts.try_unary(|nanos| {
            if nanos % 1000 == 0 {
                return Ok(nanos / 1000);
            }
            Err(too_fine(nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000)))
        }),
    }
}

/// The error of a time, in seconds since 1970 and nanoseconds.
pub(super) fn too_fine(seconds: i64, nanos: i64) -> Error {
    let text = format_timestamp(seconds.saturating_mul(1_000_000), None);
    Error::data(format!("the time {text}.{nanos:09} is finer than a microsecond"))
        .with_hint("times have microseconds here: round them where the file is written")
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano> {
    let part = |at: usize| {
        let part: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(part))
    };
    let built = || {
        let months = i32::try_from(part(0)?).ok()?;
        let days = i32::try_from(part(4)?).ok()?;
        Some(IntervalMonthDayNano::new(months, days, i64::from(part(8)?) * NANOS_PER_MILLI))
    };
    built().ok_or_else(|| Error::data("an interval of more than 2^31 months or days"))
}

/// From one of the engine's types to a wider one, as another file of the table needs it.
fn widen(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let moments = match (array.data_type(), to) {
        (DataType::Null, _) => return Ok(new_null_array(to, array.len())),
        (DataType::List(_), DataType::List(item)) => {
            return with_items(array, item, |items| widen(items, item.data_type()));
        }
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, zone)) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().clone();
            return Ok(Arc::new(moments.with_timezone_opt(zone.clone())));
        }
        (DataType::Timestamp(_, None), DataType::Timestamp(_, _)) => {
            array.as_primitive::<TimestampMicrosecondType>().clone()
        }
        (DataType::Date32, DataType::Timestamp(_, _)) => {
            let days = array.as_primitive::<Date32Type>();
            days.try_unary::<_, TimestampMicrosecondType, _>(|days| {
                let micros = i64::from(days).checked_mul(MICROS_PER_DAY);
                micros.ok_or_else(|| Error::data(format!("the day {days} since 1970 is out of a timestamp's range")))
            })?
        }
        _ => return cast(array, to),
    };
    let DataType::Timestamp(_, Some(name)) = to else {
        return Ok(Arc::new(moments));
    };
    // Without a zone of its own, a time is local to the session's.
    let zone = parse_zone(name)?;
    let moments: TimestampMicrosecondArray = moments.unary(|local| zone.to_utc(local));
    Ok(Arc::new(moments.with_timezone(name.clone())))
}
