//! Scan: reads a table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::LogicalPlan;
use crate::expr::BoundExpr;
use crate::io::source::Table;

/// Reads some columns of a table.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Arc<dyn Table>,
    /// The columns read, by index into the table's schema, ascending; `None` is all.
    pub projection: Option<Vec<usize>>,
    /// Conditions over the table's whole schema, joined by AND. The scan's result holds only rows where all are true.
    /// They are checked in their order, each only over rows where those before it are true.
    pub filters: Vec<BoundExpr>,
    /// No more rows than these are needed; the scan may return more.
    pub limit: Option<usize>,
    /// The columns of the result.
    pub schema: SchemaRef,
}

impl Scan {
    /// Reads all of a table.
    pub fn all(table: Arc<dyn Table>) -> LogicalPlan {
        let schema = table.schema().clone();
        LogicalPlan::Scan(Self { table, projection: None, filters: Vec::new(), limit: None, schema })
    }

    /// The index into the table's schema of a column of the result.
    pub fn table_column(&self, column: usize) -> usize {
        self.projection.as_ref().map_or(column, |projection| projection[column])
    }

    /// Reads only those columns of the table.
    #[must_use]
    pub fn with_projection(self, projection: Vec<usize>) -> Self {
        let fields: Vec<_> = projection.iter().map(|&column| self.table.schema().fields()[column].clone()).collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        Self { projection: Some(projection), schema, ..self }
    }
}
