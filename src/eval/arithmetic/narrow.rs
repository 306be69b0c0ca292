//! Sums, differences and products of decimals whose values fit into 64 bits, as those of nearly all columns do: one pass over
//! the values without a branch. What does not fit is left to the exact steps, which know how to tell of it.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Decimal128Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type};

use crate::error::Result;
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;

/// One side: a column, or one value for all rows.
#[derive(Clone, Copy)]
enum Side<'a> {
    Column(&'a [i128]),
    Constant(i128),
}

impl<'a> Side<'a> {
    /// `None` for a constant that is null.
    fn new(value: &'a Value) -> Option<Self> {
        let array = value.values().as_primitive_opt::<Decimal128Type>()?;
        if !value.is_scalar() {
            return Some(Self::Column(array.values()));
        }
        (array.len() == 1 && array.is_valid(0)).then(|| Self::Constant(array.value(0)))
    }
}

/// The result, where both sides are values of 64 bits, or null, and every result is less than `limit`; else `None`. `scale` are
/// the factors that bring the sides to the scale of a sum.
pub(super) fn narrow(
    op: BinaryOp,
    sides: &[Value; 2],
    scale: (Option<i128>, Option<i128>),
    result: &DataType,
    limit: i128,
) -> Result<Option<Value>> {
    let (Some(left), Some(right)) = (Side::new(&sides[0]), Side::new(&sides[1])) else { return Ok(None) };
    let factor = |factor: Option<i128>| factor.and_then(|factor| i64::try_from(factor).ok()).map(i128::from);
    // None of these leaves 128 bits: a product of two values of 64 bits has 126, and a sum of two such 127.
    let values = match (op, factor(scale.0), factor(scale.1)) {
        (BinaryOp::Multiply, ..) => compute(left, right, limit, |l, r| i128::from(l) * i128::from(r)),
        (BinaryOp::Add, Some(a), Some(b)) => compute(left, right, limit, |l, r| i128::from(l) * a + i128::from(r) * b),
        (BinaryOp::Subtract, Some(a), Some(b)) => {
            compute(left, right, limit, |l, r| i128::from(l) * a - i128::from(r) * b)
        }
        _ => None,
    };
    let Some(values) = values else { return Ok(None) };
    let nulls = |value: &Value| if value.is_scalar() { None } else { value.values().nulls().cloned() };
    let nulls = NullBuffer::union(nulls(&sides[0]).as_ref(), nulls(&sides[1]).as_ref());
    let array = Decimal128Array::try_new(values.into(), nulls)?.with_data_type(result.clone());
    Ok(Some(Value::Array(Arc::new(array))))
}

fn compute(left: Side<'_>, right: Side<'_>, limit: i128, f: impl Fn(i64, i64) -> i128) -> Option<Vec<i128>> {
    let mut fits = true;
    let mut step = |l: i128, r: i128| {
        // Truncated values are noticed below.
        let (a, b) = (l as i64, r as i64);
        let value = f(a, b);
        fits &= i128::from(a) == l && i128::from(b) == r && value > -limit && value < limit;
        value
    };
    let values = match (left, right) {
        (Side::Column(l), Side::Column(r)) => l.iter().zip(r).map(|(l, r)| step(*l, *r)).collect(),
        (Side::Column(l), Side::Constant(r)) => l.iter().map(|l| step(*l, r)).collect(),
        (Side::Constant(l), Side::Column(r)) => r.iter().map(|r| step(l, *r)).collect(),
        (Side::Constant(_), Side::Constant(_)) => return None,
    };
    fits.then_some(values)
}

#[cfg(test)]
mod tests {
    use arrow::array::ArrayRef;
    use proptest::prelude::*;

    use super::super::arithmetic;
    use super::*;
    use crate::config::Config;
    use crate::types::Scalar;
    use crate::types::temporal::format_value;

    fn value() -> impl Strategy<Value = Option<i128>> {
        let limit = 10i128.pow(37);
        let value = prop_oneof![
            4 => -1000i128..1000,
            2 => any::<i64>().prop_map(i128::from),
            1 => any::<i128>().prop_map(move |value| value % limit),
        ];
        prop::option::weighted(0.9, value)
    }

    proptest! {
        /// Columns take the way of decimals of 64 bits where they can, constants never do.
        #[test]
        fn decimals_in_columns_are_computed_as_constants_are(
            left in prop::collection::vec(value(), 1..20),
            right in prop::collection::vec(value(), 20),
            constant in any::<bool>(),
            scales in (0i8..7, 0i8..7),
            op in prop::sample::select(vec![BinaryOp::Add, BinaryOp::Subtract, BinaryOp::Multiply]),
        ) {
            let mut right = right[..left.len()].to_vec();
            if constant {
                let first = right[0];
                right.fill(first);
            }
            let column = |values: &[Option<i128>], scale| -> ArrayRef {
                Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, scale).unwrap())
            };
            let one = |values: &[Option<i128>], row: usize, scale| Value::Scalar(Scalar::from_array(&column(values, scale), row));
            let sides = [
                Value::Array(column(&left, scales.0)),
                if constant { one(&right, 0, scales.1) } else { Value::Array(column(&right, scales.1)) },
            ];
            let scale = if op == BinaryOp::Multiply { scales.0 + scales.1 } else { scales.0.max(scales.1) };
            let result = DataType::Decimal128(38, scale);
            let config = Config::default();
            let whole = arithmetic(op, &sides, left.len(), &result, &config);
            let each: Result<Vec<Option<String>>> = (0..left.len())
                .map(|row| {
                    let sides = [one(&left, row, scales.0), one(&right, row, scales.1)];
                    let found = arithmetic(op, &sides, 1, &result, &config)?;
                    Ok(format_value(&found.into_array(1), 0))
                })
                .collect();
            match (whole, each) {
                (Ok(whole), Ok(each)) => {
                    let whole = whole.into_array(left.len());
                    prop_assert_eq!(whole.data_type(), &result);
                    prop_assert_eq!((0..left.len()).map(|row| format_value(&whole, row)).collect::<Vec<_>>(), each);
                }
                (Err(whole), Err(each)) => prop_assert_eq!(whole.to_string(), each.to_string()),
                (whole, each) => prop_assert!(false, "{whole:?} and {each:?}"),
            }
        }
    }
}
