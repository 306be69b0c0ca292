//! One value of one type.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, StringViewArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
    new_null_array,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType,
};

use super::temporal;
use crate::error::Result;

/// One value, held as an Arrow array of length one, so that every type is handled by the same kernels.
#[derive(Clone)]
pub struct Scalar(ArrayRef);

impl Scalar {
    /// Takes the value at `row` of `array`.
    pub fn from_array(array: &dyn Array, row: usize) -> Self {
        let indices = UInt32Array::from(vec![u32::try_from(row).expect("a batch has fewer than 2^32 rows")]);
        Self(arrow::compute::take(array, &indices, None).expect("row is within the array"))
    }

    /// Null of a type.
    pub fn null(data_type: &DataType) -> Self {
        Self(new_null_array(data_type, 1))
    }

    /// A 64-bit integer.
    pub fn int64(value: i64) -> Self {
        Self(Arc::new(Int64Array::from(vec![value])))
    }

    /// A 32-bit integer.
    pub fn int32(value: i32) -> Self {
        Self(Arc::new(Int32Array::from(vec![value])))
    }

    /// A double.
    pub fn float64(value: f64) -> Self {
        Self(Arc::new(Float64Array::from(vec![value])))
    }

    /// A truth value.
    pub fn boolean(value: bool) -> Self {
        Self(Arc::new(BooleanArray::from(vec![value])))
    }

    /// Text.
    pub fn text(value: &str) -> Self {
        Self(Arc::new(StringViewArray::from(vec![value])))
    }

    /// A decimal of `precision` digits, `scale` of them behind the point.
    pub fn decimal(value: i128, precision: u8, scale: i8) -> Result<Self> {
        Ok(Self(Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale)?)))
    }

    /// A date, in days since 1970-01-01.
    pub fn date(days: i32) -> Self {
        Self(Arc::new(Date32Array::from(vec![days])))
    }

    /// A time of day, in microseconds.
    pub fn time(micros: i64) -> Self {
        Self(Arc::new(Time64MicrosecondArray::from(vec![micros])))
    }

    /// A timestamp in microseconds since the epoch.
    pub fn timestamp(micros: i64, zone: Option<&str>) -> Self {
        Self(Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone_opt(zone)))
    }

    /// An interval.
    pub fn interval(value: IntervalMonthDayNano) -> Self {
        Self(Arc::new(IntervalMonthDayNanoArray::from(vec![value])))
    }

    /// The type.
    pub fn data_type(&self) -> &DataType {
        self.0.data_type()
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.0.is_null(0) || *self.0.data_type() == DataType::Null
    }

    /// The array of length one.
    pub fn as_array(&self) -> &ArrayRef {
        &self.0
    }

    /// The value repeated `rows` times.
    pub fn to_array(&self, rows: usize) -> ArrayRef {
        if rows == 1 {
            return self.0.clone();
        }
        if self.is_null() {
            return new_null_array(self.0.data_type(), rows);
        }
        let indices = UInt32Array::from(vec![0; rows]);
        arrow::compute::take(&self.0, &indices, None).expect("index 0 of an array of length one")
    }

    /// The truth value; `None` where it is null or of another type.
    pub fn as_bool(&self) -> Option<bool> {
        let array = self.0.as_boolean_opt()?;
        array.is_valid(0).then(|| array.value(0))
    }

    /// Any integer type as `i64`; `None` where it is null or of another type.
    pub fn as_i64(&self) -> Option<i64> {
        if self.is_null() {
            return None;
        }
        match self.data_type() {
            DataType::Int8 => Some(self.0.as_primitive::<Int8Type>().value(0).into()),
            DataType::Int16 => Some(self.0.as_primitive::<Int16Type>().value(0).into()),
            DataType::Int32 => Some(self.0.as_primitive::<Int32Type>().value(0).into()),
            DataType::Int64 => Some(self.0.as_primitive::<Int64Type>().value(0)),
            _ => None,
        }
    }

    /// Any number as `f64`, decimals rounded to the nearest; `None` where it is null or no number.
    pub fn as_f64(&self) -> Option<f64> {
        if self.is_null() {
            return None;
        }
        match self.data_type() {
            DataType::Float32 => Some(self.0.as_primitive::<Float32Type>().value(0).into()),
            DataType::Float64 => Some(self.0.as_primitive::<Float64Type>().value(0)),
            DataType::Decimal128(_, scale) => {
                let value = self.0.as_primitive::<Decimal128Type>().value(0);
                Some(value as f64 / 10f64.powi(i32::from(*scale)))
            }
            _ => self.as_i64().map(|value| value as f64),
        }
    }

    /// The interval; `None` where it is null or of another type.
    pub fn as_interval(&self) -> Option<IntervalMonthDayNano> {
        let array = self.0.as_primitive_opt::<IntervalMonthDayNanoType>()?;
        array.is_valid(0).then(|| array.value(0))
    }

    /// The text; `None` where it is null or of another type.
    pub fn as_str(&self) -> Option<&str> {
        let array = self.0.as_string_view_opt()?;
        array.is_valid(0).then(|| array.value(0))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.0.data_type() == other.0.data_type() && self.0.as_ref() == other.0.as_ref()
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.data_type().hash(state);
        temporal::format_value(&self.0, 0).hash(state);
    }
}

/// As SQL shows it: `NULL`, `'text'`, `42`, `DATE '2013-01-01'`, `INTERVAL '1 day'`.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = temporal::format_value(&self.0, 0) else {
            return write!(f, "NULL");
        };
        match self.data_type() {
            DataType::Utf8View => write!(f, "'{}'", text.replace('\'', "''")),
            DataType::Date32 => write!(f, "DATE '{text}'"),
            DataType::Time64(_) => write!(f, "TIME '{text}'"),
            DataType::Timestamp(_, None) => write!(f, "TIMESTAMP '{text}'"),
            DataType::Timestamp(_, Some(_)) => write!(f, "TIMESTAMPTZ '{text}'"),
            DataType::Interval(_) => write!(f, "INTERVAL '{text}'"),
            _ => write!(f, "{text}"),
        }
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
