//! CONVERT: directories of files to Parquet (or another format), one output per input or merged into one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::catalog::{is_parquet, open_csv, open_parquet};
use super::{RunOptions, Session};
use crate::error::{Error, Result};
use crate::io::csv::{Compression, CsvOptions};
use crate::io::options::Options;
use crate::io::source::Table;
use crate::io::write::{Existing, OutputFormat, WriteOptions};
use crate::plan::Scan;

/// How inputs become outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One output for each input, with the input's name and the format's ending, in the output folder.
    #[default]
    PerFile,
    /// All inputs merged into one file.
    Merge,
}

/// What to convert.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvertOptions {
    /// Paths, globs and folders.
    pub inputs: Vec<String>,
    /// The folder of the outputs, or the one file with [`Layout::Merge`].
    pub output: PathBuf,
    /// One output per input, or one.
    pub layout: Layout,
    /// Options of the reader, as `read_csv` has them.
    pub read: Options,
    /// Options of the writer, as `COPY … TO` has them; without a format it is the output's, or Parquet.
    pub write: WriteOptions,
}

/// What was converted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConvertSummary {
    /// Files written.
    pub files: u64,
    /// Rows read: those kept and those rejected.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows rejected by the reader.
    pub rows_rejected: u64,
    /// Bytes of the inputs.
    pub bytes_in: u64,
    /// Bytes of the outputs.
    pub bytes_out: u64,
}

impl Session {
    /// Converts files. Every output has the schema that all inputs have together, and is there completely or not at
    /// all: with an error or an interrupt, outputs that were complete stay and no other is left behind.
    ///
    /// # Errors
    /// Where inputs cannot be read, two of them would have one output, or an output is there already and was not to be
    /// overwritten: this is found before anything is written.
    pub fn convert(&self, convert: &ConvertOptions, options: &RunOptions) -> Result<ConvertSummary> {
        let parts = self.inputs(convert)?;
        let mut write = convert.write.clone();
        let by_name = match convert.layout {
            Layout::Merge => OutputFormat::from_path(&convert.output),
            Layout::PerFile => None,
        };
        let format = write.format.or(by_name).unwrap_or(OutputFormat::Parquet);
        write.format = Some(format);
        let outputs = outputs(convert, &parts, format)?;
        check_outputs(&outputs, &parts, &write)?;
        let sizes = parts.iter().flat_map(|part| &part.files).filter_map(|file| fs::metadata(file).ok());
        let bytes_in = sizes.map(|metadata| metadata.len()).sum::<u64>();
        let mut summary = ConvertSummary { bytes_in, ..ConvertSummary::default() };
        options.progress.bytes_total.store(bytes_in, Relaxed);
        let counter = |counter: &AtomicU64| counter.load(Relaxed);
        let (read_before, rejected_before) =
            (counter(&options.progress.rows_read), counter(&options.progress.rows_rejected));
        for (part, target) in parts.into_iter().zip(&outputs) {
            let made = match (convert.layout, target.parent()) {
                (Layout::PerFile, Some(folder)) => make_folders(folder)?,
                _ => Vec::new(),
            };
            let plan = Scan::all(part.table);
            let written = self.write_file(&plan, target, &write, options);
            if written.is_err() {
                // Only those that are empty go.
                made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
            }
            let written = written?;
            summary.files += 1;
            summary.rows_written += written.rows;
            summary.bytes_out += written.bytes;
        }
        summary.rows_rejected = counter(&options.progress.rows_rejected) - rejected_before;
        summary.rows_read = counter(&options.progress.rows_read) - read_before;
        if summary.rows_read != summary.rows_written + summary.rows_rejected {
            return Err(Error::internal(format!(
                "{} rows were read, but {} were written and {} rejected",
                summary.rows_read, summary.rows_written, summary.rows_rejected
            ))
            .with_hint("the outputs are not to be trusted: please report it"));
        }
        Ok(summary)
    }

