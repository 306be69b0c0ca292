//! One scan of Parquet files: the row groups to read, and the batches of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::convert::convert;
use super::file::ParquetFile;
use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source, rows_of_width};
use crate::metrics::OperatorMetrics;
use crate::types::Scalar;

/// Where a column of the scan comes from.
#[derive(Clone, Debug)]
pub(super) enum OutputColumn {
    /// A column of the file by its index there, brought to the type that it has over all files.
    Read { column: usize, to: DataType },
    /// The same in every row: the file's name, or null where the file lacks the column.
    Constant(Scalar),
}

/// A row group to read, or its first rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partition {
    pub file: usize,
    pub row_group: usize,
    pub rows: u64,
    pub bytes: u64,
}

/// Bytes of the columns that are read of a row group.
pub(super) fn bytes_read(file: &ParquetFile, row_group: usize, columns: &[OutputColumn]) -> u64 {
    let mut read: Vec<usize> = columns.iter().filter_map(read_column).collect();
    read.sort_unstable();
    read.dedup();
    read.into_iter().map(|column| file.column_bytes(row_group, column)).sum()
}

fn read_column(column: &OutputColumn) -> Option<usize> {
    match column {
        OutputColumn::Read { column, .. } => Some(*column),
        OutputColumn::Constant(_) => None,
    }
}

/// A scan.
#[derive(Debug)]
pub(super) struct ParquetSource {
    schema: SchemaRef,
    files: Vec<Arc<ParquetFile>>,
    /// For each file, where the columns come from.
    columns: Vec<Vec<OutputColumn>>,
    partitions: Vec<Partition>,
    /// Row groups that statistics ruled out, until they were counted.
    pruned: AtomicU64,
    /// Files that the conditions ruled out.
    files_pruned: usize,
}

impl ParquetSource {
    pub fn new(
        schema: SchemaRef,
        files: Vec<Arc<ParquetFile>>,
        columns: Vec<Vec<OutputColumn>>,
        partitions: Vec<Partition>,
        pruned: u64,
    ) -> Self {
        Self { schema, files, columns, partitions, pruned: AtomicU64::new(pruned), files_pruned: 0 }
    }

    /// Tells of files that the conditions ruled out before.
    pub fn with_files_pruned(self, files_pruned: usize) -> Self {
        Self { files_pruned, ..self }
    }
}

impl Source for ParquetSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn files_pruned(&self) -> usize {
        self.files_pruned
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.partitions.get(partition).map_or(0, |partition| partition.bytes)
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let missing = || Error::internal(format!("there is no partition {partition}"));
        let partition = *self.partitions.get(partition).ok_or_else(missing)?;
        let file = self.files.get(partition.file).ok_or_else(missing)?;
        let columns = self.columns.get(partition.file).ok_or_else(missing)?;
        let pruned = self.pruned.swap(0, Relaxed);
        if pruned > 0 {
            metrics.add("row groups pruned", pruned);
        }
        metrics.add("bytes read", partition.bytes);
        Ok(Box::new(RowGroupStream::open(&self.schema, file, columns, partition, context)?))
    }
}

/// A column of the batches to come.
#[derive(Debug)]
enum BatchColumn {
    /// From that place in the batches of the Parquet reader.
    Read {
        position: usize,
        own: DataType,
        to: DataType,
    },
    Constant(Scalar),
}

/// The batches of one row group.
struct RowGroupStream {
    schema: SchemaRef,
    file: Arc<ParquetFile>,
    columns: Vec<BatchColumn>,
    /// `None` where no column of the file is asked for: only rows are counted.
    reader: Option<ParquetRecordBatchReader>,
    context: QueryContext,
    partition: Partition,
    rows_done: u64,
    bytes_done: u64,
    ended: bool,
}

impl RowGroupStream {
    fn open(
        schema: &SchemaRef,
        file: &Arc<ParquetFile>,
        columns: &[OutputColumn],
        partition: Partition,
        context: &QueryContext,
    ) -> Result<Self> {
        context.cancel.check()?;
        // The reader gives columns in the order of the file, each once.
        let mut roots: Vec<usize> =
            columns.iter().filter_map(read_column).map(|column| file.columns[column].root).collect();
        roots.sort_unstable();
        roots.dedup();
        let roots_read = roots.len();
        let columns = columns.iter().map(|column| match column {
            OutputColumn::Constant(value) => BatchColumn::Constant(value.clone()),
            OutputColumn::Read { column, to } => {
                let found = &file.columns[*column];
                let position = roots.partition_point(|root| *root < found.root);
                BatchColumn::Read { position, own: found.data_type.clone(), to: to.clone() }
            }
        });
        let columns = columns.collect();
        let reader = if roots.is_empty() {
            None
        } else {
            let mask = ProjectionMask::roots(file.metadata.parquet_schema(), roots);
            let rows = usize::try_from(partition.rows).unwrap_or(usize::MAX);
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file.reopen()?, file.metadata.clone())
                .with_row_groups(vec![partition.row_group])
                .with_projection(mask)
                .with_batch_size(rows_of_width(context.config.batch_size, roots_read))
                .with_limit(rows);
            Some(builder.build().map_err(|error| file.damaged(&error))?)
        };
        Ok(Self {
            schema: schema.clone(),
            file: file.clone(),
            columns,
            reader,
            context: context.clone(),
            partition,
            rows_done: 0,
            bytes_done: 0,
            ended: false,
        })
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        self.context.cancel.check()?;
        let left = self.partition.rows - self.rows_done;
        let Some(reader) = &mut self.reader else {
            let rows = left.min(self.context.config.batch_size as u64);
            return if rows == 0 { Ok(None) } else { self.batch(None, rows as usize).map(Some) };
        };
        match reader.next() {
            Some(batch) => {
                let batch = batch.map_err(|error| self.file.damaged(&error))?;
                self.batch(Some(&batch), batch.num_rows()).map(Some)
            }
            None if left == 0 => Ok(None),
            None => Err(self.file.damaged(&format!("a row group ends {left} rows early"))),
        }
    }

    /// The rows as the scan's columns.
    fn batch(&mut self, read: Option<&RecordBatch>, rows: usize) -> Result<RecordBatch> {
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(column, field)| match column {
            BatchColumn::Constant(value) => Ok(value.to_array(rows)),
            BatchColumn::Read { position, own, to } => {
                let array = read
                    .and_then(|read| read.columns().get(*position))
                    .ok_or_else(|| Error::internal("the Parquet reader left out a column"))?;
                convert(array, own, to).map_err(|error| error.with_column(field.name()).with_file(&self.file.path))
            }
        });
        let batch = record_batch(&self.schema, columns.collect::<Result<_>>()?, rows)?;
        self.rows_done = (self.rows_done + rows as u64).min(self.partition.rows);
        self.context.progress.rows_read.fetch_add(rows as u64, Relaxed);
        // In proportion to rows: pages are read ahead of the rows that come out of them.
        let share = u128::from(self.partition.bytes) * u128::from(self.rows_done) / u128::from(self.partition.rows);
        let bytes_done = u64::try_from(share).unwrap_or(self.partition.bytes);
        self.context.progress.bytes_done.fetch_add(bytes_done - self.bytes_done, Relaxed);
        self.bytes_done = bytes_done;
        Ok(batch)
    }
}

impl Iterator for RowGroupStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
