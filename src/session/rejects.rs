//! What is done about rejects when a statement ends: they are kept for `rejects()`, told, and written to files.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{RunOptions, Session};
use crate::dataframe::DataFrame;
use crate::error::{Error, ErrorClass, Result};
use crate::io::glob::FilePatterns;
use crate::io::rejects::RejectsTable;
use crate::io::write::atomic::remove_leftovers;
use crate::io::write::{Existing, FileSink, OutputFormat, WriteContext, WriteOptions};
use crate::plan::{LogicalPlan, PlanBuilder};
use crate::rejects::{RejectLog, reject_schema};
use crate::types::format_count;

impl Session {
    /// What did not fit while the last statement that read CSV files did so, one row each: `file`, `line`,
    /// `byte_offset`, `column`, `reason`, `raw`, `record`, in the order of the data. Also `FROM rejects()` in SQL.
    ///
    /// Without a file that takes all of them, as many are there as fit into 4 MiB, from the first on.
    pub fn rejects(&self) -> DataFrame {
        DataFrame::new(self.clone(), PlanBuilder::scan(self.rejects_table()))
    }

    pub(super) fn rejects_table(&self) -> Arc<RejectsTable> {
        let last = self.shared.rejects.read().unwrap_or_else(PoisonError::into_inner);
        RejectsTable::new(last.clone())
    }

    /// Runs the queries of one statement, which share a log.
    pub(super) fn logged<T>(&self, options: &RunOptions, work: impl FnOnce(&Arc<RejectLog>) -> Result<T>) -> Result<T> {
        self.logged_from(options, &AtomicUsize::new(0), work)
    }

    /// [`logged`](Self::logged), where the work writes what the first scans found to the files of the run itself, and says
    /// how many these are.
    pub(super) fn logged_from<T>(
        &self,
        options: &RunOptions,
        written: &AtomicUsize,
        work: impl FnOnce(&Arc<RejectLog>) -> Result<T>,
    ) -> Result<T> {
        let log = Arc::new(RejectLog::default());
        log.allow(options.max_rejects);
        if options.rejects.is_some() {
            log.keep_all();
        }
        let outcome = work(&log);
        if log.has_scans() {
            *self.shared.rejects.write().unwrap_or_else(PoisonError::into_inner) = log.clone();
        }
        match &outcome {
            Ok(_) if log.has_scans() => {
                options.progress.set_misfit(|| log.first().map(|error| error.to_string()));
                write_rejects(&log, options, written.load(Relaxed), &self.write_context(options))?;
            }
            // Who asked for a file wants to see in it what there was too much of.
            Err(error) if error.class() == ErrorClass::Data && log.is_over_limit() => {
                if let Some(files) = &options.rejects {
                    let target = files.target().display();
                    options.progress.add_note(format!("what did not fit until then is in '{target}'"));
                }
                let write = self.write_context(options);
                if let Err(failed) = write_rejects(&log, options, written.load(Relaxed), &write) {
                    options.progress.add_note(format!("what did not fit could not be written: {failed}"));
                }
            }
            _ => {}
        }
        outcome
    }
}

/// Writes what a statement found to the files that it is to go to, but for what the first scans found.
fn write_rejects(log: &Arc<RejectLog>, options: &RunOptions, written: usize, write: &WriteContext) -> Result<()> {
    if let Some(files) = &options.rejects {
        let scans: Vec<usize> = (written..log.scans()).collect();
        files.append(log, (written > 0).then_some(scans.as_slice()), write)?;
    }
    if log.is_cut() {
        let found = format_count(log.found());
        let note = format!("rejects() has the first of {found} that did not fit; --rejects FILE takes all");
        options.progress.add_note(note);
    }
    for (target, scans) in log.targets() {
        let file = RejectFiles::file(target)?;
        file.append(log, Some(&scans), write)?;
        file.finish()?;
        if log.found() > 0 {
            options.progress.add_note(format!("what did not fit is in '{}'", file.target().display()));
        }
    }
    Ok(())
}

/// Whether a plan reads all of its tables: where it has a LIMIT, what is behind it may or may not have been read.
pub(super) fn reads_all(plan: &LogicalPlan) -> bool {
    !matches!(plan, LogicalPlan::Limit(_)) && plan.inputs().into_iter().all(reads_all)
}

/// Where rejects of the statements of a run go: one file for all, or one in a folder for each file that had any.
/// Statements share it; it is complete when [`finish`](Self::finish) was called.
pub struct RejectFiles {
    target: PathBuf,
    is_folder: bool,
    state: Mutex<Writing>,
}

#[derive(Default)]
struct Writing {
    /// The file that is being written, and, in a folder, whose rejects it takes.
    open: Option<(Option<PathBuf>, FileSink)>,
    /// The files of the folder so far.
    used: HashSet<PathBuf>,
}

