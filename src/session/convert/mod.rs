//! CONVERT: files to Parquet (or another format), one output per input, merged, or a folder for each value of columns, in a
//! way that can be interrupted, gone on with, and checked.
//!
//! 1. `place` says where outputs, manifest and unfinished files lie, and lets one process in.
//! 2. `inputs` opens all files as one table, and cuts it into parts, each of which becomes a file or several; `targets` says
//!    where these go.
//! 3. `plan` decides what is to be done, before anything is written: what is done already by the `manifest`, what is in
//!    the way, whether options and columns (`header`) are those that a run was begun with.
//! 4. `run` converts part by part: files are written in the staging, made durable, compared with what was read (`verify`) if
//!    asked for, renamed, and recorded. Where files are replaced, or those of a folder belong together, all get their
//!    names at the end (`publish`).

mod estimate;
mod header;
mod inputs;
mod manifest;
mod place;
mod plan;
mod publish;
mod run;
mod targets;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use estimate::{DryRun, PlannedOutput};
pub use verify::{Difference, Verify, VerifyOptions, VerifyReport};

use self::inputs::Inputs;
use self::place::Place;
use self::plan::{ConvertPlan, Found};
use self::run::Conversion;
use super::restart::tell_widened;
use super::{RunOptions, Session};
use crate::error::{Error, ErrorClass, Result};
use crate::io::options::Options;
use crate::io::write::atomic::check_target;
use crate::io::write::{Existing, FolderOptions, SortedBy, WriteOptions};
use crate::rejects::RejectLog;

/// How inputs become outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One output for each input, with the input's name and the format's ending, in the output folder.
    #[default]
    PerFile,
    /// All inputs merged into one file, or into the files of a folder where these are limited in size.
    Merge,
    /// All inputs in a folder for each value of the columns that the writer's option `partition_by` names:
    /// `year=2024/country=CH/data_0.parquet`.
    Partition,
}

/// What to do about outputs that are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Refuse.
    #[default]
    Error,
    /// Replace them, and all that an earlier conversion made there, once the new ones are complete.
    Overwrite,
    /// Add to what an earlier conversion made; a file whose name is taken gets a number.
    Append,
}

/// How a conversion that was begun is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Inputs of the same size and time are what they were; only where the time differs is their content looked at.
    Time,
    /// The content of every input is looked at.
    Checksum,
}

/// What to convert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvertOptions {
    /// Paths, globs and folders.
    pub inputs: Vec<String>,
    /// The folder of the outputs, or the one file with [`Layout::Merge`].
    pub output: PathBuf,
    /// How inputs become outputs.
    pub layout: Layout,
    /// Options of the reader, as `read_csv` has them.
    pub read: Options,
    /// Options of the writer, as `COPY … TO` has them; without a format it is the output's, or Parquet. `file_size` and
    /// `rows_per_file` cut each output into several.
    pub write: Options,
    /// The order of the rows of each output; without one, it is that of the inputs. Parquet files tell of it.
    pub sort_by: Vec<SortedBy>,
    /// What to do about outputs that are there.
    pub existing: OnExisting,
    /// Whether to go on with what was begun. Where nothing was, the conversion begins.
    pub resume: Option<Resume>,
    /// How outputs are compared with what was read, before they get their names.
    pub verify: Option<Verify>,
    /// The manifest, where it is not to be beside the output.
    pub manifest: Option<PathBuf>,
}

/// What was converted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConvertSummary {
    /// Files written.
    pub files: u64,
    /// Files that were there already, as they should be.
    pub files_kept: u64,
    /// Files of an earlier conversion that were removed, since nothing became of them.
    pub files_removed: u64,
    /// Rows read: those written and those rejected.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows rejected by the reader.
    pub rows_rejected: u64,
    /// Rows of files that were there already which were rejected when these were written.
    pub rows_rejected_before: u64,
    /// Values that did not fit and became null.
    pub values_nulled: u64,
    /// Bytes of the inputs that were read.
    pub bytes_in: u64,
    /// Bytes of the outputs that were written.
    pub bytes_out: u64,
    /// Bytes that did not fit into memory on the way.
    pub bytes_spilled: u64,
    /// Files compared with what was read.
    pub files_verified: u64,
}

