//! A result as a folder of files: a folder for each value of partition columns (`year=2024/country=CH/`), and a new file
//! whenever one is large enough.
//!
//! Rows come ordered by the partition columns, so that one file is open at a time, however many partitions there are.
//! They are handed to the writer in blocks of a fixed number of rows, counted from the start of the file: where a file ends, and
//! which bytes it has, does not depend on how rows were cut into batches.

mod names;
mod options;
mod placing;
mod summed;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use ::arrow::array::{ArrayRef, RecordBatch};
use ::arrow::compute::{BatchCoalescer, partition};
use ::arrow::datatypes::{Schema, SchemaRef};

pub use self::names::FileNames;
pub use self::options::FolderOptions;
pub use self::placing::NewFolder;
use self::summed::SummedWriter;
use super::output::write_error;
use super::sink::check_names;
use super::staging::{make_durable, unfinished};
use super::{BatchWriter, OutputFormat, WriteContext, WriteOptions, WriteSummary, create_writer};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};
use crate::io::hive::folder_name;
use crate::io::source::rows_of_width;
use crate::types::temporal::format_value;

/// Rows that a writer is given at once.
const BLOCK_ROWS: usize = 8192;
/// Bytes that the name of a file or folder may have, on all file systems in use.
const LONGEST_NAME: usize = 255;
/// So many files are made durable one by one, which says of which one failed; more of them all together.
const SYNCED_ALONE: u64 = 32;

/// A file of a folder that is whole, and has no name yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFile {
    /// Its path below the folder.
    pub path: PathBuf,
    /// What it holds.
    pub summary: WriteSummary,
    /// The CRC-32 of its bytes.
    pub checksum: u32,
}

/// Hears of each file.
pub type OnFile<'a> = &'a mut dyn FnMut(FolderFile) -> Result<()>;

/// The folder that files are made in.
pub struct Making {
    /// Where they lie until they get their names, by the paths that they will have, and under no ending that anybody looks
    /// for.
    pub root: PathBuf,
    /// The folder that they are for.
    pub target: PathBuf,
    /// Whether a path below the target is another file's.
    pub is_taken: Box<dyn Fn(&Path) -> bool>,
}

/// Where the files of a folder go.
pub struct FolderPlan {
    /// The folder that they are made in.
    pub making: Making,
    /// The folder below the target that all of them lie in.
    pub below: PathBuf,
    /// What they are called.
    pub names: FileNames,
}

/// What a folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FolderSummary {
    /// How many files it has.
    pub files: u64,
    /// What they hold together.
    pub written: WriteSummary,
}

/// Writes files that have no names yet. Who has it written removes them, where something fails.
pub struct FolderWriter {
    file: Option<OpenFile>,
    plan: FolderPlan,
    options: WriteOptions,
    context: WriteContext,
    format: OutputFormat,
    /// The columns that make folders, and those that stand in files.
    keys: Vec<usize>,
    columns: Vec<usize>,
    /// The names of all columns, and the columns of files.
    schema: SchemaRef,
    file_schema: SchemaRef,
    /// The partition that rows are of, as a path below the target; `None` before the first row.
    partition: Option<PathBuf>,
    /// The number of the partition's next file.
    number: u64,
    summary: FolderSummary,
}

impl FolderWriter {
    /// Begins files of the format that the options ask for.
    ///
    /// # Errors
    /// Where options do not fit.
    pub fn new(plan: FolderPlan, options: &WriteOptions, schema: &SchemaRef, context: &WriteContext) -> Result<Self> {
        let format = options.format_of(&plan.making.target)?;
        let keys = options.folder.partition_columns(schema)?;
        let columns = options.folder.file_columns(schema.fields().len(), &keys);
        // Any column may hold nulls, whatever a batch says.
        let field = |column: &usize| schema.field(*column).clone().with_nullable(true);
        let file_schema: SchemaRef = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        check_names(format, &file_schema)?;
        Ok(Self {
            file: None,
            plan,
            options: options.clone(),
            context: context.clone(),
            format,
            keys,
            columns,
            schema: schema.clone(),
            file_schema,
            partition: None,
            number: 0,
            summary: FolderSummary::default(),
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
            self.begin_partition(PathBuf::new())?;
            return self.write_rows(&rows, on_file);
        }
        // What SQL calls equal is one partition.
        let keys: Vec<ArrayRef> = self.keys.iter().map(|key| normalize_equal(batch.column(*key))).collect();
        for range in partition(&keys)?.ranges() {
            let folder = self.folder_of(&keys, range.start)?;
            if self.partition.as_ref() != Some(&folder) {
                self.end_file(on_file)?;
                self.begin_partition(folder)?;
            }
            self.write_rows(&rows.slice(range.start, range.len()), on_file)?;
        }
        Ok(())
    }

    /// Ends the last file and makes all durable.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn seal(mut self, on_file: OnFile<'_>) -> Result<FolderSummary> {
        if self.keys.is_empty() && self.summary.files == 0 && self.file.is_none() {
            // A result without rows has columns, which a file tells.
            self.begin_partition(PathBuf::new())?;
            self.file = Some(self.begin_file()?);
        }
        self.end_file(on_file)?;
        if self.summary.files > SYNCED_ALONE && cfg!(target_os = "linux") {
            make_durable(&self.plan.making.root).map_err(|error| self.failed(Path::new(""), &error))?;
        }
        Ok(self.summary)
    }

