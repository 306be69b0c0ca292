//! Batches of parallel tasks, given out in the order of the tasks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;

use crate::context::CancelToken;
use crate::error::Result;

/// Batches of the current task that may wait to be taken.
const CURRENT_BATCHES: usize = 4;
/// Batches that may wait in all before tasks behind the current one have to wait too.
const ALL_BATCHES: usize = 16;
/// How long to sleep at most before looking at the cancel token.
const WAKE_UP: Duration = Duration::from_millis(50);

/// A bounded queue between the workers and the caller. A worker ahead of the others waits; the one on the first
/// unfinished task waits only for the caller, so there is no deadlock: tasks are started in order.
#[derive(Debug)]
pub(super) struct OrderedQueue {
    state: Mutex<State>,
    changed: Condvar,
    tasks: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The task whose batches are given out now.
    current: usize,
    /// How many batches wait, of all tasks.
    batches: usize,
    waiting: BTreeMap<usize, Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    batches: VecDeque<RecordBatch>,
    /// How the task ended.
    done: Option<Result<()>>,
}

impl State {
    fn is_full(&self, task: usize) -> bool {
        if task == self.current {
            self.waiting.get(&task).is_some_and(|slot| slot.batches.len() >= CURRENT_BATCHES)
        } else {
            self.batches >= ALL_BATCHES
        }
    }
}

impl OrderedQueue {
    pub(super) fn new(tasks: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), tasks }
    }

    /// Adds a batch of a task; waits while there are too many.
    pub(super) fn push(&self, task: usize, batch: RecordBatch, cancel: &CancelToken) -> Result<()> {
        let mut state = self.lock();
        while state.is_full(task) {
            cancel.check()?;
            state = self.wait(state);
        }
        state.batches += 1;
        state.waiting.entry(task).or_default().batches.push_back(batch);
        self.changed.notify_all();
        Ok(())
    }

    /// The task has no more batches; an error is told once all batches before it were taken.
    pub(super) fn task_done(&self, task: usize, result: Result<()>) {
        self.lock().waiting.entry(task).or_default().done = Some(result);
        self.changed.notify_all();
    }

    /// The next batch in order; `None` after the last one.
    pub(super) fn pop(&self, cancel: &CancelToken) -> Result<Option<RecordBatch>> {
        let mut state = self.lock();
        loop {
            let current = state.current;
            if current >= self.tasks {
                return Ok(None);
            }
            if let Some(slot) = state.waiting.get_mut(&current) {
                if let Some(batch) = slot.batches.pop_front() {
                    state.batches -= 1;
                    self.changed.notify_all();
                    return Ok(Some(batch));
                }
                if let Some(result) = slot.done.take() {
                    result?;
                    state.waiting.remove(&current);
                    state.current += 1;
                    continue;
                }
            }
            cancel.check()?;
            state = self.wait(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        match self.changed.wait_timeout(state, WAKE_UP) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }
}
