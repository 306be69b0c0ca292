//! Running a conversion, part by part.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::manifest::{InputRecord, Journal, Manifest, OutputRecord, PartRecord, stat};
use super::place::{Place, make_folders, sweep};
use super::plan::{ConvertPlan, Found, PlannedPart, whole_path};
use super::publish::{discard, publish};
use super::verify::Expected;
use super::{ConvertOptions, ConvertSummary};
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey};
use crate::io::summed::SummedTable;
use crate::io::write::{Existing, OutputFormat, SortedBy, WrittenFile};
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
    /// Does what is planned.
    pub fn run(&self, mut plan: ConvertPlan, found: &Found) -> Result<ConvertSummary> {
        if let Some(files) = &self.options.rejects {
            files.remove_leftovers();
        }
        let staged = self.place.staging();
        if plan.keeps_staged {
            let kept: HashSet<PathBuf> =
                plan.manifest.outputs().map(|output| self.place.staged(&output.path)).collect();
            sweep(&staged, &|path| kept.contains(path))?;
        } else {
            discard(self.place)?;
        }
        let path = if plan.at_end { self.place.journal() } else { self.place.manifest.clone() };
        let mut journal = Journal::begin(&path, &plan.manifest)?;
        let mut records = Vec::new();
        let mut summary = ConvertSummary::default();
        let converted = self.parts(&mut plan, &mut journal, &mut records, &mut summary);
        drop(journal);
        if let Err(error) = converted {
            return Err(self.give_up(error, plan, &path));
        }
        // As it would be if nobody had disturbed: in the order of the inputs.
        let mut manifest = plan.manifest;
        if let Some(run) = manifest.runs.last_mut() {
            run.parts = records;
            run.announced.clear();
            run.is_done = true;
        }
        manifest.write(&path)?;
        if plan.at_end {
            summary.files_removed = publish(self.place, &manifest, found.manifest.as_ref())?;
        }
        summary.bytes_spilled = self.options.progress.bytes_spilled.load(Relaxed);
        Ok(summary)
    }

    fn parts(
        &self,
        plan: &mut ConvertPlan,
        journal: &mut Journal,
        records: &mut Vec<PartRecord>,
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
            let record = self.part(part, plan, journal)?;
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

    /// Makes the output of a part, up to its name. The answer is what is to be recorded.
    fn part(&self, planned: PlannedPart, plan: &ConvertPlan, journal: &mut Journal) -> Result<PartRecord> {
        let PlannedPart { part, output, existing, .. } = planned;
        let staging = self.place.staging();
        let target = if plan.at_end { self.place.staged(&output) } else { self.place.root.join(&output) };
        for folder in [Some(staging.as_path()), target.parent()].into_iter().flatten() {
            make_folders(folder)?;
        }
        let existing = if plan.at_end { Existing::Overwrite } else { existing };
        let mut write = plan.write.clone();
        write.existing = existing;
        let before = part.files.iter().map(|file| stat(file)).collect::<Result<Vec<_>>>()?;
        let counts = Counts::of(self.options);
        let table = SummedTable::new(part.table);
        let key = |key: &SortedBy| SortKey {
            expr: Expr::Column { table: None, name: key.name.clone() },
            descending: key.descending,
            nulls_first: Some(key.nulls_first),
        };
        let keys: Vec<SortKey> = self.convert.sort_by.iter().map(key).collect();
        if plan.format == OutputFormat::Parquet && write.parquet.sorted_by.is_empty() {
            write.parquet.sorted_by = self.convert.sort_by.clone();
        }
        let rows = PlanBuilder::scan(table.clone()).sort(&keys)?.build();
        let file = self.session.write_in(&rows, Some(&staging), &target, &write, self.options, self.log)?;
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
        let written = file.summary();
        let made =
            OutputRecord { path: output, rows: written.rows, size: written.bytes, checksum: file.file().checksum() };
        let sum = table.sum();
        let record = PartRecord { inputs, rejected: counts.rejected, nulled: counts.nulled, sum, outputs: vec![made] };
        if record.sum.rows != written.rows || counts.read != written.rows + counts.rejected {
            return Err(Error::internal(format!(
                "{} rows were read, but {} were written and {} rejected",
                counts.read, written.rows, counts.rejected
            ))
            .with_hint("the output is not to be trusted, and was not kept: please report it"));
        }
        self.verify(&record, &file, plan)?;
        // Before the part counts as done, or what was rejected would be lost with the process.
        let scans: Vec<usize> = (self.written.load(Relaxed)..self.log.scans()).collect();
        if let Some(files) = &self.options.rejects {
            files.append(self.log, Some(&scans))?;
        }
        self.written.store(self.log.scans(), Relaxed);
        if !plan.at_end {
            journal.announce(&record.outputs.iter().map(|output| output.path.clone()).collect::<Vec<_>>())?;
        }
        file.commit()?;
        Ok(record)
    }

    /// Compares a file with what was read, before it has its name.
    fn verify(&self, record: &PartRecord, file: &WrittenFile, plan: &ConvertPlan) -> Result<()> {
        let (Some(level), Some(run)) = (self.convert.verify, plan.run()) else { return Ok(()) };
        let expected = Expected { header: &run.header, sum: &record.sum, outputs: &record.outputs };
        let files = [file.file().temporary().to_path_buf()];
        let differences = self.session.differences(&expected, &files, level, self.options)?;
        match differences.first() {
            None => Ok(()),
            Some(first) => {
                Err(Error::data(format!("'{}' is not what was read: {}", file.file().target().display(), first.what))
                    .with_hint("it was not kept: please report it, or look for a disk or memory that fails"))
            }
        }
    }

    /// What to leave behind after an error: what is complete, so that it need not be done again.
    fn give_up(&self, error: Error, plan: ConvertPlan, journal: &Path) -> Error {
        let journal = Manifest::read(journal).ok().flatten();
        let run = journal.as_ref().and_then(|journal| journal.runs.last());
        let begun = run.is_some_and(|run| !run.parts.is_empty() || !run.announced.is_empty());
        if begun {
            return error;
        }
        // What fails now is left to the next run.
        let _ = if plan.at_end { discard(self.place) } else { self.forget(plan.manifest) };
        error
    }

    /// The manifest as it was before the run.
    fn forget(&self, mut manifest: Manifest) -> Result<()> {
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
