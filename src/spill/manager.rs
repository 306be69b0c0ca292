//! The session's spill files: where they lie, and how much of the disk they may take.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::file::Extent;
use super::{SharedSpillFile, SpillPieces, SpillWriter};
use crate::error::{Error, Result};
use crate::metrics::OperatorMetrics;
use crate::types::format_bytes;

/// Makes spill files and keeps their total below a quota.
///
/// Files have no name from the start (O_TMPFILE, or unlinked at once where the file system cannot), so that nothing is
/// left behind however the process ends.
#[derive(Debug)]
pub struct SpillManager {
    dir: PathBuf,
    quota: u64,
    used: AtomicU64,
}

impl SpillManager {
    /// Spill files in `dir`, of at most `quota` bytes together; without a quota, 90 % of what is free there now.
    pub fn new(dir: &Path, quota: Option<u64>) -> Arc<Self> {
        let quota = quota.unwrap_or_else(|| free_bytes(dir) / 10 * 9);
        Arc::new(Self { dir: dir.to_path_buf(), quota, used: AtomicU64::new(0) })
    }

    /// Bytes in spill files now.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// A new spill file for the operator of that name.
    ///
    /// # Errors
    /// Where the folder is missing or cannot be written.
    pub fn create(self: &Arc<Self>, operator: &str, metrics: &Arc<OperatorMetrics>) -> Result<SpillWriter> {
        Ok(SpillWriter::new(self.clone(), self.open(operator, metrics)?, operator, metrics.clone()))
    }

    /// A new spill file that many threads of the operator of that name write to.
    ///
    /// # Errors
    /// Where the folder is missing or cannot be written.
    pub fn create_shared(self: &Arc<Self>, operator: &str, metrics: &Arc<OperatorMetrics>) -> Result<SharedSpillFile> {
        Ok(SharedSpillFile::new(self.clone(), self.open(operator, metrics)?, operator, metrics.clone()))
    }

    /// A new spill file for pieces of bytes, such as encoded pages.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_pieces(self: &Arc<Self>, operator: &str, metrics: &Arc<OperatorMetrics>) -> Result<SpillPieces> {
        let extent = Extent::new(self.clone(), self.open(operator, metrics)?, operator);
        Ok(SpillPieces::new(extent, metrics.clone()))
    }

    /// `tempfile` makes an unnamed file where the file system can, else one that it unlinks at once.
    fn open(&self, operator: &str, metrics: &OperatorMetrics) -> Result<File> {
        let file = tempfile::tempfile_in(&self.dir).map_err(|error| {
            Error::resource(format!("cannot make a spill file in '{}': {error}", self.dir.display()))
                .with_hint("name a folder that exists and can be written by --temp-dir")
        })?;
        tracing::debug!(operator, folder = %self.dir.display(), "a spill file is made");
        metrics.spill_files.fetch_add(1, Relaxed);
        Ok(file)
    }

    /// Counts bytes that are about to be written.
    pub(super) fn take(&self, bytes: u64, operator: &str) -> Result<()> {
        // Added only where it fits: what another thread is refused must not be seen as used.
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.quota);
        let Err(used) = self.used.fetch_update(Relaxed, Relaxed, fits) else {
            return Ok(());
        };
        Err(Error::resource(format!(
            "{operator} cannot spill {} more: {} of {} allowed for spill files are in use",
            format_bytes(bytes),
            format_bytes(used),
            format_bytes(self.quota)
        ))
        .with_hint("raise --max-spill or --memory-limit, or name a larger disk by --temp-dir"))
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn write_failed(&self, operator: &str, error: &std::io::Error) -> Error {
        Error::resource(format!(
            "{operator} cannot write to a spill file in '{}' ({} in use there): {error}",
            self.dir.display(),
            format_bytes(self.used())
        ))
        .with_hint("free some disk, or name a larger one by --temp-dir")
    }
}

fn free_bytes(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
