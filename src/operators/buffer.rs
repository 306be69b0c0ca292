//! Materialises rows in their order, in memory as far as a share of the budget goes, else on disk: behind CREATE TABLE
//! AS, `persist` and LIMIT.
//!
//! ```text
//! batch ── fits the share? ── yes ──▶ kept in memory, compacted
//!                           └─ no ──▶ what the worker keeps, oldest first, and the batch ──▶ the worker's spill file
//! finish: chunks of all workers in the order of their tasks ──▶ BufferSource
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use crate::batch::{batch_memory, compact};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::memory::{MemoryReservation, Pressure};
use crate::metrics::OperatorMetrics;
use crate::operators::{Flow, Local, Sink, TaskId};
use crate::spill::{SpillSegment, SpillWriter};
use crate::types::SchemaRef;

/// Chunks of fewer rows are read together with their neighbours.
const PARTITION_ROWS: u64 = 16 * 1024;
/// Bytes of one block of the spill file, about.
const BLOCK_BYTES: u64 = 1 << 20;

/// Keeps all rows in the order of tasks. [`finish`](Self::finish_buffer) gives a source that can be read again and
/// again.
#[derive(Debug)]
pub struct Materialize {
    schema: SchemaRef,
    name: String,
    metrics: Arc<OperatorMetrics>,
    combined: Mutex<Combined>,
}

#[derive(Debug, Default)]
struct Combined {
    chunks: Vec<Chunk>,
    memory: Vec<MemoryReservation>,
}

/// The rows of one task.
#[derive(Debug)]
struct Chunk {
    partition: usize,
    rows: u64,
    pieces: Vec<Piece>,
}

/// Some rows of a task, in their order.
#[derive(Clone, Debug)]
enum Piece {
    Memory(RecordBatch),
    Spilled(SpillSegment),
}

/// What one worker keeps.
pub(super) struct BufferLocal {
    /// One per task, in the order in which they came.
    chunks: Vec<Chunk>,
    memory: MemoryReservation,
    /// What this worker may keep in memory before it spills: half of a sink's share, since what is materialised stays
    /// while other queries run.
    share: u64,
    writer: Option<SpillWriter>,
    context: QueryContext,
}

impl Materialize {
    /// Rows of that schema, held and spilled under that name.
    pub fn new(schema: SchemaRef, name: &str, metrics: Arc<OperatorMetrics>) -> Self {
        Self { schema, name: name.to_string(), metrics, combined: Mutex::default() }
    }

    /// All workers are through: the rows as a source.
    pub fn finish_buffer(&self) -> Arc<BufferSource> {
        self.finish_range(0, None)
    }

    /// The rows from `skip` on, at most `fetch` of them, as a source.
    pub(super) fn finish_range(&self, skip: u64, fetch: Option<u64>) -> Arc<BufferSource> {
        let Combined { mut chunks, memory } =
            std::mem::take(&mut *self.combined.lock().unwrap_or_else(PoisonError::into_inner));
        chunks.sort_by_key(|chunk| chunk.partition);
        Arc::new(BufferSource::new(self.schema.clone(), chunks, memory, skip, fetch))
    }

    pub(super) fn buffer_local(&self, context: &QueryContext, workers: usize) -> BufferLocal {
        BufferLocal {
            chunks: Vec::new(),
            memory: context.memory.reservation(&self.name, &self.metrics),
            share: context.memory.fair_share(2 * workers.max(1)),
            writer: None,
            context: context.clone(),
        }
    }

    /// Keeps a batch behind what is kept of the task.
    pub(super) fn keep(&self, local: &mut BufferLocal, task: TaskId, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        local.context.cancel.check()?;
        let batch = compact(batch)?;
        let bytes = batch_memory(&batch);
        let fits = local.memory.bytes() + bytes <= local.share
            && local.context.memory.pressure() < Pressure::Target
            && local.memory.try_grow(bytes);
        if local.chunks.last().is_none_or(|chunk| chunk.partition != task.partition) {
            local.chunks.push(Chunk { partition: task.partition, rows: 0, pieces: Vec::new() });
        }
        if let Some(chunk) = local.chunks.last_mut() {
            chunk.rows += batch.num_rows() as u64;
            chunk.pieces.push(Piece::Memory(batch));
        }
        if fits { Ok(()) } else { self.spill(local) }
    }