impl Session {
    /// Converts files. Every output has the schema that all inputs have together, and is there completely or not at
    /// all. After an error, an interrupt or the end of the process, outputs that were complete stay, and
    /// [`ConvertOptions::resume`] goes on from there; the result is that of a conversion that was not disturbed.
    ///
    /// # Errors
    /// Where inputs cannot be read, two of them would have one output, an output is there already and was not to be
    /// replaced, or a run cannot be resumed since its options or columns are others: this is found before anything is
    /// written. Where another conversion writes to the same place.
    pub fn convert(&self, convert: &ConvertOptions, options: &RunOptions) -> Result<ConvertSummary> {
        let mut summary = ConvertSummary::default();
        self.convert_counted(convert, options, &mut summary).map(|()| summary)
    }

    /// [`convert`](Self::convert), which counts what was done also where it fails.
    pub(crate) fn convert_counted(
        &self,
        convert: &ConvertOptions,
        options: &RunOptions,
        summary: &mut ConvertSummary,
    ) -> Result<()> {
        let place = Place::of(convert)?;
        let _staging = place.enter()?;
        place.remove_leftovers();
        let mut found = Found::at(&place)?;
        if let Some(staged) = found.staged.as_ref().filter(|staged| staged.is_done()) {
            // A process ended while it gave files their names.
            publish::publish(&place, staged, found.manifest.as_ref())?;
            found = Found::at(&place)?;
        }
        let mut inputs = self.inputs(convert, options, &place, found.manifest.as_ref())?;
        loop {
            *summary = ConvertSummary::default();
            let plan = ConvertPlan::new(convert, &place, &inputs, &found, &self.config())?;
            check_rejects(&plan, options)?;
            let written = AtomicUsize::new(0);
            let work = |log: &Arc<RejectLog>| {
                let conversion = Conversion { session: self, convert, options, place: &place, log, written: &written };
                conversion.run(plan, &found, summary)
            };
            let error = match self.logged_from(options, &written, work) {
                Err(error) => error,
                Ok(()) => return Ok(()),
            };
            // Nothing has its name yet where types may be widened.
            let wider = match &inputs {
                Inputs::Csv(table) if error.class() == ErrorClass::Data => table.widened(None),
                _ => None,
            };
            let Some((table, widened)) = wider else {
                if place.journal().exists() {
                    let kept = place.staging();
                    options.progress.add_note(format!("what is complete is in '{}': --resume goes on", kept.display()));
                }
                return Err(error);
            };
            tell_widened(widened.iter().map(ToString::to_string), &options.progress);
            inputs = Inputs::Csv(table);
            found = Found::at(&place)?;
            options.progress.restart();
        }
    }
}

impl ConvertOptions {
    /// Whether the output is one file, and not a folder.
    ///
    /// # Errors
    /// A usage error for options of the writer that do not fit the layout.
    pub fn is_file(&self) -> Result<bool> {
        let folder: FolderOptions = WriteOptions::parse(&self.write)?.folder;
        match self.layout {
            Layout::Partition if folder.partition_by.is_empty() => {
                Err(Error::usage("the layout 'partition' needs columns")
                    .with_hint("name them: --partition-by year,month"))
            }
            Layout::Merge | Layout::PerFile if !folder.partition_by.is_empty() => {
                Err(Error::usage("columns to partition by have no meaning for this layout")
                    .with_hint("write --layout partition"))
            }
            layout => Ok(layout == Layout::Merge && !folder.is_wanted()),
        }
    }
}

impl Place {
    fn of(convert: &ConvertOptions) -> Result<Self> {
        let is_file = convert.is_file()?;
        if is_file {
            check_target(&convert.output, Existing::Overwrite)?;
        } else if convert.output.is_file() {
            let output = convert.output.display();
            return Err(Error::usage(format!("the output '{output}' is a file, not a folder"))
                .with_hint("name a folder, or write one file with --layout merge"));
        }
        let place = Self::new(&convert.output, is_file, convert.manifest.as_deref())?;
        place.check_manifest()?;
        Ok(place)
    }
}

/// One file for all rejects is complete only when a run is: what is known of those before is not in it.
fn check_rejects(plan: &ConvertPlan, options: &RunOptions) -> Result<()> {
    let has_some = plan.parts.iter().filter_map(|part| part.done.as_ref()).any(|done| done.rejected + done.nulled > 0);
    match &options.rejects {
        Some(files) if has_some && !files.is_folder() => Err(Error::usage(format!(
            "'{}' would not have what was rejected before the conversion was resumed",
            files.target().display()
        ))
        .with_hint("name a folder, which gets a file for each input: --rejects DIR/")),
        _ => Ok(()),
    }
}
