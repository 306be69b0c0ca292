//! Aggregates over the rows around each row. The input is in order, as one partition of a sort.
//!
//! ```text
//! batch ─▶ arguments, keys ─▶ held rows ─▶ frames, as far as their rows have arrived ─▶ results ─▶ batch with results
//!                                 ▲                                                        │
//!                                 └── rows that no later frame has are forgotten ◀─────────┘
//! ```
//!
//! What is held is reserved: the arguments of the rows in the window, and batches whose frames end in rows to come. It
//! cannot spill; a window that does not fit into the budget is an error. A window that only grows holds none of its rows.

mod frames;
mod partition;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;

use crate::batch::{batch_memory, record_batch};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::expr::{AggregateExpr, BoundExpr, Frame};
use crate::functions::aggregate::sliding::{Frames, HeldColumn, SlidingAggregate, WindowKind, sliding};
use crate::functions::aggregate::{AggregateFunction, lookup};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::operators::{Operator, OperatorFactory, Output};
use crate::types::{Scalar, SchemaRef};
use frames::FrameFinder;
use partition::PartitionStarts;

/// Adds a column for each aggregate.
#[derive(Debug)]
pub struct WindowFactory {
    /// Rows where these are the same are a partition, and follow one another.
    pub partition_by: Vec<BoundExpr>,
    /// A timestamp that ascends within a partition and is null last, where the frame is told by it.
    pub key: Option<BoundExpr>,
    /// The rows that each result is over.
    pub frame: Frame,
    /// With fewer values the result is null; see [`WindowKind`].
    pub min_periods: u64,
    /// What is taken of them.
    pub aggregates: Vec<AggregateExpr>,
    /// The input's columns, then the aggregates.
    pub schema: SchemaRef,
    /// Counters.
    pub metrics: Arc<OperatorMetrics>,
}

impl OperatorFactory for WindowFactory {
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>> {
        let kind = WindowKind { only_grows: self.frame.only_grows(), min_periods: self.min_periods };
        let mut arguments: Vec<&BoundExpr> = Vec::new();
        let mut aggregates = Vec::with_capacity(self.aggregates.len());
        for expr in &self.aggregates {
            let (aggregate, argument) = create_aggregate(expr, kind)?;
            let column = argument.map(|argument| {
                arguments.iter().position(|known| *known == argument).unwrap_or_else(|| {
                    arguments.push(argument);
                    arguments.len() - 1
                })
            });
            aggregates.push((aggregate, column));
        }
        let evaluator = |expr: &BoundExpr| Evaluator::new(expr, &context.config);
        Ok(Box::new(Window {
            starts: PartitionStarts::new(&self.partition_by, context)?,
            key: self.key.as_ref().map(evaluator).transpose()?,
            finder: FrameFinder::new(self.frame),
            only_grows: kind.only_grows,
            columns: arguments.iter().map(|_| HeldColumn::default()).collect(),
            arguments: arguments.into_iter().map(evaluator).collect::<Result<_>>()?,
            aggregates,
            entered: 0,
            schema: self.schema.clone(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            found: Found::default(),
            memory: context.memory.reservation("window", &self.metrics),
        }))
    }
}

/// The aggregate over windows, and its argument.
fn create_aggregate(expr: &AggregateExpr, kind: WindowKind) -> Result<(Box<dyn SlidingAggregate>, Option<&BoundExpr>)> {
    let wrong = |what: &str| Error::internal(format!("{expr} over a window: {what}"));
    let function: &AggregateFunction = lookup(expr.function).ok_or_else(|| wrong("there is no such function"))?;
    let create = sliding(expr.function).ok_or_else(|| wrong("it does not slide"))?;
    if expr.distinct || expr.filter.is_some() {
        return Err(wrong("neither DISTINCT nor FILTER is taken care of"));
    }
    let types: Vec<_> = expr.args.iter().map(BoundExpr::data_type).collect();
    let signature = (function.resolve)(&types)?;
    let (arguments, constants) = expr.args.split_at(expr.args.len().saturating_sub(function.constants));
    if signature.arguments.get(..arguments.len()) != types.get(..arguments.len())
        || signature.result != expr.data_type
        || arguments.len() > 1
    {
        return Err(wrong("the types are not those of the function"));
    }
    let constants: Vec<Scalar> = constants
        .iter()
        .map(|expr| match expr {
            BoundExpr::Literal(value) => Ok(value.clone()),
            _ => Err(wrong("an argument must be a constant")),
        })
        .collect::<Result<_>>()?;
    Ok((create(&signature, &constants, kind)?, arguments.first()))
}

struct Window {
    // What it is for.
    arguments: Vec<Evaluator>,
    key: Option<Evaluator>,
    only_grows: bool,
    schema: SchemaRef,
    // What it has seen.
    starts: PartitionStarts,
    finder: FrameFinder,
    columns: Vec<HeldColumn>,
    aggregates: Vec<(Box<dyn SlidingAggregate>, Option<usize>)>,
    /// Behind the last row of the last frame with a result.
    entered: u64,
    /// Batches without results, and the frames of the first one as far as they are known.
    waiting: VecDeque<RecordBatch>,
    waiting_bytes: u64,
    found: Found,
    // What it holds.
    memory: MemoryReservation,
}

/// Room for what is found of a batch, kept from one to the next.
#[derive(Default)]
struct Found {
    partitions: Vec<usize>,
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl Operator for Window {
    fn push(&mut self, input: RecordBatch, out: Output<'_>) -> Result<()> {
        if input.num_rows() == 0 {
            return Ok(());
        }
        let first = self.finder.rows();
        self.starts.find(&input, &mut self.found.partitions)?;
        let key = self.key.as_ref().map(|key| key.evaluate_array(&input)).transpose()?;
        let key = key.as_ref().map(|key| key.as_primitive::<TimestampMicrosecondType>());
        self.finder.push(input.num_rows(), &self.found.partitions, key)?;
        for (column, argument) in self.columns.iter_mut().zip(&self.arguments) {
            column.push(first, &argument.evaluate_array(&input)?)?;
        }
        self.waiting_bytes += batch_memory(&input);
        self.waiting.push_back(input);
        self.put_out(out)
    }

    fn finish(&mut self, out: Output<'_>) -> Result<()> {
        self.finder.finish();
        self.put_out(out)
    }
}

impl Window {
    /// Puts out the batches for all of whose rows the frames are known.
    fn put_out(&mut self, out: Output<'_>) -> Result<()> {
        while let Some(batch) = self.waiting.front() {
            let rows = batch.num_rows();
            self.finder.find(rows, &mut self.found.starts, &mut self.found.ends);
            if self.found.starts.len() < rows {
                break;
            }
            self.reserve(rows)?;
            let results = self.evaluate()?;
            let Some(batch) = self.waiting.pop_front() else { break };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(batch_memory(&batch));
            self.release();
            let columns = batch.columns().iter().cloned().chain(results).collect();
            out(record_batch(&self.schema, columns, rows)?)?;
        }
        self.reserve(0)
    }

