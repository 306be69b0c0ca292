//! Bound expressions over batches: an [`Evaluator`] is made once per operator and evaluates whole columns.
//!
//! Making one compiles the expression to a tree of nodes: functions and patterns are resolved, constant parts
//! computed. Constants stay single values as long as possible. CASE, COALESCE, AND and OR evaluate an operand only over
//! the rows that need it, so that what an earlier condition excluded raises no error.

pub mod arithmetic;
mod case;
pub mod cast;
mod compare;
mod in_list;
pub mod like;
mod logic;
mod node;
mod predicate;
mod rows;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use crate::config::Config;
use crate::error::Result;
use crate::expr::BoundExpr;
use crate::functions::scalar::Value;

use node::Node;
pub use predicate::Predicate;
use rows::Rows;

/// An expression ready to be evaluated over batches of one schema. Shared by threads.
#[derive(Clone, Debug)]
pub struct Evaluator {
    node: Arc<Node>,
    config: Arc<Config>,
}

impl Evaluator {
    /// Prepares an expression.
    ///
    /// # Errors
    /// An internal error, where a function is not registered.
    pub fn new(expr: &BoundExpr, config: &Arc<Config>) -> Result<Self> {
        Ok(Self { node: Arc::new(Node::compile(expr, config)?), config: config.clone() })
    }

    /// The value of the expression for each row, or the one value of all rows.
    ///
    /// # Errors
    /// A data error, where a value overflows, does not fit a cast, or is outside of a function's domain.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Value> {
        self.node.evaluate(&Rows::all(batch), &self.config)
    }

    /// The value of the expression for each row.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub fn evaluate_array(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        Ok(self.evaluate(batch)?.into_array(batch.num_rows()))
    }
}

#[cfg(test)]
mod tests;
