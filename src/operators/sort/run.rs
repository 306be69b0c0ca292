//! Sorted runs: rows with their keys are buffered, put in order, and kept or written block by block.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, ListArray, RecordBatch, StringViewArray};
use arrow::compute::interleave;

use super::keys::prefix;
use crate::batch::{batch_memory, compact, drop_hidden_text, record_batch, shown_bytes};
use crate::context::CancelToken;
use crate::error::{Error, Result};
use crate::memory::{MemoryPool, MemoryReservation};
use crate::spill::{SpillSegment, SpillWriter};
use crate::types::{DataType, Field, Schema, SchemaRef};

/// The schema of rows with their keys, which are the last column.
pub(in crate::operators) fn keyed_schema(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().cloned().chain([Arc::new(Field::new("sort key", DataType::Binary, false))]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows with their keys.
#[derive(Debug)]
pub(in crate::operators) struct Chunk {
    batch: RecordBatch,
    keys: BinaryArray,
    texts: Vec<StringViewArray>,
    /// With the bytes of an item, about.
    lists: Vec<(ListArray, usize)>,
    /// Bytes of a row besides its key, its texts and its lists.
    fixed_bytes: usize,
}

impl Chunk {
    /// A batch whose last column is the keys.
    pub(in crate::operators) fn new(batch: RecordBatch) -> Result<Self> {
        let keys = batch.columns().last().and_then(|column| column.as_binary_opt::<i32>()).cloned();
        let keys = keys.ok_or_else(|| Error::internal("sorted rows without their keys"))?;
        let texts = batch.columns().iter().filter_map(|column| column.as_string_view_opt()).cloned().collect();
        let lists = batch.columns().iter().filter_map(|column| column.as_list_opt::<i32>());
        let lists = lists.map(|lists| {
            let bytes = shown_bytes(lists.values()) as usize / lists.values().len().max(1);
            (lists.clone(), bytes.max(1))
        });
        let lists = lists.collect();
        let widths = batch.columns().iter().map(|column| match column.data_type() {
            DataType::Utf8View => size_of::<u128>(),
            DataType::Binary | DataType::List(_) => size_of::<i32>(),
            other => other.primitive_width().unwrap_or(1),
        });
        let fixed_bytes = widths.sum();
        Ok(Self { keys, texts, lists, fixed_bytes, batch })
    }

    /// A batch and its keys, compacted.
    pub(in crate::operators) fn of(schema: &SchemaRef, batch: &RecordBatch, keys: BinaryArray) -> Result<Self> {
        let mut columns = compact(batch)?.columns().to_vec();
        columns.push(Arc::new(keys));
        Self::new(record_batch(schema, columns, batch.num_rows())?)
    }

    pub(in crate::operators) fn rows(&self) -> usize {
        self.keys.len()
    }

    pub(in crate::operators) fn key(&self, row: usize) -> &[u8] {
        self.keys.value(row)
    }

    pub(in crate::operators) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// Bytes that it takes, with those needed to put its rows in order.
    pub(in crate::operators) fn memory(&self) -> u64 {
        batch_memory(&self.batch) + (self.rows() * size_of::<Entry>()) as u64
    }

    /// Bytes of a row, about: where some rows are much wider than others, blocks are still of bounded size.
    fn row_bytes(&self, row: usize) -> usize {
        let texts: usize = self.texts.iter().map(|texts| text_length(texts, row)).sum();
        let lists: usize = self.lists.iter().map(|(lists, item)| lists.value_length(row) as usize * item).sum();
        self.fixed_bytes + self.keys.value_length(row) as usize + texts + lists
    }

    /// Whether the keys ascend, and from `last` on.
    fn ascends(&self, last: Option<&[u8]>) -> bool {
        let mut last = last.unwrap_or_default();
        (0..self.rows()).all(|row| {
            let before = std::mem::replace(&mut last, self.key(row));
            before <= last
        })
    }
}

/// The length of a text is the lowest 32 bits of its view.
fn text_length(texts: &StringViewArray, row: usize) -> usize {
    texts.views()[row] as u32 as usize
}

/// A row of some chunks. Most comparisons end at the prefix, which lies here and not behind two pointers.
#[derive(Clone, Copy, Debug)]
pub(in crate::operators) struct Entry {
    prefix: u64,
    pub(in crate::operators) chunk: u32,
    pub(in crate::operators) row: u32,
}

impl Entry {
    pub(in crate::operators) fn key<'a>(&self, chunks: &'a [Arc<Chunk>]) -> &'a [u8] {
        chunks[self.chunk as usize].key(self.row as usize)
    }

    pub(in crate::operators) fn compare(&self, other: &Self, chunks: &[Arc<Chunk>]) -> std::cmp::Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.key(chunks).cmp(other.key(chunks)))
    }
}

/// The rows of the chunk with that index.
pub(in crate::operators) fn entries(index: usize, chunk: &Chunk) -> impl Iterator<Item = Entry> {
    (0..chunk.rows()).map(move |row| Entry { prefix: prefix(chunk.key(row)), chunk: index as u32, row: row as u32 })
}

/// Rows that wait to become a run.
#[derive(Debug, Default)]
pub(super) struct RunBuffer {
    chunks: Vec<Arc<Chunk>>,
    rows: usize,
    /// Some key is less than the one before it.
    unsorted: bool,
}

