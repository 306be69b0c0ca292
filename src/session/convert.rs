//! CONVERT: directories of files to Parquet (or another format), one output per input or merged into one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::catalog::{check_run, is_parquet, open_csv, open_parquet};
use super::restart::tell_widened;
use super::{RunOptions, Session};
use crate::error::{Error, ErrorClass, Result};
use crate::io::csv::{Compression, CsvOptions, CsvTable};
use crate::io::options::Options;
use crate::io::parquet::ParquetTable;
use crate::io::source::Table;
use crate::io::write::{Existing, OutputFormat, WriteOptions, WriteSummary};
use crate::plan::Scan;
use crate::rejects::RejectLog;

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
    /// Values that did not fit and became null.
    pub values_nulled: u64,
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
        let (mut inputs, mut write) = (self.inputs(convert, options)?, convert.write.clone());
        let by_name = match convert.layout {
            Layout::Merge => OutputFormat::from_path(&convert.output),
            Layout::PerFile => None,
        };
        let format = write.format.or(by_name).unwrap_or(OutputFormat::Parquet);
        write.format = Some(format);
        let parts = inputs.parts(convert.layout);
        let outputs = Outputs {
            paths: outputs(convert, &parts, format)?,
            makes_folders: convert.layout == Layout::PerFile,
            all_at_end: inputs.may_widen(),
        };
        check_outputs(&outputs.paths, &parts, &write)?;
        loop {
            let parts = inputs.parts(convert.layout);
            let work = |log: &Arc<RejectLog>| self.convert_parts(parts, &outputs, &write, options, log);
            let error = match self.logged(options, work) {
                Err(error) if error.class() == ErrorClass::Data => error,
                outcome => return outcome,
            };
            // Nothing has its name yet where types may be widened.
            let Inputs::Csv(table) = &inputs else { return Err(error) };
            let Some((table, widened)) = table.widened(None) else { return Err(error) };
            tell_widened(widened.iter().map(ToString::to_string), &options.progress);
            inputs = Inputs::Csv(table);
            options.progress.restart();
        }
    }

    /// Converts each part into its output.
    fn convert_parts(
        &self,
        parts: Vec<Part>,
        outputs: &Outputs,
        write: &WriteOptions,
        options: &RunOptions,
        log: &Arc<RejectLog>,
    ) -> Result<ConvertSummary> {
        let sizes = parts.iter().flat_map(|part| &part.files).filter_map(|file| fs::metadata(file).ok());
        let bytes_in = sizes.map(|metadata| metadata.len()).sum::<u64>();
        let mut summary = ConvertSummary { bytes_in, ..ConvertSummary::default() };
        let progress = &options.progress;
        progress.bytes_total.store(bytes_in, Relaxed);
        let counter = |counter: &AtomicU64| counter.load(Relaxed);
        let before = [&progress.rows_read, &progress.rows_rejected, &progress.values_nulled].map(counter);
        let (mut made, mut written) = (Vec::new(), Vec::new());
        let convert = || {
            for (part, target) in parts.into_iter().zip(&outputs.paths) {
                if let Some(folder) = target.parent().filter(|_| outputs.makes_folders) {
                    made.splice(0..0, make_folders(folder)?);
                }
                let file = self.write_in(&Scan::all(part.table), target, write, options, log)?;
                let WriteSummary { rows, bytes } = file.summary();
                (summary.files, summary.rows_written) = (summary.files + 1, summary.rows_written + rows);
                summary.bytes_out += bytes;
                if outputs.all_at_end {
                    written.push(file);
                } else {
                    file.commit()?;
                }
            }
            written.drain(..).try_for_each(|file| file.commit().map(drop))
        };
        if let Err(error) = convert() {
            drop(written);
            // Only those that are empty go.
            made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
            return Err(error);
        }
        summary.rows_read = counter(&progress.rows_read) - before[0];
        summary.rows_rejected = counter(&progress.rows_rejected) - before[1];
        summary.values_nulled = counter(&progress.values_nulled) - before[2];
        if summary.rows_read != summary.rows_written + summary.rows_rejected {
            return Err(Error::internal(format!(
                "{} rows were read, but {} were written and {} rejected",
                summary.rows_read, summary.rows_written, summary.rows_rejected
            ))
            .with_hint("the outputs are not to be trusted: please report it"));
        }
        Ok(summary)
    }

    fn inputs(&self, convert: &ConvertOptions, options: &RunOptions) -> Result<Inputs> {
        let config = self.config();
        if is_parquet(&convert.inputs)? {
            return Ok(Inputs::Parquet(open_parquet(&convert.inputs, &convert.read, &config)?));
        }
        check_run(options, &convert.inputs)?;
        Ok(Inputs::Csv(open_csv(&convert.inputs, CsvOptions::parse(&convert.read)?, &config, &self.runtime().memory)?))
    }
}

/// Where the parts go.
struct Outputs {
    paths: Vec<PathBuf>,
    /// Whether folders are made for them.
    makes_folders: bool,
    /// Whether they get their names all at the end, since the conversion may have to start again, and not one by one.
    all_at_end: bool,
}

/// All inputs as one table.
enum Inputs {
    Csv(Arc<CsvTable>),
    Parquet(Arc<ParquetTable>),
}

impl Inputs {
    fn may_widen(&self) -> bool {
        matches!(self, Self::Csv(table) if table.may_widen())
    }

    /// The input of each output.
    fn parts(&self, layout: Layout) -> Vec<Part> {
        let (table, files): (Arc<dyn Table>, Vec<PathBuf>) = match self {
            Self::Csv(table) => (table.clone(), table.files().map(Path::to_path_buf).collect()),
            Self::Parquet(table) => (table.clone(), table.files().to_vec()),
        };
        if layout == Layout::Merge {
            return vec![Part { table, files }];
        }
        let one = |index| -> Option<Arc<dyn Table>> {
            match self {
                Self::Csv(table) => Some(table.for_file(index)?),
                Self::Parquet(table) => Some(table.for_file(index)?),
            }
        };
        let part = |(index, file)| one(index).map(|table| Part { table, files: vec![file] });
        files.into_iter().enumerate().filter_map(part).collect()
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
