//! Gap filling: puts the buckets that are missing between those of a series of buckets, and values into them.
//!
//! The rows come in one task, series by series, each in the order of its buckets, as a Sort gives them. What is missing
//! before a row is a *run*: its first bucket and how many follow, not rows, so that a gap of a year of seconds is a few
//! bytes until its rows are put out, a batch at a time and only while somebody takes them.
//!
//! ```text
//! held     batches that wait for the next known value of a column that needs it (a line, over nulls too)
//!   ▼      all of them become known up to some row
//! rows     the rows with their series and positions, the runs between them        (`rows`)
//!   ▼      a batch of output: spans of rows and of runs
//! columns  keys repeated, buckets counted on, values filled as each column says   (`columns`)
//! ```
//!
//! Only `held` can be more than a batch, and is reserved: where known values are farther apart than the budget has room
//! for rows, that is an error. From one batch to the next, one row and one value a column are carried on.

mod columns;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;

use crate::batch::{batch_memory, compact, record_batch};
use crate::config::Config;
use crate::context::{CancelToken, QueryContext};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::expr::{BoundExpr, GapColumn};
use crate::functions::scalar::Value;
use crate::functions::scalar::bucket::{grid_of, zone_of_buckets};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::operators::{Operator, OperatorFactory, Output};
use crate::types::grid::Grid;
use crate::types::temporal::Zone;
use crate::types::{Scalar, Schema, SchemaRef};
use columns::Filler;
use rows::{Bounds, Cursor, LastRow, Rows, SeriesKeys, micros};

/// What is filled, and with what.
#[derive(Debug)]
pub struct FillGapsFactory {
    schema: SchemaRef,
    columns: Vec<GapColumn>,
    bucket: BoundExpr,
    starts: Vec<BoundExpr>,
    finishes: Vec<BoundExpr>,
    metrics: Arc<OperatorMetrics>,
}

impl FillGapsFactory {
    /// Rows of that schema, sorted by the keys and then by the bucket, one of `columns`, as the call `bucket` gives
    /// them, whose arguments but the second are constants. Each series is filled from its first to its last bucket; where constants `starts` (the last of them counts) or
    /// `finishes` (the first, which is not a bucket to fill any more) are given, from and to these.
    pub fn new(
        schema: SchemaRef,
        columns: Vec<GapColumn>,
        bucket: BoundExpr,
        starts: Vec<BoundExpr>,
        finishes: Vec<BoundExpr>,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        Self { schema, columns, bucket, starts, finishes, metrics }
    }

    fn bounds(&self, grid: Grid, config: &Arc<Config>) -> Result<Bounds> {
        let values = |exprs: &[BoundExpr]| -> Result<Vec<Option<i64>>> {
            exprs.iter().map(|expr| moment(expr, config)).collect()
        };
        let (starts, finishes) = (values(&self.starts)?, values(&self.finishes)?);
        let start = starts.into_iter().flatten().max();
        let out_of_range = || Error::data("the start of the range of buckets is out of the range of timestamps");
        let start = start.map(|start| grid.floor(start).ok_or_else(out_of_range)).transpose()?;
        Ok(Bounds { grid, start, finish: finishes.into_iter().flatten().min() })
    }
}

/// The grid that a call lays, and the zone in which it counts days.
fn grid(bucket: &BoundExpr, config: &Arc<Config>) -> Result<(Grid, Option<Zone>)> {
    let BoundExpr::Call { name, args, .. } = bucket else {
        return Err(Error::internal("buckets of time that are no call"));
    };
    let value = |(position, arg): (usize, &BoundExpr)| match position {
        1 => Ok(Value::Scalar(Scalar::null(&arg.data_type()))),
        _ => constant(arg, config).map(|value| Value::Scalar(Scalar::from_array(&value, 0))),
    };
    let args = args.iter().enumerate().map(value).collect::<Result<Vec<_>>>()?;
    let grid = grid_of(name, &args)?.ok_or_else(|| Error::data(format!("the buckets of {bucket} have no width")))?;
    Ok((grid, zone_of_buckets(name, &args)?))
}

fn constant(expr: &BoundExpr, config: &Arc<Config>) -> Result<ArrayRef> {
    let row = record_batch(&Arc::new(Schema::empty()), Vec::new(), 1)?;
    Evaluator::new(expr, config)?.evaluate_array(&row)
}

/// The microseconds that a constant expression tells; `None` of null.
fn moment(expr: &BoundExpr, config: &Arc<Config>) -> Result<Option<i64>> {
    Ok(micros(&constant(expr, config)?)?.iter().next().flatten())
}

