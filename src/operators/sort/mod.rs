//! ORDER BY: an external merge sort.
//!
//! ```text
//! each worker                                                     held by its reservation "sort"
//!   batch ─▶ keys (normalised bytes, position last) ─▶ buffer      rows, keys, 16 bytes a row to sort them,
//!                                                       │          and what making one block takes
//!          growing refused, or under pressure more      │
//!          than a fair share ───────────────────────────┤
//!                                                       ▼
//!              order (prefix, then key) ─▶ blocks ─▶ a run in the worker's spill file
//! combine                                                          the last run stays in memory
//! finish
//!   do two blocks of every spilled run fit?  ── no ─▶ runs in memory are spilled too, the largest first
//!          │                                    no ─▶ the smallest runs are merged to one, and so on
//!          ▼ yes
//!   SortedSource: merges runs in memory and on disk while it is read; a block of output and two of each spilled run
//! ```
//!
//! A run on disk carries its keys, so merging never computes them again. Blocks are bounded in rows and bytes, by what
//! each of their rows needs, so that the merge of many runs stays small where rows are wide.

mod keys;
mod merge;
mod run;
mod source;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use crate::context::QueryContext;
use crate::error::Result;
use crate::expr::SortExpr;
use crate::io::source::Source;
use crate::memory::{MemoryReservation, Pressure};
use crate::metrics::OperatorMetrics;
use crate::operators::buffer::wrong_local;
use crate::operators::{Flow, Local, Sink, TaskId};
use crate::spill::{SpillSegment, SpillWriter};
use crate::types::SchemaRef;
use merge::MergeSetup;
use run::{MemoryRun, Run, RunBuffer, keyed_schema};
use source::SortedSource;

pub(super) use keys::SortKeys;
pub(super) use run::{BlockLimits, Chunk, Entry, Gather, entries};

/// Sorts all rows. Rows with equal keys keep the order of the input.
#[derive(Debug)]
pub struct SortSink {
    name: &'static str,
    /// Of the rows.
    schema: SchemaRef,
    /// Of the rows with their keys.
    keyed: SchemaRef,
    keys: Vec<SortExpr>,
    /// Rows that are wanted of the result.
    fetch: Option<usize>,
    metrics: Arc<OperatorMetrics>,
    runs: Mutex<Vec<Run>>,
}

/// What one worker sorts.
pub(super) struct SortLocal {
    // What it is for.
    name: &'static str,
    keyed: SchemaRef,
    blocks: BlockLimits,
    share: u64,
    context: QueryContext,
    metrics: Arc<OperatorMetrics>,
    // What it has seen.
    keys: SortKeys,
    buffer: RunBuffer,
    spilled: Vec<SpillSegment>,
    // What it holds.
    memory: MemoryReservation,
    writer: Option<SpillWriter>,
}

impl SortSink {
    /// Rows of that schema, sorted by the first key, where those are equal by the second, and so on.
    pub fn new(schema: SchemaRef, keys: Vec<SortExpr>, metrics: Arc<OperatorMetrics>) -> Self {
        Self::named("sort", schema, keys, None, metrics)
    }

    /// A sort that reserves and spills under that name, of whose result only the first `fetch` rows are wanted.
    pub(super) fn named(
        name: &'static str,
        schema: SchemaRef,
        keys: Vec<SortExpr>,
        fetch: Option<usize>,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        let keyed = keyed_schema(&schema);
        Self { name, schema, keyed, keys, fetch, metrics, runs: Mutex::default() }
    }

    /// The schema of the rows with their keys.
    pub(super) fn keyed_schema(&self) -> &SchemaRef {
        &self.keyed
    }

    pub(super) fn sort_local(&self, context: &QueryContext, workers: usize) -> Result<SortLocal> {
        Ok(SortLocal {
            name: self.name,
            keyed: self.keyed.clone(),
            blocks: BlockLimits::new(&context.memory, workers),
            share: context.memory.fair_share(workers),
            context: context.clone(),
            metrics: self.metrics.clone(),
            keys: SortKeys::new(&self.keys, &context.config)?,
            buffer: RunBuffer::default(),
            spilled: Vec::new(),
            memory: context.memory.reservation(self.name, &self.metrics),
            writer: None,
        })
    }

    pub(super) fn combine_sort(&self, mut local: SortLocal) -> Result<()> {
        if !local.spilled.is_empty() && local.context.memory.pressure() >= Pressure::Target {
            // The merge would need that memory; now the workers write at the same time.
            local.spill()?;
        }
        let mut runs: Vec<Run> = local.spilled.into_iter().map(Run::Spilled).collect();
        if !local.buffer.is_empty() {
            local.memory.shrink(local.blocks.scratch());
            runs.push(Run::Memory(MemoryRun { rows: local.buffer.sort(), memory: local.memory }));
        }
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).extend(runs);
        Ok(())
    }
}

impl SortLocal {
    /// The rows with their keys.
    pub(super) fn encode(&mut self, task: TaskId, batch: &RecordBatch) -> Result<Chunk> {
        let keys = self.keys.encode(task, batch)?;
        Chunk::of(&self.keyed, batch, keys)
    }

    /// Buffers rows, and spills first where there is no room.
    pub(super) fn push(&mut self, chunk: Chunk) -> Result<()> {
        if chunk.rows() == 0 {
            return Ok(());
        }
        self.context.cancel.check()?;
        if self.memory.bytes() == 0 {
            self.memory.grow(self.blocks.scratch())?;
        }
        self.reserve(chunk.memory())?;
        self.buffer.push(chunk);
        Ok(())
    }

    fn reserve(&mut self, bytes: u64) -> Result<()> {
        let beyond_share = self.memory.bytes() + bytes > self.share;
        let crowded = beyond_share && self.context.memory.pressure() >= Pressure::Target;
        if !crowded && self.memory.try_grow(bytes) {
            return Ok(());
        }
        // Where others hold the memory, runs must not become too many and too small to be merged.
        if self.memory.bytes() < self.share / 8 && self.memory.grow(bytes).is_ok() {
            return Ok(());
        }
        self.spill()?;
        self.memory.grow(bytes)
    }

    /// Writes what is buffered as one run.
    fn spill(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(self.context.spill.create(self.name, &self.metrics)?),
        };
        let sorted = std::mem::take(&mut self.buffer).sort();
        self.spilled.push(sorted.write(writer, &self.keyed, self.blocks, &self.context.cancel)?);
        drop(sorted);
        self.memory.resize(self.blocks.scratch())
    }
}

impl Sink for SortSink {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        Ok(Box::new(self.sort_local(context, workers)?))
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        let local = local.downcast_mut::<SortLocal>().ok_or_else(wrong_local)?;
        let chunk = local.encode(task, &batch)?;
        drop(batch);
        local.push(chunk)?;
        Ok(Flow::Continue)
    }

    fn combine(&self, local: Local) -> Result<()> {
        self.combine_sort(*local.downcast::<SortLocal>().map_err(|_| wrong_local())?)
    }

    fn finish(&self, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        let blocks = BlockLimits::new(&context.memory, context.config.threads);
        let setup = MergeSetup { name: self.name, schema: &self.keyed, blocks, context, metrics: &self.metrics };
        self.metrics.add("sorted runs", runs.len() as u64);
        let (runs, memory) = setup.reduce(runs)?;
        Ok(Arc::new(SortedSource {
            name: self.name,
            schema: self.schema.clone(),
            runs: runs.into_iter().map(Arc::new).collect(),
            blocks,
            fetch: self.fetch,
            memory: Mutex::new(Some(memory)),
            metrics: self.metrics.clone(),
        }))
    }
}
