//! SQL's order in terms of Arrow's kernels: `-0 = 0`, `NaN = NaN` and greatest, intervals by their length, timestamps
//! by the moment whatever their zone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Decimal128Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType,
};

use super::Value;
use crate::batch::normalize_equal;
use crate::types::Scalar;

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// The length of an interval in nanoseconds, with months of 30 days and days of 24 hours as in PostgreSQL.
pub fn interval_nanos(interval: IntervalMonthDayNano) -> i128 {
    (i128::from(interval.months) * 30 + i128::from(interval.days)) * NANOS_PER_DAY + i128::from(interval.nanoseconds)
}

/// An array whose values compare under Arrow's kernels as SQL compares those of `array`. The result may be of another
/// type, the same one for the same type.
pub fn comparable_array(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 | DataType::Float64 => normalize_equal(array),
        DataType::Interval(_) => match array.as_primitive_opt::<IntervalMonthDayNanoType>() {
            Some(intervals) => Arc::new(intervals.unary::<_, Decimal128Type>(interval_nanos)),
            None => array.clone(),
        },
        DataType::Timestamp(_, Some(_)) => match array.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(moments) => Arc::new(moments.clone().with_timezone_opt(None::<Arc<str>>)),
            None => array.clone(),
        },
        _ => array.clone(),
    }
}

/// [`comparable_array`] of a column or a constant.
pub fn comparable(value: &Value) -> Value {
    match value.data_type() {
        DataType::Float32 | DataType::Float64 | DataType::Interval(_) | DataType::Timestamp(_, Some(_)) => {
            match value {
                Value::Array(array) => Value::Array(comparable_array(array)),
                Value::Scalar(scalar) => Value::Scalar(Scalar::from_array(&comparable_array(scalar.as_array()), 0)),
            }
        }
        _ => value.clone(),
    }
}
