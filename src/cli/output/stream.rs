//! Formats for programs: the engine's own writers, which COPY uses too.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::ResultWriter;
use super::target::OutputBytes;
use crate::error::Result;
use crate::io::write::{BatchWriter, OutputFormat, WriteContext, WriteOptions, create_writer};

/// Opens the writer of a format for programs; errors call the output by `name`. It uses what `context` offers.
pub fn open(
    format: OutputFormat,
    schema: &SchemaRef,
    out: OutputBytes,
    name: &Path,
    context: &WriteContext,
) -> Result<Box<dyn ResultWriter>> {
    Ok(Box::new(StreamWriter(create_writer(format, &WriteOptions::default(), schema, out, name, context)?)))
}

struct StreamWriter(Box<dyn BatchWriter>);

impl ResultWriter for StreamWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish().map(|_| ())
    }
}