impl RejectFiles {
    /// A folder that is there, or whose name ends in a slash; else a file, which is replaced if it is there. Its ending
    /// may name another format than CSV.
    ///
    /// # Errors
    /// A usage error where no such file can be made.
    pub fn new(target: impl Into<PathBuf>) -> Result<Self> {
        let target = target.into();
        let is_folder = target.is_dir() || target.as_os_str().to_string_lossy().ends_with('/');
        if is_folder { Ok(Self { target, is_folder, state: Mutex::default() }) } else { Self::file(target) }
    }

    /// One file.
    ///
    /// # Errors
    /// A usage error where it cannot be made.
    pub(super) fn file(target: PathBuf) -> Result<Self> {
        crate::io::write::atomic::check_target(&target, Existing::Overwrite)?;
        Ok(Self { target, is_folder: false, state: Mutex::default() })
    }

    /// The file or the folder.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether there is one for each file that had rejects.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// Checks that none of the files of rejects would be read by the patterns that mean `files`: now, or by the next
    /// statement that is the same.
    ///
    /// # Errors
    /// A usage error where one would.
    pub(super) fn check_apart(&self, patterns: &FilePatterns, files: &[PathBuf]) -> Result<()> {
        let mut names = Writing::default();
        let targets: Vec<PathBuf> = match self.is_folder {
            true => files.iter().map(|file| self.target.join(names.name_for(file))).collect(),
            false => vec![self.target.clone()],
        };
        let Some(read) = targets.iter().find(|target| patterns.mean(target)) else { return Ok(()) };
        Err(Error::usage(format!("the rejects would go to '{}', which the statement reads", read.display()))
            .with_hint("name another file or folder for them, or read their table: SELECT * FROM rejects()"))
    }

    /// Removes from the folder what a process left that was killed.
    pub(super) fn remove_leftovers(&self) {
        if self.is_folder {
            remove_leftovers(&self.target, |name| name.ends_with(".rejects.csv"), false);
        }
    }

    /// Keeps the name for the rejects of a file, which were written before.
    pub(super) fn reserve(&self, input: &Path) {
        if self.is_folder {
            self.state().name_for(input);
        }
    }

    /// Adds what a statement found, or what some of its scans did.
    pub(super) fn append(&self, log: &Arc<RejectLog>, scans: Option<&[usize]>, write: &WriteContext) -> Result<()> {
        let mut state = self.state();
        if !self.is_folder {
            let sink = match &mut state.open {
                Some((_, sink)) => sink,
                none => &mut none.insert((None, begin(&self.target, log, write)?)).1,
            };
            return log.read(scans).try_for_each(|found| sink.write(&found?.batch));
        }
        for found in log.read(scans) {
            let found = found?;
            if state.open.as_ref().is_none_or(|(of, _)| of.as_ref() != Some(&found.path)) {
                state.commit()?;
                fs::create_dir_all(&self.target).map_err(|error| Error::io("make", &self.target, &error))?;
                let target = self.target.join(state.name_for(&found.path));
                state.open = Some((Some(found.path), begin(&target, log, write)?));
            }
            if let Some((_, sink)) = &mut state.open {
                sink.write(&found.batch)?;
            }
        }
        state.commit()
    }

    /// Ends the file and gives it its name. A folder's files have theirs already.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn finish(&self) -> Result<()> {
        self.state().commit()
    }

    fn state(&self) -> MutexGuard<'_, Writing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    fn commit(&mut self) -> Result<()> {
        self.open.take().map_or(Ok(()), |(_, sink)| sink.commit().map(drop))
    }

    /// `2013-01.rejects.csv` of `data/2013-01.csv`, and `2013-01-2.rejects.csv` of the next file of that name.
    fn name_for(&mut self, input: &Path) -> PathBuf {
        let stem = input.file_stem().unwrap_or_default().to_string_lossy();
        let mut name = PathBuf::from(format!("{stem}.rejects.csv"));
        let mut number = 2;
        while !self.used.insert(name.clone()) {
            name = PathBuf::from(format!("{stem}-{number}.rejects.csv"));
            number += 1;
        }
        name
    }
}

/// Begins a file of rejects, which never replaces one that they were found in.
fn begin(target: &Path, log: &RejectLog, write: &WriteContext) -> Result<FileSink> {
    if log.has_read(target) {
        return Err(Error::usage(format!("the rejects would replace '{}', which was read", target.display()))
            .with_hint("name another file for them"));
    }
    let format = OutputFormat::from_path(target).unwrap_or(OutputFormat::Csv);
    let options = WriteOptions::new(format, Existing::Overwrite);
    FileSink::new(target, &options, &reject_schema(), write)
}

impl fmt::Debug for RejectFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectFiles").field("target", &self.target).finish_non_exhaustive()
    }
}
