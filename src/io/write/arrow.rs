//! Arrow's IPC file format, for tools that map it into memory.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;

use super::output::{Output, write_error};
use super::{BatchWriter, WriteSummary};
use crate::batch::{compact, record_batch};
use crate::error::Result;

/// Writes an IPC file.
pub(super) struct ArrowFileWriter {
    writer: FileWriter<Output>,
    schema: SchemaRef,
    rows: u64,
}

impl ArrowFileWriter {
    pub fn new(out: Output, schema: &SchemaRef) -> Result<Self> {
        let name = out.name().to_path_buf();
        let writer = FileWriter::try_new(out, schema).map_err(|error| match error {
            // The first bytes are written at once, and with them the output is lost.
            ArrowError::IoError(_, error) => write_error(&name, &error),
            other => other.into(),
        })?;
        Ok(Self { writer, schema: schema.clone(), rows: 0 })
    }
}

impl BatchWriter for ArrowFileWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // A few rows that point into a large buffer must not write all of it.
        let batch = compact(&record_batch(&self.schema, batch.columns().to_vec(), batch.num_rows())?)?;
        self.writer.write(&batch).map_err(|error| self.writer.get_mut().error(&error))?;
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
