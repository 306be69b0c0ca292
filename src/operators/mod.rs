//! What runs inside of a stage: streaming operators, one file each, and sinks, which end stages.

pub mod aggregate;
pub mod buffer;
pub mod expand;
pub mod fill_gaps;
pub mod filter;
pub mod in_order;
pub mod limit;
pub mod project;
pub mod sort;
#[cfg(test)]
mod testing;
pub mod top_n;
pub mod unnest;
pub mod window;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::context::QueryContext;
use crate::error::Result;
use crate::io::source::Source;

/// Takes the batches that an operator puts out.
pub type Output<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<()>;

/// Batch in, batches out. One instance a task; it holds at most one batch between calls, or reserves what it holds.
pub trait Operator: Send {
    /// Takes one batch and puts out what follows from it.
    fn push(&mut self, input: RecordBatch, out: Output<'_>) -> Result<()>;

    /// The task's input has ended: puts out what is left.
    fn finish(&mut self, out: Output<'_>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// Puts out a further batch of what follows from the input so far; false where there is none. Called after `push`
    /// and `finish` until then, unless nobody takes more: here an operator puts out what may be far more than it took.
    fn advance(&mut self, out: Output<'_>) -> Result<bool> {
        let _ = out;
        Ok(false)
    }
}

/// Makes an operator for each task.
pub trait OperatorFactory: Send + Sync + Debug {
    /// A new instance.
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>>;
}

/// Where a task stands in its stage: tells the order of rows, whoever works on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId {
    /// The number of the task in its stage, in the order of rows.
    pub partition: usize,
}

/// What a sink says to the task that feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More, please.
    Continue,
    /// Nothing that this task could still bring would change the result.
    TaskDone,
}

/// The state of a sink in one worker.
pub type Local = Box<dyn Any + Send>;

/// Ends a stage. `local` is called once per worker, `sink` in parallel for each batch, `task_done` after the last batch of each
/// task, `combine` once per worker, and `finish` once, when all workers are through: what it returns is the source of
/// the next stage.
pub trait Sink: Send + Sync + Debug {
    /// The state of one of `workers` workers.
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local>;

    /// Takes a batch of the task. Batches of one task come in order, from one worker.
    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow>;

    /// The task has no more batches.
    fn task_done(&self, local: &mut Local, task: TaskId) -> Result<()> {
        let _ = (local, task);
        Ok(())
    }

    /// Whether the tasks from `next` on can still change the result. Asked before each task starts.
    fn wants(&self, next: TaskId) -> bool {
        let _ = next;
        true
    }

    /// A worker is through.
    fn combine(&self, local: Local) -> Result<()>;

    /// All workers are through.
    fn finish(&self, context: &QueryContext) -> Result<Arc<dyn Source>>;
}
