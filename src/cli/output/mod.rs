//! Results on their way out: the format, where it goes, and the receiver that a statement writes to.
//!
//! Formats for programs stream batch by batch. `table` and `box` lay out columns by their contents, so they keep the
//! rows they show, and only count the rest.

mod cells;
mod lines;
mod stream;
mod table;
mod target;

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use clap::ValueEnum;

use crate::context::CancelToken;
use crate::error::{Error, Result};
use crate::io::write::atomic::remove_leftovers_of;
use crate::io::write::{AtomicFile, OutputFormat, WriteContext};
use crate::session::{LAID_OUT_KEY, Receiver};

pub use cells::on_one_line;
pub use target::{Pipe, Target, write_error};

use lines::{LineWriter, MarkdownWriter};
use table::{Style, TableWriter};
use target::OutputBytes;

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the eye: as wide as the terminal, types below the names, the first rows
    Table,
    /// Comma-separated values
    Csv,
    /// Tab-separated values
    Tsv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    #[value(alias = "ndjson")]
    Jsonl,
    /// A Markdown table
    #[value(alias = "md")]
    Markdown,
    /// One value a line
    Line,
    /// For the eye, with nothing cut off
    Box,
    /// Parquet
    Parquet,
    /// Arrow IPC file
    Arrow,
}

impl Format {
    /// The format that a file's ending stands for.
    pub fn from_ending(path: &Path) -> Option<Self> {
        Some(match OutputFormat::from_path(path) {
            Some(OutputFormat::Csv) => Self::Csv,
            Some(OutputFormat::Tsv) => Self::Tsv,
            Some(OutputFormat::Json) => Self::Json,
            Some(OutputFormat::JsonLines) => Self::Jsonl,
            Some(OutputFormat::Parquet) => Self::Parquet,
            Some(OutputFormat::Arrow) => Self::Arrow,
            None => match path.extension()?.to_ascii_lowercase().to_str()? {
                "md" | "markdown" => Self::Markdown,
                "txt" => Self::Box,
                _ => return None,
            },
        })
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    }

    /// Whether its bytes are not for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// Whether rows are written while the statement runs.
    pub fn streams(self) -> bool {
        !matches!(self, Self::Table | Self::Box)
    }
}

/// Where results go, and how they look.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputPlan {
    /// The format.
    pub format: Format,
    /// Where they go.
    pub target: Target,
    /// Rows of a table that are shown.
    pub max_rows: usize,
    /// Whether tables have colour.
    pub color: bool,
}

/// Whether the only column is text that is laid out already (EXPLAIN).
fn is_laid_out(schema: &Schema) -> bool {
    schema.fields().len() == 1 && schema.metadata().contains_key(LAID_OUT_KEY)
}

/// Writes one result in one format.
trait ResultWriter {
    /// Takes some rows.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is left.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The output of a process: statements hand their results to it one after another.
#[derive(Debug)]
pub struct Output {
    plan: OutputPlan,
    pipe: Pipe,
    results: u64,
}

impl Output {
    /// Nothing is opened before the first result comes.
    pub fn new(plan: OutputPlan) -> Self {
        Self { plan, pipe: Pipe::default(), results: 0 }
    }

    /// Where results go, and how they look.
    pub fn plan(&self) -> &OutputPlan {
        &self.plan
    }

    /// To change the format between statements.
    pub fn plan_mut(&mut self) -> &mut OutputPlan {
        &mut self.plan
    }

    /// Whether the reader of standard output has gone; no error is worth a word then.
    pub fn is_broken(&self) -> bool {
        self.pipe.is_broken()
    }

    /// A receiver for the result of one statement. `width` is the terminal's; `cancel` is set when nobody reads on; `write`
    /// is what writers of files may use.
    pub fn receiver(&mut self, width: Option<usize>, cancel: &CancelToken, write: WriteContext) -> ResultPrinter<'_> {
        ResultPrinter { output: self, width, cancel: cancel.clone(), write, opened: None }
    }

    /// Writes a batch that we made ourselves as a whole result.
    pub fn print(&mut self, batch: &RecordBatch, width: Option<usize>) -> Result<()> {
        let mut receiver = self.receiver(width, &CancelToken::default(), WriteContext::default());
        receiver.schema(&batch.schema())?;
        receiver.batch(batch.clone())?;
        receiver.finish()
    }