    fn begin_partition(&mut self, folder: PathBuf) -> Result<()> {
        if self.partition.as_ref() != Some(&folder) {
            let below = self.plan.below.join(&folder);
            let place = self.plan.making.root.join(&below);
            fs::create_dir_all(&place).map_err(|error| self.failed(&below, &error))?;
            (self.partition, self.number) = (Some(folder), 0);
        }
        Ok(())
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
                return Err(Error::data(message).with_column(name).with_hint(format!(
                    "partition by a column of shorter values; a query can make one, such as left({name}, 20)"
                )));
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
        let folder = self.plan.below.join(self.partition.as_deref().unwrap_or(Path::new("")));
        let below = loop {
            let below = folder.join(self.plan.names.name(self.number, self.format));
            self.number += 1;
            if !self.plan.names.are_many() || !(self.plan.making.is_taken)(&below) {
                break below;
            }
        };
        let place = unfinished(&self.plan.making.root.join(&below));
        let file = match File::options().write(true).create_new(true).open(place) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::internal(format!("the rows of '{}' did not come together", folder.display())));
            }
            Err(error) => return Err(self.failed(&below, &error)),
        };
        let out = file.try_clone().map_err(|error| self.failed(&below, &error))?;
        let checksum = Arc::<AtomicU32>::default();
        let out = Box::new(SummedWriter::buffered(out, checksum.clone()));
        let name = self.plan.making.target.join(&below);
        let writer = create_writer(self.format, &self.options, &self.file_schema, out, &name, &self.context)?;
        let block = rows_of_width(BLOCK_ROWS, self.file_schema.fields().len());
        // A file that is all there is takes rows as they come.
        let cuts = self.options.folder.is_wanted();
        let blocks = cuts.then(|| BatchCoalescer::new(self.file_schema.clone(), block));
        Ok(OpenFile { writer, file, blocks, block, below, checksum, rows: 0 })
    }

    fn end_file(&mut self, on_file: OnFile<'_>) -> Result<()> {
        let Some(open) = self.file.take() else { return Ok(()) };
        let summary = &mut self.summary;
        summary.files += 1;
        let (file, done) = open.finish()?;
        summary.written.rows += done.summary.rows;
        summary.written.bytes += done.summary.bytes;
        if summary.files <= SYNCED_ALONE || !cfg!(target_os = "linux") {
            file.sync_all().map_err(|error| self.failed(&done.path, &error))?;
        }
        on_file(done)
    }

    fn failed(&self, below: &Path, error: &std::io::Error) -> Error {
        write_error(&self.plan.making.target.join(below), error)
    }
}

/// The file that rows go to.
struct OpenFile {
    writer: Box<dyn BatchWriter>,
    file: File,
    /// Puts rows together to blocks, where it depends on them where a file ends.
    blocks: Option<BatchCoalescer>,
    block: usize,
    /// Its path below the folder.
    below: PathBuf,
    checksum: Arc<AtomicU32>,
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
        match &mut self.blocks {
            None => self.writer.write(&rows),
            Some(blocks) => {
                blocks.push_batch(rows)?;
                self.write_blocks()
            }
        }
    }

    fn write_blocks(&mut self) -> Result<()> {
        while let Some(block) = self.blocks.as_mut().and_then(BatchCoalescer::next_completed_batch) {
            self.writer.write(&block)?;
        }
        Ok(())
    }

    fn is_full(&mut self, options: &FolderOptions) -> bool {
        let is_block = self.rows.is_multiple_of(self.block as u64);
        options.file_rows.is_some_and(|rows| self.rows >= rows)
            || options.file_bytes.is_some_and(|bytes| is_block && self.writer.bytes_so_far() >= bytes)
    }

    fn finish(mut self) -> Result<(File, FolderFile)> {
        if let Some(blocks) = &mut self.blocks {
            blocks.finish_buffered_batch()?;
        }
        self.write_blocks()?;
        let summary = self.writer.finish()?;
        Ok((self.file, FolderFile { path: self.below, summary, checksum: self.checksum.load(Relaxed) }))
    }
}
