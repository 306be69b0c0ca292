//! JSON: one array of objects, or an object a line. Nulls are written; NaN and infinities become null, decimals stay
//! exact numbers, dates and times are ISO 8601, timestamps with zone in UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringViewArray};
use arrow::datatypes::{
    DataType, Field, IntervalMonthDayNanoType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow_json::WriterBuilder;
use arrow_json::writer::{JsonArray, JsonFormat, LineDelimited, Writer};

use super::output::Output;
use super::{BatchWriter, WriteSummary};
use crate::batch::record_batch;
use crate::error::Result;
use crate::types::interval::format_interval;
use crate::types::{TEXT, list_of};

/// Writes JSON in either form.
pub(super) struct JsonWriter<F: JsonFormat> {
    writer: Writer<Output, F>,
    schema: SchemaRef,
    rows: u64,
}

impl JsonWriter<JsonArray> {
    /// One array.
    pub fn array(out: Output, schema: &SchemaRef) -> Self {
        Self::new(out, schema)
    }
}

impl JsonWriter<LineDelimited> {
    /// An object a line.
    pub fn lines(out: Output, schema: &SchemaRef) -> Self {
        Self::new(out, schema)
    }
}

impl<F: JsonFormat> JsonWriter<F> {
    fn new(out: Output, schema: &SchemaRef) -> Self {
        let fields =
            schema.fields().iter().map(|field| Field::new(field.name(), adapted_type(field.data_type()), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, F>(out);
        Self { writer, schema, rows: 0 }
    }
}

fn adapted_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Interval(_) => TEXT,
        // Named zones are not the JSON library's business.
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => list_of(adapted_type(item.data_type())),
        other => other.clone(),
    }
}

fn adapt(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Interval(_) => {
            let texts = column.as_primitive::<IntervalMonthDayNanoType>().iter();
            Arc::new(texts.map(|value| value.map(format_interval)).collect::<StringViewArray>())
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("+00:00"))
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let items = adapt(lists.values())?;
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            Arc::new(ListArray::try_new(field, lists.offsets().clone(), items, lists.nulls().cloned())?)
        }
        _ => column.clone(),
    })
}

impl<F: JsonFormat + Send> BatchWriter for JsonWriter<F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(adapt).collect::<Result<_>>()?;
        let adapted = record_batch(&self.schema, columns, batch.num_rows())?;
        self.writer.write(&adapted).map_err(|error| self.writer.get_mut().error(&error))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn bytes_so_far(&mut self) -> u64 {
        self.writer.get_mut().bytes()
    }

    fn finish(mut self: Box<Self>) -> Result<WriteSummary> {
        self.writer.finish().map_err(|error| self.writer.get_mut().error(&error))?;
        let out = self.writer.get_mut();
        out.flush_all()?;
        Ok(WriteSummary { rows: self.rows, bytes: out.bytes() })
    }
}
