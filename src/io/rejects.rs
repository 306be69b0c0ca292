//! The rejects of a statement as a table: what `rejects()` reads.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use super::source::{BatchStream, ScanRequest, Source, Table};
use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::metrics::OperatorMetrics;
use crate::rejects::{RejectLog, reject_schema};

/// What did not fit while an earlier statement read its files.
#[derive(Debug)]
pub struct RejectsTable {
    log: Arc<RejectLog>,
    schema: SchemaRef,
}

impl RejectsTable {
    /// The rejects of a statement that has ended.
    pub fn new(log: Arc<RejectLog>) -> Arc<Self> {
        Arc::new(Self { log, schema: reject_schema() })
    }
}

impl Table for RejectsTable {
    fn describe(&self) -> String {
        "rejects".into()
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest, _: &QueryContext) -> Result<Arc<dyn Source>> {
        let all = || (0..self.schema.fields().len()).collect();
        let projection: Vec<usize> = request.projection.clone().unwrap_or_else(all);
        let field = |column: &usize| self.schema.fields().get(*column).cloned();
        let fields: Option<Vec<_>> = projection.iter().map(field).collect();
        let fields = fields.ok_or_else(|| Error::internal("a scan of rejects asks for a column that there is not"))?;
        Ok(Arc::new(RejectsSource { log: self.log.clone(), schema: Arc::new(Schema::new(fields)), projection }))
    }
}

/// A scan of rejects: one partition, since lines are counted from the first on.
#[derive(Debug)]
struct RejectsSource {
    log: Arc<RejectLog>,
    schema: SchemaRef,
    projection: Vec<usize>,
}

impl Source for RejectsSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        1
    }

    fn open(&self, _: usize, context: &QueryContext, _: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let (schema, projection, cancel) = (self.schema.clone(), self.projection.clone(), context.cancel.clone());
        let rows = context.config.batch_size.max(1);
        let batches = self.log.read(None).map(move |found| -> Result<RecordBatch> {
            cancel.check()?;
            let batch = found?.batch;
            let columns = projection.iter().map(|column| batch.column(*column).clone()).collect();
            record_batch(&schema, columns, batch.num_rows())
        });
        Ok(Box::new(batches.flat_map(move |batch| -> BatchStream {
            match batch {
                Ok(batch) => {
                    let starts = (0..batch.num_rows()).step_by(rows);
                    Box::new(starts.map(move |at| Ok(batch.slice(at, rows.min(batch.num_rows() - at)))))
                }
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })))
    }
}
