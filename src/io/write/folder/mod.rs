//! A result as a folder of files: a folder for each value of partition columns (`year=2024/country=CH/`), and a new file
//! whenever one is large enough.
//!
//! Rows come ordered by the partition columns, so that one file is open at a time, however many partitions there are.
//! They are handed to the writer in blocks of a fixed number of rows, counted from the start of the file: where a file ends, and
//! which bytes it has, does not depend on how rows were cut into batches.

mod options;
mod staging;

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::arrow::array::{ArrayRef, RecordBatch};
use ::arrow::compute::{BatchCoalescer, partition};
use ::arrow::datatypes::{Schema, SchemaRef};

pub use self::options::FolderOptions;
use self::staging::{Staging, make_durable};
use super::output::write_error;
use super::sink::check_names;
use super::{BatchWriter, OutputFormat, WriteContext, WriteOptions, WriteSummary, create_writer};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};
use crate::io::hive::folder_name;
use crate::io::source::rows_of_width;
use crate::types::temporal::format_value;

/// Rows that a writer is given at once.
const BLOCK_ROWS: usize = 8192;
/// Bytes gathered before the system is asked to write.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes that the name of a file or folder may have, on all file systems in use.
const LONGEST_NAME: usize = 255;
/// So many files are made durable one by one, which says of which one failed; more of them all together.
const SYNCED_ALONE: u64 = 32;

/// Takes a file's path below the folder, and what it holds.
pub type OnFile<'a> = &'a mut dyn FnMut(&Path, WriteSummary) -> Result<()>;

/// Writes a folder. Dropped before it is [sealed](Self::seal) and committed, it leaves nothing.
pub struct FolderWriter {
    // Before the folder, so that its handle is closed when that is removed.
    file: Option<OpenFile>,
    staging: Staging,
    options: WriteOptions,
    context: WriteContext,
    format: OutputFormat,
    /// The columns that make folders, and those that stand in files.
    keys: Vec<usize>,
    columns: Vec<usize>,
    /// The names of all columns, and the columns of files.
    schema: SchemaRef,
    file_schema: SchemaRef,
    /// The partition that rows are of, as a path below the folder; `None` before the first row.
    partition: Option<PathBuf>,
    /// The number of the partition's next file.
    number: u64,
    files: u64,
    summary: WriteSummary,
}

impl FolderWriter {
    /// Begins a folder of files of the format that the options ask for.
    ///
    /// # Errors
    /// Where options do not fit, or the folder is there and may not be changed, or cannot be written.
    pub fn new(target: &Path, options: &WriteOptions, schema: &SchemaRef, context: &WriteContext) -> Result<Self> {
        let format = options.format_of(target)?;
        let keys = options.folder.partition_columns(schema)?;
        let is_left_out = |column: &usize| !options.folder.write_partition_columns && keys.contains(column);
        let columns: Vec<usize> = (0..schema.fields().len()).filter(|column| !is_left_out(column)).collect();
        // Any column may hold nulls, whatever a batch says.
        let field = |column: &usize| schema.field(*column).clone().with_nullable(true);
        let file_schema: SchemaRef = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        check_names(format, &file_schema)?;
        Ok(Self {
            file: None,
            staging: Staging::begin(target, options.existing)?,
            options: options.clone(),
            context: context.clone(),
            format,
            keys,
            columns,
            schema: schema.clone(),
            file_schema,
            partition: None,
            number: 0,
            files: 0,
            summary: WriteSummary::default(),
        })
    }

    /// Writes rows; those of one partition come together.
    ///
    /// # Errors
    /// Where the disk is full, the format cannot hold a value, or a partition has too long a name.
    pub fn write(&mut self, batch: &RecordBatch, on_file: OnFile<'_>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = batch.project(&self.columns)?;
        if self.keys.is_empty() {
            self.partition.get_or_insert_default();
            return self.write_rows(&rows, on_file);
        }
        // What SQL calls equal is one partition.
        let keys: Vec<ArrayRef> = self.keys.iter().map(|key| normalize_equal(batch.column(*key))).collect();
        for range in partition(&keys)?.ranges() {
            let folder = self.folder_of(&keys, range.start)?;
            if self.partition.as_ref() != Some(&folder) {
                self.end_file(on_file)?;
                let place = self.staging.place(&folder);
                fs::create_dir_all(&place).map_err(|error| self.failed(&folder, &error))?;
                (self.partition, self.number) = (Some(folder), 0);
            }
            self.write_rows(&rows.slice(range.start, range.len()), on_file)?;
        }
        Ok(())
    }

