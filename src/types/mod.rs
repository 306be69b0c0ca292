//! SQL types as Arrow types, scalars, coercion, intervals, the calendar and buckets of time.
//!
//! The engine works with these Arrow types and no others; readers convert what they find to them:
//! `Null Boolean Int8 Int16 Int32 Int64 Float32 Float64 Decimal128 Utf8View Date32 Time64(µs)
//! Timestamp(µs, None | zone) Interval(MonthDayNano)`, and `List` of any of these but `Null` and `List`.

pub mod calendar;
pub mod coercion;
pub mod grid;
pub mod interval;
mod list;
mod names;
pub mod origin;
pub mod rule;
mod scalar;
pub mod strftime;
pub mod temporal;

pub use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
pub use list::{append_list, append_text_item, is_list, list_item, list_of};
pub use names::{format_bytes, format_count, parse_bytes, parse_type, sql_name};
pub use scalar::Scalar;

/// Text.
pub const TEXT: DataType = DataType::Utf8View;
/// Time of day in microseconds.
pub const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
/// A timestamp without zone, in microseconds.
pub const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// An interval of months, days and nanoseconds.
pub const INTERVAL: DataType = DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano);

/// A timestamp with zone, in microseconds since the epoch in UTC; `zone` is how it is shown.
pub fn timestamp_tz(zone: &str) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()))
}

/// Whether arithmetic is defined for the type.
pub fn is_numeric(data_type: &DataType) -> bool {
    is_integer(data_type) || is_float(data_type) || matches!(data_type, DataType::Decimal128(_, _))
}

/// Int8 to Int64.
pub fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

/// Float32 and Float64.
pub fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// Timestamps with or without zone.
pub fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, _))
}
