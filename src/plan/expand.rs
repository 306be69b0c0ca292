//! Expand: several rows for each one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::LogicalPlan;
use crate::expr::BoundExpr;

/// Puts out each row once for each of several projections: the rows of a grouping set with its keys, or the columns of
/// a row one below the other.
#[derive(Clone, Debug)]
pub struct Expand {
    /// What is computed over.
    pub input: Box<LogicalPlan>,
    /// At least one, all of the same types.
    pub projections: Vec<Vec<BoundExpr>>,
    /// The columns of each of them.
    pub schema: SchemaRef,
}

impl Expand {
    /// Several projections of a plan, whose columns have the names and the types given.
    pub fn plan(
        input: LogicalPlan,
        columns: impl IntoIterator<Item = (String, DataType)>,
        projections: Vec<Vec<BoundExpr>>,
    ) -> LogicalPlan {
        let fields = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        LogicalPlan::Expand(Self { input: Box::new(input), projections, schema })
    }

    /// What column `index` is, where it is the same column of the input in all projections.
    pub fn passed_on(&self, index: usize) -> Option<&BoundExpr> {
        let (first, others) = self.projections.split_first()?;
        let expr = first.get(index).filter(|expr| matches!(expr, BoundExpr::Column { .. }))?;
        others.iter().all(|other| other.get(index) == Some(expr)).then_some(expr)
    }
}
