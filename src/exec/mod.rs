//! Runs a graph of stages: one after another, each as partition tasks on the workers.

mod queue;
mod stage;
mod task;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;

pub use stage::{OperatorNode, Pipeline, Stage, StageGraph, StageInput, StageSink};

use crate::config::Scheduler;
use crate::context::QueryContext;
use crate::error::{Error, ErrorClass, Result};
use crate::io::source::Source;
use crate::memory::Pressure;
use crate::operators::{Flow, TaskId};
use crate::panics::message;
use queue::OrderedQueue;
use task::{Task, run_task};

/// Stack of a worker: expressions are trees, and some are deep.
pub const WORKER_STACK_BYTES: usize = 16 << 20;

/// How long a worker waits before it looks again whether memory allows another task.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs all stages, and gives the batches of the last one to `receive`, in order. Must be called from outside of `pool`.
///
/// # Errors
/// The first error of any task; when it returns, nothing of the query runs any more.
pub fn run(
    graph: StageGraph,
    context: &QueryContext,
    pool: &rayon::ThreadPool,
    receive: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let inner = QueryContext { cancel: context.cancel.child(), ..context.clone() };
    let mut outputs = Vec::with_capacity(graph.stages.len());
    run_stages(&graph.stages, &mut outputs, &inner, context, pool)?;
    let tasks = tasks_of(&graph.last, &mut outputs)?;
    run_last(tasks, &inner, context, receive)
}

/// Runs all stages, the last of which ends in `sink`.
///
/// # Errors
/// As [`run`].
pub fn run_into(
    graph: StageGraph,
    sink: StageSink,
    context: &QueryContext,
    pool: &rayon::ThreadPool,
) -> Result<Arc<dyn Source>> {
    let inner = QueryContext { cancel: context.cancel.child(), ..context.clone() };
    let mut stages = graph.stages;
    stages.push(Stage { sink: Some(sink), ..graph.last });
    let mut outputs = Vec::with_capacity(stages.len());
    run_stages(&stages, &mut outputs, &inner, context, pool)?;
    outputs.pop().flatten().ok_or_else(|| Error::internal("a stage without a result"))
}

fn run_stages(
    stages: &[Stage],
    outputs: &mut Vec<Option<Arc<dyn Source>>>,
    context: &QueryContext,
    outer: &QueryContext,
    pool: &rayon::ThreadPool,
) -> Result<()> {
    for stage in stages {
        let tasks = tasks_of(stage, outputs)?;
        outputs.push(Some(run_stage(stage, tasks, context, outer, pool)?));
    }
    Ok(())
}

/// The tasks of a stage in the order of its rows. The results of earlier stages are taken: each is read by one stage.
fn tasks_of<'a>(stage: &'a Stage, outputs: &mut [Option<Arc<dyn Source>>]) -> Result<Vec<Task<'a>>> {
    let mut tasks = Vec::new();
    for pipeline in &stage.pipelines {
        let source = match &pipeline.input {
            StageInput::Source(source) => source.clone(),
            StageInput::Stage(index) => outputs
                .get_mut(*index)
                .and_then(Option::take)
                .ok_or_else(|| Error::internal(format!("stage {index} has no result")))?,
        };
        for partition in 0..source.partitions() {
            tasks.push(Task { pipeline, source: source.clone(), partition, id: TaskId { partition: tasks.len() } });
        }
    }
    Ok(tasks)
}

/// One stage into its sink.
fn run_stage(
    stage: &Stage,
    tasks: Vec<Task<'_>>,
    context: &QueryContext,
    outer: &QueryContext,
    pool: &rayon::ThreadPool,
) -> Result<Arc<dyn Source>> {
    let Some(StageSink { sink, metrics }) = &stage.sink else {
        return Err(Error::internal("a stage without a sink in the middle of a query"));
    };
    let crew = Crew::new(&tasks, context, outer);
    let work = |workers: usize| -> Result<()> {
        let mut local = sink.local(context, workers)?;
        crew.work(
            |id| sink.wants(id),
            |task| {
                let mut flow = |batch: RecordBatch| {
                    let since = std::time::Instant::now();
                    let flow = sink.sink(&mut local, task.id, batch);
                    metrics.count_time(since);
                    flow
                };
                run_task(task, context, &mut flow)?;
                sink.task_done(&mut local, task.id)
            },
        )?;
        sink.combine(local)
    };
    match context.config.scheduler {
        Scheduler::Synchronous => crew.record(|| work(1)),
        Scheduler::Threads => {
            let workers = crew.workers();
            pool.in_place_scope(|scope| {
                for _ in 0..workers {
                    scope.spawn(|_| crew.record(|| work(workers)));
                }
            });
        }
    }
    crew.outcome(|id| sink.wants(id))?;
    tracing::debug!(tasks = tasks.len(), "the tasks of a stage are done");
    // Dropping the tasks gives back what earlier stages left for them.
    drop(tasks);
    let since = std::time::Instant::now();
    let finished = catch(|| sink.finish(context));
    metrics.count_time(since);
    finished
}