    /// Ends the last file and makes all durable; the folder has its name only once that is committed.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn seal(mut self, on_file: OnFile<'_>) -> Result<WrittenFolder> {
        if self.keys.is_empty() && self.files == 0 && self.file.is_none() {
            // A result without rows has columns, which a file tells.
            self.partition.get_or_insert_default();
            self.file = Some(self.begin_file()?);
        }
        self.end_file(on_file)?;
        if self.files > SYNCED_ALONE && cfg!(target_os = "linux") {
            let root = self.staging.place(Path::new(""));
            make_durable(&root).map_err(|error| self.failed(Path::new(""), &error))?;
        }
        Ok(WrittenFolder { staging: self.staging, files: self.files, summary: self.summary })
    }

    /// The folder of a row's partition.
    fn folder_of(&self, keys: &[ArrayRef], row: usize) -> Result<PathBuf> {
        let mut folder = PathBuf::new();
        for (key, values) in self.keys.iter().zip(keys) {
            let name = self.schema.field(*key).name();
            let part = folder_name(name, format_value(values, row).as_deref());
            if part.len() > LONGEST_NAME {
                let message = format!(
                    "a value of '{name}' cannot be a folder: its name would have {} bytes, and may have {LONGEST_NAME}",
                    part.len()
                );
                return Err(Error::data(message)
                    .with_column(name)
                    .with_hint(format!("partition by something shorter, such as left({name}, 20)")));
            }
            folder.push(part);
        }
        Ok(folder)
    }

    /// Writes rows of the current partition, to as many files as they need.
    fn write_rows(&mut self, rows: &RecordBatch, on_file: OnFile<'_>) -> Result<()> {
        let mut start = 0;
        while start < rows.num_rows() {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => self.begin_file()?,
            };
            let room = file.room(&self.options.folder);
            let taken = room.min(rows.num_rows() - start);
            file.write(rows.slice(start, taken))?;
            start += taken;
            let is_full = file.is_full(&self.options.folder);
            self.file = Some(file);
            if is_full {
                self.end_file(on_file)?;
            }
        }
        Ok(())
    }

    fn begin_file(&mut self) -> Result<OpenFile> {
        let folder = self.partition.clone().unwrap_or_default();
        let below = loop {
            let below = folder.join(self.options.folder.file_name(self.number, self.format));
            self.number += 1;
            if !self.staging.is_taken(&below) {
                break below;
            }
        };
        let file = match File::options().write(true).create_new(true).open(self.staging.place(&below)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::internal(format!("the rows of '{}' did not come together", folder.display())));
            }
            Err(error) => return Err(self.failed(&below, &error)),
        };
        let out = file.try_clone().map_err(|error| self.failed(&below, &error))?;
        let out = Box::new(BufWriter::with_capacity(BUFFER_BYTES, out));
        let name = self.staging.final_place(&below);
        let writer = create_writer(self.format, &self.options, &self.file_schema, out, &name, &self.context)?;
        let block = rows_of_width(BLOCK_ROWS, self.file_schema.fields().len());
        let blocks = BatchCoalescer::new(self.file_schema.clone(), block);
        Ok(OpenFile { writer, file, blocks, block, below, rows: 0 })
    }

    fn end_file(&mut self, on_file: OnFile<'_>) -> Result<()> {
        let Some(open) = self.file.take() else { return Ok(()) };
        self.files += 1;
        let (below, file, summary) = open.finish()?;
        if self.files <= SYNCED_ALONE || !cfg!(target_os = "linux") {
            file.sync_all().map_err(|error| self.failed(&below, &error))?;
        }
        self.summary.rows += summary.rows;
        self.summary.bytes += summary.bytes;
        on_file(&below, summary)
    }

    fn failed(&self, below: &Path, error: &std::io::Error) -> Error {
        write_error(&self.staging.final_place(below), error)
    }
}

/// The file that rows go to.
struct OpenFile {
    writer: Box<dyn BatchWriter>,
    file: File,
    /// Puts rows together to blocks.
    blocks: BatchCoalescer,
    block: usize,
    /// Its path below the folder.
    below: PathBuf,
    rows: u64,
}

impl OpenFile {
    /// How many rows it takes until it must be asked again whether it is full.
    fn room(&self, options: &FolderOptions) -> usize {
        let left = options
            .file_rows
            .map_or(usize::MAX, |rows| usize::try_from(rows.saturating_sub(self.rows)).unwrap_or(usize::MAX));
        let in_block = (self.rows % self.block as u64) as usize;
        if options.file_bytes.is_some() { left.min(self.block - in_block) } else { left }
    }

    fn write(&mut self, rows: RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.blocks.push_batch(rows)?;
        self.write_blocks()
    }

    fn write_blocks(&mut self) -> Result<()> {
        while let Some(block) = self.blocks.next_completed_batch() {
            self.writer.write(&block)?;
        }
        Ok(())
    }

    fn is_full(&mut self, options: &FolderOptions) -> bool {
        let is_block = self.rows.is_multiple_of(self.block as u64);
        options.file_rows.is_some_and(|rows| self.rows >= rows)
            || options.file_bytes.is_some_and(|bytes| is_block && self.writer.bytes_so_far() >= bytes)
    }

    fn finish(mut self) -> Result<(PathBuf, File, WriteSummary)> {
        self.blocks.finish_buffered_batch()?;
        self.write_blocks()?;
        Ok((self.below, self.file, self.writer.finish()?))
    }
}

/// A folder that is whole but has no name yet. Dropped before [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct WrittenFolder {
    staging: Staging,
    files: u64,
    summary: WriteSummary,
}

impl WrittenFolder {
    /// How many files it has.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// What they hold together.
    pub fn summary(&self) -> WriteSummary {
        self.summary
    }

    /// Gives the folder its name, or adds its files to those that are there.
    ///
    /// # Errors
    /// Where the folder was changed meanwhile, or the disk fails; then nothing is new.
    pub fn commit(self) -> Result<WriteSummary> {
        self.staging.commit()?;
        Ok(self.summary)
    }
}
