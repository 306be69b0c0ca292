//! Counters of what each operator did, for EXPLAIN ANALYZE, progress and tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// What one operator used. Shared by all tasks that run it.
#[derive(Debug, Default)]
pub struct OperatorMetrics {
    /// Rows that left it.
    pub rows_out: AtomicU64,
    /// Batches that left it.
    pub batches_out: AtomicU64,
    /// Nanoseconds spent inside of it, summed over workers.
    pub elapsed_nanos: AtomicU64,
    /// Bytes of memory reserved by it now, over all workers.
    pub reserved: AtomicU64,
    /// The most that was reserved at once.
    pub peak_reserved: AtomicU64,
    /// Bytes written to spill files, after compression.
    pub spilled_bytes: AtomicU64,
    /// Spill files made.
    pub spill_files: AtomicU64,
    /// Further figures by name, such as `bytes read` or `row groups pruned`.
    extra: Mutex<BTreeMap<&'static str, u64>>,
}

impl OperatorMetrics {
    /// Counters at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts a batch that leaves the operator.
    pub fn count_batch(&self, rows: usize) {
        self.rows_out.fetch_add(rows as u64, Relaxed);
        self.batches_out.fetch_add(1, Relaxed);
    }

    /// Counts time spent.
    pub fn count_time(&self, since: std::time::Instant) {
        self.elapsed_nanos.fetch_add(since.elapsed().as_nanos() as u64, Relaxed);
    }

    /// Adds to a further figure.
    pub fn add(&self, name: &'static str, amount: u64) {
        *self.extra.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += amount;
    }

    /// The further figures.
    pub fn extra(&self) -> BTreeMap<&'static str, u64> {
        self.extra.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records growth of a reservation.
    pub fn reserve(&self, bytes: u64) {
        let now = self.reserved.fetch_add(bytes, Relaxed) + bytes;
        self.peak_reserved.fetch_max(now, Relaxed);
    }

    /// Records that a reservation shrank.
    pub fn release(&self, bytes: u64) {
        self.reserved.fetch_sub(bytes, Relaxed);
    }

    /// A counter's value.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }
}

/// How far a query is, by bytes of its input, for the progress bar.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of input that the query will read in all, as far as known.
    pub bytes_total: AtomicU64,
    /// Bytes of input done.
    pub bytes_done: AtomicU64,
    /// Rows read from input.
    pub rows_read: AtomicU64,
    /// Rows rejected while reading.
    pub rows_rejected: AtomicU64,
    /// Values that did not fit and became null while reading.
    pub values_nulled: AtomicU64,
    /// Bytes written to spill files.
    pub bytes_spilled: AtomicU64,
    /// Files that the statement will make, where it makes many.
    pub files_total: AtomicU64,
    /// Files made.
    pub files_done: AtomicU64,
    /// The first of those rows and values, and why it did not fit; known when the statement has ended.
    misfit: Mutex<Option<String>>,
    /// What a statement has to say besides its result.
    notes: Mutex<Vec<String>>,
}

impl Progress {
    /// Where the first row or value is that did not fit, and why; known when the statement has ended.
    pub fn misfit(&self) -> Option<String> {
        self.misfit.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what [`misfit`](Self::misfit) tells, unless an earlier query of the statement did.
    pub(crate) fn set_misfit(&self, text: impl FnOnce() -> Option<String>) {
        let mut misfit = self.misfit.lock().unwrap_or_else(PoisonError::into_inner);
        if misfit.is_none() {
            *misfit = text();
        }
    }

    /// What the statement has to say besides its result, such as that the type of a column was widened.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add_note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// Back to the start, for a statement that runs again.
    pub(crate) fn restart(&self) {
        let Self { bytes_total, bytes_done, rows_read, rows_rejected, values_nulled, bytes_spilled, .. } = self;
        let Self { files_total, files_done, misfit, .. } = self;
        let bytes = [bytes_total, bytes_done, bytes_spilled];
        for counter in bytes.into_iter().chain([rows_read, rows_rejected, values_nulled, files_total, files_done]) {
            counter.store(0, Relaxed);
        }
        *misfit.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