/// The last stage, to the caller.
fn run_last(
    tasks: Vec<Task<'_>>,
    context: &QueryContext,
    outer: &QueryContext,
    receive: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let crew = Crew::new(&tasks, context, outer);
    match context.config.scheduler {
        Scheduler::Synchronous => crew.record(|| {
            crew.work(|_| true, |task| run_task(task, context, &mut |batch| receive(batch).map(|()| Flow::Continue)))
        }),
        Scheduler::Threads => {
            let queue = OrderedQueue::new(tasks.len());
            let work = || {
                let run = |task: &Task<'_>| {
                    let result = catch(|| {
                        run_task(task, context, &mut |batch| {
                            queue.push(task.id.partition, batch, &context.cancel).map(|()| Flow::Continue)
                        })
                    });
                    queue.task_done(task.id.partition, result.clone());
                    result
                };
                crew.work(|_| true, run)
            };
            // Threads of its own, since they wait for the caller, who may run another query on the pool meanwhile.
            std::thread::scope(|scope| {
                for index in 0..crew.workers() {
                    let thread = std::thread::Builder::new().name(format!("highwater-last-{index}"));
                    let spawned = thread.stack_size(WORKER_STACK_BYTES).spawn_scoped(scope, || crew.record(work));
                    crew.record(|| {
                        spawned.map(drop).map_err(|error| Error::resource(format!("cannot start a thread: {error}")))
                    });
                }
                crew.record(|| {
                    while let Some(batch) = queue.pop(&context.cancel)? {
                        receive(batch)?;
                    }
                    Ok(())
                });
            });
        }
    }
    crew.outcome(|_| true)
}

/// The workers of one stage: they share the list of tasks and the first error.
struct Crew<'a> {
    tasks: &'a [Task<'a>],
    next: AtomicUsize,
    running: AtomicUsize,
    /// The first error that ends the stage at once.
    error: Mutex<Option<Error>>,
    /// The data error of the first task in order that has one.
    data_error: Mutex<Option<(TaskId, Error)>>,
    /// No task from this one on is started any more.
    failed_from: AtomicUsize,
    context: &'a QueryContext,
    outer: &'a QueryContext,
}

impl<'a> Crew<'a> {
    fn new(tasks: &'a [Task<'a>], context: &'a QueryContext, outer: &'a QueryContext) -> Self {
        Self {
            tasks,
            next: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            error: Mutex::default(),
            data_error: Mutex::default(),
            failed_from: AtomicUsize::new(usize::MAX),
            context,
            outer,
        }
    }

    fn workers(&self) -> usize {
        self.context.config.threads.min(self.tasks.len()).max(1)
    }

    /// One worker: takes the next task when it is free, until there are none, or none is wanted.
    fn work(&self, wants: impl Fn(TaskId) -> bool, mut run: impl FnMut(&Task<'a>) -> Result<()>) -> Result<()> {
        loop {
            self.context.cancel.check()?;
            let Some(task) = self.claim()? else {
                return Ok(());
            };
            let result = if wants(task.id) { catch(|| run(task)).map(|()| true) } else { Ok(false) };
            self.running.fetch_sub(1, Relaxed);
            match result {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // The tasks before it may bring all that is wanted; those behind it are not needed any more.
                Err(error) if error.class() == ErrorClass::Data => self.fail_at(task.id, error),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next task. Above the `pause` threshold it is not given out while another runs.
    fn claim(&self) -> Result<Option<&'a Task<'a>>> {
        while self.running.load(Relaxed) > 0
            && self.next.load(Relaxed) < self.tasks.len()
            && self.context.memory.pressure() >= Pressure::Pause
        {
            self.context.cancel.check()?;
            std::thread::sleep(PAUSE);
        }
        self.running.fetch_add(1, Relaxed);
        let next = self.next.fetch_add(1, Relaxed);
        let task = self.tasks.get(next).filter(|_| next < self.failed_from.load(Relaxed));
        if task.is_none() {
            self.running.fetch_sub(1, Relaxed);
        }
        Ok(task)
    }

    /// Keeps a data error of a task, if none before it has one: which error is told must not depend on who was faster.
    fn fail_at(&self, id: TaskId, error: Error) {
        let mut first = self.data_error.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(known, _)| id < *known) {
            *first = Some((id, error));
            self.failed_from.store(id.partition, Relaxed);
        }
    }

    /// Runs a part of the stage, keeps its error, and stops the others after one.
    fn record(&self, work: impl FnOnce() -> Result<()>) {
        if let Err(error) = catch(work) {
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            // What others say after they were stopped is no news.
            if first.as_ref().is_none_or(|known| known.class() == ErrorClass::Cancelled) {
                *first = Some(error);
            }
            self.context.cancel.cancel();
        }
    }

    /// How the stage ended. An error in data that turned out not to be wanted is none.
    fn outcome(&self, wants: impl Fn(TaskId) -> bool) -> Result<()> {
        if self.outer.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        if let Some(error) = self.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        match self.data_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some((id, error)) if wants(id) => Err(error),
            _ => Ok(()),
        }
    }
}

/// A panic becomes an internal error of the query.
fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = message(&*panic);
        Err(Error::internal(format!("a worker panicked: {message}")).with_hint("this is a defect: please report it"))
    })
}
