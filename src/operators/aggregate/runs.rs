//! The runs of an aggregation: values of groups that are too large for the memory, in one spill file.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;

use crate::batch::variable_bytes;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::functions::aggregate::{Blocks, RunBlock, RunSize, RunStore};
use crate::metrics::OperatorMetrics;
use crate::spill::{SharedSpillFile, SpillBlock};
use crate::types::{Field, Schema};

/// One in so many bytes of the budget is a block: a group that is merged reads a block of each of its runs.
const BLOCK_SHARE: u64 = 1024;
/// Smaller blocks are mostly headers,
const LEAST_BLOCK: u64 = 8 << 10;
/// and larger ones gain nothing.
const MOST_BLOCK: u64 = 128 << 10;

/// Runs by their ids. Shared by the tables of all workers and of the result.
#[derive(Default)]
pub(super) struct WideRuns {
    /// Of the query, set by the first table.
    surroundings: OnceLock<(QueryContext, Arc<OperatorMetrics>)>,
    /// Made for the first run.
    file: Mutex<Option<Arc<SharedSpillFile>>>,
    runs: Mutex<Vec<Run>>,
}

/// The blocks of a run until it is read.
struct Run {
    size: RunSize,
    blocks: Option<Vec<SpillBlock>>,
}

impl WideRuns {
    /// Tells where to write.
    pub(super) fn open(&self, context: &QueryContext, metrics: &Arc<OperatorMetrics>) {
        self.surroundings.get_or_init(|| (context.clone(), metrics.clone()));
    }

    fn surroundings(&self) -> Result<&(QueryContext, Arc<OperatorMetrics>)> {
        self.surroundings.get().ok_or_else(|| Error::internal("runs without a query"))
    }

    fn file(&self) -> Result<Arc<SharedSpillFile>> {
        let (context, metrics) = self.surroundings()?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*file {
            Some(file) => file.clone(),
            None => file.insert(Arc::new(context.spill.create_shared("aggregate", metrics)?)).clone(),
        })
    }
}

impl RunStore for WideRuns {
    fn write(&self, blocks: &mut dyn Iterator<Item = Result<RunBlock>>) -> Result<u64> {
        let (context, _) = self.surroundings()?;
        let file = self.file()?;
        let (mut size, mut written) = (RunSize::default(), Vec::new());
        for block in blocks {
            context.cancel.check()?;
            let columns = block?;
            size.value_bytes += columns.last().map_or(0, variable_bytes) as u64;
            let fields = columns.iter().map(|column| Field::new("run", column.data_type().clone(), true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            let block = file.write(&RecordBatch::try_new(schema, columns)?)?;
            context.progress.bytes_spilled.fetch_add(block.bytes(), Relaxed);
            size.rows += block.rows() as u64;
            size.memory += block.memory();
            size.reading = size.reading.max(block.memory());
            written.push(block);
        }
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.push(Run { size, blocks: Some(written) });
        Ok(runs.len() as u64 - 1)
    }

    fn read(&self, run: u64) -> Result<Blocks> {
        let cancel = self.surroundings()?.0.cancel.clone();
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let found = usize::try_from(run).ok().and_then(|run| runs.get_mut(run)).and_then(|run| run.blocks.take());
        let blocks = found.ok_or_else(|| Error::internal(format!("run {run} does not exist, or was read before")))?;
        Ok(Box::new(blocks.into_iter().map(move |block| {
            cancel.check()?;
            Ok(block.into_batch()?.columns().to_vec())
        })))
    }

    fn size(&self, run: u64) -> RunSize {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        usize::try_from(run).ok().and_then(|run| runs.get(run)).map_or(RunSize::default(), |run| run.size)
    }

    fn block_bytes(&self) -> usize {
        let budget = self.surroundings.get().map_or(0, |(context, _)| context.memory.budget());
        (budget / BLOCK_SHARE).clamp(LEAST_BLOCK, MOST_BLOCK) as usize
    }
}

impl fmt::Debug for WideRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WideRuns").finish_non_exhaustive()
    }
}
