//! Arithmetic: which types an operator brings its sides to, and the kernels for each pair of types.

mod narrow;
mod numbers;
mod temporal;
mod types;

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::functions::scalar::calendar::negate_interval;
use crate::types::{Scalar, is_float, is_integer, sql_name};

pub use types::arithmetic_type;

/// Evaluates `left op right` of the types that [`arithmetic_type`] gave.
pub(super) fn arithmetic(
    op: BinaryOp,
    sides: &[Value; 2],
    rows: usize,
    result: &DataType,
    config: &Config,
) -> Result<Value> {
    let [left, right] = sides;
    if sides.iter().any(|side| matches!(side, Value::Scalar(scalar) if scalar.is_null())) {
        return Ok(Value::Scalar(Scalar::null(result)));
    }
    match (left.data_type(), right.data_type()) {
        (l, r) if l == r && is_integer(l) => numbers::integers(op, left, right),
        (l, r) if l == r && is_float(l) => numbers::floats(op, left, right),
        (DataType::Decimal128(_, left_scale), DataType::Decimal128(_, right_scale)) => {
            numbers::decimals(op, sides, rows, (*left_scale, *right_scale), result)
        }
        _ => temporal::temporal(op, sides, rows, result, config),
    }
}

/// `-value`.
pub(super) fn negate(value: &Value, data_type: &DataType) -> Result<Value> {
    let array = value.values();
    if *array.data_type() == DataType::Null {
        return Ok(value.clone());
    }
    if let Some(intervals) = array.as_primitive_opt::<IntervalMonthDayNanoType>() {
        let negated = intervals.try_unary::<_, IntervalMonthDayNanoType, Error>(|interval| {
            negate_interval(interval).ok_or_else(|| Error::data("interval out of range"))
        })?;
        return Ok(value.like_me(Arc::new(negated)));
    }
    let negated = arrow::compute::kernels::numeric::neg(array).map_err(|error| numbers::overflow(error, data_type))?;
    Ok(value.like_me(negated))
}

/// An operator that is not defined for the types: the binder lets none through.
fn undefined(op: BinaryOp, left: &DataType, right: &DataType) -> Error {
    Error::internal(format!("{} {} {} is not defined", sql_name(left), op.symbol(), sql_name(right)))
}