impl OperatorFactory for FillGapsFactory {
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>> {
        let wrong = || Error::internal("a gap filling without a bucket");
        let bucket = self.columns.iter().position(|column| *column == GapColumn::Bucket).ok_or_else(wrong)?;
        let keys = (0..self.columns.len()).filter(|&index| self.columns[index] == GapColumn::Key);
        let series = SeriesKeys::new(&self.schema, keys.collect())?;
        let fillers = self.columns.iter().zip(self.schema.fields());
        let (grid, zone) = grid(&self.bucket, &context.config)?;
        Ok(Box::new(FillGaps {
            schema: self.schema.clone(),
            bounds: self.bounds(grid, &context.config)?,
            bucket,
            series,
            fillers: fillers.map(|(column, field)| Filler::new(column, field.data_type(), zone)).collect(),
            batch_size: context.config.batch_size.max(1),
            cancel: context.cancel.clone(),
            held: Held { batches: Vec::new(), memory: context.memory.reservation("gap filling", &self.metrics) },
            current: None,
            last: None,
            ended: false,
            metrics: self.metrics.clone(),
        }))
    }
}

struct FillGaps {
    // What it is for.
    schema: SchemaRef,
    bounds: Bounds,
    bucket: usize,
    series: SeriesKeys,
    batch_size: usize,
    cancel: CancelToken,
    metrics: Arc<OperatorMetrics>,
    // What it has seen.
    held: Held,
    /// The row before those that are held or put out.
    last: Option<LastRow>,
    ended: bool,
    // What it puts out.
    fillers: Vec<Filler>,
    current: Option<(Rows, Cursor)>,
}

/// Batches that wait for what comes behind them.
struct Held {
    batches: Vec<RecordBatch>,
    memory: MemoryReservation,
}

impl Held {
    /// Reserves all but the one batch that an operator may hold.
    fn reserve(&mut self) -> Result<()> {
        let waiting = self.batches.iter().skip(1).map(batch_memory).sum();
        self.memory.resize(waiting).map_err(|error| {
            error.with_hint(
                "filling backward or by lines waits for the next value that is not null: known values are too far \
                 apart for the memory budget",
            )
        })
    }
}

impl Operator for FillGaps {
    fn push(&mut self, input: RecordBatch, _: Output<'_>) -> Result<()> {
        if input.num_rows() == 0 {
            return Ok(());
        }
        let goes_on = self.brings_something(&input)?;
        self.held.batches.push(input);
        if goes_on { self.prepare() } else { self.held.reserve() }
    }

    fn finish(&mut self, _: Output<'_>) -> Result<()> {
        self.ended = true;
        self.prepare()
    }

    fn advance(&mut self, out: Output<'_>) -> Result<bool> {
        self.cancel.check()?;
        let Some((rows, cursor)) = &mut self.current else { return Ok(false) };
        let Some(plan) = cursor.next_batch(rows, self.batch_size)? else {
            self.retire()?;
            return Ok(false);
        };
        let columns = self.fillers.iter_mut().enumerate();
        let columns = columns.map(|(index, filler)| filler.fill(index, rows, &plan)).collect::<Result<_>>()?;
        self.metrics.add("buckets filled in", plan.generated() as u64);
        out(record_batch(&self.schema, columns, plan.len())?)?;
        Ok(true)
    }
}

impl FillGaps {
    /// Whether rows that are held can go on once this batch is there: all columns that wait for a value find one in it
    /// or have one already, or a series ends.
    fn brings_something(&mut self, input: &RecordBatch) -> Result<bool> {
        let mut all = true;
        for (filler, column) in self.fillers.iter_mut().zip(input.columns()) {
            all &= filler.sees(column);
        }
        match self.held.batches.last() {
            Some(before) if !all => self.series.ends_in(before, input, self.bucket),
            _ => Ok(true),
        }
    }

    /// Everything held becomes the rows to put out.
    fn prepare(&mut self) -> Result<()> {
        let batch = match self.held.batches.as_slice() {
            [] => RecordBatch::new_empty(self.schema.clone()),
            [only] => only.clone(),
            several => {
                let memory = several.iter().map(batch_memory).sum::<u64>();
                self.held.memory.grow(memory)?;
                concat_batches(&self.schema, several)?
            }
        };
        self.held.batches.clear();
        let waiting = self.fillers.iter().enumerate().filter(|(_, filler)| filler.waits).map(|(index, _)| index);
        let waiting: Vec<usize> = waiting.collect();
        let rows = Rows::new(batch, self.bucket, &waiting, &self.series, self.last.as_ref(), self.ended, &self.bounds)?;
        self.current = Some((rows, Cursor::default()));
        Ok(())
    }

    /// All that could be put out was: what is left waits.
    fn retire(&mut self) -> Result<()> {
        let Some((rows, _)) = self.current.take() else { return Ok(()) };
        for (index, filler) in self.fillers.iter_mut().enumerate() {
            filler.retire(index, &rows)?;
        }
        let (last, rest) = rows.split()?;
        self.last = last.or_else(|| self.last.take());
        if rest.num_rows() > 0 {
            for (filler, column) in self.fillers.iter_mut().zip(rest.columns()) {
                filler.sees(column);
            }
            self.held.batches.push(compact(&rest)?);
        }
        self.held.memory.free();
        self.held.reserve()
    }
}
