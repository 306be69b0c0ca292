//! Some columns of some rows of a row group, batch by batch, in the engine's types.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};

use super::convert::convert;
use super::file::ParquetFile;
use super::input::RowGroupInput;
use crate::batch::record_batch;
use crate::error::{Error, Result};
use crate::io::nested::{Step, follow};
use crate::io::source::rows_of_width;
use crate::panics::guarded;
use crate::types::Scalar;

/// What the library says of differences of 33 bits between numbers of 32, and where such come from.
const WIDE_DELTAS: &str = "Invalid delta bit width";
const WIDE_DELTAS_HINT: &str = "DuckDB stores INTEGER so with PARQUET_VERSION V2, which few others read: write the file again with \
    PARQUET_VERSION V1, or the column as BIGINT";

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
    input: RowGroupInput,
    /// The file's columns that are read.
    read: Vec<usize>,
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
        let read: Vec<usize> = columns.iter().filter_map(OutputColumn::file_column).collect();
        let mut roots: Vec<usize> = read.iter().map(|column| file.columns[*column].root).collect();
        roots.sort_unstable();
        roots.dedup();
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
        let mut reader = Self {
            file: file.clone(),
            schema,
            columns,
            reader: None,
            input: input.clone(),
            read,
            batch_size,
            rows_left,
        };
        if !reader.read.is_empty() {
            let opened = reader.reader_of(&reader.read, selection);
            reader.reader = Some(opened.map_err(|what| reader.undecodable(&what))?);
        }
        Ok(reader)
    }

    /// Reads columns of the file by the library, which ends in a panic at some damages.
    fn reader_of(
        &self,
        columns: &[usize],
        selection: Option<RowSelection>,
    ) -> std::result::Result<ParquetRecordBatchReader, String> {
        let described = self.file.metadata.parquet_schema();
        let mask =
            ProjectionMask::leaves(described, columns.iter().flat_map(|column| self.file.columns[*column].leaves()));
        let fields = Some(self.file.metadata.schema().fields());
        let opened = guarded(|| {
            let levels = parquet_to_arrow_field_levels(described, mask, fields)?;
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, &self.input, self.batch_size, selection)
        });
        opened.map_err(stopped)?.map_err(|error| error.to_string())
    }

    /// The error of rows that cannot be decoded: it names the first column that cannot be decoded alone.
    fn undecodable(&mut self, what: &str) -> Error {
        if let Some(fault) = self.input.in_flight.take_fault() {
            return if fault.exit_code() == 1 { fault.with_file(&self.file.path) } else { fault };
        }
        self.reader = None;
        let found = match self.read.as_slice() {
            [column] => Some(column),
            columns => columns.iter().find(|column| !self.is_decodable(**column)),
        };
        // What ended the search is not what was wrong.
        drop(self.input.in_flight.take_fault());
        let row_group = self.input.row_group;
        let error = match found.and_then(|column| self.file.columns.get(*column)) {
            Some(column) => {
                let name = &column.name;
                self.file.damaged(&format!("the column \"{name}\" of row group {row_group}: {what}")).with_column(name)
            }
            None => self.file.damaged(&format!("row group {row_group}: {what}")),
        };
        if what.contains(WIDE_DELTAS) { error.without_hint().with_hint(WIDE_DELTAS_HINT) } else { error }
    }

    fn is_decodable(&self, column: usize) -> bool {
        let Ok(mut reader) = self.reader_of(&[column], None) else { return false };
        loop {
            match guarded(|| reader.next()) {
                Ok(Some(Ok(_))) => {}
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
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
        let what = match guarded(|| reader.next()) {
            Ok(Some(Ok(batch))) => return self.batch(Some(&batch), batch.num_rows()).map(Some),
            Ok(None) if self.rows_left == 0 => return Ok(None),
            Ok(Some(Err(error))) => error.to_string(),
            Ok(None) => format!("{} rows are missing", self.rows_left),
            Err(panic) => stopped(panic),
        };
        Err(self.undecodable(&what))
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

/// What a panic of the library is told as.
fn stopped(panic: String) -> String {
    format!("its decoder stopped at '{panic}'")
}
