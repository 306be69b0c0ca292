//! Rows as one partition in the order of the input, for operators that must see all of them one after another: kept
//! first, in memory or on disk, since tasks run side by side.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::metrics::OperatorMetrics;
use crate::operators::buffer::Materialize;
use crate::operators::{Flow, Local, Sink, TaskId};
use crate::types::SchemaRef;

/// Keeps all rows, and gives them on as one partition.
#[derive(Debug)]
pub struct InOrder(Materialize);

impl InOrder {
    /// Rows of that schema.
    pub fn new(schema: SchemaRef, metrics: Arc<OperatorMetrics>) -> Self {
        Self(Materialize::new(schema, "rows in order", metrics))
    }
}

impl Sink for InOrder {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        self.0.local(context, workers)
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        self.0.sink(local, task, batch)
    }

    fn combine(&self, local: Local) -> Result<()> {
        self.0.combine(local)
    }

    fn finish(&self, context: &QueryContext) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(OnePartition(self.0.finish(context)?)))
    }
}

/// The partitions of a source, one behind another.
#[derive(Debug)]
struct OnePartition(Arc<dyn Source>);

impl Source for OnePartition {
    fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    fn row_count(&self) -> Option<u64> {
        self.0.row_count()
    }

    fn partitions(&self) -> usize {
        1
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        if partition != 0 {
            return Err(Error::internal("rows in order are one partition"));
        }
        let (source, context, metrics) = (self.0.clone(), context.clone(), metrics.clone());
        let parts = (0..source.partitions()).flat_map(move |part| {
            source.open(part, &context, &metrics).unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
        });
        Ok(Box::new(parts))
    }
}
