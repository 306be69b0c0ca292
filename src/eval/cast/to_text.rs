//! Casts to text: the text of every value as all outputs show it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};

use crate::config::Config;
use crate::error::Result;
use crate::types::temporal::format_value;

pub(super) fn cast(array: &ArrayRef, config: &Config) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Int8 => Ok(integers::<Int8Type>(array)),
        DataType::Int16 => Ok(integers::<Int16Type>(array)),
        DataType::Int32 => Ok(integers::<Int32Type>(array)),
        DataType::Int64 => Ok(integers::<Int64Type>(array)),
        DataType::Float64 => {
            let mut buffer = zmij::Buffer::new();
            let mut builder = StringViewBuilder::with_capacity(array.len());
            for (row, value) in array.as_primitive::<Float64Type>().iter().enumerate() {
                match value {
                    Some(value) if value.is_finite() => builder.append_value(buffer.format_finite(value)),
                    _ => builder.append_option(format_value(array, row)),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        // As local time in the session's zone.
        DataType::Timestamp(_, Some(_)) => {
            let local = array.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(formatted(&local.with_timezone(config.time_zone.as_str())))
        }
        _ => Ok(formatted(array)),
    }
}

fn integers<T: ArrowPrimitiveType<Native: itoa::Integer>>(array: &ArrayRef) -> ArrayRef {
    let mut buffer = itoa::Buffer::new();
    let mut builder = StringViewBuilder::with_capacity(array.len());
    for value in array.as_primitive::<T>().iter() {
        match value {
            Some(value) => builder.append_value(buffer.format(value)),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn formatted(array: &dyn Array) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(array.len());
    for row in 0..array.len() {
        builder.append_option(format_value(array, row));
    }
    Arc::new(builder.finish())
}
