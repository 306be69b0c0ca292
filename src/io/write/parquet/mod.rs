//! Parquet: columns encoded in parallel, row groups in order, the same bytes for the same rows and options.
//!
//! What decides about bytes is told by the rows alone: where row groups end (`borders`), which rows are encoded by one
//! call (units of a fixed number, from the start of each row group), and the encodings (`choose`). Threads only decide
//! who does it (`encode`), and memory where the pages wait until their row group is complete (`pages`).
//!
//! The file describes its types by Parquet's own annotations alone; Arrow's schema is not embedded, so that no reader
//! is asked for Arrow types that it does not know.

mod borders;
mod choose;
mod column;
mod encode;
mod pages;
mod sorted;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNanoType, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Encoding, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use self::borders::{Borders, Taken};
use self::column::{Column, common};
use self::encode::{Encoded, Encoders, Unit};
use self::pages::{Ledger, unwrapped};
use self::sorted::{Order, unknown_column};
use super::output::Output;
use super::{BatchWriter, ParquetOptions, WriteContext, WriteSummary};
use crate::error::{Error, Result};
use crate::types::list_item;

/// Rows that are encoded by one call: enough that calls do not matter, few enough that hardly anything waits for more.
const UNIT_ROWS: usize = 4096;

/// Bytes of Parquet's INTERVAL: months, days and milliseconds, each an unsigned 32-bit integer.
const INTERVAL_BYTES: i32 = 12;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Writes a Parquet file.
pub(super) struct ParquetWriter {
    // Before the file: what is at work has no use for it.
    encoders: Encoders,
    file: SerializedFileWriter<Output>,
    ledger: Arc<Ledger>,
    borders: Borders,
    order: Option<Order>,
    /// Rows that do not fill a unit yet.
    pending: Pending,
    rows: u64,
}

/// A unit under construction.
#[derive(Default)]
struct Pending {
    units: Vec<Unit>,
    rows: usize,
}

impl ParquetWriter {
    pub fn new(out: Output, options: &ParquetOptions, schema: &SchemaRef, context: &WriteContext) -> Result<Self> {
        // Any column may hold nulls, whatever a batch says: the plan decides on types, not on nullability.
        let nullable = |field: &FieldRef| Arc::new(Field::new(field.name(), field.data_type().clone(), true));
        let described: Vec<FieldRef> = schema.fields().iter().map(nullable).collect();
        let has_interval_items =
            |field: &&FieldRef| matches!(list_item(field.data_type()), Some(DataType::Interval(_)));
        if let Some(field) = described.iter().find(has_interval_items) {
            return Err(Error::data("lists of intervals cannot be written to Parquet")
                .with_column(field.name())
                .with_hint("CAST the column to VARCHAR"));
        }
        let wrong = |error: ParquetError| Error::data(format!("cannot write Parquet: {error}"));
        let parquet = ArrowSchemaConverter::new().convert(&Schema::new(described.clone())).map_err(wrong)?;
        check_columns(options, schema, &parquet)?;
        let columns = described.iter().map(|field| Column::new(field, stored_field(field), options));
        let columns = columns.collect::<Result<_, _>>().map_err(wrong)?;
        let order = Order::new(&options.sorted_by, schema)?;
        let ledger = Ledger::new(context);
        let encoders = Encoders::new(columns, ledger.clone(), context.threads().cloned());
        let properties = Arc::new(file_properties(options, order.as_ref()));
        // What goes wrong with the output itself is told by it, but it is the library's by then.
        let file = SerializedFileWriter::new(out, parquet.root_schema_ptr(), properties).map_err(wrong)?;
        let (borders, pending) = (Borders::new(options), Pending::default());
        Ok(Self { encoders, file, ledger, borders, order, pending, rows: 0 })
    }

    /// Adds rows of one row group, unit by unit.
    fn push(&mut self, columns: &[ArrayRef], mut from: usize, taken: &Taken) -> Result<()> {
        // Shared out among the rows alike: what units hold is told in the end as it was reserved.
        let shares: Vec<u64> = taken.bytes.iter().map(|bytes| bytes.div_ceil(taken.rows.max(1) as u64)).collect();
        let mut rows = taken.rows;
        self.make_room(shares.iter().sum::<u64>() * rows as u64)?;
        while rows > 0 {
            let some = rows.min(UNIT_ROWS - self.pending.rows);
            self.pending.add(columns, &shares, from, some);
            (from, rows) = (from + some, rows - some);
            if self.pending.rows == UNIT_ROWS {
                self.end_unit()?;
            }
        }
        Ok(())
    }

