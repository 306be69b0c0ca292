//! Comparisons in SQL's order, three-valued; IS [NOT] DISTINCT FROM, which knows no null.

use std::sync::Arc;

use arrow::compute::kernels::cmp;

use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::functions::scalar::ordering::comparable;
use crate::types::Scalar;

/// Compares two values of one type.
pub(super) fn compare(op: BinaryOp, left: &Value, right: &Value) -> Result<Value> {
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