    pub(super) fn combine_buffer(&self, local: BufferLocal) {
        let mut combined = self.combined.lock().unwrap_or_else(PoisonError::into_inner);
        combined.chunks.extend(local.chunks);
        combined.memory.push(local.memory);
    }

    /// Writes all that is in memory; the pieces of a chunk keep their order.
    fn spill(&self, local: &mut BufferLocal) -> Result<()> {
        if local.writer.is_none() {
            local.writer = Some(local.context.spill.create(&self.name, &self.metrics)?);
        }
        let Some(writer) = &mut local.writer else { return Ok(()) };
        for chunk in &mut local.chunks {
            let kept = chunk.pieces.iter().position(|piece| matches!(piece, Piece::Memory(_)));
            let Some(first) = kept else { continue };
            // Pieces are spilled from the first on: behind one in memory there is none on disk.
            let mut block = Block::default();
            for piece in chunk.pieces.drain(first..) {
                if let Piece::Memory(batch) = piece {
                    local.context.cancel.check()?;
                    block.add(batch, writer)?;
                }
            }
            block.write(writer)?;
            chunk.pieces.push(Piece::Spilled(writer.cut()));
        }
        local.memory.free();
        Ok(())
    }
}

/// Batches on their way to disk: small ones are put together, and large ones cut, to about [`BLOCK_BYTES`].
#[derive(Default)]
struct Block {
    batches: Vec<RecordBatch>,
    bytes: u64,
}

impl Block {
    fn add(&mut self, batch: RecordBatch, writer: &mut SpillWriter) -> Result<()> {
        let bytes = batch_memory(&batch);
        if self.bytes + bytes > BLOCK_BYTES {
            self.write(writer)?;
        }
        self.bytes += bytes;
        self.batches.push(batch);
        Ok(())
    }

    fn write(&mut self, writer: &mut SpillWriter) -> Result<()> {
        let Some(first) = self.batches.first() else { return Ok(()) };
        let batch = concat_batches(&first.schema(), &self.batches)?;
        self.batches.clear();
        let blocks = std::mem::take(&mut self.bytes).div_ceil(BLOCK_BYTES).max(1);
        let rows = batch.num_rows().div_ceil(blocks as usize);
        slices(batch, rows).try_for_each(|part| writer.write(&part))
    }
}