    /// The results of the frames that were found.
    fn evaluate(&mut self) -> Result<Vec<ArrayRef>> {
        let frames = Frames { starts: &self.found.starts, ends: &self.found.ends };
        let columns = &self.columns;
        let results = self.aggregates.iter_mut().map(|(aggregate, column)| {
            let argument = column.and_then(|column| columns.get(column));
            aggregate.evaluate(argument, frames)
        });
        let results = results.collect::<Result<_>>()?;
        self.entered = self.finder.end();
        self.found.starts.clear();
        self.found.ends.clear();
        Ok(results)
    }

    /// Forgets what no later frame has. A window that only grows has taken what it needs of the rows inside.
    fn release(&mut self) {
        let before = if self.only_grows { self.finder.end() } else { self.finder.start() };
        self.columns.iter_mut().for_each(|column| column.release(before));
    }

    /// Reserves what is held, and what aggregates may need for the frames that were found.
    fn reserve(&mut self, frames: usize) -> Result<()> {
        let entering = match (self.found.starts.first(), self.found.ends.last()) {
            (Some(&start), Some(&end)) if frames > 0 => end.saturating_sub(self.entered.max(start)),
            _ => 0,
        };
        let entering = usize::try_from(entering).unwrap_or(usize::MAX);
        let bytes =
            |column: Option<usize>| column.and_then(|column| self.columns.get(column)).map_or(0, HeldColumn::bytes);
        let aggregates = self.aggregates.iter().map(|(aggregate, column)| {
            let growth = if frames > 0 { aggregate.growth(entering, frames, bytes(*column) as usize) } else { 0 };
            aggregate.memory() + growth
        });
        let held: u64 = self.columns.iter().map(HeldColumn::bytes).sum();
        let total = held + self.waiting_bytes + (self.finder.memory() + aggregates.sum::<usize>()) as u64;
        self.memory.resize(total).map_err(|error| {
            error.without_hint().with_hint(
                "the rows of a window, and those it waits for, are held in memory: take a shorter window, or raise \
                 --memory-limit",
            )
        })
    }
}
