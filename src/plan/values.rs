//! Values: rows given in the query.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::LogicalPlan;

/// Rows that are part of the plan.
#[derive(Clone, Debug)]
pub struct Values {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batch: RecordBatch,
}

impl Values {
    /// Rows as a plan.
    pub fn plan(batch: RecordBatch) -> LogicalPlan {
        LogicalPlan::Values(Self { schema: batch.schema(), batch })
    }

    /// One row without columns: what SELECT without FROM computes over.
    pub fn one_row() -> LogicalPlan {
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options);
        Self::plan(batch.expect("a batch without columns fits any number of rows"))
    }
}
