//! Some columns of some rows of a row group, batch by batch, in the engine's types.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};

use super::convert::convert;
use super::file::{FileColumn, ParquetFile};
use super::input::{PagesInFlight, RowGroupInput};
use crate::batch::record_batch;
use crate::error::{Error, Result};
use crate::io::nested::{Step, follow};
use crate::io::source::rows_of_width;
use crate::types::Scalar;

/// Where a column of a scan comes from.
#[derive(Clone, Debug)]
pub(super) enum OutputColumn {
    /// A column of the file by its index there, brought to the type that it has over all files.
    Read { column: usize, to: DataType },
    /// The same in every row: the file's name, or null where the file lacks the column.
    Constant(Scalar),
}

impl OutputColumn {
    /// The column of the file.
    pub fn file_column(&self) -> Option<usize> {
        match self {
            Self::Read { column, .. } => Some(*column),
            Self::Constant(_) => None,
        }
    }
}

/// A column of the batches to come.
#[derive(Debug)]
enum BatchColumn {
    /// From that place in the batches of the Parquet reader, and the part there.
    Read {
        position: usize,
        path: Vec<Step>,
        own: DataType,
        to: DataType,
    },
    Constant(Scalar),
}

/// Reads the columns.
pub(super) struct BatchReader {
    file: Arc<ParquetFile>,
    schema: SchemaRef,
    columns: Vec<BatchColumn>,
    /// `None` where no column of the file is asked for: only rows are counted.
    reader: Option<ParquetRecordBatchReader>,
    in_flight: Arc<PagesInFlight>,
    batch_size: usize,
    rows_left: u64,
}

impl BatchReader {
    /// Reads the columns of the selected rows, or of all, in batches of at most `batch_size` rows.
    pub fn new(
        file: &Arc<ParquetFile>,
        input: &RowGroupInput,
        schema: SchemaRef,
        columns: &[OutputColumn],
        selection: Option<RowSelection>,
        batch_size: usize,
    ) -> Result<Self> {
        let rows_left = match &selection {
            Some(selection) => selection.row_count() as u64,
            None => file.row_group_rows(input.row_group),
        };
        // The Parquet reader gives columns in the order of the file, each once.
        let read = || columns.iter().filter_map(OutputColumn::file_column).map(|column| &file.columns[column]);
        let mut roots: Vec<usize> = read().map(|column| column.root).collect();
        roots.sort_unstable();
        roots.dedup();
        let leaves: Vec<usize> = read().flat_map(FileColumn::leaves).collect();
        let batch_size = rows_of_width(batch_size, columns.len());
        let columns = columns.iter().map(|column| match column {
            OutputColumn::Constant(value) => BatchColumn::Constant(value.clone()),
            OutputColumn::Read { column, to } => {
                let found = &file.columns[*column];
                let position = roots.partition_point(|root| *root < found.root);
                BatchColumn::Read { position, path: found.path.clone(), own: found.data_type.clone(), to: to.clone() }
            }
        });
        let columns = columns.collect();
        let reader = if roots.is_empty() {
            None
        } else {
            let described = file.metadata.parquet_schema();
            let mask = ProjectionMask::leaves(described, leaves);
            let levels = parquet_to_arrow_field_levels(described, mask, Some(file.metadata.schema().fields()));
            let reader = levels.and_then(|levels| {
                ParquetRecordBatchReader::try_new_with_row_groups(&levels, input, batch_size, selection)
            });
            Some(reader.map_err(|error| input.in_flight.take_fault().unwrap_or_else(|| file.damaged(&error)))?)
        };
        let in_flight = input.in_flight.clone();
        Ok(Self { file: file.clone(), schema, columns, reader, in_flight, batch_size, rows_left })
    }

    /// The columns of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next batch, which has rows; `None` at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(reader) = &mut self.reader else {
            let rows = usize::try_from(self.rows_left).unwrap_or(usize::MAX).min(self.batch_size);
            return if rows == 0 { Ok(None) } else { self.batch(None, rows).map(Some) };
        };
        match reader.next() {
            Some(Ok(batch)) => self.batch(Some(&batch), batch.num_rows()).map(Some),
            Some(Err(error)) => Err(self.in_flight.take_fault().unwrap_or_else(|| self.file.damaged(&error))),
            None if self.rows_left == 0 => Ok(None),
            None => Err(self.file.damaged(&format!("a row group ends {} rows early", self.rows_left))),
        }
    }

    /// The rows as the columns asked for.
    fn batch(&mut self, read: Option<&RecordBatch>, rows: usize) -> Result<RecordBatch> {
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(column, field)| match column {
            BatchColumn::Constant(value) => Ok(value.to_array(rows)),
            BatchColumn::Read { position, path, own, to } => {
                let array = read
                    .and_then(|read| read.columns().get(*position))
                    .ok_or_else(|| Error::internal("the Parquet reader left out a column"))?;
                convert(&follow(array, path)?, own, to)
                    .map_err(|error| error.with_column(field.name()).with_file(&self.file.path))
            }
        });
        let batch = record_batch(&self.schema, columns.collect::<Result<_>>()?, rows)?;
        self.rows_left = self.rows_left.saturating_sub(rows as u64);
        Ok(batch)
    }
}