/// The batch in slices of at most `rows` rows.
fn slices(batch: RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> + Send {
    let rows = rows.max(1);
    (0..batch.num_rows()).step_by(rows).map(move |start| batch.slice(start, rows.min(batch.num_rows() - start)))
}

pub(super) fn wrong_local() -> Error {
    Error::internal("a sink was handed the state of another one")
}

impl Sink for Materialize {
    fn local(&self, context: &QueryContext, workers: usize) -> Result<Local> {
        Ok(Box::new(self.buffer_local(context, workers)))
    }

    fn sink(&self, local: &mut Local, task: TaskId, batch: RecordBatch) -> Result<Flow> {
        let local = local.downcast_mut::<BufferLocal>().ok_or_else(wrong_local)?;
        self.keep(local, task, &batch)?;
        Ok(Flow::Continue)
    }

    fn combine(&self, local: Local) -> Result<()> {
        self.combine_buffer(*local.downcast::<BufferLocal>().map_err(|_| wrong_local())?);
        Ok(())
    }

    fn finish(&self, _: &QueryContext) -> Result<Arc<dyn Source>> {
        Ok(self.finish_buffer())
    }
}

/// Materialised rows in their order. What is in memory stays reserved, what is on disk counts against the quota, until
/// the source and its readers are dropped.
#[derive(Debug)]
pub struct BufferSource {
    schema: SchemaRef,
    partitions: Vec<Arc<Partition>>,
    rows: u64,
    memory: Arc<Vec<MemoryReservation>>,
}

/// Rows `skip..skip + rows` of some pieces.
#[derive(Debug, Default)]
struct Partition {
    pieces: Vec<Piece>,
    skip: u64,
    rows: u64,
}

impl BufferSource {
    fn new(
        schema: SchemaRef,
        chunks: Vec<Chunk>,
        mut memory: Vec<MemoryReservation>,
        mut skip: u64,
        fetch: Option<u64>,
    ) -> Self {
        let mut wanted = fetch.unwrap_or(u64::MAX);
        let mut partitions: Vec<Partition> = Vec::new();
        for mut chunk in chunks {
            if wanted == 0 || chunk.rows <= skip {
                skip -= skip.min(chunk.rows);
                continue;
            }
            let rows = (chunk.rows - skip).min(wanted);
            wanted -= rows;
            // Only the first partition skips, and only the last one ends early, so all between can be joined.
            match partitions.last_mut() {
                Some(last) if last.rows < PARTITION_ROWS => {
                    last.pieces.append(&mut chunk.pieces);
                    last.rows += rows;
                }
                _ => partitions.push(Partition { pieces: chunk.pieces, skip, rows }),
            }
            skip = 0;
        }
        // What was cut off is not held any more.
        let mut kept = partitions.iter().flat_map(|partition| &partition.pieces).map(piece_memory).sum::<u64>();
        for reservation in &mut memory {
            let keep = reservation.bytes().min(kept);
            kept -= keep;
            reservation.shrink(reservation.bytes() - keep);
        }
        let rows = partitions.iter().map(|partition| partition.rows).sum();
        Self { schema, partitions: partitions.into_iter().map(Arc::new).collect(), rows, memory: Arc::new(memory) }
    }

    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of memory that it holds.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.iter().map(MemoryReservation::bytes).sum()
    }
}

fn piece_memory(piece: &Piece) -> u64 {
    match piece {
        Piece::Memory(batch) => batch_memory(batch),
        Piece::Spilled(_) => 0,
    }
}

impl Source for BufferSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn open(&self, partition: usize, context: &QueryContext, _: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let partition = self.partitions.get(partition).cloned();
        let partition = partition.ok_or_else(|| Error::internal("there is no such partition of a buffer"))?;
        // The reader keeps the reservations, since it keeps the batches.
        let held = self.memory.clone();
        let cancel = context.cancel.clone();
        let batch_size = context.config.batch_size;
        let (skip, rows) = (partition.skip, partition.rows);
        let batches = (0..partition.pieces.len()).flat_map(move |piece| {
            let _ = &held;
            read_piece(&partition.pieces[piece])
        });
        let checked = batches.map(move |batch| cancel.check().and(batch));
        Ok(Box::new(range(checked, skip, rows).flat_map(move |batch| match batch {
            Ok(batch) => Box::new(slices(batch, batch_size).map(Ok)) as BatchStream,
            Err(error) => Box::new(std::iter::once(Err(error))),
        })))
    }
}

fn read_piece(piece: &Piece) -> BatchStream {
    match piece {
        Piece::Memory(batch) => Box::new(std::iter::once(Ok(batch.clone()))),
        Piece::Spilled(segment) => Box::new(segment.reader()),
    }
}

