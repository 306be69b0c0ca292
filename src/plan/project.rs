//! Project: computes columns.

use arrow::datatypes::SchemaRef;

use super::{LogicalPlan, NamedExpr, schema_of};
use crate::expr::BoundExpr;

/// Computes each column of the result from the input's row.
#[derive(Clone, Debug)]
pub struct Project {
    /// What is computed over.
    pub input: Box<LogicalPlan>,
    /// The columns of the result.
    pub exprs: Vec<NamedExpr>,
    /// Their names and types.
    pub schema: SchemaRef,
}

impl Project {
    /// A projection of a plan.
    pub fn plan(input: LogicalPlan, exprs: Vec<NamedExpr>) -> LogicalPlan {
        let schema = schema_of(&exprs);
        LogicalPlan::Project(Self { input: Box::new(input), exprs, schema })
    }

    /// Whether it only picks and renames columns.
    pub fn is_selection(&self) -> bool {
        self.exprs.iter().all(|named| matches!(named.expr, BoundExpr::Column { .. }))
    }
}
