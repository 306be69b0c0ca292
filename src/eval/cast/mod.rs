//! CAST and TRY_CAST between all pairs of types that have a meaning. A value that does not fit is an error that shows
//! it, or null for TRY_CAST; nothing is cut off or wrapped in silence.

mod from_text;
mod numbers;
mod temporal;
mod to_text;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, AsArray, BooleanBuilder, ListArray, PrimitiveBuilder, new_null_array,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Int8Type};

use crate::batch::shown_items;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::functions::scalar::Value;
use crate::types::coercion::can_widen;
use crate::types::temporal::format_value;
use crate::types::{
    INTERVAL, TEXT, TIME, is_float, is_integer, is_list, is_numeric, is_timestamp, list_item, sql_name,
};

/// Characters of a value that an error shows.
const SHOWN: usize = 80;

/// Whether there is a cast between the types.
pub fn can_cast(from: &DataType, to: &DataType) -> bool {
    let number = |data_type: &DataType| is_numeric(data_type) || *data_type == DataType::Boolean;
    if let (Some(from), Some(to)) = (list_item(from), list_item(to)) {
        return can_cast(from, to);
    }
    if is_list(to) {
        return *from == DataType::Null;
    }
    let moment = |data_type: &DataType| is_timestamp(data_type) || *data_type == DataType::Date32;
    from == to
        || *from == DataType::Null
        || *to == TEXT
        || (*from == TEXT && *to != DataType::Null)
        || (number(from) && number(to))
        || (moment(from) && moment(to))
        || (is_timestamp(from) && *to == TIME)
        || (*from == TIME && *to == INTERVAL)
        || (*from == INTERVAL && *to == TIME)
}

/// Whether every value of the one type can be cast to the other.
pub fn cast_cannot_fail(from: &DataType, to: &DataType) -> bool {
    let simple = |data_type: &DataType| is_integer(data_type) || is_float(data_type) || is_timestamp(data_type);
    from == to
        || *from == DataType::Null
        || *to == TEXT
        || (simple(from) && simple(to) && can_widen(from, to))
        || (is_integer(from) && is_float(to))
        || (*from == DataType::Boolean && (is_integer(to) || is_float(to)))
}

/// Casts a column or a constant.
///
/// # Errors
/// A data error that shows the first value that does not fit, unless `try_cast` makes it null.
pub fn cast(value: &Value, to: &DataType, try_cast: bool, config: &Config) -> Result<Value> {
    if value.data_type() == to {
        return Ok(value.clone());
    }
    Ok(value.like_me(cast_array(value.values(), to, try_cast, config)?))
}

/// Casts a column.
///
/// # Errors
/// As [`cast`].
pub fn cast_array(array: &ArrayRef, to: &DataType, try_cast: bool, config: &Config) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(array.clone());
    }
    if *from == DataType::Null {
        return Ok(new_null_array(to, array.len()));
    }
    if !can_cast(from, to) {
        return Err(no_cast(from, to));
    }
    let cast = Cast { from: array, to, try_cast };
    match from {
        _ if *to == TEXT => to_text::cast(array, config),
        DataType::List(_) => cast_items(array, to, try_cast, config),
        DataType::Utf8View => from_text::cast(&cast, config),
        DataType::Boolean => {
            let numbers: ArrayRef = Arc::new(arrow::array::PrimitiveArray::<Int8Type>::from_iter(
                array.as_boolean().iter().map(|value| value.map(i8::from)),
            ));
            cast_array(&numbers, to, try_cast, config)
        }
        from if is_numeric(from) => numbers::cast(&cast),
        _ => temporal::cast(&cast, config),
    }
}

/// Casts each item of lists.
fn cast_items(array: &ArrayRef, to: &DataType, try_cast: bool, config: &Config) -> Result<ArrayRef> {
    let DataType::List(field) = to else { return Err(no_cast(array.data_type(), to)) };
    let lists = shown_items(array.as_list::<i32>());
    let items = cast_array(lists.values(), field.data_type(), try_cast, config)?;
    Ok(Arc::new(ListArray::try_new(field.clone(), lists.offsets().clone(), items, lists.nulls().cloned())?))
}

fn no_cast(from: &DataType, to: &DataType) -> Error {
    Error::sql(format!("there is no cast from {} to {}", sql_name(from), sql_name(to)))
}

/// One cast of one column.
struct Cast<'a> {
    from: &'a ArrayRef,
    to: &'a DataType,
    try_cast: bool,
}

impl Cast<'_> {
    /// Converts value by value; `None` does not fit.
    fn each<A: ArrayAccessor, O: ArrowPrimitiveType>(
        &self,
        input: A,
        f: impl Fn(A::Item) -> Option<O::Native>,
    ) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<O>::with_capacity(input.len()).with_data_type(self.to.clone());
        for row in 0..input.len() {
            if input.is_null(row) {
                builder.append_null();
                continue;
            }
            match f(input.value(row)) {
                Some(value) => builder.append_value(value),
                None if self.try_cast => builder.append_null(),
                None => return Err(self.does_not_fit(row)),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// As [`Cast::each`], to truth values.
    fn each_boolean<A: ArrayAccessor>(&self, input: A, f: impl Fn(A::Item) -> Option<bool>) -> Result<ArrayRef> {
        let mut builder = BooleanBuilder::with_capacity(input.len());
        for row in 0..input.len() {
            match if input.is_null(row) { None } else { Some(f(input.value(row))) } {
                Some(Some(value)) => builder.append_value(value),
                Some(None) if !self.try_cast => return Err(self.does_not_fit(row)),
                _ => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn does_not_fit(&self, row: usize) -> Error {
        let mut text = format_value(self.from, row).unwrap_or_default();
        if let Some((end, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        let to = sql_name(self.to);
        let error = if *self.from.data_type() == TEXT {
            Error::data(format!("'{text}' is no {to}"))
        } else {
            Error::data(format!("{} {text} does not fit into {to}", sql_name(self.from.data_type())))
        };
        error.with_hint("TRY_CAST gives null for a value that does not fit")
    }

    /// A pair that [`can_cast`] admits by mistake.
    fn missing(&self) -> Error {
        no_cast(self.from.data_type(), self.to)
    }
}
