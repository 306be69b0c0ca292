//! What every task of a query is handed: configuration, memory, spill, cancellation, progress. There is no global state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::memory::MemoryPool;
use crate::metrics::Progress;
use crate::rejects::RejectLog;
use crate::spill::SpillManager;

/// Set once, by Ctrl-C, an error elsewhere or a satisfied LIMIT; looked at by every task at least once per batch.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    flag: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
}

impl CancelToken {
    /// A token that is set when this one is, and can be set alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { flag: Arc::default(), parent: Some(self.flag.clone()) }
    }

    /// Asks all who hold the token, or a child of it, to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Relaxed);
    }

    /// Whether to stop.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.load(Relaxed))
    }

    /// # Errors
    /// `Cancelled`, once the token is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// The surroundings of one query.
#[derive(Clone, Debug)]
pub struct QueryContext {
    /// The session's settings when the query started.
    pub config: Arc<Config>,
    /// The session's memory.
    pub memory: Arc<MemoryPool>,
    /// The session's spill files.
    pub spill: Arc<SpillManager>,
    /// Set when the user interrupts.
    pub cancel: CancelToken,
    /// What the progress bar shows.
    pub progress: Arc<Progress>,
    /// What did not fit while files were read.
    pub rejects: Arc<RejectLog>,
}
