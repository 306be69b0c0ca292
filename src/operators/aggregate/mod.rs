//! Hash aggregation: a table per worker, merged by partition of the hash, spilled where memory ends.
//!
//! ```text
//! rows ─┬─► table of a worker ───────┬─combine─► states and rows by partition, ┐
//!       │                            │           in memory                     ├─► a partition: merged into a fresh table,
//!       └─► rows put aside, where ───┴─────────► a spill file, partition by    ┘   cut by further bits if need be, put out
//!           each makes a group         memory    partition
//!                                      ends
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `layout` | what all tables of one aggregation share |
//! | `rows` | the rows as tables take them |
//! | `keys` | from keys to groups, and the encoded keys of the groups |
//! | `direct`, `packed`, `texts` | from keys of few bits, and texts, to groups without encoding them |
//! | `table` | the groups and their accumulators |
//! | `tables` | one table, or one for each few slices of the hash |
//! | `aside` | rows that are not looked for in a table until all have been seen |
//! | `spilling` | a table inside of the memory budget |
//! | `partition` | states and rows by slice of the hash, and the spill file of their partitions |
//! | `result` | merging partitions, and putting them out |
//! | `runs` | values of groups that are too large for the memory |

mod aside;
mod direct;
mod keys;
mod layout;
mod packed;
mod partition;
mod result;
mod rows;
mod runs;
mod spilling;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::keys::Keys;
use self::layout::Layout;
use self::partition::{PartitionFile, Sliced};
use self::result::{AggregateSource, memory_portions, spilled_portions};
use self::rows::{InputRows, RowEvaluator};
use self::spilling::SpillingTable;
use super::{Flow, Local, Sink, TaskId};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::expr::{AggregateExpr, BoundExpr};
use crate::io::source::Source;
use crate::metrics::OperatorMetrics;

/// Bits of a row's position that count rows inside of its task; the task is above them.
const POSITION_BITS: u32 = 40;

/// Groups rows by keys and aggregates each group; without keys there is exactly one group, also over no rows. Keys that
/// are null, or NaN, make one group.
#[derive(Debug)]
pub struct HashAggregate {
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    /// The spill file of the first level, shared by all workers.
    file: Arc<PartitionFile>,
    /// What workers that are through have left.
    combined: Mutex<Vec<Sliced>>,
}

impl HashAggregate {
    /// An aggregation by `keys`; `schema` has the keys, then the aggregates, and no aggregates are needed (DISTINCT).
    /// Constant arguments of aggregates stand among their arguments as literals, the last ones.
    ///
    /// # Errors
    /// Where the aggregates do not fit the schema or their functions, or a constant is not what its function takes.
    pub fn new(
        keys: Vec<(BoundExpr, String)>,
        aggregates: Vec<(AggregateExpr, String)>,
        schema: SchemaRef,
        metrics: Arc<OperatorMetrics>,
    ) -> Result<Self> {
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| key).collect();
        let aggregates: Vec<_> = aggregates.into_iter().map(|(aggregate, _)| aggregate).collect();
        let layout = Arc::new(Layout::new(&keys, &aggregates, schema)?);
        let file = PartitionFile::new(&layout, &metrics);
        Ok(Self { layout, metrics, file, combined: Mutex::default() })
    }
}

impl Sink for HashAggregate {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        Ok(Box::new(Worker::new(self, context, workers)?))
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        let worker = worker(local)?;
        worker.context.cancel.check()?;
        let rows = worker.evaluate(task, &batch)?;
        worker.table.update_or_put_aside(&rows)?;
        // A worker's own table, and what the next stage or another sink needs.
        worker.table.relieve(2 * worker.workers)?;
        Ok(Flow::Continue)
    }

    fn task_done(&self, local: &mut Local, task: TaskId) -> Result<()> {
        if let Some(rows_of_tasks) = &mut worker(local)?.rows_of_tasks {
            rows_of_tasks.remove(&task.partition);
        }
        Ok(())
    }

    fn combine(&self, mut local: Local) -> Result<()> {
        let worker = worker(&mut local)?;
        if self.file.spilled() {
            return worker.table.spill();
        }
        worker.table.make_room()?;
        let groups = worker.table.take()?;
        self.combined.lock().unwrap_or_else(PoisonError::into_inner).extend(groups);
        Ok(())
    }

    fn finish(&self, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let combined = std::mem::take(&mut *self.combined.lock().unwrap_or_else(PoisonError::into_inner));
        let portions = if self.file.spilled() {
            self.file.write(&combined, context)?;
            spilled_portions(&self.file, 0)
        } else {
            memory_portions(combined, 0, &self.layout, context.config.batch_size)
        };
        Ok(Arc::new(AggregateSource::new(&self.layout, &self.metrics, portions)))
    }
}

/// The state of one worker.
struct Worker {
    context: QueryContext,
    workers: usize,
    evaluator: RowEvaluator,
    table: SpillingTable,
    /// Rows seen of the tasks that are not done, where aggregates ask for positions.
    rows_of_tasks: Option<HashMap<usize, u64>>,
}

fn worker(local: &mut Local) -> Result<&mut Worker> {
    local.downcast_mut().ok_or_else(|| Error::internal("an aggregation was given the state of another sink"))
}

impl Worker {
    fn new(sink: &HashAggregate, context: &QueryContext, workers: usize) -> Result<Self> {
        Ok(Self {
            context: context.clone(),
            workers,
            evaluator: RowEvaluator::new(&sink.layout.rows, &context.config)?,
            table: SpillingTable::new(&sink.layout, Keys::Rows, 0, Some(sink.file.clone()), context, &sink.metrics)?,
            rows_of_tasks: sink.layout.needs_positions.then(HashMap::new),
        })
    }

    /// The rows of a batch of the task.
    fn evaluate(&mut self, task: TaskId, batch: &RecordBatch) -> Result<InputRows> {
        let mut positions = Vec::new();
        if let Some(rows_of_tasks) = &mut self.rows_of_tasks {
            let rows = batch.num_rows() as u64;
            let seen = rows_of_tasks.entry(task.partition).or_default();
            let first = ((task.partition as u64) << POSITION_BITS) | *seen;
            *seen += rows;
            positions.extend(first..first + rows);
        }
        self.evaluator.evaluate(batch, positions)
    }
}
