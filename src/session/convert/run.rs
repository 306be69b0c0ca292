//! Running a conversion, part by part.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::manifest::{InputRecord, Journal, Manifest, OutputRecord, PartRecord, stat};
use super::place::Place;
use super::plan::{ConvertPlan, Found, PlannedPart, overwrites_input, whole_path};
use super::publish::{Names, discard, publish, remove};
use super::verify::Expected;
use super::{ConvertOptions, ConvertSummary, OnExisting};
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey};
use crate::io::summed::SummedTable;
use crate::io::write::staging::{make_folders, sweep};
use crate::io::write::{FolderFile, FolderPlan, Making, OutputFormat, SortedBy, WriteOptions};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::plan::PlanBuilder;
use crate::rejects::RejectLog;
use crate::session::{RunOptions, Session};

/// A conversion that runs.
pub(super) struct Conversion<'a> {
    pub session: &'a Session,
    pub convert: &'a ConvertOptions,
    pub options: &'a RunOptions,
    pub place: &'a Place,
    pub log: &'a Arc<RejectLog>,
    /// How many scans there are in the log whose rejects are written already.
    pub written: &'a AtomicUsize,
}

impl Conversion<'_> {
    /// Does what is planned, and counts it.
    pub fn run(&self, mut plan: ConvertPlan, found: &Found, summary: &mut ConvertSummary) -> Result<()> {
        if let Some(files) = &self.options.rejects {
            files.remove_leftovers();
        }
        if plan.keeps_staged {
            self.keep_complete(&plan.manifest)?;
        } else {
            discard(self.place)?;
        }
        let path = if plan.at_end { self.place.journal() } else { self.place.manifest.clone() };
        let mut journal = Journal::begin(&path, &plan.manifest)?;
        let mut records = Vec::new();
        // What is recorded of files grows with them.
        let mut held = self.session.reservation("record of files", &OperatorMetrics::new());
        let converted = self.parts(&mut plan, &mut journal, &mut records, &mut held, summary);
        drop(journal);
        summary.bytes_spilled = self.options.progress.bytes_spilled.load(Relaxed);
        if let Err(error) = converted {
            return Err(self.give_up(error, plan, &path));
        }
        // As it would be if nobody had disturbed: in the order of the inputs.
        let mut manifest = plan.manifest;
        let mut gone = BTreeSet::new();
        if let Some(run) = manifest.runs.last_mut() {
            run.parts = records;
            gone = std::mem::take(&mut run.announced);
            run.is_done = true;
        }
        if plan.at_end {
            manifest.write(&path)?;
            summary.files_removed = publish(self.place, &manifest, found.manifest.as_ref())?;
        } else {
            let kept: HashSet<&Path> = manifest.outputs().map(|output| output.path.as_path()).collect();
            let gone = gone.iter().map(PathBuf::as_path).filter(|path| !kept.contains(path));
            summary.files_removed = remove(self.place, gone)?;
            manifest.write(&path)?;
        }
        Ok(())
    }

    /// Removes files in the making but those that are complete.
    fn keep_complete(&self, manifest: &Manifest) -> Result<()> {
        let kept: HashSet<PathBuf> = manifest.outputs().map(|output| self.place.staged(&output.path)).collect();
        sweep(&self.place.staging(), &|path| kept.contains(path))
    }

    fn parts(
        &self,
        plan: &mut ConvertPlan,
        journal: &mut Journal,
        records: &mut Vec<PartRecord>,
        held: &mut MemoryReservation,
        summary: &mut ConvertSummary,
    ) -> Result<()> {
        let parts = std::mem::take(&mut plan.parts);
        let progress = &self.options.progress;
        let to_do = || parts.iter().filter(|part| part.done.is_none());
        let sizes = to_do().flat_map(|part| &part.part.files).filter_map(|file| fs::metadata(file).ok());
        let bytes_in = sizes.map(|metadata| metadata.len()).sum::<u64>();
        summary.bytes_in = bytes_in;
        progress.bytes_total.store(bytes_in, Relaxed);
        progress.files_total.store(parts.len() as u64, Relaxed);
        progress.files_done.store((parts.len() - to_do().count()) as u64, Relaxed);
        let rejected = parts.iter().filter_map(|part| part.done.as_ref()).map(|done| done.rejected).sum();
        self.log.allow(self.options.max_rejects.map(|most| most.saturating_sub(rejected)));
        for mut part in parts {
            if let Some(done) = part.done.take() {
                if let Some(files) = self.options.rejects.as_ref().filter(|_| done.rejected + done.nulled > 0) {
                    done.inputs.iter().for_each(|input| files.reserve(&input.path));
                }
                summary.files_kept += done.outputs.len() as u64;
                summary.rows_rejected_before += done.rejected;
                records.push(done);
                continue;
            }
            let record = self.part(part, plan, journal, held)?;
            journal.record(&record)?;
            for output in &record.outputs {
                summary.files += 1;
                summary.bytes_out += output.size;
            }
            summary.rows_written += record.sum.rows;
            summary.rows_rejected += record.rejected;
            summary.rows_read += record.sum.rows + record.rejected;
            summary.values_nulled += record.nulled;
            summary.files_verified += if self.convert.verify.is_some() { record.outputs.len() as u64 } else { 0 };
            records.push(record);
            progress.files_done.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Makes the outputs of a part, up to their names. The answer is what is to be recorded.
    fn part(
        &self,
        planned: PlannedPart,
        plan: &ConvertPlan,
        journal: &mut Journal,
        held: &mut MemoryReservation,
    ) -> Result<PartRecord> {
        let PlannedPart { part, target, .. } = planned;
        make_folders(&self.place.staging())?;
        let before = part.files.iter().map(|file| stat(file)).collect::<Result<Vec<_>>>()?;
        let counts = Counts::of(self.options);
        let in_paths = if plan.write.folder.write_partition_columns { &[] } else { plan.partitions.as_slice() };
        let table = SummedTable::new(part.table, in_paths);
        let key = |key: &SortedBy| SortKey {
            expr: Expr::Column { table: None, name: key.name.clone() },
            descending: key.descending,
            nulls_first: Some(key.nulls_first),
        };
        let keys: Vec<SortKey> = self.convert.sort_by.iter().map(key).collect();
        let rows = PlanBuilder::scan(table.clone()).sort(&keys)?.build();
        let taken = plan.taken.clone();
        let folder = FolderPlan {
            making: Making {
                root: self.place.staging(),
                target: self.place.root.clone(),
                is_taken: Box::new(move |path| taken.has(path)),
            },
            below: target.folder,
            names: target.names,
        };
        let mut outputs: Vec<OutputRecord> = Vec::new();
        let mut on_file = |FolderFile { path, summary, checksum }: FolderFile| {
            held.grow((path.as_os_str().len() + size_of::<OutputRecord>() * 2) as u64)?;
            outputs.push(OutputRecord { path, rows: summary.rows, size: summary.bytes, checksum });
            Ok(())
        };
        let written =
            self.session.write_files(&rows, folder, &self.sorted(plan), self.options, self.log, &mut on_file)?.written;
        let counts = Counts::of(self.options).since(counts);

        let mut inputs = Vec::with_capacity(part.files.len());
        for ((path, content), (size, modified)) in part.files.iter().zip(&part.contents).zip(before) {
            let checksum = content.finish(path, size)?;
            if stat(path)? != (size, modified) {
                return Err(Error::data(format!("'{}' changed while it was being converted", path.display()))
                    .with_file(path)
                    .with_hint("go on by --resume when the file is complete"));
            }
            inputs.push(InputRecord { path: whole_path(path), size, modified, checksum });
        }
        let record = PartRecord { inputs, rejected: counts.rejected, nulled: counts.nulled, sum: table.sum(), outputs };
        if record.sum.rows != written.rows || counts.read != written.rows + counts.rejected {
            return Err(Error::internal(format!(
                "{} rows were read, but {} were written and {} rejected",
                counts.read, written.rows, counts.rejected
            ))
            .with_hint("the output is not to be trusted, and was not kept: please report it"));
        }
        self.check_inputs_stay(&part.files, &record)?;
        self.verify(&record, plan)?;
        // Before the part counts as done, or what was rejected would be lost with the process.
        let scans: Vec<usize> = (self.written.load(Relaxed)..self.log.scans()).collect();
        if let Some(files) = &self.options.rejects {
            files.append(self.log, Some(&scans), &self.session.write_context(self.options))?;
        }
        self.written.store(self.log.scans(), Relaxed);
        if !plan.at_end {
            journal.announce(record.outputs.iter().map(|output| output.path.as_path()))?;
            let replaces = self.convert.existing == OnExisting::Overwrite;
            let mut names = Names::new(self.place);
            for output in &record.outputs {
                names.give(&output.path, replaces || plan.taken.is_ours(&output.path))?;
            }
            names.finish()?;
        }
        Ok(record)
    }

    /// The options of writing; files tell of the order of their rows.
    fn sorted(&self, plan: &ConvertPlan) -> WriteOptions {
        let mut write = plan.write.clone();
        if plan.format == OutputFormat::Parquet && write.parquet.sorted_by.is_empty() {
            let fields = plan.schema.fields();
            // In one file, a partition has one value.
            let is_partition = |key: &&SortedBy| {
                plan.partitions.iter().any(|column| fields[*column].name().eq_ignore_ascii_case(&key.name))
            };
            write.parquet.sorted_by = self.convert.sort_by.iter().filter(|key| !is_partition(key)).cloned().collect();
        }
        write
    }

    /// Checks that no output has the name of an input, where names were not known before.
    fn check_inputs_stay(&self, files: &[PathBuf], record: &PartRecord) -> Result<()> {
        let inputs: HashSet<PathBuf> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        let is_input = |output: &&OutputRecord| inputs.contains(&self.place.root.join(&output.path));
        match record.outputs.iter().find(is_input) {
            Some(output) => Err(overwrites_input(&self.place.show(&output.path))),
            None => Ok(()),
        }
    }

    /// Compares files with what was read, before they have their names.
    fn verify(&self, record: &PartRecord, plan: &ConvertPlan) -> Result<()> {
        let (Some(level), Some(run)) = (self.convert.verify, plan.run()) else { return Ok(()) };
        let files: Vec<PathBuf> = record.outputs.iter().map(|output| self.place.staged(&output.path)).collect();
        let expected = Expected::new(&run.header, &record.sum, &record.outputs)?;
        let differences = self.session.differences(&expected, &files, level, self.options, &|_| ())?;
        let Some(first) = differences.first() else { return Ok(()) };
        let output = files.iter().zip(&record.outputs).find(|(file, _)| **file == first.file);
        let shown = output.map_or(self.place.shown.clone(), |(_, output)| self.place.show(&output.path));
        let hint = match plan.format {
            OutputFormat::Json | OutputFormat::JsonLines => {
                "it was not kept; JSON has neither NaN nor infinity, and they became null"
            }
            _ => "it was not kept: please report it, or look for a disk or memory that fails",
        };
        Err(Error::data(format!("'{}' is not what was read: {}", shown.display(), first.what)).with_hint(hint))
    }

    /// What to leave behind after an error: what is complete, so that it need not be done again.
    fn give_up(&self, error: Error, plan: ConvertPlan, journal: &Path) -> Error {
        let journal = Manifest::read(journal).ok().flatten();
        let run = journal.as_ref().and_then(|journal| journal.runs.last());
        let has_parts = run.is_some_and(|run| !run.parts.is_empty());
        let has_names = !plan.at_end && run.is_some_and(|run| !run.announced.is_empty());
        // What fails now is left to the next run.
        let _ = match journal.as_ref().filter(|_| has_parts || has_names) {
            Some(journal) => self.keep_complete(journal),
            None if plan.at_end => discard(self.place),
            None => self.forget(plan.manifest),
        };
        error
    }

    /// The manifest as it was before the run.
    fn forget(&self, mut manifest: Manifest) -> Result<()> {
        sweep(&self.place.staging(), &|_| false)?;
        manifest.runs.pop();
        if manifest.runs.is_empty() {
            let path: &Path = &self.place.manifest;
            return fs::remove_file(path).map_err(|error| Error::io("remove", path, &error));
        }
        manifest.write(&self.place.manifest)
    }
}

/// What progress has counted.
#[derive(Clone, Copy)]
struct Counts {
    read: u64,
    rejected: u64,
    nulled: u64,
}

impl Counts {
    fn of(options: &RunOptions) -> Self {
        let progress = &options.progress;
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        Self {
            read: count(&progress.rows_read),
            rejected: count(&progress.rows_rejected),
            nulled: count(&progress.values_nulled),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            read: self.read - before.read,
            rejected: self.rejected - before.rejected,
            nulled: self.nulled - before.nulled,
        }
    }
}
