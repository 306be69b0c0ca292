//! Encoding of columns in parallel: each column of each row group under construction is a small actor, whose values are
//! encoded in order by whichever thread is free.
//!
//! ```text
//! writer ── units of rows ──▶ queue of each column ── jobs ──▶ threads of the session, and the writer where it would wait
//!    ▲                                                              │ pages (in memory or spilled)
//!    └───── row groups that are complete, in order ◀────────────────┘
//! ```
//!
//! Several row groups may be under construction, so that one slow column does not leave the other threads without work.
//! Whoever waits encodes meanwhile: so it goes on even if all threads of the pool are taken, or are writers themselves.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::ArrayRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};

use super::column::Column;
use super::pages::{Ledger, unwrapped};
use crate::error::{Error, Result};

/// Bytes of rows that wait to be encoded at most, and more for each thread.
const WAITING_BYTES: u64 = 16 << 20;
const WAITING_BYTES_PER_THREAD: u64 = 8 << 20;
/// How long to sleep at most before looking again.
const WAKE_UP: Duration = Duration::from_millis(50);

/// Some rows of a column: how many is told by the position in the row group alone, so that the same values are always
/// encoded by the same calls, however they came.
#[derive(Debug)]
pub(super) struct Unit {
    /// Put together by whoever encodes.
    pub pieces: Vec<ArrayRef>,
    /// What they hold of the ledger.
    pub bytes: u64,
}

/// A row group that is encoded: its columns, each of one leaf or several.
pub(super) type Encoded = Vec<Vec<ArrowColumnChunk>>;

/// The encoders of one file.
pub(super) struct Encoders {
    shared: Arc<Shared>,
    threads: Option<Arc<rayon::ThreadPool>>,
    limit: u64,
}

struct Shared {
    columns: Vec<Column>,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Row groups under construction, oldest first.
    groups: VecDeque<Group>,
    /// The number of the oldest one.
    first: usize,
    /// Columns that have something to do and nobody who does it: number of the row group, and of the column.
    ready: VecDeque<(usize, usize)>,
    /// Jobs that threads are at.
    running: usize,
    /// Threads of the pool that look for jobs.
    helpers: usize,
    /// Bytes of the units that wait, or are being encoded.
    waiting: u64,
    /// The first error; nothing more is encoded after it.
    error: Option<Error>,
}

struct Group {
    columns: Vec<Chunk>,
    /// All its rows have come.
    ended: bool,
    /// Columns that are not done yet.
    left: usize,
}

/// A column of a row group.
#[derive(Default)]
struct Chunk {
    units: VecDeque<Unit>,
    /// In the queue of those that are ready, or at work.
    busy: bool,
    encoder: Encoder,
}

#[derive(Default)]
enum Encoder {
    #[default]
    New,
    /// Its writers, one for each leaf, and what they hold of the ledger besides pages.
    Open(Vec<ArrowColumnWriter>, u64),
    Done(Vec<ArrowColumnChunk>),
}

/// What a thread takes to work on.
struct Job {
    group: usize,
    column: usize,
    encoder: Encoder,
    units: VecDeque<Unit>,
    ends: bool,
}

impl Encoders {
    pub fn new(columns: Vec<Column>, ledger: Arc<Ledger>, threads: Option<Arc<rayon::ThreadPool>>) -> Self {
        let helpers = threads.as_ref().map_or(0, |threads| threads.current_num_threads() as u64);
        let shared = Shared { columns, ledger, state: Mutex::default(), changed: Condvar::new() };
        let limit = WAITING_BYTES + helpers * WAITING_BYTES_PER_THREAD;
        Self { shared: Arc::new(shared), threads, limit }
    }

    /// Reserves rows that come next, unless too many wait, or memory is short.
    pub fn has_room(&self, bytes: u64) -> Result<bool> {
        let state = self.shared.lock();
        state.check()?;
        Ok(state.waiting.saturating_add(bytes) <= self.limit && self.shared.ledger.try_grow(bytes))
    }

