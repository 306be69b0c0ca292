//! Conversion of files to Parquet: what the caller asks for, and what it was told when it is done.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::io::options::Options;
use crate::io::write::WriteOptions;
use crate::session::{RunOptions, Session};

/// Whether each input becomes an output of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `out/2013-01.parquet` from `in/2013-01.csv`; all have the schema that fits every input.
    #[default]
    PerFile,
    /// One file with the rows of all.
    Merge,
}

/// What to convert, and into what.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvertOptions {
    /// Files, globs and folders.
    pub inputs: Vec<String>,
    /// The folder of the outputs, or the one file of [`Layout::Merge`].
    pub output: PathBuf,
    /// One output per input, or one.
    pub layout: Layout,
    /// Options of the reader.
    pub read: Options,
    /// Options of the writer, and what happens where an output stands already.
    pub write: WriteOptions,
}

/// What a conversion did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConvertSummary {
    /// Files written.
    pub files: u64,
    /// Rows read: as many as written and rejected together.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows that did not fit and were set aside.
    pub rows_rejected: u64,
    /// Bytes of the inputs.
    pub bytes_in: u64,
    /// Bytes of the outputs.
    pub bytes_out: u64,
}

impl Session {
    /// Converts files; either all outputs are complete afterwards, or none is there.
    pub fn convert(&self, options: &ConvertOptions, run: &RunOptions) -> Result<ConvertSummary> {
        run.cancel.check()?;
        Err(Error::internal(format!("cannot convert {} yet", options.inputs.join(", "))))
    }
}
