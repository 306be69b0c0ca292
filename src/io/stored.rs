//! Tables of the session: results kept in memory or in spill files, part by part.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::source::{BatchStream, ScanRequest, Source, Table};
use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::Result;
use crate::metrics::OperatorMetrics;

/// A table whose rows were computed before. INSERT makes a new one that shares the parts.
#[derive(Clone, Debug)]
pub struct StoredTable {
    name: String,
    schema: SchemaRef,
    parts: Vec<Arc<dyn Source>>,
}

impl StoredTable {
    /// A table without rows.
    pub fn empty(name: &str, schema: SchemaRef) -> Self {
        Self { name: name.to_string(), schema, parts: Vec::new() }
    }

    /// The table with the rows of a re-readable source behind its own. The source's columns are those of the table.
    #[must_use]
    pub fn with_part(&self, part: Arc<dyn Source>) -> Self {
        let mut parts = self.parts.clone();
        parts.push(part);
        Self { parts, ..self.clone() }
    }
}

impl Table for StoredTable {
    fn describe(&self) -> String {
        format!("table {}", self.name)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn row_count(&self) -> Option<u64> {
        self.parts.iter().map(|part| part.row_count()).sum()
    }

    fn scan(&self, request: &ScanRequest, _: &QueryContext) -> Result<Arc<dyn Source>> {
        let all = || (0..self.schema.fields().len()).collect();
        let projection: Vec<usize> = request.projection.clone().unwrap_or_else(all);
        let fields: Vec<_> = projection.iter().map(|&column| self.schema.fields()[column].clone()).collect();
        let partitions = self.parts.iter().enumerate();
        let partitions = partitions.flat_map(|(part, source)| (0..source.partitions()).map(move |index| (part, index)));
        Ok(Arc::new(StoredSource {
            schema: Arc::new(Schema::new(fields)),
            partitions: partitions.collect(),
            parts: self.parts.clone(),
            projection,
        }))
    }
}

/// A scan of a stored table.
#[derive(Debug)]
struct StoredSource {
    schema: SchemaRef,
    parts: Vec<Arc<dyn Source>>,
    /// Part, and partition within it.
    partitions: Vec<(usize, usize)>,
    projection: Vec<usize>,
}

impl Source for StoredSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let (part, index) = self.partitions[partition];
        let stream = self.parts[part].open(index, context, metrics)?;
        let (schema, projection) = (self.schema.clone(), self.projection.clone());
        Ok(Box::new(stream.map(move |batch| {
            let batch = batch?;
            let columns = projection.iter().map(|&column| batch.column(column).clone()).collect();
            record_batch(&schema, columns, batch.num_rows())
        })))
    }
}
