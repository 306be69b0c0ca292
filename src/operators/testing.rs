//! What the tests of sinks and operators share: a context with a budget of its own, and a driver of sinks.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::config::Config;
use crate::context::{CancelToken, QueryContext};
use crate::error::Result;
use crate::io::source::Source;
use crate::memory::{MemoryPool, Thresholds};
use crate::metrics::OperatorMetrics;
use crate::operators::{Flow, OperatorFactory, Sink, TaskId};
use crate::spill::SpillManager;

/// A context with a memory budget in bytes, where only the ledger counts.
pub(crate) fn context(budget: u64, batch_size: usize) -> QueryContext {
    let config = Config { memory_limit: budget, batch_size, threads: 2, ..Config::default() };
    QueryContext {
        memory: MemoryPool::new(budget, Thresholds::default(), None),
        spill: SpillManager::new(&config.temp_dir, None),
        config: Arc::new(config),
        cancel: CancelToken::default(),
        progress: Arc::default(),
        rejects: Arc::default(),
    }
}

/// Numbers below a bound, the same for the same seed (SplitMix64).
pub(crate) fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |bound| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Runs a sink as the executor does, with tasks dealt to `workers` in turn; every second worker is a task behind.
pub(crate) fn drive(
    sink: &dyn Sink,
    context: &QueryContext,
    workers: usize,
    tasks: &[Vec<RecordBatch>],
) -> Result<Arc<dyn Source>> {
    let mut locals = (0..workers).map(|_| sink.local(context, workers)).collect::<Result<Vec<_>>>()?;
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.chunks_mut(2 * workers).for_each(<[usize]>::reverse);
    for partition in order {
        let task = TaskId { partition };
        if !sink.wants(task) {
            continue;
        }
        let local = &mut locals[partition % workers];
        for batch in &tasks[partition] {
            if sink.sink(local, task, batch.clone())? == Flow::TaskDone {
                break;
            }
        }
        sink.task_done(local, task)?;
    }
    locals.into_iter().rev().try_for_each(|local| sink.combine(local))?;
    sink.finish(context)
}

/// What an operator of the factory makes of the batches of one task.
pub(crate) fn operate(
    factory: &dyn OperatorFactory,
    context: &QueryContext,
    batches: &[RecordBatch],
) -> Result<Vec<RecordBatch>> {
    let mut operator = factory.create(context)?;
    let mut output = Vec::new();
    let mut collect = |batch| {
        output.push(batch);
        Ok(())
    };
    for batch in batches {
        operator.push(batch.clone(), &mut collect)?;
        while operator.advance(&mut collect)? {}
    }
    operator.finish(&mut collect)?;
    while operator.advance(&mut collect)? {}
    Ok(output)
}

/// All batches of a source, in the order of its partitions.
pub(crate) fn read(source: &Arc<dyn Source>, context: &QueryContext) -> Result<Vec<RecordBatch>> {
    let metrics = OperatorMetrics::new();
    let mut batches = Vec::new();
    for partition in 0..source.partitions() {
        for batch in source.open(partition, context, &metrics)? {
            batches.push(batch?);
        }
    }
    Ok(batches)
}