    fn inputs(&self, convert: &ConvertOptions) -> Result<Vec<Part>> {
        let config = self.config();
        let merge = convert.layout == Layout::Merge;
        if is_parquet(&convert.inputs)? {
            let table = open_parquet(&convert.inputs, &convert.read, &config)?;
            let files = table.files().to_vec();
            let one = |index| table.for_file(index).map(|table| table as Arc<dyn Table>);
            return Ok(if merge { vec![Part { table, files }] } else { parts(files, one) });
        }
        let table = open_csv(&convert.inputs, CsvOptions::parse(&convert.read)?, &config)?;
        let files: Vec<PathBuf> = table.files().map(Path::to_path_buf).collect();
        let one = |index| table.for_file(index).map(|table| table as Arc<dyn Table>);
        Ok(if merge { vec![Part { table, files }] } else { parts(files, one) })
    }
}

/// Makes a folder and those above it; the answer is which were not there, innermost first.
fn make_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
    Ok(missing)
}

/// The input of one output.
struct Part {
    table: Arc<dyn Table>,
    files: Vec<PathBuf>,
}

fn parts(files: Vec<PathBuf>, one: impl Fn(usize) -> Option<Arc<dyn Table>>) -> Vec<Part> {
    let part = |(index, file)| one(index).map(|table| Part { table, files: vec![file] });
    files.into_iter().enumerate().filter_map(part).collect()
}

/// Where each part goes. Files of several folders keep their paths below the folder that they have in common.
fn outputs(convert: &ConvertOptions, parts: &[Part], format: OutputFormat) -> Result<Vec<PathBuf>> {
    if convert.layout == Layout::Merge {
        return Ok(vec![convert.output.clone()]);
    }
    if convert.output.is_file() {
        return Err(Error::usage(format!("'{}' is a file, not a folder", convert.output.display()))
            .with_hint("with one output per input, -o names a folder; --layout merge writes one file"));
    }
    let files: Vec<&Path> = parts.iter().flat_map(|part| &part.files).map(PathBuf::as_path).collect();
    let common = common_folder(&files);
    Ok(files
        .iter()
        .map(|file| {
            let below = file.strip_prefix(&common).unwrap_or(file);
            let mut output = convert.output.join(below);
            if Compression::of_ending(&output) != Compression::None {
                output.set_extension("");
            }
            output.with_extension(format.extension())
        })
        .collect())
}

fn common_folder(files: &[&Path]) -> PathBuf {
    let mut folders = files.iter().map(|file| file.parent().unwrap_or(Path::new("")));
    let Some(first) = folders.next() else {
        return PathBuf::new();
    };
    folders.fold(first.to_path_buf(), |common, folder| {
        common.components().zip(folder.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

/// Everything that would go wrong later because of names is found before the first byte is written.
fn check_outputs(outputs: &[PathBuf], parts: &[Part], write: &WriteOptions) -> Result<()> {
    let mut seen: HashMap<&Path, usize> = HashMap::new();
    for (index, output) in outputs.iter().enumerate() {
        if let Some(other) = seen.insert(output, index) {
            let name = |index: usize| {
                parts
                    .get(index)
                    .and_then(|part| part.files.first())
                    .map_or(String::new(), |file| file.display().to_string())
            };
            return Err(Error::usage(format!(
                "'{}' and '{}' would both become '{}'",
                name(other),
                name(index),
                output.display()
            ))
            .with_hint("convert them into different folders, or merge them by --layout merge"));
        }
        if output.exists() && write.existing == Existing::Error {
            return Err(Error::usage(format!("'{}' is there already", output.display()))
                .with_hint("write --existing overwrite to replace it"));
        }
        if parts.iter().flat_map(|part| &part.files).any(|file| same_file(file, output)) {
            return Err(Error::usage(format!("'{}' would overwrite an input", output.display())));
        }
    }
    Ok(())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
