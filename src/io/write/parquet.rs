//! Parquet: row groups bounded by rows and by memory, the same bytes for the same batches.
//!
//! The file describes its types by Parquet's own annotations alone; Arrow's schema is not embedded, so that no reader
//! is asked for Arrow types that it does not know.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNanoType, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::file::properties::WriterProperties;

use super::output::Output;
use super::{BatchWriter, ParquetOptions, WriteSummary};
use crate::batch::record_batch;
use crate::error::{Error, Result};
use crate::types::list_item;

/// Bytes of Parquet's INTERVAL: months, days and milliseconds, each an unsigned 32-bit integer.
const INTERVAL_BYTES: i32 = 12;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Writes a Parquet file.
pub(super) struct ParquetWriter {
    writer: ArrowWriter<Output>,
    schema: SchemaRef,
    row_group_bytes: usize,
    rows: u64,
}

impl ParquetWriter {
    pub fn new(mut out: Output, options: &ParquetOptions, schema: &SchemaRef) -> Result<Self> {
        // Any column may hold nulls, whatever a batch says: the plan decides on types, not on nullability.
        let nullable = |data_type: fn(&DataType) -> DataType| {
            let fields = schema.fields().iter();
            Arc::new(Schema::new(
                fields.map(|field| Field::new(field.name(), data_type(field.data_type()), true)).collect::<Vec<_>>(),
            ))
        };
        let described =
            ArrowSchemaConverter::new().convert(&nullable(DataType::clone)).map_err(|error| out.error(&error))?;
        let stored = nullable(|data_type| match data_type {
            DataType::Interval(_) => DataType::FixedSizeBinary(INTERVAL_BYTES),
            other => other.clone(),
        });
        let has_interval_items =
            |field: &Arc<Field>| matches!(list_item(field.data_type()), Some(DataType::Interval(_)));
        if let Some(field) = schema.fields().iter().find(|field| has_interval_items(field)) {
            return Err(Error::data("lists of intervals cannot be written to Parquet")
                .with_column(field.name())
                .with_hint("CAST the column to VARCHAR"));
        }
        let properties = WriterProperties::builder()
            .set_compression(options.compression)
            .set_max_row_group_row_count(Some(options.row_group_rows))
            .set_created_by(concat!("highwater ", env!("CARGO_PKG_VERSION")).to_string())
            .build();
        let options_of_writer = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true)
            .with_parquet_schema(described);
        let name_error = |error| Error::data(format!("cannot write Parquet: {error}"));
        let writer = ArrowWriter::try_new_with_options(out, stored.clone(), options_of_writer).map_err(name_error)?;
        Ok(Self { writer, schema: stored, row_group_bytes: options.row_group_bytes, rows: 0 })
    }
}

impl BatchWriter for ParquetWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .zip(batch.schema().fields())
            .map(|(column, field)| match column.data_type() {
                DataType::Interval(_) => stored_interval(column).map_err(|error| error.with_column(field.name())),
                _ => Ok(column.clone()),
            })
            .collect::<Result<_>>()?;
        let stored = record_batch(&self.schema, columns, batch.num_rows())?;
        self.writer.write(&stored).map_err(|error| self.writer.inner_mut().error(&error))?;
        self.rows += batch.num_rows() as u64;
        if self.writer.memory_size() >= self.row_group_bytes {
            self.writer.flush().map_err(|error| self.writer.inner_mut().error(&error))?;
        }
        Ok(())
    }

    fn bytes_so_far(&mut self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    fn finish(mut self: Box<Self>) -> Result<WriteSummary> {
        self.writer.finish().map_err(|error| self.writer.inner_mut().error(&error))?;
        let out = self.writer.inner_mut();
        out.flush_all()?;
        Ok(WriteSummary { rows: self.rows, bytes: out.bytes() })
    }
}

/// Intervals as Parquet stores them; what does not fit exactly is an error, never rounded.
fn stored_interval(column: &ArrayRef) -> Result<ArrayRef> {
    let intervals = column.as_primitive::<IntervalMonthDayNanoType>();
    let mut builder = FixedSizeBinaryBuilder::with_capacity(intervals.len(), INTERVAL_BYTES);
    for interval in intervals {
        let Some(interval) = interval else {
            builder.append_null();
            continue;
        };
        let millis = (interval.nanoseconds % NANOS_PER_MILLI == 0).then_some(interval.nanoseconds / NANOS_PER_MILLI);
        let parts = (
            u32::try_from(interval.months).ok(),
            u32::try_from(interval.days).ok(),
            millis.and_then(|millis| u32::try_from(millis).ok()),
        );
        let (Some(months), Some(days), Some(millis)) = parts else {
            let text = crate::types::interval::format_interval(interval);
            return Err(Error::data(format!("the interval '{text}' does not fit Parquet")).with_hint(
                "Parquet holds no negative parts and nothing finer than a millisecond; CAST it to VARCHAR",
            ));
        };
        let mut bytes = [0; INTERVAL_BYTES as usize];
        bytes[0..4].copy_from_slice(&months.to_le_bytes());
        bytes[4..8].copy_from_slice(&days.to_le_bytes());
        bytes[8..12].copy_from_slice(&millis.to_le_bytes());
        builder.append_value(bytes)?;
    }
    Ok(Arc::new(builder.finish()))
}