    /// Writes text of our own below the results, on standard output.
    pub fn say(&self, text: &str) -> Result<()> {
        use std::io::Write;
        let mut out = self.pipe.stdout(&CancelToken::default());
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| write_error(&error))
    }

    /// Checks at the end that the file that was asked for exists.
    ///
    /// # Errors
    /// A usage error, if no statement had a result.
    pub fn close(&self) -> Result<()> {
        match &self.plan.target {
            Target::File { path, .. } if self.results == 0 => {
                Err(Error::usage(format!("no statement had a result to write to '{}'", path.display()))
                    .with_hint("-o takes the result of one SELECT"))
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        schema: &SchemaRef,
        width: Option<usize>,
        cancel: &CancelToken,
        context: &WriteContext,
    ) -> Result<OpenResult> {
        let (out, name, file): (OutputBytes, &Path, _) = match &self.plan.target {
            Target::Stdout => {
                if self.plan.format.is_binary() && self.results > 0 {
                    return Err(only_one(&format!("{} on standard output", self.plan.format.name())));
                }
                (self.pipe.stdout(cancel), Path::new("standard output"), None)
            }
            Target::File { path, existing } => {
                if self.results > 0 {
                    return Err(only_one(&format!("'{}'", path.display())));
                }
                remove_leftovers_of(path);
                let file = AtomicFile::create(path, *existing)?;
                (file.writer()?, path, Some(file))
            }
        };
        self.results += 1;
        let style = Style {
            types: self.plan.format == Format::Table,
            width: width.filter(|_| self.plan.format == Format::Table),
            max_rows: self.plan.max_rows,
            color: self.plan.color,
        };
        let writer: Box<dyn ResultWriter> = match self.plan.format {
            Format::Table | Format::Box => Box::new(TableWriter::new(schema, style, out)),
            Format::Markdown => Box::new(MarkdownWriter::new(schema, out)?),
            Format::Line => Box::new(LineWriter::new(schema, out)),
            // A plan is read by people, also through a pager.
            Format::Csv if is_laid_out(schema) => Box::new(TableWriter::new(schema, style, out)),
            Format::Csv => stream::open(OutputFormat::Csv, schema, out, name, context)?,
            Format::Tsv => stream::open(OutputFormat::Tsv, schema, out, name, context)?,
            Format::Json => stream::open(OutputFormat::Json, schema, out, name, context)?,
            Format::Jsonl => stream::open(OutputFormat::JsonLines, schema, out, name, context)?,
            Format::Parquet => stream::open(OutputFormat::Parquet, schema, out, name, context)?,
            Format::Arrow => stream::open(OutputFormat::Arrow, schema, out, name, context)?,
        };
        Ok(OpenResult { writer, file })
    }
}

fn only_one(target: &str) -> Error {
    Error::usage(format!("{target} takes one result, and a second statement has one too"))
        .with_hint("leave out the other SELECT, or use COPY … TO for each")
}

struct OpenResult {
    writer: Box<dyn ResultWriter>,
    file: Option<AtomicFile>,
}

/// Receives the result of one statement.
pub struct ResultPrinter<'a> {
    output: &'a mut Output,
    width: Option<usize>,
    cancel: CancelToken,
    write: WriteContext,
    opened: Option<OpenResult>,
}

impl ResultPrinter<'_> {
    /// Writes what is left, and lets the file appear. Without a call of it, nothing appears.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(self) -> Result<()> {
        let Some(OpenResult { writer, file }) = self.opened else { return Ok(()) };
        writer.finish()?;
        file.map_or(Ok(()), AtomicFile::commit)
    }
}

impl Receiver for ResultPrinter<'_> {
    fn schema(&mut self, schema: &SchemaRef) -> Result<()> {
        self.opened = Some(self.output.open(schema, self.width, &self.cancel, &self.write)?);
        Ok(())
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        match &mut self.opened {
            Some(opened) => opened.writer.write(&batch),
            None => Err(Error::internal("a result came before its columns")),
        }
    }
}

#[cfg(test)]
mod tests;
