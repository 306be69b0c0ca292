//! A file of one format, batch by batch, that appears whole or not at all.

use std::collections::HashSet;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{AtomicFile, BatchWriter, OutputFormat, WriteContext, WriteOptions, WriteSummary, create_writer};
use crate::error::{Error, Result};

/// What COPY writes a single file to. Dropped before [`commit`](Self::commit), it leaves nothing.
pub struct FileSink {
    // Before the file, so that the writer's handle is closed when the file is removed.
    writer: Box<dyn BatchWriter>,
    file: AtomicFile,
}

impl FileSink {
    /// Begins a file of the format that the options or the target's ending ask for.
    ///
    /// # Errors
    /// Where options do not fit, the target exists and may not be replaced, or cannot be written.
    pub fn new(target: &Path, options: &WriteOptions, schema: &SchemaRef, context: &WriteContext) -> Result<Self> {
        let format = options.format_of(target)?;
        check_names(format, schema)?;
        let file = AtomicFile::create(target, options.existing)?;
        let writer = create_writer(format, options, schema, file.writer()?, target, context)?;
        Ok(Self { writer, file })
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// Where the disk is full, or the format cannot hold a value.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch)
    }

    /// Ends the file and makes it durable; it has its name only once that is committed. For those who write many files
    /// and want all of them or none.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn seal(self) -> Result<WrittenFile> {
        let Self { writer, mut file } = self;
        let summary = writer.finish()?;
        file.seal()?;
        Ok(WrittenFile { file, summary })
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// Where the disk is full or fails, or the target has come to exist.
    pub fn commit(self) -> Result<WriteSummary> {
        self.seal()?.commit()
    }
}

/// Where columns are found by their names, two must not share one; in CSV and TSV they may.
pub(super) fn check_names(format: OutputFormat, schema: &SchemaRef) -> Result<()> {
    if matches!(format, OutputFormat::Csv | OutputFormat::Tsv) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        Some(twice) => Err(Error::usage(format!("two columns are called '{}'", twice.name()))
            .with_hint("rename one by AS: columns of such files are found by their names")),
        None => Ok(()),
    }
}

/// A file that is whole but has no name yet. Dropped before [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct WrittenFile {
    file: AtomicFile,
    summary: WriteSummary,
}

impl WrittenFile {
    /// A file that was written by other means than a [`FileSink`].
    pub(crate) fn new(mut file: AtomicFile, summary: WriteSummary) -> Result<Self> {
        file.seal()?;
        Ok(Self { file, summary })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// Where the target has come to exist and may not be replaced, or the disk fails.
    pub fn commit(self) -> Result<WriteSummary> {
        self.file.commit()?;
        Ok(self.summary)
    }
}
