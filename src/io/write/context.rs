//! What a writer may use besides its output: threads to encode on, memory to hold what it encoded, and disk where that
//! is refused.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::memory::{MemoryPool, MemoryReservation, Thresholds};
use crate::metrics::{OperatorMetrics, Progress};
use crate::spill::SpillManager;

/// The surroundings of a writer. Cloned for each; all of a session share its threads, memory and spill files.
#[derive(Clone)]
pub struct WriteContext {
    threads: Option<Arc<rayon::ThreadPool>>,
    memory: Arc<MemoryPool>,
    spill: Arc<SpillManager>,
    metrics: Arc<OperatorMetrics>,
    progress: Arc<Progress>,
}

impl WriteContext {
    /// Encodes on `threads` too, holds memory of `memory`, and spills where it is refused, which shows in `progress`.
    pub fn new(
        threads: Arc<rayon::ThreadPool>,
        memory: Arc<MemoryPool>,
        spill: Arc<SpillManager>,
        progress: Arc<Progress>,
    ) -> Self {
        Self { threads: Some(threads), memory, spill, metrics: OperatorMetrics::new(), progress }
    }

    /// The threads to encode on.
    pub fn threads(&self) -> Option<&Arc<rayon::ThreadPool>> {
        self.threads.as_ref()
    }

    /// Memory of the session, or whoever writes.
    pub fn reservation(&self, name: &str) -> MemoryReservation {
        self.memory.reservation(name, &self.metrics)
    }

    pub(super) fn spill(&self) -> &Arc<SpillManager> {
        &self.spill
    }

    /// Counts bytes that were spilled.
    pub(super) fn count_spilled(&self, bytes: u64) {
        self.progress.bytes_spilled.fetch_add(bytes, Relaxed);
    }

    pub(super) fn metrics(&self) -> &Arc<OperatorMetrics> {
        &self.metrics
    }
}

/// For those who write outside of a session: on the thread that writes, without a budget.
impl Default for WriteContext {
    fn default() -> Self {
        Self {
            threads: None,
            memory: MemoryPool::new(u64::MAX, Thresholds::default(), None),
            spill: SpillManager::new(&std::env::temp_dir(), None),
            metrics: OperatorMetrics::new(),
            progress: Arc::default(),
        }
    }
}

impl fmt::Debug for WriteContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteContext").finish_non_exhaustive()
    }
}
