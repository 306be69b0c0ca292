//! Where rows come from: a [`Table`] knows its schema and can be scanned; a [`Source`] is one scan, cut into partitions.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::context::QueryContext;
use crate::error::Result;
use crate::expr::BoundExpr;
use crate::metrics::OperatorMetrics;

/// The batches of one partition, in order. At most a batch or two are held at once.
pub type BatchStream = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// What a scan reads of a table.
#[derive(Clone, Debug, Default)]
pub struct ScanRequest {
    /// The columns by index into the table's schema, in the order in which the batches have them; `None` is all.
    pub projection: Option<Vec<usize>>,
    /// Conditions over the table's whole schema. The scan may use them to skip what statistics rule out, and need not
    /// use them at all: unless the source [applies](Source::applies_filters) them, the caller checks them again.
    pub filters: Vec<BoundExpr>,
    /// The caller needs no more rows than these.
    pub limit: Option<usize>,
}

/// A table that plans refer to: files, rows in memory, spilled results.
pub trait Table: Any + Send + Sync + Debug {
    /// What EXPLAIN shows, such as `csv 'data/flights/*.csv' (12 files)`.
    fn describe(&self) -> String;

    /// All columns, with resolved types.
    fn schema(&self) -> &SchemaRef;

    /// The exact number of rows, where it is known without reading them.
    fn row_count(&self) -> Option<u64> {
        None
    }

    /// Prepares a scan; reads at most metadata.
    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>>;
}

/// Rows in partitions that can be read independently, in any order and by any thread.
pub trait Source: Send + Sync + Debug {
    /// The columns of the batches.
    fn schema(&self) -> &SchemaRef;

    /// How many partitions there are. Their order is the order of the rows.
    fn partitions(&self) -> usize;

    /// How many rows there are, where it is known without reading them.
    fn row_count(&self) -> Option<u64> {
        None
    }

    /// Whether all rows that are given fulfil the filters of the request.
    fn applies_filters(&self) -> bool {
        false
    }

    /// How many files the conditions of the request ruled out as a whole.
    fn files_pruned(&self) -> usize {
        0
    }

    /// Bytes of input behind a partition, for progress; 0 where it makes no sense.
    fn partition_bytes(&self, partition: usize) -> u64 {
        let _ = partition;
        0
    }

    /// Starts to read a partition. May be called more than once, also for the same partition.
    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream>;
}

/// Values in a batch, at most, of tables with so many columns that `batch_size` rows would be too much memory.
const MOST_VALUES: usize = 1 << 18;

/// The rows of a batch of so many columns: `batch_size`, or fewer where rows are wide.
pub fn rows_of_width(batch_size: usize, columns: usize) -> usize {
    batch_size.min(MOST_VALUES / columns.max(1)).max(1)
}

/// A source of batches that are in memory: literal rows, small tables. One partition a batch.
#[derive(Debug)]
pub struct MemorySource {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl MemorySource {
    /// The batches must be of that schema.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Arc<Self> {
        Arc::new(Self { schema, batches })
    }
}

impl Source for MemorySource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.batches.len()
    }

    fn open(&self, partition: usize, context: &QueryContext, _: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let batch = self.batches[partition].clone();
        let rows = context.config.batch_size;
        let starts = (0..batch.num_rows()).step_by(rows);
        Ok(Box::new(starts.map(move |start| Ok(batch.slice(start, rows.min(batch.num_rows() - start))))))
    }
}
