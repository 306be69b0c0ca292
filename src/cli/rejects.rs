//! Rejected rows on the command line: where they go, how many there may be, and the lines that sum them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::args::RejectArgs;
use super::report::{plain, tell};
use crate::error::Result;
use crate::metrics::Progress;
use crate::session::{RejectFiles, RunOptions};
use crate::types::format_count;

/// What all statements of a run do about rejected rows.
#[derive(Debug)]
pub struct Rejects {
    files: Option<Arc<RejectFiles>>,
    max: Option<u64>,
    always: bool,
    rows: u64,
}

impl Rejects {
    /// As the arguments say.
    ///
    /// # Errors
    /// A usage error where the file cannot be made.
    pub fn new(args: &RejectArgs) -> Result<Self> {
        let files = args.rejects.as_ref().map(RejectFiles::new).transpose()?.map(Arc::new);
        Ok(Self { files, max: args.max_rejects, always: args.summary, rows: 0 })
    }

    /// How the next statement runs.
    pub fn options(&self) -> RunOptions {
        RunOptions { rejects: self.files.clone(), max_rejects: self.max, ..RunOptions::default() }
    }

    /// Rows that all statements so far rejected.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts rows that were rejected elsewhere.
    pub fn add(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// Completes the file.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn finish(&self) -> Result<()> {
        self.files.as_ref().map_or(Ok(()), |files| files.finish())
    }

    /// Counts what a statement rejected, and sums up what it read, where something did not fit or always.
    pub fn sum_up(&mut self, progress: &Progress) {
        let counts = Counts::of(progress);
        self.rows += counts.rejected;
        let misfit = progress.misfit();
        if misfit.is_none() && (!self.always || counts.read == 0) {
            return;
        }
        let target = self.files.as_ref().map(|files| match files.is_folder() {
            true => format!("'{}'", files.target().display()),
            false => format!("'{}', written when the run ends", files.target().display()),
        });
        tell(&plain(&counts.describe(misfit.as_deref(), target.as_deref())));
    }
}

/// What became of the rows that a statement read.
#[derive(Clone, Copy, Debug)]
struct Counts {
    read: u64,
    rejected: u64,
    nulled: u64,
}

impl Counts {
    fn of(progress: &Progress) -> Self {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        Self {
            read: count(&progress.rows_read),
            rejected: count(&progress.rows_rejected),
            nulled: count(&progress.values_nulled),
        }
    }

    /// `warning: 6,600 rows read, 6,599 kept, 1 rejected, 0 values set to null`, and below it the first that did not fit
    /// and where all are.
    fn describe(&self, misfit: Option<&str>, target: Option<&str>) -> String {
        let level = if misfit.is_some() { "warning" } else { "note" };
        let values = if self.nulled == 1 { "value" } else { "values" };
        let mut text = format!(
            "{level}: {} rows read, {} kept, {} rejected, {} {values} set to null",
            format_count(self.read),
            format_count(self.read - self.rejected.min(self.read)),
            format_count(self.rejected),
            format_count(self.nulled),
        );
        if let Some(misfit) = misfit {
            text.push_str(&format!("\n  the first: {misfit}"));
            match target {
                Some(target) => text.push_str(&format!("\n  all of them: {target}")),
                None => text.push_str("\n  more: SELECT * FROM rejects(), or --rejects FILE"),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_are_rows_kept_and_rejected() {
        let counts = Counts { read: 6_600, rejected: 1, nulled: 0 };
        assert_eq!(
            counts.describe(Some("not a BIGINT\n  in file 'a.csv', line 3"), Some("'bad.csv'")),
            "warning: 6,600 rows read, 6,599 kept, 1 rejected, 0 values set to null\n  the first: not a BIGINT\n  in file \
             'a.csv', line 3\n  all of them: 'bad.csv'"
        );
        let counts = Counts { read: 10, rejected: 0, nulled: 0 };
        assert_eq!(counts.describe(None, None), "note: 10 rows read, 10 kept, 0 rejected, 0 values set to null");
    }
}
