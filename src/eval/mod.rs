//! Bound expressions over batches: an [`Evaluator`] is made once per operator and evaluates whole columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::functions::scalar::Value;

/// An expression ready to be evaluated over batches of one schema. Shared by threads.
#[derive(Clone, Debug)]
pub struct Evaluator {
    expr: BoundExpr,
    config: Arc<Config>,
}

impl Evaluator {
    /// Prepares an expression.
    pub fn new(expr: &BoundExpr, config: &Arc<Config>) -> Result<Self> {
        Ok(Self { expr: expr.clone(), config: config.clone() })
    }

    /// The value of the expression for each row, or the one value of all rows.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Value> {
        let _ = &self.config;
        match &self.expr {
            BoundExpr::Column { index, .. } => Ok(Value::Array(batch.column(*index).clone())),
            BoundExpr::Literal(value) => Ok(Value::Scalar(value.clone())),
            other => Err(Error::internal(format!("cannot evaluate {other} yet"))),
        }
    }

    /// The value of the expression for each row.
    pub fn evaluate_array(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        Ok(self.evaluate(batch)?.into_array(batch.num_rows()))
    }

    /// The rows where a condition is true: null counts as false, and the result has no nulls.
    pub fn evaluate_mask(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let array = self.evaluate_array(batch)?;
        let mask = array.as_boolean();
        Ok(match mask.nulls() {
            Some(_) => arrow::compute::prep_null_mask_filter(mask),
            None => mask.clone(),
        })
    }
}

/// stub
pub fn arithmetic_type(
    op: crate::expr::BinaryOp,
    left: &crate::types::DataType,
    right: &crate::types::DataType,
) -> Option<(crate::types::DataType, crate::types::DataType, crate::types::DataType)> {
    let _ = (op, left, right);
    None
}

/// stub
pub fn can_cast(from: &crate::types::DataType, to: &crate::types::DataType) -> bool {
    let _ = (from, to);
    true
}
