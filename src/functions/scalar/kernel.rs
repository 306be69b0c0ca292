//! Small tools that kernels are made of: typed access to arguments that may be constants, and maps over rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, BooleanBuilder, ListArray,
    PrimitiveArray, PrimitiveBuilder, StringViewArray, StringViewBuilder,
};

use super::Value;
use crate::error::{Error, Result};
use crate::types::{DataType, Scalar};

/// An argument of a known type; a constant shows its one value at every row.
#[derive(Clone, Copy)]
pub struct Argument<A: ArrayAccessor> {
    array: A,
    stride: usize,
}

impl<A: ArrayAccessor> Argument<A> {
    /// The value at a row; `None` for null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<A::Item> {
        let index = row * self.stride;
        if self.array.is_null(index) { None } else { Some(self.array.value(index)) }
    }

    /// The index in the array of the value at a row; `None` for null.
    pub fn valid_index(&self, row: usize) -> Option<usize> {
        let index = row * self.stride;
        if self.array.is_null(index) { None } else { Some(index) }
    }

    /// The column, or the one value of all rows.
    pub fn array(&self) -> A
    where
        A: Copy,
    {
        self.array
    }

    /// The value, where it is the same for all rows.
    pub fn constant(&self) -> Option<A::Item> {
        if self.stride == 0 { self.get(0) } else { None }
    }
}

fn stride(value: &Value) -> usize {
    usize::from(!value.is_scalar())
}

fn wrong_type(value: &Value, wanted: &str) -> Error {
    Error::internal(format!("a kernel for {wanted} was given {}", value.data_type()))
}

/// The argument at `index`.
pub fn argument(args: &[Value], index: usize) -> Result<&Value> {
    args.get(index).ok_or_else(|| Error::internal(format!("a kernel was given no argument {}", index + 1)))
}

/// The argument at `index`, of a primitive type.
pub fn primitive<T: ArrowPrimitiveType>(args: &[Value], index: usize) -> Result<Argument<&PrimitiveArray<T>>> {
    let value = argument(args, index)?;
    let array = value.values().as_primitive_opt::<T>().ok_or_else(|| wrong_type(value, &T::DATA_TYPE.to_string()))?;
    Ok(Argument { array, stride: stride(value) })
}

/// The argument at `index`, of text.
pub fn text(args: &[Value], index: usize) -> Result<Argument<&StringViewArray>> {
    let value = argument(args, index)?;
    let array = value.values().as_string_view_opt().ok_or_else(|| wrong_type(value, "text"))?;
    Ok(Argument { array, stride: stride(value) })
}

/// The argument at `index`, of lists.
pub fn list(args: &[Value], index: usize) -> Result<Argument<&ListArray>> {
    let value = argument(args, index)?;
    let array = value.values().as_list_opt::<i32>().ok_or_else(|| wrong_type(value, "lists"))?;
    Ok(Argument { array, stride: stride(value) })
}

/// The argument at `index`, boolean.
pub fn boolean(args: &[Value], index: usize) -> Result<Argument<&BooleanArray>> {
    let value = argument(args, index)?;
    let array = value.values().as_boolean_opt().ok_or_else(|| wrong_type(value, "booleans"))?;
    Ok(Argument { array, stride: stride(value) })
}

/// How many rows to compute: one, where all arguments are constants.
pub fn rows_of(args: &[Value], rows: usize) -> usize {
    if args.iter().all(Value::is_scalar) { 1 } else { rows }
}

/// What was computed from arguments, as a constant where all of them were.
pub fn finish(args: &[Value], array: ArrayRef) -> Value {
    if args.iter().all(Value::is_scalar) && array.len() == 1 {
        Value::Scalar(Scalar::from_array(&array, 0))
    } else {
        Value::Array(array)
    }
}

