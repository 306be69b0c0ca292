//! LIMIT and OFFSET: the first rows in the order of tasks, the same ones whoever is faster.
//!
//! A task cannot know how many rows the tasks before it have, so each keeps up to `skip + fetch` rows, and what is too
//! much is cut off at the end. No task starts, and none goes on, behind finished tasks that have enough between them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use crate::context::QueryContext;
use crate::error::Result;
use crate::io::source::Source;
use crate::metrics::OperatorMetrics;
use crate::operators::buffer::{BufferLocal, Materialize, wrong_local};
use crate::operators::{Flow, Local, Sink, TaskId};
use crate::types::SchemaRef;

/// Keeps the rows from `skip` on, at most `fetch` of them. They are held as [`Materialize`] holds rows, and may spill.
#[derive(Debug)]
pub struct LimitSink {
    buffer: Materialize,
    skip: u64,
    fetch: Option<u64>,
    prefix: Mutex<Prefix>,
    /// The first task that is not needed; `usize::MAX` while that is not known.
    end: AtomicUsize,
}

/// The finished tasks from the first on.
#[derive(Debug, Default)]
struct Prefix {
    /// How many follow each other without a gap, and the rows in them.
    tasks: usize,
    rows: u64,
    /// Finished ones behind the first gap, with their rows.
    behind: BTreeMap<usize, u64>,
}

struct LimitLocal {
    buffer: BufferLocal,
    /// The task at work and how many rows it has brought.
    task: Option<TaskId>,
    rows: u64,
}

impl LimitSink {
    /// Rows of that schema.
    pub fn new(schema: SchemaRef, skip: usize, fetch: Option<usize>, metrics: Arc<OperatorMetrics>) -> Self {
        Self {
            buffer: Materialize::new(schema, "limit", metrics),
            skip: skip as u64,
            fetch: fetch.map(|fetch| fetch as u64),
            prefix: Mutex::default(),
            end: AtomicUsize::new(if fetch == Some(0) { 0 } else { usize::MAX }),
        }
    }

    /// Rows that are enough, counted from the first.
    fn enough(&self) -> u64 {
        self.fetch.map_or(u64::MAX, |fetch| self.skip.saturating_add(fetch))
    }
}

