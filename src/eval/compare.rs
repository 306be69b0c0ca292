//! Comparisons in SQL's order, three-valued; IS [NOT] DISTINCT FROM, which knows no null.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Float64Array};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::kernels::cmp;
use arrow::datatypes::Float64Type;

use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::functions::scalar::ordering::comparable;
use crate::types::Scalar;

/// Compares two values of one type.
pub(super) fn compare(op: BinaryOp, left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::Array(column), Value::Scalar(constant)) => {
            if let Some(result) = floats_with_constant(op, column, constant) {
                return Ok(Value::Array(Arc::new(result)));
            }
        }
        (Value::Scalar(constant), Value::Array(column)) => {
            if let Some(result) = floats_with_constant(op.swapped(), column, constant) {
                return Ok(Value::Array(Arc::new(result)));
            }
        }
        _ => {}
    }
    let (l, r) = (comparable(left), comparable(right));
    let result = match op {
        BinaryOp::Equal => cmp::eq(&l, &r),
        BinaryOp::NotEqual => cmp::neq(&l, &r),
        BinaryOp::Less => cmp::lt(&l, &r),
        BinaryOp::LessEqual => cmp::lt_eq(&l, &r),
        BinaryOp::Greater => cmp::gt(&l, &r),
        BinaryOp::GreaterEqual => cmp::gt_eq(&l, &r),
        BinaryOp::DistinctFrom => cmp::distinct(&l, &r),
        BinaryOp::NotDistinctFrom => cmp::not_distinct(&l, &r),
        other => return Err(Error::internal(format!("{} is no comparison", other.symbol()))),
    }?;
    Ok(if left.is_scalar() && right.is_scalar() {
        Value::Scalar(Scalar::from_array(&result, 0))
    } else {
        Value::Array(Arc::new(result))
    })
}

/// Doubles with a constant, the commonest filter, in one pass; `None` where it is none of these. As IEEE 754 compares
/// them, apart from NaN, which is greater than every constant here.
fn floats_with_constant(op: BinaryOp, column: &dyn Array, constant: &Scalar) -> Option<BooleanArray> {
    let floats = column.as_primitive_opt::<Float64Type>()?;
    let constant = constant.as_array().as_primitive_opt::<Float64Type>()?;
    let bound = constant.is_valid(0).then(|| constant.value(0)).filter(|bound| !bound.is_nan())?;
    Some(match op {
        BinaryOp::Equal => pack(floats, |value| value == bound),
        BinaryOp::NotEqual => pack(floats, |value| value != bound),
        BinaryOp::Less => pack(floats, |value| value < bound),
        BinaryOp::LessEqual => pack(floats, |value| value <= bound),
        BinaryOp::Greater => pack(floats, |value| (value > bound) | value.is_nan()),
        BinaryOp::GreaterEqual => pack(floats, |value| (value >= bound) | value.is_nan()),
        _ => return None,
    })
}

/// A bit for each value; null for null.
fn pack(floats: &Float64Array, holds: impl Fn(f64) -> bool) -> BooleanArray {
    let (octets, rest) = floats.values().as_chunks::<8>();
    let gather = |octet: &[f64; 8]| {
        let bytes = octet.map(|value| u8::from(holds(value)));
        // The product gathers the eight lowest bits in its highest byte.
        (u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
    };
    let mut bits = Vec::with_capacity(octets.len() + 1);
    bits.extend(octets.iter().map(gather));
    if !rest.is_empty() {
        bits.push(rest.iter().rev().fold(0, |byte, value| (byte << 1) | u8::from(holds(*value))));
    }
    BooleanArray::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, floats.len()), floats.nulls().cloned())
}

#[cfg(test)]
mod tests {
    use arrow::array::ArrayRef;

    use super::*;

    #[test]
    fn a_constant_compares_as_a_column_of_it_does() {
        let odd = [f64::NAN, -f64::NAN, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1.5];
        // Some words of eight and a rest, with nulls among them, and cut off at the front.
        let value = |row: usize| (row % 5 != 3).then(|| odd[row * 7 % odd.len()]);
        let column: ArrayRef = Arc::new((0..45).map(value).collect::<Float64Array>());
        let column = column.slice(2, 43);
        let ops = [
            BinaryOp::Equal,
            BinaryOp::NotEqual,
            BinaryOp::Less,
            BinaryOp::LessEqual,
            BinaryOp::Greater,
            BinaryOp::GreaterEqual,
            BinaryOp::DistinctFrom,
        ];
        for (op, bound) in ops.into_iter().flat_map(|op| odd.map(|bound| (op, bound))) {
            let constant = Scalar::float64(bound);
            let whole = Value::Array(constant.to_array(column.len()));
            let (column, constant) = (Value::Array(column.clone()), Value::Scalar(constant));
            for (one, other) in [((&column, &constant), (&column, &whole)), ((&constant, &column), (&whole, &column))] {
                let found = compare(op, one.0, one.1).unwrap();
                assert_eq!(found.values(), compare(op, other.0, other.1).unwrap().values(), "{op:?} {bound}");
            }
        }
    }
}
