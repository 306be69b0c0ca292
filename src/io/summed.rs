//! A table whose values are summed up while they are read, to be compared with what is read again from a copy. What a copy
//! tells in the names of its folders are values of which those that SQL calls equal are the same one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::source::{BatchStream, ScanRequest, Source, Table};
use crate::batch::{TableSum, normalize_equal, record_batch};
use crate::context::QueryContext;
use crate::error::Result;
use crate::metrics::OperatorMetrics;

/// Another table, of which every value that is read is added to a sum, by whoever reads it.
#[derive(Debug)]
pub struct SummedTable {
    table: Arc<dyn Table>,
    /// Columns that will stand in the names of folders.
    in_paths: Arc<[usize]>,
    sum: Arc<Mutex<TableSum>>,
}

impl SummedTable {
    /// Sums up what is read of a table, some columns of which will stand in the names of folders.
    pub fn new(table: Arc<dyn Table>, in_paths: &[usize]) -> Arc<Self> {
        let sum = TableSum::new(table.schema().fields().len());
        Arc::new(Self { table, in_paths: in_paths.into(), sum: Arc::new(Mutex::new(sum)) })
    }

    /// The sum of all partitions that were read to their ends.
    pub fn sum(&self) -> TableSum {
        lock(&self.sum).clone()
    }
}

fn lock(sum: &Mutex<TableSum>) -> MutexGuard<'_, TableSum> {
    sum.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table for SummedTable {
    fn describe(&self) -> String {
        self.table.describe()
    }

    fn schema(&self) -> &SchemaRef {
        self.table.schema()
    }

    fn row_count(&self) -> Option<u64> {
        self.table.row_count()
    }

    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let source = self.table.scan(request, context)?;
        let all = || (0..self.table.schema().fields().len()).collect();
        let columns = request.projection.clone().unwrap_or_else(all);
        let in_path = columns.iter().map(|column| self.in_paths.contains(column)).collect();
        Ok(Arc::new(SummedSource { source, columns: columns.into(), in_path, sum: self.sum.clone() }))
    }
}

#[derive(Debug)]
struct SummedSource {
    source: Arc<dyn Source>,
    /// The columns of the batches, by index into the table's.
    columns: Arc<[usize]>,
    /// Which of them stand in paths.
    in_path: Arc<[bool]>,
    sum: Arc<Mutex<TableSum>>,
}

impl Source for SummedSource {
    fn schema(&self) -> &SchemaRef {
        self.source.schema()
    }

    fn partitions(&self) -> usize {
        self.source.partitions()
    }

    fn row_count(&self) -> Option<u64> {
        self.source.row_count()
    }

    fn applies_filters(&self) -> bool {
        self.source.applies_filters()
    }

    fn files_pruned(&self) -> usize {
        self.source.files_pruned()
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.source.partition_bytes(partition)
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let batches = self.source.open(partition, context, metrics)?;
        let part = TableSum::new(self.columns.len());
        let (columns, in_path) = (self.columns.clone(), self.in_path.clone());
        Ok(Box::new(SummedStream { batches, part, columns, in_path, sum: self.sum.clone() }))
    }
}

struct SummedStream {
    batches: BatchStream,
    part: TableSum,
    columns: Arc<[usize]>,
    in_path: Arc<[bool]>,
    sum: Arc<Mutex<TableSum>>,
}

impl Iterator for SummedStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(batch) = self.batches.next() else {
            self.end();
            return None;
        };
        Some(batch.and_then(|batch| self.add(&batch).map(|()| batch)))
    }
}

impl SummedStream {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        if !self.in_path.contains(&true) {
            return self.part.add(batch);
        }
        let column = |(column, in_path): (&ArrayRef, &bool)| match in_path {
            true => normalize_equal(column),
            false => column.clone(),
        };
        let columns = batch.columns().iter().zip(self.in_path.iter()).map(column).collect();
        self.part.add(&record_batch(&batch.schema(), columns, batch.num_rows())?)
    }

    fn end(&mut self) {
        let part = std::mem::replace(&mut self.part, TableSum::new(self.columns.len()));
        let mut sum = lock(&self.sum);
        sum.rows += part.rows;
        for (column, part) in self.columns.iter().zip(&part.columns) {
            if let Some(sum) = sum.columns.get_mut(*column) {
                sum.merge(part);
            }
        }
    }
}
