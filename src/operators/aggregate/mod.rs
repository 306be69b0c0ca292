//! Hash aggregation: a table per worker, merged by partition of the hash, spilled where memory ends.
//!
//! ```text
//! rows ─► table of a worker ─combine─► groups by partition, in memory ┐
//!              │ memory ends                                          ├─► a partition: merged into a fresh table,
//!              └─────────────────────► a spill file per partition     ┘   cut by further bits if need be, put out
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `layout` | what all tables of one aggregation share |
//! | `keys` | from keys to groups, and the encoded keys of the groups |
//! | `direct`, `packed`, `texts` | from keys of few bits, and texts, to groups without encoding them |
//! | `table` | the groups and their accumulators |
//! | `spilling` | a table inside of the memory budget |
//! | `partition` | groups by partition, and the spill files |
//! | `result` | merging partitions, and putting them out |
//! | `runs` | values of groups that are too large for the memory |

mod direct;
mod keys;
mod layout;
mod packed;
mod partition;
mod result;
mod runs;
mod spilling;
mod table;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use self::keys::Keys;
use self::layout::Layout;
use self::partition::{DrainedGroups, PARTITIONS, PartitionFiles, SLICES};
use self::result::{AggregateSource, Portion, States};
use self::spilling::SpillingTable;
use self::table::InputRows;
use super::{Flow, Local, Sink, TaskId};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::eval::{Evaluator, Predicate};
use crate::expr::{AggregateExpr, BoundExpr};
use crate::io::source::Source;
use crate::metrics::OperatorMetrics;

/// Bits of a row's position that count rows inside of its task; the task is above them.
const POSITION_BITS: u32 = 40;

/// Groups rows by keys and aggregates each group; without keys there is exactly one group, also over no rows. Keys that
/// are null, or NaN, make one group.
#[derive(Debug)]
pub struct HashAggregate {
    keys: Vec<BoundExpr>,
    aggregates: Vec<AggregateExpr>,
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    /// The spill files of the first level, shared by all workers.
    files: Arc<PartitionFiles>,
    /// Tables of workers that are through.
    combined: Mutex<Vec<DrainedGroups>>,
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
        let files = PartitionFiles::new(0, &layout, &metrics);
        Ok(Self { keys, aggregates, layout, metrics, files, combined: Mutex::default() })
    }

    /// Cuts tables in memory into portions: few where there are few groups.
    fn portions(&self, combined: Vec<DrainedGroups>, batch_size: usize) -> Vec<Portion> {
        let rows: usize = combined.iter().map(DrainedGroups::rows).sum();
        let wanted = if self.layout.global { 1 } else { (rows / batch_size.max(1)).clamp(1, SLICES) };
        let width = SLICES / (1 << wanted.ilog2());
        let combined: Vec<_> = combined.into_iter().map(Arc::new).collect();
        let portion = |start: usize| {
            let states = combined.iter().map(|groups| States::Memory(groups.clone(), start..start + width));
            Portion { states: states.collect(), level: 1 }
        };
        (0..SLICES).step_by(width).map(portion).collect()
    }
}

impl Sink for HashAggregate {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        Ok(Box::new(Worker::new(self, context, workers)?))
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        let worker = worker(local)?;
        worker.context.cancel.check()?;
        worker.evaluate(&self.layout, task, &batch)?;
        worker.table.update(&worker.input)?;
        worker.table.put_aside()?;
        // A worker's own table, and what the next stage or another sink needs.
        worker.table.relieve(2 * worker.workers)?;
        Ok(Flow::Continue)
    }

    fn task_done(&self, local: &mut Local, task: TaskId) -> Result<()> {
        worker(local)?.rows_of_tasks.remove(&task.partition);
        Ok(())
    }

    fn combine(&self, mut local: Local) -> Result<()> {
        let worker = worker(&mut local)?;
        if self.files.spilled() {
            return worker.table.spill();
        }
        worker.table.make_room()?;
        let groups = worker.table.take(self.files.level())?;
        self.combined.lock().unwrap_or_else(PoisonError::into_inner).extend(groups);
        Ok(())
    }

    fn finish(&self, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let combined = std::mem::take(&mut *self.combined.lock().unwrap_or_else(PoisonError::into_inner));
        let portions = if self.files.spilled() {
            for groups in combined {
                self.files.write(&groups, context)?;
            }
            let files = (0..PARTITIONS).map(|partition| self.files.take(partition));
            files.map(|file| Portion { states: file.into_iter().map(States::File).collect(), level: 1 }).collect()
        } else {
            self.portions(combined, context.config.batch_size)
        };
        Ok(Arc::new(AggregateSource::new(&self.layout, &self.metrics, portions)))
    }
}