/// A column of `f(row)`, of the type `data_type` with values as `O` holds them.
pub fn map_primitive_as<O: ArrowPrimitiveType>(
    args: &[Value],
    rows: usize,
    data_type: &DataType,
    mut f: impl FnMut(usize) -> Result<Option<O::Native>>,
) -> Result<Value> {
    let rows = rows_of(args, rows);
    let mut builder = PrimitiveBuilder::<O>::with_capacity(rows).with_data_type(data_type.clone());
    for row in 0..rows {
        builder.append_option(f(row)?);
    }
    Ok(finish(args, Arc::new(builder.finish())))
}

/// A column of `f(row)`.
pub fn map_primitive<O: ArrowPrimitiveType>(
    args: &[Value],
    rows: usize,
    f: impl FnMut(usize) -> Result<Option<O::Native>>,
) -> Result<Value> {
    map_primitive_as::<O>(args, rows, &O::DATA_TYPE, f)
}

/// A column of `f(value)`, null where the argument at `index` is: for functions whose other arguments are constants.
pub fn map_column<T: ArrowPrimitiveType>(
    args: &[Value],
    index: usize,
    data_type: &DataType,
    f: impl Fn(T::Native) -> Result<T::Native>,
) -> Result<Value> {
    let value = argument(args, index)?;
    let array = value.values().as_primitive_opt::<T>().ok_or_else(|| wrong_type(value, &T::DATA_TYPE.to_string()))?;
    let result = array.try_unary::<_, T, Error>(f)?;
    Ok(value.like_me(Arc::new(result.with_data_type(data_type.clone()))))
}

/// A column of `f(row)`.
pub fn map_boolean(args: &[Value], rows: usize, mut f: impl FnMut(usize) -> Result<Option<bool>>) -> Result<Value> {
    let rows = rows_of(args, rows);
    let mut builder = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(f(row)?);
    }
    Ok(finish(args, Arc::new(builder.finish())))
}

/// A column of `f(row)`, where the text is there already: a part of an argument.
pub fn map_slices<'a>(
    args: &'a [Value],
    rows: usize,
    mut f: impl FnMut(usize) -> Result<Option<&'a str>>,
) -> Result<Value> {
    let rows = rows_of(args, rows);
    let mut builder = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(f(row)?);
    }
    Ok(finish(args, Arc::new(builder.finish())))
}

/// A column of the texts that `f(row, buffer)` writes into the empty buffer; null where it gives `None`.
pub fn map_text(
    args: &[Value],
    rows: usize,
    mut f: impl FnMut(usize, &mut String) -> Result<Option<()>>,
) -> Result<Value> {
    let rows = rows_of(args, rows);
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut buffer = String::new();
    for row in 0..rows {
        buffer.clear();
        match f(row, &mut buffer)? {
            Some(()) => builder.try_append_value(&buffer)?,
            None => builder.append_null(),
        }
    }
    Ok(finish(args, Arc::new(builder.finish())))
}

/// A function of one double that cannot fail, over all values at once.
pub fn map_double(args: &[Value], f: impl Fn(f64) -> f64) -> Result<Value> {
    use arrow::datatypes::Float64Type;
    let value = argument(args, 0)?;
    let array = value.values().as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_type(value, "doubles"))?;
    Ok(value.like_me(Arc::new(array.unary::<_, Float64Type>(f))))
}

/// A function of one double that refuses some values with a message.
pub fn try_map_double(args: &[Value], f: impl Fn(f64) -> Result<f64, &'static str>) -> Result<Value> {
    use arrow::datatypes::Float64Type;
    let value = argument(args, 0)?;
    let array = value.values().as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_type(value, "doubles"))?;
    let result = array.try_unary::<_, Float64Type, Error>(|x| {
        f(x).map_err(|message| Error::data(format!("{message} ({})", crate::types::temporal::format_float(x))))
    })?;
    Ok(value.like_me(Arc::new(result)))
}

/// Where a condition is true, without nulls: null is not true.
pub fn where_true(condition: &BooleanArray) -> BooleanArray {
    match condition.nulls() {
        Some(_) => arrow::compute::prep_null_mask_filter(condition),
        None => condition.clone(),
    }
}
