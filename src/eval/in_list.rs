//! `IN (…)`: a hash set where the list is constant, comparisons otherwise. Not found is null, not false, where the
//! list has a null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::compute::{not, or_kleene};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use hashbrown::HashSet;

use super::compare::compare;
use super::node::Node;
use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::functions::scalar::ordering::comparable_array;
use crate::types::{DataType, Scalar};

/// The constants of a list, with the nulls set apart.
#[derive(Debug)]
pub(super) struct Set {
    keys: Keys,
    has_null: bool,
}

/// Equal values have equal keys.
#[derive(Debug)]
enum Keys {
    /// Nothing but nulls.
    None,
    Short(HashSet<i64>),
    Long(HashSet<i128>),
    Text(HashSet<Box<str>>),
}

/// A column of keys.
enum Column {
    Short(Vec<i64>),
    Long(Vec<i128>),
    Text(ArrayRef),
}

/// The keys of values that compare as SQL says.
fn keys(array: &ArrayRef) -> Option<Column> {
    fn short<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Column {
        Column::Short(array.as_primitive::<T>().values().iter().map(|value| (*value).into()).collect())
    }
    let array = comparable_array(array);
    Some(match array.data_type() {
        DataType::Boolean => Column::Short(array.as_boolean().values().iter().map(i64::from).collect()),
        DataType::Int8 => short::<Int8Type>(&array),
        DataType::Int16 => short::<Int16Type>(&array),
        DataType::Int32 => short::<Int32Type>(&array),
        DataType::Int64 => short::<Int64Type>(&array),
        DataType::Date32 => short::<Date32Type>(&array),
        DataType::Time64(_) => short::<Time64MicrosecondType>(&array),
        DataType::Timestamp(_, _) => short::<TimestampMicrosecondType>(&array),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            Column::Short(values.iter().map(|value| i64::from(value.to_bits())).collect())
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            Column::Short(values.iter().map(|value| value.to_bits().cast_signed()).collect())
        }
        DataType::Decimal128(_, _) => Column::Long(array.as_primitive::<Decimal128Type>().values().to_vec()),
        DataType::Utf8View => Column::Text(array),
        _ => return None,
    })
}

impl Set {
    /// The set of a list that is constant; `None` where it is not.
    pub fn of(list: &[Node]) -> Option<Self> {
        let mut set = Self { keys: Keys::None, has_null: false };
        for item in list {
            let Node::Literal(Value::Scalar(value)) = item else { return None };
            if value.is_null() {
                set.has_null = true;
                continue;
            }
            match (keys(value.as_array())?, &mut set.keys) {
                (Column::Short(key), Keys::Short(keys)) => keys.extend(key),
                (Column::Long(key), Keys::Long(keys)) => keys.extend(key),
                (Column::Text(key), Keys::Text(keys)) => {
                    keys.insert(key.as_string_view().value(0).into());
                }
                (Column::Short(key), empty @ Keys::None) => *empty = Keys::Short(HashSet::from_iter(key)),
                (Column::Long(key), empty @ Keys::None) => *empty = Keys::Long(HashSet::from_iter(key)),
                (Column::Text(key), empty @ Keys::None) => {
                    *empty = Keys::Text(HashSet::from_iter([Box::from(key.as_string_view().value(0))]));
                }
                _ => return None,
            }
        }
        Some(set)
    }

    /// Which values are in the set; with `negated` which are not.
    pub fn contains(&self, value: &Value, negated: bool) -> Result<Value> {
        let array = value.values();
        let found = match (&self.keys, keys(array)) {
            (Keys::None, _) | (_, None) => BooleanArray::from(vec![false; array.len()]),
            (Keys::Short(keys), Some(Column::Short(column))) => {
                column.iter().map(|key| Some(keys.contains(key))).collect()
            }
            (Keys::Long(keys), Some(Column::Long(column))) => {
                column.iter().map(|key| Some(keys.contains(key))).collect()
            }
            (Keys::Text(keys), Some(Column::Text(column))) => {
                let texts = column.as_string_view();
                (0..texts.len()).map(|row| Some(texts.is_valid(row) && keys.contains(texts.value(row)))).collect()
            }
            _ => return Err(Error::internal(format!("an IN list for {} is of another type", array.data_type()))),
        };
        let (found, _) = found.into_parts();
        let mut nulls = array.logical_nulls();
        if self.has_null {
            nulls = NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::new(found.clone())));
        }
        let values = if negated { !&found } else { found };
        Ok(value.like_me(Arc::new(BooleanArray::new(values, nulls))))
    }
}

/// Compares with each item in turn.
pub(super) fn in_list(value: &Value, list: &[Value], negated: bool) -> Result<Value> {
    let mut found = Value::Scalar(Scalar::boolean(false));
    for item in list {
        found = or(&found, &compare(BinaryOp::Equal, value, item)?)?;
    }
    if !negated {
        return Ok(found);
    }
    Ok(found.like_me(Arc::new(not(found.values().as_boolean())?)))
}

fn or(left: &Value, right: &Value) -> Result<Value> {
    if let Value::Scalar(scalar) = left
        && scalar.as_bool() == Some(false)
    {
        return Ok(right.clone());
    }
    let rows = if left.is_scalar() { right.values().len() } else { left.values().len() };
    let (wide_left, wide_right) = (left.clone().into_array(rows), right.clone().into_array(rows));
    let joined = Arc::new(or_kleene(wide_left.as_boolean(), wide_right.as_boolean())?);
    Ok(if left.is_scalar() && right.is_scalar() {
        Value::Scalar(Scalar::from_array(&*joined, 0))
    } else {
        Value::Array(joined)
    })
}