    fn end_unit(&mut self) -> Result<()> {
        let Pending { units, rows } = std::mem::take(&mut self.pending);
        if rows > 0 { self.encoders.push(units) } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<()> {
        self.end_unit()?;
        self.encoders.end_group();
        Ok(())
    }

    /// Reserves rows that are about to be held. What is complete is written first, and encoded where memory is short.
    fn make_room(&mut self, bytes: u64) -> Result<()> {
        while !self.encoders.has_room(bytes)? {
            self.write_encoded()?;
            if self.encoders.is_idle() {
                return self.ledger.grow(bytes);
            }
            self.encoders.help();
        }
        Ok(())
    }

    /// Writes the row groups that are complete.
    fn write_encoded(&mut self) -> Result<()> {
        while let Some(group) = self.encoders.take_encoded()? {
            if let Err(error) = append(&mut self.file, group) {
                return Err(unwrapped(error, |error| self.file.inner_mut().error(&error)));
            }
        }
        Ok(())
    }
}

fn append(file: &mut SerializedFileWriter<Output>, encoded: Encoded) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for chunk in encoded.into_iter().flatten() {
        chunk.append_to_row_group(&mut group)?;
    }
    group.close().map(drop)
}

impl BatchWriter for ParquetWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(order) = &mut self.order {
            order.check(batch)?;
        }
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(batch.schema().fields())
            .map(|(column, field)| match column.data_type() {
                DataType::Interval(_) => stored_interval(column).map_err(|error| error.with_column(field.name())),
                _ => Ok(column.clone()),
            })
            .collect::<Result<_>>()?;
        let mut from = 0;
        while from < batch.num_rows() {
            let taken = self.borders.take(&columns, from, batch.num_rows() - from);
            self.push(&columns, from, &taken)?;
            if taken.ends {
                self.end_group()?;
            }
            from += taken.rows;
        }
        self.rows += batch.num_rows() as u64;
        self.write_encoded()
    }

    /// What was not encoded yet is encoded first: how far threads have come must not show.
    fn bytes_so_far(&mut self) -> u64 {
        while !self.encoders.is_idle() {
            self.encoders.help();
        }
        // An error is told by the next call.
        drop(self.write_encoded());
        self.file.bytes_written() as u64 + self.encoders.bytes_under_construction()
    }

    fn finish(mut self: Box<Self>) -> Result<WriteSummary> {
        self.end_group()?;
        while self.encoders.is_busy() {
            self.encoders.help();
            self.write_encoded()?;
        }
        self.write_encoded()?;
        if let Err(error) = self.file.finish() {
            return Err(self.file.inner_mut().error(&error));
        }
        let out = self.file.inner_mut();
        out.flush_all()?;
        Ok(WriteSummary { rows: self.rows, bytes: out.bytes() })
    }
}

impl Pending {
    fn add(&mut self, columns: &[ArrayRef], shares: &[u64], from: usize, rows: usize) {
        if self.units.is_empty() {
            self.units = columns.iter().map(|_| Unit { pieces: Vec::new(), bytes: 0 }).collect();
        }
        for ((unit, column), share) in self.units.iter_mut().zip(columns).zip(shares) {
            unit.pieces.push(column.slice(from, rows));
            unit.bytes += share * rows as u64;
        }
        self.rows += rows;
    }
}

/// A column as it goes to the encoder.
fn stored_field(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Interval(_) => Arc::new(Field::new(field.name(), DataType::FixedSizeBinary(INTERVAL_BYTES), true)),
        _ => field.clone(),
    }
}

fn file_properties(options: &ParquetOptions, order: Option<&Order>) -> WriterProperties {
    let metadata = options.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    common(options)
        .set_key_value_metadata(Some(metadata).filter(|metadata: &Vec<_>| !metadata.is_empty()))
        .set_sorting_columns(order.map(Order::described))
        .build()
}

/// What options say of single columns has to be about columns that there are, and possible for their types.
fn check_columns(options: &ParquetOptions, schema: &SchemaRef, parquet: &SchemaDescriptor) -> Result<()> {
    for (name, own) in &options.columns {
        let Some((index, _)) = schema.column_with_name(name) else {
            return Err(unknown_column("an option of columns", name, schema));
        };
        let leaves = || (0..parquet.num_columns()).filter(|leaf| parquet.get_column_root_idx(*leaf) == index);
        let Some(encoding) = own.encoding else { continue };
        for leaf in leaves() {
            let physical = parquet.column(leaf).physical_type();
            if !can_hold(encoding, physical) {
                return Err(Error::usage(format!(
                    "the column '{name}' is {physical}, which has no encoding {encoding}"
                ))
                .with_hint("leave the encoding out: it is chosen by the values"));
            }
        }
    }
    Ok(())
}

fn can_hold(encoding: Encoding, physical: Physical) -> bool {
    use Physical as P;
    match encoding {
        Encoding::PLAIN => true,
        Encoding::DELTA_BINARY_PACKED => matches!(physical, P::INT32 | P::INT64),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => physical == P::BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY => matches!(physical, P::BYTE_ARRAY | P::FIXED_LEN_BYTE_ARRAY),
        Encoding::BYTE_STREAM_SPLIT => {
            matches!(physical, P::INT32 | P::INT64 | P::FLOAT | P::DOUBLE | P::FIXED_LEN_BYTE_ARRAY)
        }
        Encoding::RLE => physical == P::BOOLEAN,
        _ => false,
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

#[cfg(test)]
mod tests;