/// The rows from `skip` on, at most `fetch` of them; nothing is read behind the last one.
pub(super) fn range(
    mut batches: impl Iterator<Item = Result<RecordBatch>> + Send,
    mut skip: u64,
    mut fetch: u64,
) -> impl Iterator<Item = Result<RecordBatch>> + Send {
    std::iter::from_fn(move || {
        while fetch > 0 {
            let batch = match batches.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            };
            let rows = batch.num_rows() as u64;
            if rows <= skip {
                skip -= rows;
                continue;
            }
            let start = std::mem::take(&mut skip);
            let length = (rows - start).min(fetch);
            fetch -= length;
            return Some(Ok(batch.slice(start as usize, length as usize)));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::operators::testing::{context, drive, random, read};

    fn batch(start: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(start..start + rows));
        let texts: StringViewArray =
            (start..start + rows).map(|n| Some(format!("a text longer than a view {n}"))).collect();
        RecordBatch::try_from_iter([("n", numbers), ("t", Arc::new(texts) as ArrayRef)]).unwrap()
    }

    /// Tasks of batches that count up over all of them.
    fn tasks(count: usize, seed: u64) -> (Vec<Vec<RecordBatch>>, i64) {
        let mut random = random(seed);
        let mut next = 0;
        let tasks = (0..count)
            .map(|_| {
                (0..random(6))
                    .map(|_| {
                        let rows = random(700) as i64;
                        next += rows;
                        batch(next - rows, rows)
                    })
                    .collect()
            })
            .collect();
        (tasks, next)
    }

    fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    #[test]
    fn rows_come_back_in_the_order_of_tasks_at_every_budget_and_number_of_workers() {
        for (budget, workers) in [(1 << 30, 1), (1 << 30, 3), (1 << 20, 1), (1 << 20, 4), (64 << 10, 2)] {
            let (tasks, rows) = tasks(40, budget);
            let context = context(budget, 500);
            let metrics = OperatorMetrics::new();
            let sink = Materialize::new(batch(0, 0).schema(), "table t", metrics.clone());
            let mut locals: Vec<_> = (0..workers).map(|_| sink.local(&context, workers).unwrap()).collect();
            for (partition, batches) in tasks.iter().enumerate().rev() {
                for batch in batches {
                    let local = &mut locals[partition % workers];
                    sink.sink(local, TaskId { partition }, batch.clone()).unwrap();
                }
            }
            for local in locals {
                sink.combine(local).unwrap();
            }
            let source = sink.finish_buffer();
            assert_eq!(source.rows(), rows as u64);
            assert_eq!(source.memory_bytes(), context.memory.reserved());
            assert!(source.partitions() > 1 && source.partitions() < 10, "{}", source.partitions());
            let spilled = OperatorMetrics::get(&metrics.spilled_bytes);
            assert_eq!(spilled > 0, budget <= 1 << 20, "{spilled}");
            assert!(OperatorMetrics::get(&metrics.spill_files) <= workers as u64, "one file a worker");
            let source: Arc<dyn Source> = source;
            for _ in 0..2 {
                let batches = read(&source, &context).unwrap();
                assert!(batches.iter().all(|batch| batch.num_rows() <= 500));
                assert_eq!(numbers(&batches), (0..rows).collect::<Vec<_>>());
            }
            drop(source);
            assert_eq!((context.memory.reserved(), context.spill.used()), (0, 0));
        }
    }

    #[test]
    fn a_reader_keeps_what_it_reads_reserved() {
        let context = context(1 << 30, 100);
        let sink = Materialize::new(batch(0, 0).schema(), "persist", OperatorMetrics::new());
        let source = drive(&sink, &context, 1, &[vec![batch(0, 1000)]]).unwrap();
        let mut reader = source.open(0, &context, &OperatorMetrics::new()).unwrap();
        drop(source);
        assert!(context.memory.reserved() > 0);
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 100);
        context.cancel.cancel();
        drop(reader);
        assert_eq!(context.memory.reserved(), 0);
    }

    #[test]
    fn what_is_materialised_leaves_most_of_the_budget_to_others() {
        let (tasks, _) = tasks(200, 9);
        let context = context(1 << 20, 1000);
        let sink = Materialize::new(batch(0, 0).schema(), "table t", OperatorMetrics::new());
        let _source = drive(&sink, &context, 2, &tasks).unwrap();
        assert!(context.memory.reserved() <= context.memory.fair_share(2));
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_table() {
        let mut context = context(64 << 10, 1000);
        context.spill = crate::spill::SpillManager::new(&context.config.temp_dir, Some(1000));
        let sink = Materialize::new(batch(0, 0).schema(), "table t", OperatorMetrics::new());
        let error = drive(&sink, &context, 1, &tasks(40, 1).0).unwrap_err();
        assert!(error.to_string().starts_with("table t cannot spill"), "{error}");
        drop(sink);
        assert_eq!((context.memory.reserved(), context.spill.used()), (0, 0));
    }
}
