//! ORDER BY … LIMIT: each worker keeps the best rows it has seen, and drops at once what cannot be among the first.
//!
//! ```text
//! batch ─▶ keys ─▶ less than the worst key kept? ─▶ candidates ── twice as many as wanted ─▶ the better half is kept
//!                                                       │
//!                                                       ├── growing refused ─▶ all of them go to the external sort,
//!                                                       ▼                      and candidates begin anew
//! combine, finish:                               external sort, whose first rows are the result
//! ```

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use crate::batch::compact;
use crate::context::QueryContext;
use crate::error::Result;
use crate::expr::SortExpr;
use crate::io::source::Source;
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::operators::buffer::wrong_local;
use crate::operators::sort::{BlockLimits, Chunk, Entry, Gather, SortLocal, SortSink, entries};
use crate::operators::{Flow, Local, Sink, TaskId};
use crate::types::SchemaRef;

/// Candidates are not chosen from more often than they grow by so many.
const LEAST_SURPLUS: usize = 1024;

/// The first `fetch` rows of the sorted input; ties keep the order of the input.
#[derive(Debug)]
pub struct TopN {
    fetch: usize,
    metrics: Arc<OperatorMetrics>,
    sort: SortSink,
}

struct TopNLocal {
    fetch: usize,
    /// Keys come from here, and candidates that do not fit go here.
    sort: SortLocal,
    chunks: Vec<Arc<Chunk>>,
    /// The candidates in the chunks; the other rows of the chunks are garbage.
    candidates: Vec<Entry>,
    /// A key that `fetch` rows are not greater than: rows above it cannot be in the result.
    bound: Option<Vec<u8>>,
    memory: MemoryReservation,
    keyed: SchemaRef,
    blocks: BlockLimits,
}

impl TopN {
    /// Rows of that schema. It is worth more than sorting all of them where `fetch` is small; where it is large it is
    /// bounded in memory too, since candidates that do not fit go to the external sort.
    pub fn new(schema: SchemaRef, keys: Vec<SortExpr>, fetch: usize, metrics: Arc<OperatorMetrics>) -> Self {
        let sort = SortSink::named("top-n", schema, keys, Some(fetch), metrics.clone());
        Self { fetch, metrics, sort }
    }
}

impl TopNLocal {
    /// Takes the rows that may be in the result.
    fn push(&mut self, mut chunk: Chunk) -> Result<()> {
        if let Some(bound) = &self.bound {
            let mask: BooleanArray = (0..chunk.rows()).map(|row| Some(chunk.key(row) < &**bound)).collect();
            match mask.true_count() {
                0 => return Ok(()),
                all if all == chunk.rows() => {}
                _ => chunk = Chunk::new(compact(&filter_record_batch(chunk.batch(), &mask)?)?)?,
            }
        }
        // Half as much again, for the copy that leaves the garbage behind.
        let bytes = chunk.memory() + chunk.memory() / 2;
        if !self.memory.try_grow(bytes) {
            self.give_up()?;
            return self.sort.push(chunk);
        }
        self.candidates.extend(entries(self.chunks.len(), &chunk));
        self.chunks.push(Arc::new(chunk));
        if self.candidates.len() > self.fetch.saturating_add(self.fetch.max(LEAST_SURPLUS)) {
            self.choose()?;
        }
        Ok(())
    }

    /// Keeps the best candidates, and copies them together where more than half of the rows held are garbage.
    fn choose(&mut self) -> Result<()> {
        let (_, worst, _) = self.candidates.select_nth_unstable_by(self.fetch - 1, |a, b| a.compare(b, &self.chunks));
        self.bound = Some(worst.key(&self.chunks).to_vec());
        self.candidates.truncate(self.fetch);
        let held: usize = self.chunks.iter().map(|chunk| chunk.rows()).sum();
        if held <= 2 * self.candidates.len() {
            return Ok(());
        }
        let mut gather = Gather::new(&self.keyed, self.blocks);
        let mut slots = vec![Gather::NO_SLOT; self.chunks.len()];
        let mut chunks = Vec::new();
        for entry in &self.candidates {
            let chunk = entry.chunk as usize;
            gather.push(&self.chunks[chunk], entry.row as usize, &mut slots[chunk]);
            if gather.is_full() {
                chunks.push(Arc::new(Chunk::new(gather.take()?)?));
                slots.fill(Gather::NO_SLOT);
            }
        }
        if !gather.is_empty() {
            chunks.push(Arc::new(Chunk::new(gather.take()?)?));
        }
        self.chunks = chunks;
        self.candidates.clear();
        for (index, chunk) in self.chunks.iter().enumerate() {
            self.candidates.extend(entries(index, chunk));
        }
        let bytes: u64 = self.chunks.iter().map(|chunk| chunk.memory()).sum();
        self.memory.resize(bytes + bytes / 2)
    }

    /// Hands all candidates, with the garbage beside them, to the sort; what the bound keeps out stays out.
    fn give_up(&mut self) -> Result<()> {
        self.candidates.clear();
        for chunk in std::mem::take(&mut self.chunks) {
            self.memory.shrink(chunk.memory() + chunk.memory() / 2);
            self.sort.push(Chunk::new(chunk.batch().clone())?)?;
        }
        self.memory.free();
        Ok(())
    }
}

impl Sink for TopN {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        Ok(Box::new(TopNLocal {
            fetch: self.fetch,
            sort: self.sort.sort_local(context, workers)?,
            chunks: Vec::new(),
            candidates: Vec::new(),
            bound: None,
            memory: context.memory.reservation("top-n", &self.metrics),
            keyed: self.sort.keyed_schema().clone(),
            blocks: BlockLimits::new(&context.memory, workers),
        }))
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        if self.fetch == 0 {
            return Ok(Flow::TaskDone);
        }
        let local = local.downcast_mut::<TopNLocal>().ok_or_else(wrong_local)?;
        let chunk = local.sort.encode(task, &batch)?;
        drop(batch);
        local.push(chunk)?;
        Ok(Flow::Continue)
    }

    fn wants(&self, _: TaskId) -> bool {
        self.fetch > 0
    }

    fn combine(&self, local: Local) -> Result<()> {
        let mut local = *local.downcast::<TopNLocal>().map_err(|_| wrong_local())?;
        local.give_up()?;
        self.sort.combine_sort(local.sort)
    }

    fn finish(&self, context: &QueryContext) -> Result<Arc<dyn Source>> {
        self.sort.finish(context)
    }
}