    /// Whether nothing is at work, nor waits for it.
    pub fn is_idle(&self) -> bool {
        let state = self.shared.lock();
        state.running == 0 && state.ready.is_empty()
    }

    /// Adds rows to the row group under construction: one unit for each column.
    pub fn push(&self, units: Vec<Unit>) -> Result<()> {
        {
            let mut state = self.shared.lock();
            state.check()?;
            if state.groups.back().is_none_or(|group| group.ended) {
                let columns = units.iter().map(|_| Chunk::default()).collect();
                state.groups.push_back(Group { columns, ended: false, left: units.len() });
            }
            let State { groups, first, ready, waiting, .. } = &mut *state;
            let number = *first + groups.len() - 1;
            let chunks = groups.back_mut().into_iter().flat_map(|group| &mut group.columns);
            for (column, (chunk, unit)) in chunks.zip(units).enumerate() {
                *waiting += unit.bytes;
                chunk.units.push_back(unit);
                chunk.call(ready, (number, column));
            }
        }
        self.call_helpers();
        Ok(())
    }

    /// The row group under construction has all of its rows.
    pub fn end_group(&self) {
        {
            let mut state = self.shared.lock();
            let State { groups, first, ready, .. } = &mut *state;
            let number = *first + groups.len().saturating_sub(1);
            if let Some(group) = groups.back_mut().filter(|group| !group.ended) {
                group.ended = true;
                for (column, chunk) in group.columns.iter_mut().enumerate() {
                    chunk.call(ready, (number, column));
                }
            }
        }
        self.call_helpers();
    }

    /// The oldest row group, once all of it is encoded.
    pub fn take_encoded(&self) -> Result<Option<Encoded>> {
        let mut state = self.shared.lock();
        state.check()?;
        if state.groups.front().is_none_or(|group| !group.ended || group.left > 0) {
            return Ok(None);
        }
        state.first += 1;
        let group = state.groups.pop_front();
        Ok(group.map(|group| group.columns.into_iter().map(|chunk| chunk.encoder.into_done()).collect()))
    }

    /// Whether row groups are under construction or not taken yet.
    pub fn is_busy(&self) -> bool {
        !self.shared.lock().groups.is_empty()
    }

    /// About how many bytes the row groups that are not complete have, where nothing is at work.
    pub fn bytes_under_construction(&self) -> u64 {
        let state = self.shared.lock();
        let chunks = state.groups.iter().flat_map(|group| &group.columns);
        let writers = chunks.filter_map(|chunk| match &chunk.encoder {
            Encoder::Open(writers, _) => Some(writers),
            Encoder::New | Encoder::Done(_) => None,
        });
        writers.flatten().map(|writer| writer.get_estimated_total_bytes() as u64).sum()
    }

    /// Does a job, or waits a moment where there is none.
    pub fn help(&self) {
        if !self.shared.run_one() {
            let state = self.shared.lock();
            if state.running > 0 {
                drop(self.shared.changed.wait_timeout(state, WAKE_UP));
            }
        }
    }

    /// Has threads of the pool look for jobs, as many as there are jobs.
    fn call_helpers(&self) {
        let Some(threads) = &self.threads else { return };
        let wanted = {
            let mut state = self.shared.lock();
            let most = threads.current_num_threads();
            let wanted = state.ready.len().min(most.saturating_sub(state.helpers));
            state.helpers += wanted;
            wanted
        };
        for _ in 0..wanted {
            let shared = self.shared.clone();
            threads.spawn(move || {
                while shared.run_one() {}
                shared.lock().helpers -= 1;
            });
        }
    }
}