impl RunBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    #[cfg(test)]
    pub(super) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        let last = self.chunks.last().map(|chunk| chunk.key(chunk.rows() - 1));
        self.unsorted = self.unsorted || !chunk.ascends(last);
        self.rows += chunk.rows();
        self.chunks.push(Arc::new(chunk));
    }

    /// The rows in order. Input that came in order, as that of files by time often does, is not sorted again.
    pub(super) fn sort(self) -> SortedRows {
        let mut order = Vec::with_capacity(self.rows);
        for (index, chunk) in self.chunks.iter().enumerate() {
            order.extend(entries(index, chunk));
        }
        if self.unsorted {
            order.sort_unstable_by(|a, b| a.compare(b, &self.chunks));
        }
        SortedRows { chunks: self.chunks, order }
    }
}

/// Chunks, and their rows in the order of the keys.
#[derive(Debug)]
pub(in crate::operators) struct SortedRows {
    pub(in crate::operators) chunks: Vec<Arc<Chunk>>,
    pub(in crate::operators) order: Vec<Entry>,
}

impl SortedRows {
    /// Writes the rows, with their keys, as one run.
    pub(super) fn write(
        &self,
        writer: &mut SpillWriter,
        schema: &SchemaRef,
        blocks: BlockLimits,
        cancel: &CancelToken,
    ) -> Result<SpillSegment> {
        let mut gather = Gather::new(schema, blocks);
        let mut slots = vec![Gather::NO_SLOT; self.chunks.len()];
        for entry in &self.order {
            let chunk = entry.chunk as usize;
            gather.push(&self.chunks[chunk], entry.row as usize, &mut slots[chunk]);
            if gather.is_full() {
                cancel.check()?;
                writer.write(&gather.take()?)?;
                slots.fill(Gather::NO_SLOT);
            }
        }
        if !gather.is_empty() {
            writer.write(&gather.take()?)?;
        }
        Ok(writer.cut())
    }
}

/// A sorted run. Keys are unique over all runs.
#[derive(Debug)]
pub(super) enum Run {
    Memory(MemoryRun),
    Spilled(SpillSegment),
}

/// A run in memory, and what it holds of the budget.
#[derive(Debug)]
pub(super) struct MemoryRun {
    pub(super) rows: SortedRows,
    pub(super) memory: MemoryReservation,
}

/// How large a block of a run, and a batch of the result, may become.
#[derive(Clone, Copy, Debug)]
pub(in crate::operators) struct BlockLimits {
    rows: usize,
    bytes: usize,
}

impl BlockLimits {
    /// Blocks so small that many runs can be merged within a fraction of what one of `workers` sinks may hold.
    pub(in crate::operators) fn new(pool: &MemoryPool, workers: usize) -> Self {
        let bytes = (pool.fair_share(workers) / 128).clamp(32 << 10, 1 << 20);
        Self { rows: 8192, bytes: bytes as usize }
    }

    /// Blocks of at most so many rows.
    pub(super) fn with_rows(self, rows: usize) -> Self {
        Self { rows: rows.max(1), ..self }
    }

    /// Memory that making and writing (or reading) one block takes at most: the places of its rows, what was gathered,
    /// its encoding, its compression.
    pub(in crate::operators) fn scratch(self) -> u64 {
        6 * self.bytes as u64
    }
}

/// Gathers rows of many chunks to a batch of bounded size.
#[derive(Debug)]
pub(in crate::operators) struct Gather {
    /// The first columns of the chunks: with the keys or without.
    schema: SchemaRef,
    limits: BlockLimits,
    chunks: Vec<Arc<Chunk>>,
    rows: Vec<(usize, usize)>,
    bytes: usize,
}

impl Gather {
    /// What stands for a chunk that has no row in the batch yet.
    pub(in crate::operators) const NO_SLOT: usize = usize::MAX;

    pub(in crate::operators) fn new(schema: &SchemaRef, limits: BlockLimits) -> Self {
        Self { schema: schema.clone(), limits, chunks: Vec::new(), rows: Vec::new(), bytes: 0 }
    }

    /// Adds a row. The caller keeps the chunk's slot until the batch is taken.
    pub(in crate::operators) fn push(&mut self, chunk: &Arc<Chunk>, row: usize, slot: &mut usize) {
        if *slot == Self::NO_SLOT {
            *slot = self.chunks.len();
            self.chunks.push(chunk.clone());
        }
        self.rows.push((*slot, row));
        self.bytes += chunk.row_bytes(row);
    }

    pub(in crate::operators) fn is_full(&self) -> bool {
        self.rows.len() >= self.limits.rows || self.bytes >= self.limits.bytes
    }

    pub(in crate::operators) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The batch of the rows added. All slots are void.
    pub(in crate::operators) fn take(&mut self) -> Result<RecordBatch> {
        let columns = (0..self.schema.fields().len()).map(|index| self.column(index)).collect::<Result<_>>()?;
        let batch = record_batch(&self.schema, columns, self.rows.len())?;
        self.chunks.clear();
        self.rows.clear();
        self.bytes = 0;
        Ok(batch)
    }

    fn column(&self, index: usize) -> Result<ArrayRef> {
        let columns: Vec<&dyn Array> = self.chunks.iter().map(|chunk| &**chunk.batch.column(index)).collect();
        let gathered = interleave(&columns, &self.rows)?;
        // Views would keep the text of all chunks alive.
        Ok(drop_hidden_text(&gathered))
    }
}