/// The evaluators of one aggregate.
struct AggregateInput {
    /// The arguments that are columns, then the keys of ORDER BY.
    arguments: Vec<(Evaluator, DataType)>,
    filter: Option<Predicate>,
}

/// The state of one worker.
struct Worker {
    context: QueryContext,
    workers: usize,
    keys: Vec<Evaluator>,
    aggregates: Vec<AggregateInput>,
    table: SpillingTable,
    /// Rows seen of the tasks that are not done, where aggregates ask for positions.
    rows_of_tasks: HashMap<usize, u64>,
    /// The batch at hand; kept for its memory.
    input: InputRows,
}

fn worker(local: &mut Local) -> Result<&mut Worker> {
    local.downcast_mut().ok_or_else(|| Error::internal("an aggregation was given the state of another sink"))
}

impl Worker {
    fn new(sink: &HashAggregate, context: &QueryContext, workers: usize) -> Result<Self> {
        let evaluator = |expr: &BoundExpr| Evaluator::new(expr, &context.config);
        let keys = sink.keys.iter().map(evaluator).collect::<Result<_>>()?;
        let aggregates = sink.aggregates.iter().zip(sink.layout.column_arguments()).map(|(aggregate, columns)| {
            let arguments = aggregate.args.iter().zip(columns.iter().cloned());
            // With DISTINCT they are among the arguments.
            let order = aggregate.order_by.iter().filter(|_| !aggregate.distinct);
            let columns = arguments.chain(order.map(|key| (&key.expr, key.expr.data_type())));
            Ok(AggregateInput {
                arguments: columns.map(|(column, of)| Ok((evaluator(column)?, of))).collect::<Result<_>>()?,
                filter: aggregate.filter.as_ref().map(|filter| Predicate::new(filter, &context.config)).transpose()?,
            })
        });
        Ok(Self {
            context: context.clone(),
            workers,
            keys,
            aggregates: aggregates.collect::<Result<_>>()?,
            table: SpillingTable::new(&sink.layout, Keys::Rows, Some(sink.files.clone()), context, &sink.metrics)?,
            rows_of_tasks: HashMap::new(),
            input: InputRows::default(),
        })
    }

    /// Evaluates keys, arguments and filters.
    fn evaluate(&mut self, layout: &Layout, task: TaskId, batch: &RecordBatch) -> Result<()> {
        let (input, rows) = (&mut self.input, batch.num_rows());
        input.count = rows;
        input.keys.clear();
        for key in &self.keys {
            input.keys.push(key.evaluate_array(batch)?);
        }
        input.arguments.clear();
        input.filters.clear();
        for aggregate in &self.aggregates {
            let argument = |(argument, expected): &(Evaluator, DataType)| {
                let column = argument.evaluate_array(batch)?;
                if column.data_type() == expected {
                    return Ok(column);
                }
                Err(Error::internal(format!("an aggregate takes {expected}, not {}", column.data_type())))
            };
            input.arguments.push(aggregate.arguments.iter().map(argument).collect::<Result<_>>()?);
            input.filters.push(aggregate.filter.as_ref().map(|filter| filter.mask(batch)).transpose()?);
        }
        input.positions.clear();
        if !layout.needs_positions {
            return Ok(());
        }
        let seen = self.rows_of_tasks.entry(task.partition).or_default();
        let first = ((task.partition as u64) << POSITION_BITS) | *seen;
        *seen += rows as u64;
        input.positions.extend(first..first + rows as u64);
        Ok(())
    }
}