/// What is at work ends by itself; nothing else is begun.
impl Drop for Encoders {
    fn drop(&mut self) {
        self.shared.lock().fail(Error::cancelled(), &self.shared.ledger);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next job and does it; false where there is none.
    fn run_one(&self) -> bool {
        let Some(mut job) = self.lock().next_job() else { return false };
        let bytes = job.units.iter().map(|unit| unit.bytes).sum::<u64>();
        // A panic must not leave those who wait for the job waiting.
        let done = catch_unwind(AssertUnwindSafe(|| self.encode(&mut job)))
            .unwrap_or_else(|_| Err(Error::internal("the encoder of a column panicked")));
        self.ledger.shrink(bytes);
        let mut state = self.lock();
        state.running -= 1;
        state.waiting -= bytes;
        match done {
            Ok(()) => state.give_back(job),
            Err(error) => state.fail(error, &self.ledger),
        }
        drop(state);
        self.changed.notify_all();
        true
    }

    fn encode(&self, job: &mut Job) -> Result<()> {
        let column = self.columns.get(job.column).ok_or_else(|| Error::internal("a column without an encoder"))?;
        let wrong = |error| unwrapped(error, |error| Error::data(format!("cannot write Parquet: {error}")));
        for unit in job.units.drain(..) {
            let values = column.prepared(&unit.pieces)?;
            if matches!(job.encoder, Encoder::New) {
                job.encoder = Encoder::Open(column.open(&values, &self.ledger)?, 0);
            }
            let Encoder::Open(writers, _) = &mut job.encoder else {
                return Err(Error::internal("rows for a row group that is done"));
            };
            let leaves = compute_leaves(column.field(), &values).map_err(wrong)?;
            for (writer, leaf) in writers.iter_mut().zip(&leaves) {
                writer.write(leaf).map_err(wrong)?;
            }
        }
        if let Encoder::Open(writers, held) = &mut job.encoder {
            let bytes = writers.iter().map(|writer| writer.memory_size() as u64).sum();
            self.ledger.change(held, bytes)?;
        }
        if job.ends {
            if let Encoder::Open(writers, held) = std::mem::take(&mut job.encoder) {
                let chunks = writers.into_iter().map(|writer| writer.close().map_err(wrong)).collect::<Result<_>>();
                self.ledger.shrink(held);
                job.encoder = Encoder::Done(chunks?);
            } else {
                return Err(Error::internal("a row group without rows"));
            }
        }
        Ok(())
    }
}

impl State {
    fn check(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }

    fn next_job(&mut self) -> Option<Job> {
        let (group, column) = self.ready.pop_front()?;
        let under = self.groups.get_mut(group.checked_sub(self.first)?)?;
        let ends = under.ended;
        let chunk = under.columns.get_mut(column)?;
        self.running += 1;
        let (encoder, units) = (std::mem::take(&mut chunk.encoder), std::mem::take(&mut chunk.units));
        Some(Job { group, column, encoder, units, ends })
    }

    /// A job is done; the column has more to do if more came meanwhile.
    fn give_back(&mut self, job: Job) {
        let Job { group, column, encoder, ends, .. } = job;
        let Some(under) = group.checked_sub(self.first).and_then(|index| self.groups.get_mut(index)) else { return };
        let ended = under.ended;
        let Some(chunk) = under.columns.get_mut(column) else { return };
        chunk.encoder = encoder;
        chunk.busy = false;
        if ends {
            under.left -= 1;
        } else if ended || !chunk.units.is_empty() {
            chunk.call(&mut self.ready, (group, column));
        }
    }

    /// Keeps the first error, and gives up what waits.
    fn fail(&mut self, error: Error, ledger: &Ledger) {
        self.error.get_or_insert(error);
        self.ready.clear();
        for unit in self.groups.drain(..).flat_map(|group| group.columns).flat_map(|chunk| chunk.units) {
            self.waiting -= unit.bytes;
            ledger.shrink(unit.bytes);
        }
    }
}

impl Chunk {
    /// Puts the column into the queue, unless it is there, or at work.
    fn call(&mut self, ready: &mut VecDeque<(usize, usize)>, place: (usize, usize)) {
        if !std::mem::replace(&mut self.busy, true) {
            ready.push_back(place);
        }
    }
}

impl Encoder {
    fn into_done(self) -> Vec<ArrowColumnChunk> {
        match self {
            Self::Done(chunks) => chunks,
            Self::New | Self::Open(..) => Vec::new(),
        }
    }
}
