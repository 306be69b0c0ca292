//! Writing batches: one [`BatchWriter`] per format over any output, and files that appear whole or not at all.
//!
//! [`FileSink`] is what COPY and the generators use for a single file: an [`AtomicFile`] below a writer of the format that
//! [`WriteOptions`] ask for. [`FolderWriter`] writes any number of files into a [staging](staging::Staging), from which COPY
//! ([`NewFolder`]) and the converter give them their names. The shell and `-o -` put the same writers over standard output
//! by [`create_writer`].

mod arrow;
pub mod atomic;
mod context;
pub mod csv;
pub mod folder;
mod json;
pub mod options;
mod output;
mod parquet;
mod parquet_options;
mod sink;
pub mod staging;
mod text;

use std::io::Write;
use std::path::Path;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::SchemaRef;

use self::output::Output;
use crate::error::{Error, Result};

pub use self::atomic::{AtomicFile, Existing};
pub use self::context::WriteContext;
pub use self::folder::{
    FileNames, FolderFile, FolderOptions, FolderPlan, FolderSummary, FolderWriter, Making, NewFolder,
};
pub use self::options::{CsvOptions, WriteOptions};
pub use self::parquet_options::{ColumnOptions, ParquetOptions, ParquetVersion, SortedBy, column_option, sorted_by};
pub use self::sink::{FileSink, WrittenFile};

/// What a writer wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Rows.
    pub rows: u64,
    /// Bytes, as they lie in the file.
    pub bytes: u64,
}

/// Batches in, bytes of one format out. Holds at most a batch, or reserves what it holds.
pub trait BatchWriter: Send {
    /// Writes a batch; its columns are those of the schema that the writer was made with.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Bytes of the output so far, about, with what is not encoded yet: file sizes go by it, so it is the same for the
    /// same batches.
    fn bytes_so_far(&mut self) -> u64;

    /// Writes what ends the format, and flushes. A writer that is dropped before leaves an output that is not whole.
    fn finish(self: Box<Self>) -> Result<WriteSummary>;
}

/// The formats that batches can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Comma-separated values as in RFC 4180, with LF at the end of lines.
    Csv,
    /// The same with tabs.
    Tsv,
    /// One array of objects.
    Json,
    /// One object a line.
    JsonLines,
    /// Parquet.
    Parquet,
    /// Arrow's IPC file, also known as Feather.
    Arrow,
}

impl OutputFormat {
    /// The names by which options ask for formats.
    pub const NAMES: [&str; 6] = ["csv", "tsv", "json", "jsonl", "parquet", "arrow"];

    /// The format of that name.
    ///
    /// # Errors
    /// A usage error that suggests a name.
    pub fn from_name(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "json" => Self::Json,
            "jsonl" | "ndjson" | "jsonlines" => Self::JsonLines,
            "parquet" => Self::Parquet,
            "arrow" | "ipc" | "feather" => Self::Arrow,
            other => {
                let error = Error::usage(format!("there is no format '{name}'"));
                return Err(match crate::config::suggest(other, Self::NAMES) {
                    Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                    None => error.with_hint(format!("formats are {}", Self::NAMES.join(", "))),
                });
            }
        })
    }

    /// The format that a file's ending tells; `None` where it tells none.
    pub fn from_path(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "json" => Self::Json,
            "jsonl" | "ndjson" => Self::JsonLines,
            "parquet" | "pq" | "parq" => Self::Parquet,
            "arrow" | "ipc" | "feather" => Self::Arrow,
            _ => return None,
        })
    }

    /// The ending of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }
}

/// A writer of `format` over `out`; errors call the output by `name`. Formats that are worth it are encoded on the threads
/// of `context`, and hold its memory.
///
/// # Errors
/// Where the output cannot take the format's first bytes.
pub fn create_writer(
    format: OutputFormat,
    options: &WriteOptions,
    schema: &SchemaRef,
    out: Box<dyn Write + Send>,
    name: &Path,
    context: &WriteContext,
) -> Result<Box<dyn BatchWriter>> {
    let out = Output::new(out, name);
    Ok(match format {
        OutputFormat::Csv => Box::new(csv::CsvWriter::new(out, &options.csv, schema)?),
        OutputFormat::Tsv => {
            let tabs = CsvOptions { delimiter: options.csv.delimiter.or(Some(b'\t')), ..options.csv.clone() };
            Box::new(csv::CsvWriter::new(out, &tabs, schema)?)
        }
        OutputFormat::Json => Box::new(json::JsonWriter::array(out, schema)),
        OutputFormat::JsonLines => Box::new(json::JsonWriter::lines(out, schema)),
        OutputFormat::Parquet => Box::new(parquet::ParquetWriter::new(out, &options.parquet, schema, context)?),
        OutputFormat::Arrow => Box::new(arrow::ArrowFileWriter::new(out, schema)?),
    })
}

#[cfg(test)]
pub(crate) mod tests;
