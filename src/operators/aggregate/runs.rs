//! The runs of an aggregation: values of groups that are too large for the memory, in one spill file.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};

use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::functions::aggregate::{Blocks, RunStore};
use crate::metrics::OperatorMetrics;
use crate::spill::{SpillSegment, SpillWriter};
use crate::types::{Field, Schema};

/// Runs by their ids. Shared by the tables of all workers and of the result.
#[derive(Default)]
pub(super) struct WideRuns {
    /// Of the query, set by the first table.
    surroundings: OnceLock<(QueryContext, Arc<OperatorMetrics>)>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// Made for the first run.
    writer: Option<SpillWriter>,
    runs: Vec<SpillSegment>,
}

impl WideRuns {
    /// Tells where to write.
    pub(super) fn open(&self, context: &QueryContext, metrics: &Arc<OperatorMetrics>) {
        self.surroundings.get_or_init(|| (context.clone(), metrics.clone()));
    }

    fn run(&self, run: u64) -> Option<SpillSegment> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.runs.get(usize::try_from(run).ok()?).cloned()
    }
}

impl RunStore for WideRuns {
    fn write(&self, blocks: &mut dyn Iterator<Item = Result<ArrayRef>>) -> Result<u64> {
        let surroundings = self.surroundings.get();
        let (context, metrics) = surroundings.ok_or_else(|| Error::internal("runs without a query"))?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Written { writer, runs } = &mut *written;
        for block in blocks {
            context.cancel.check()?;
            let block = block?;
            let schema = Arc::new(Schema::new(vec![Field::new("value", block.data_type().clone(), true)]));
            let writer = match writer {
                Some(writer) => writer,
                None => writer.insert(context.spill.create("aggregate", metrics)?),
            };
            let before = writer.bytes();
            writer.write(&RecordBatch::try_new(schema, vec![block])?)?;
            context.progress.bytes_spilled.fetch_add(writer.bytes() - before, Relaxed);
        }
        let writer = writer.as_mut().ok_or_else(|| Error::internal("a run without values"))?;
        runs.push(writer.cut());
        Ok(runs.len() as u64 - 1)
    }

    fn read(&self, run: u64) -> Result<Blocks> {
        let segment = self.run(run).ok_or_else(|| Error::internal(format!("there is no run {run}")))?;
        Ok(Box::new(segment.reader().map(|block| {
            let block = block?;
            block.columns().first().cloned().ok_or_else(|| Error::internal("a run without a column"))
        })))
    }

    fn values(&self, run: u64) -> u64 {
        self.run(run).map_or(0, |segment| segment.rows())
    }
}

impl fmt::Debug for WideRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WideRuns").finish_non_exhaustive()
    }
}
