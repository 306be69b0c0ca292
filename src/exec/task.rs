//! A task: one pipeline on one partition of its source.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;

use super::stage::Pipeline;
use crate::context::QueryContext;
use crate::error::Result;
use crate::io::source::Source;
use crate::metrics::OperatorMetrics;
use crate::operators::{Flow, Operator, TaskId};

/// One pipeline on one partition.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub pipeline: &'a Pipeline,
    pub source: Arc<dyn Source>,
    pub partition: usize,
    pub id: TaskId,
}

/// Takes the task's batches.
pub(super) type Emit<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<Flow>;

/// Reads the partition, pushes its batches through the operators, and gives what comes out to `emit`, until there is
/// no more or `emit` has enough.
pub(super) fn run_task(task: &Task<'_>, context: &QueryContext, emit: Emit<'_>) -> Result<()> {
    let mut chain = task
        .pipeline
        .operators
        .iter()
        .map(|node| Ok(Link { operator: node.factory.create(context)?, metrics: node.metrics.clone() }))
        .collect::<Result<Vec<_>>>()?;
    let mut done = false;
    let mut output = |batch: RecordBatch| {
        if !done && batch.num_rows() > 0 {
            done = emit(batch)? == Flow::TaskDone;
        }
        Ok(done)
    };
    let metrics = &task.pipeline.input_metrics;
    let since = Instant::now();
    let mut stream = task.source.open(task.partition, context, metrics)?;
    metrics.count_time(since);
    loop {
        context.cancel.check()?;
        let since = Instant::now();
        let next = stream.next();
        metrics.count_time(since);
        let Some(batch) = next else {
            break;
        };
        let batch = batch?;
        metrics.count_batch(batch.num_rows());
        if push(&mut chain, batch, &mut output)? {
            return Ok(());
        }
    }
    drop(stream);
    for index in 0..chain.len() {
        let (head, rest) = chain.split_at_mut(index + 1);
        if head[index].run(rest, &mut output, |operator, out| operator.finish(out))? {
            return Ok(());
        }
    }
    Ok(())
}

/// Gives a batch on; the answer is whether the task has brought enough.
type Give<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<bool>;

/// An operator of a running task.
struct Link {
    operator: Box<dyn Operator>,
    metrics: Arc<OperatorMetrics>,
}

impl Link {
    /// Calls the operator and pushes what it puts out through the rest of the chain; counts only its own time.
    fn run(
        &mut self,
        rest: &mut [Link],
        output: Give<'_>,
        call: impl FnOnce(&mut dyn Operator, &mut dyn FnMut(RecordBatch) -> Result<()>) -> Result<()>,
    ) -> Result<bool> {
        let done = Cell::new(false);
        let mut elsewhere = Duration::ZERO;
        let since = Instant::now();
        let metrics = &self.metrics;
        let mut give = |batch: RecordBatch| {
            let left = Instant::now();
            metrics.count_batch(batch.num_rows());
            if !done.get() {
                done.set(push(rest, batch, &mut *output)?);
            }
            elsewhere += left.elapsed();
            Ok(())
        };
        call(&mut *self.operator, &mut give)?;
        while !done.get() && self.operator.advance(&mut give)? {}
        let own = since.elapsed().saturating_sub(elsewhere);
        metrics.elapsed_nanos.fetch_add(u64::try_from(own.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        Ok(done.get())
    }
}

fn push(chain: &mut [Link], batch: RecordBatch, output: Give<'_>) -> Result<bool> {
    match chain.split_first_mut() {
        None => output(batch),
        Some((first, rest)) => first.run(rest, output, |operator, out| operator.push(batch, out)),
    }
}