impl Sink for LimitSink {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        Ok(Box::new(LimitLocal { buffer: self.buffer.buffer_local(context, workers), task: None, rows: 0 }))
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        let local = local.downcast_mut::<LimitLocal>().ok_or_else(wrong_local)?;
        if !self.wants(task) {
            return Ok(Flow::TaskDone);
        }
        if local.task != Some(task) {
            local.task = Some(task);
            local.rows = 0;
        }
        let rows = (self.enough() - local.rows).min(batch.num_rows() as u64);
        self.buffer.keep(&mut local.buffer, task, &batch.slice(0, rows as usize))?;
        local.rows += rows;
        if local.rows < self.enough() {
            return Ok(Flow::Continue);
        }
        // It alone has enough, whatever the tasks before it have.
        self.end.fetch_min(task.partition + 1, Relaxed);
        Ok(Flow::TaskDone)
    }

    fn task_done(&self, local: &mut Local, task: TaskId) -> Result<()> {
        let local = local.downcast_mut::<LimitLocal>().ok_or_else(wrong_local)?;
        let rows = if local.task == Some(task) { local.rows } else { 0 };
        let mut prefix = self.prefix.lock().unwrap_or_else(PoisonError::into_inner);
        prefix.behind.insert(task.partition, rows);
        while prefix.rows < self.enough() {
            let next = prefix.tasks;
            let Some(rows) = prefix.behind.remove(&next) else { return Ok(()) };
            prefix.rows = prefix.rows.saturating_add(rows);
            prefix.tasks += 1;
        }
        self.end.fetch_min(prefix.tasks, Relaxed);
        Ok(())
    }

    fn wants(&self, next: TaskId) -> bool {
        next.partition < self.end.load(Relaxed)
    }

    fn combine(&self, local: Local) -> Result<()> {
        self.buffer.combine_buffer(local.downcast::<LimitLocal>().map_err(|_| wrong_local())?.buffer);
        Ok(())
    }

    fn finish(&self, _: &QueryContext) -> Result<Arc<dyn Source>> {
        Ok(self.buffer.finish_range(self.skip, self.fetch))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::operators::testing::{context, drive, random, read};

    fn batch(start: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(start..start + rows));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    fn limit(skip: usize, fetch: Option<usize>, metrics: &Arc<OperatorMetrics>) -> LimitSink {
        LimitSink::new(batch(0, 0).schema(), skip, fetch, metrics.clone())
    }

    #[test]
    fn the_rows_are_the_same_whoever_works_on_them() {
        let mut random = random(5);
        let mut total = 0;
        let tasks: Vec<Vec<_>> = (0..30)
            .map(|_| {
                (0..random(4))
                    .map(|_| {
                        let rows = random(300) as i64;
                        total += rows;
                        batch(total - rows, rows)
                    })
                    .collect()
            })
            .collect();
        let all = total as usize;
        for budget in [1 << 30, 32 << 10] {
            for workers in [1, 2, 5] {
                for (skip, fetch) in [
                    (0, Some(0)),
                    (0, Some(1)),
                    (0, Some(100)),
                    (77, Some(1000)),
                    (all - 1, Some(5)),
                    (all, Some(5)),
                    (all + 5, None),
                    (10, None),
                    (0, None),
                    (5, Some(usize::MAX)),
                ] {
                    let context = context(budget, 128);
                    let sink = limit(skip, fetch, &OperatorMetrics::new());
                    let source = drive(&sink, &context, workers, &tasks).unwrap();
                    let read: Vec<i64> = read(&source, &context)
                        .unwrap()
                        .iter()
                        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
                        .collect();
                    let end = skip.saturating_add(fetch.unwrap_or(all)).min(all) as i64;
                    let expected: Vec<_> = (skip as i64..end).collect();
                    assert_eq!(read, expected, "skip {skip} fetch {fetch:?} workers {workers}");
                }
            }
        }
    }

    #[test]
    fn tasks_behind_enough_rows_are_not_wanted_nor_finished() {
        let context = context(1 << 30, 128);
        let sink = limit(3, Some(7), &OperatorMetrics::new());
        let mut local = sink.local(&context, 1).unwrap();
        let task = |partition| TaskId { partition };
        assert_eq!(sink.sink(&mut local, task(1), batch(5, 4)).unwrap(), Flow::Continue);
        sink.task_done(&mut local, task(1)).unwrap();
        assert!(sink.wants(task(5)));
        assert_eq!(sink.sink(&mut local, task(3), batch(9, 400)).unwrap(), Flow::TaskDone);
        assert!(!sink.wants(task(4)), "task 3 alone has enough");
        assert!(sink.wants(task(2)));
        sink.task_done(&mut local, task(3)).unwrap();
        assert_eq!(sink.sink(&mut local, task(0), batch(0, 6)).unwrap(), Flow::Continue);
        sink.task_done(&mut local, task(0)).unwrap();
        assert!(!sink.wants(task(2)), "tasks 0 and 1 have enough between them");
        assert_eq!(sink.sink(&mut local, task(5), batch(500, 1)).unwrap(), Flow::TaskDone);
        sink.combine(local).unwrap();
        let source = sink.finish(&context).unwrap();
        let rows: usize = read(&source, &context).unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 7);
    }

    #[test]
    fn rows_that_are_cut_off_give_their_memory_back() {
        let context = context(1 << 30, 128);
        let metrics = OperatorMetrics::new();
        let sink = limit(0, Some(10), &metrics);
        let tasks: Vec<_> = (0..8).map(|task| vec![batch(task * 10, 10)]).collect();
        let source = drive(&sink, &context, 8, &tasks).unwrap();
        assert!(context.memory.reserved() < 1000);
        drop(source);
        assert_eq!(context.memory.reserved(), 0);
    }
}
