//! AND and OR in three-valued logic. The right side is not evaluated at rows that the left side decides, where it
//! could fail there: `x <> 0 AND 1 / x > 0` raises no error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{and_kleene, or_kleene};

use super::node::Node;
use super::rows::Rows;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::types::{DataType, Scalar};

pub(super) fn evaluate(
    op: BinaryOp,
    left: &Node,
    right: &Node,
    lazy: bool,
    rows: &Rows<'_>,
    config: &Config,
) -> Result<Value> {
    // The value of the left side that decides alone.
    let deciding = op == BinaryOp::Or;
    let left = left.evaluate(rows, config)?;
    if let Value::Scalar(scalar) = &left {
        return match scalar.as_bool() {
            Some(value) if value == deciding => Ok(left),
            Some(_) => right.evaluate(rows, config),
            None => join(op, &left, &right.evaluate(rows, config)?, rows.len()),
        };
    }
    let truth = booleans(&left, rows.len())?;
    let decided = decided(&truth, deciding);
    match decided.count_set_bits() {
        count if count == rows.len() => Ok(left),
        count if count == 0 || !lazy => join(op, &left, &right.evaluate(rows, config)?, rows.len()),
        _ => {
            let open = BooleanArray::from(!&decided);
            let remaining = rows.select(&open)?;
            let value = booleans(&right.evaluate(&remaining, config)?, remaining.len())?;
            join(op, &left, &Value::Array(spread(&value, &open)), rows.len())
        }
    }
}

/// Where the value is known and the deciding one.
fn decided(truth: &BooleanArray, deciding: bool) -> BooleanBuffer {
    let values = if deciding { truth.values().clone() } else { !truth.values() };
    match truth.nulls() {
        None => values,
        Some(nulls) => &values & nulls.inner(),
    }
}

/// Values for the rows of a mask laid out over all rows; null between them.
fn spread(values: &BooleanArray, mask: &BooleanArray) -> ArrayRef {
    let mut next = 0;
    let spread: BooleanArray = mask
        .values()
        .iter()
        .map(|chosen| {
            if !chosen {
                return None;
            }
            let row = next;
            next += 1;
            values.is_valid(row).then(|| values.value(row))
        })
        .collect();
    Arc::new(spread)
}

fn booleans(value: &Value, rows: usize) -> Result<BooleanArray> {
    let array = value.clone().into_array(rows);
    if *array.data_type() == DataType::Null {
        return Ok(BooleanArray::new_null(rows));
    }
    let truth = array.as_boolean_opt();
    truth.cloned().ok_or_else(|| Error::internal(format!("a condition of type {}", array.data_type())))
}

fn join(op: BinaryOp, left: &Value, right: &Value, rows: usize) -> Result<Value> {
    let constant = left.is_scalar() && right.is_scalar();
    let rows = if constant { 1 } else { rows };
    let (left, right) = (booleans(left, rows)?, booleans(right, rows)?);
    let joined = if op == BinaryOp::Or { or_kleene(&left, &right)? } else { and_kleene(&left, &right)? };
    Ok(if constant { Value::Scalar(Scalar::from_array(&joined, 0)) } else { Value::Array(Arc::new(joined)) })
}
